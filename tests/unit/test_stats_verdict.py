"""The gate: pass, fail, inconclusive, and when it asks for a second attempt."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgvitals.errors import MeasureError
from pgvitals.results.outcome import Outcome
from pgvitals.stats.percentile import batch_interval, percentile
from pgvitals.stats.verdict import Attempt, GateRules, judge, overall

exact = settings(deadline=None, max_examples=60, derandomize=True, database=None)


def attempt(
    p95_ms: float,
    *,
    batches: int = 20,
    size: int = 100,
    quiet: int | None = None,
    seed: int = 1,
    spread: float = 0.1,
) -> Attempt:
    """Lognormal latencies whose long-run p95 is about ``p95_ms``; the first ``quiet`` batches are valid."""
    rng = np.random.default_rng(seed)
    logs = rng.normal(size=(batches, size)) * 0.3 + rng.normal(size=(batches, 1)) * spread
    scale = p95_ms / np.exp(1.645 * np.hypot(0.3, spread))
    valid = np.arange(batches) < (batches if quiet is None else quiet)
    return Attempt(batches=list(scale * np.exp(logs)), valid=valid)


def test_a_p95_far_under_its_budget_passes_at_once():
    verdict = judge(attempt(0.4), None, 20)
    assert verdict.outcome is Outcome.PASS
    assert not verdict.needs_second_attempt
    assert verdict.interval is not None
    assert verdict.interval.low < verdict.p95_ms < verdict.interval.high < 20
    assert (verdict.samples, verdict.batches, verdict.valid_batches) == (2000, 20, 20)


def test_the_reason_of_a_pass_has_numbers_units_and_confidence():
    verdict = judge(attempt(0.4), None, 20)
    assert verdict.interval is not None
    p95, high = (f"{value:.3f}".rstrip("0") for value in (verdict.p95_ms, verdict.interval.high))
    assert verdict.reason == f"p95 {p95} ms, at most {high} ms (99 %), budget 20 ms"


def test_the_interval_is_the_batch_interval_around_batches_and_pool():
    one = attempt(5.0)
    per_batch = [percentile(batch, 0.95) for batch in one.batches]
    pooled = percentile(np.concatenate(one.batches), 0.95)
    assert judge(one, None, 20).interval == batch_interval(per_batch, 0.99, pooled=pooled)


def test_over_the_budget_once_asks_for_a_second_attempt():
    verdict = judge(attempt(30), None, 20)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.needs_second_attempt
    assert "over, if a second attempt agrees" in verdict.reason


def test_over_the_budget_twice_fails():
    verdict = judge(attempt(30), attempt(30, seed=2), 20)
    assert verdict.outcome is Outcome.FAIL
    assert not verdict.needs_second_attempt
    assert "over in each of two attempts" in verdict.reason
    assert verdict.batches == 40


def test_over_the_budget_once_and_far_under_it_the_next_time_does_not_fail():
    verdict = judge(attempt(30), attempt(8, seed=2), 20)
    assert verdict.outcome is not Outcome.FAIL
    assert not verdict.needs_second_attempt


def test_an_open_attempt_asks_for_a_second_one_and_says_between_what():
    verdict = judge(attempt(20), None, 20)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.needs_second_attempt
    assert "between" in verdict.reason
    assert "a second attempt may tell" in verdict.reason


def test_what_stays_open_after_two_attempts_is_inconclusive_for_good():
    verdict = judge(attempt(20), attempt(20, seed=2), 20)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert not verdict.needs_second_attempt
    assert verdict.reason.endswith("still open after two attempts")


def budget_between_one_and_both(p95_ms: float, side: str) -> tuple[Attempt, Attempt, float]:
    """Two attempts and a budget that each alone leaves open and both together decide."""
    one, two = attempt(p95_ms, seed=5), attempt(p95_ms, seed=5)
    alone, both = judge(one, None, p95_ms).interval, judge(one, two, p95_ms).interval
    assert alone is not None
    assert both is not None
    budget = (alone.high + both.high) / 2 if side == "under" else (alone.low + both.low) / 2
    return one, two, budget


def test_two_open_attempts_that_are_under_together_pass():
    one, two, budget = budget_between_one_and_both(10.0, "under")
    assert judge(one, None, budget).needs_second_attempt
    verdict = judge(one, two, budget)
    assert verdict.outcome is Outcome.PASS
    assert "two attempts" in verdict.reason


def test_two_open_attempts_that_are_over_together_and_each_by_itself_stay_open():
    one, two, budget = budget_between_one_and_both(10.0, "over")
    assert "a second attempt may tell" in judge(one, None, budget).reason
    verdict = judge(one, two, budget)
    assert verdict.interval is not None
    assert verdict.interval.low > budget
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.endswith("still open after two attempts")


def test_one_attempt_over_and_one_open_is_no_fail_whatever_they_are_together():
    over, is_open = attempt(30, batches=60, spread=0.01), attempt(20.5, batches=20, seed=2)
    assert "a second attempt may tell" in judge(is_open, None, 20).reason
    for first, second in ((over, is_open), (is_open, over)):
        verdict = judge(first, second, 20)
        assert verdict.interval is not None
        assert verdict.interval.low > 20
        assert verdict.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("enough", [(), (0,), (1,)])
def test_attempts_too_thin_to_say_fail_together_if_each_points_over(enough):
    sizes = [20 if number in enough else 7 for number in (0, 1)]
    one, two = (attempt(30, batches=size, seed=seed) for seed, size in enumerate(sizes, start=1))
    verdict = judge(one, two, 20)
    assert verdict.outcome is Outcome.FAIL
    assert "each with a p95 over it" in verdict.reason


def test_over_together_is_no_fail_if_one_attempt_lies_under_the_budget():
    high, low = attempt(30, batches=60, spread=0.01), attempt(19, batches=12, seed=2, spread=0.01)
    verdict = judge(high, low, 20)
    assert verdict.interval is not None
    assert verdict.interval.low > 20
    assert verdict.outcome is Outcome.INCONCLUSIVE


def test_too_few_batches_are_inconclusive_and_the_reason_counts_them():
    verdict = judge(attempt(0.4, batches=11), None, 20)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.startswith("only 11 batches were measured, 12 needed; p95 0.399 ms, between")


def test_too_few_batches_add_up_over_two_attempts():
    verdict = judge(attempt(0.4, batches=7), attempt(0.4, batches=7, seed=2), 20)
    assert verdict.outcome is Outcome.PASS
    assert verdict.batches == 14


def test_too_few_samples_are_inconclusive_and_the_reason_counts_them():
    verdict = judge(attempt(0.4, batches=14, size=4), None, 20)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.startswith("only 56 samples, 59 needed")
    assert judge(attempt(0.4, batches=15, size=4), None, 20).outcome is Outcome.PASS


def test_the_least_evidence_and_the_confidence_can_be_set():
    rules = GateRules(confidence=0.95, min_batches=5, min_samples=20)
    verdict = judge(attempt(0.4, batches=5), None, 20, rules)
    assert verdict.outcome is Outcome.PASS
    assert "(95 %)" in verdict.reason


@pytest.mark.parametrize("quiet", [0, 7])
def test_a_p95_under_its_budget_in_spite_of_noise_passes_and_says_so(quiet):
    verdict = judge(attempt(0.4, quiet=quiet), None, 20)
    assert verdict.outcome is Outcome.PASS
    assert verdict.under_disturbance
    assert f"under disturbance ({quiet} of 20 batches quiet)" in verdict.reason
    assert (verdict.samples, verdict.valid_batches) == (2000, quiet)


@pytest.mark.parametrize("quiet", [0, 1, 7])
def test_a_p95_over_its_budget_under_noise_never_fails(quiet):
    verdict = judge(attempt(60, quiet=quiet), attempt(60, quiet=min(quiet, 4), seed=2), 20)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "12 needed" in verdict.reason


def test_disturbed_batches_do_not_turn_a_pass_into_a_fail():
    calm = attempt(10)
    noisy = [batch * 5 for batch in calm.batches[:6]]
    mixed = Attempt(batches=[*calm.batches, *noisy], valid=np.arange(26) < 20)
    verdict = judge(mixed, None, 20)
    assert verdict.outcome is Outcome.PASS
    assert not verdict.under_disturbance
    assert verdict.interval == judge(calm, None, 20).interval


def test_valid_batches_over_the_budget_are_not_excused_by_fast_disturbed_ones():
    slow, fast = attempt(24, batches=12, spread=0.01), attempt(4, batches=300, seed=2, spread=0.01)
    mixed = Attempt(batches=[*slow.batches, *fast.batches], valid=np.arange(312) < 12)
    assert judge(mixed, mixed, 20).outcome is Outcome.FAIL


def test_a_bound_close_to_the_budget_is_written_with_enough_digits():
    one = attempt(10)
    found = judge(one, None, 20).interval
    assert found is not None
    verdict = judge(one, None, found.high * 1.000001)
    assert verdict.outcome is Outcome.PASS
    shown = float(verdict.reason.split("at most ")[1].split(" ms")[0])
    assert shown < found.high * 1.000001


@exact
@given(st.integers(0, 1000), st.floats(0.05, 20), st.floats(1e-3, 1e3), st.booleans())
def test_a_verdict_does_not_depend_on_the_unit(seed, budget, scale, twice):
    def run(factor: float) -> Outcome:
        one, two = (attempt(1.0, batches=14, size=20, seed=seed + i) for i in (0, 1))
        scaled = [Attempt(batches=[factor * batch for batch in x.batches], valid=x.valid) for x in (one, two)]
        return judge(scaled[0], scaled[1] if twice else None, factor * budget).outcome

    assert run(1.0) is run(scale)


@exact
@given(st.integers(0, 1000), st.floats(0.3, 3), st.floats(1, 3), st.integers(0, 14))
def test_a_larger_budget_never_turns_a_pass_into_something_else(seed, budget, factor, quiet):
    one = attempt(1.0, batches=14, size=20, seed=seed, quiet=quiet)
    if judge(one, None, budget).outcome is Outcome.PASS:
        assert judge(one, None, budget * factor).outcome is Outcome.PASS


def test_the_simulated_gate_passes_the_fast_fails_the_slow_and_does_neither_at_the_budget():
    # The long-run p95 is 1; batches differ by 10 %, as on a quiet machine.
    outcomes = {}
    for budget in (1 / 0.7, 1.0, 1 / 1.43):
        counts: Counter[Outcome] = Counter()
        for seed in range(60):
            one, two = attempt(1.0, seed=2 * seed), attempt(1.0, seed=2 * seed + 1)
            verdict = judge(one, None, budget)
            counts[judge(one, two, budget).outcome if verdict.needs_second_attempt else verdict.outcome] += 1
        outcomes[budget] = counts
    assert outcomes[1 / 0.7] == {Outcome.PASS: 60}
    assert outcomes[1.0][Outcome.FAIL] <= 2
    assert outcomes[1.0][Outcome.PASS] <= 3
    assert outcomes[1 / 1.43] == {Outcome.FAIL: 60}


def test_an_attempt_from_flat_columns_is_the_attempt_by_batch():
    one = attempt(3.0, batches=13, size=9, quiet=12)
    rows = [(value, 40 - number, number < 12) for number, batch in enumerate(one.batches) for value in batch]
    np.random.default_rng(0).shuffle(rows)
    flat = Attempt.from_samples(*(np.array(column) for column in zip(*rows, strict=True)))
    assert sorted(batch.size for batch in flat.batches) == [9] * 13
    assert flat.valid.sum() == 12
    assert judge(flat, None, 20).p95_ms == pytest.approx(judge(one, None, 20).p95_ms)


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (lambda: Attempt(batches=[], valid=np.array([], dtype=bool)), "0 batches"),
        (lambda: Attempt(batches=[np.ones(3)], valid=np.array([True, False])), "give one flag a batch"),
        (
            lambda: Attempt(batches=[np.ones(3), np.array([])], valid=np.ones(2, bool)),
            "batch 1: there are no values",
        ),
        (lambda: Attempt(batches=[np.array([1.0, -1.0])], valid=np.ones(1, bool)), "batch 0: value -1"),
        (lambda: Attempt.from_samples([1.0, 2.0], [0], [True, True]), "one row a sample"),
        (
            lambda: Attempt.from_samples([1.0, 2.0], [7, 7], [True, False]),
            "batch 7 is both valid and invalid",
        ),
        (lambda: judge(attempt(1.0), None, 0.0), "budget_ms: value 0"),
        (lambda: GateRules(confidence=99), "write 95 % as 0.95"),
        (lambda: GateRules(min_batches=1), "bound nothing"),
    ],
)
def test_input_that_makes_no_sense_is_named(build, complaint):
    with pytest.raises(MeasureError, match=complaint):
        build()


@dataclass(frozen=True)
class Lookup:
    query: str
    outcome: Outcome
    system: str = "clinic"


def test_overall_is_the_worst_outcome_and_names_its_queries():
    found = overall(
        [Lookup("fast", Outcome.PASS), Lookup("slow", Outcome.FAIL), Lookup("unclear", Outcome.INCONCLUSIVE)]
    )
    assert found == (Outcome.FAIL, "1 of 3 lookups pass; fail: clinic/slow; inconclusive: clinic/unclear")


def test_overall_passes_only_if_every_lookup_does():
    assert overall([Lookup("a", Outcome.PASS), Lookup("b", Outcome.PASS)]) == (
        Outcome.PASS,
        "all 2 lookups pass",
    )
    assert overall([Lookup("a", Outcome.PASS)]) == (Outcome.PASS, "the only lookup passes")
    assert overall([Lookup("a", Outcome.PASS), Lookup("b", Outcome.INCONCLUSIVE)])[0] is Outcome.INCONCLUSIVE


def test_overall_of_nothing_is_inconclusive():
    assert overall([]) == (Outcome.INCONCLUSIVE, "no lookup was judged")
