"""Paired comparison: order of rounds, ratios, contrasts, many queries, placebos."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pgvitals.errors import MeasureError
from pgvitals.stats.compare import (
    abba_order,
    contrast,
    correct_for_many,
    count_alarms,
    holm,
    p95_log_ratios,
    typical_log_ratios,
    void_if_placebo_alarms,
)
from pgvitals.stats.percentile import percentile

exact = settings(deadline=None, max_examples=60, derandomize=True, database=None)


def spread_around(ratio: float, rounds: int = 40, spread: float = 0.02, seed: int = 1) -> np.ndarray:
    """Log ratios of rounds, symmetric around ``ratio``."""
    half = np.abs(np.random.default_rng(seed).normal(0, spread, rounds // 2))
    return math.log(ratio) + np.concatenate([half, -half])


def rounds_of(rng: np.random.Generator, rounds: int, queries: int, effect: float) -> tuple[np.ndarray, np.ndarray]:
    """Latencies of two arms on a drifting machine: B takes ``effect`` times as long as A."""
    speed = np.cumsum(rng.normal(0, 0.03, (rounds, 1)), axis=0)
    cost = rng.normal(0, 0.3, (rounds, queries))

    def arm(factor: float) -> np.ndarray:
        stalls = math.log(4) * (rng.random((rounds, queries)) < 0.04)
        return factor * np.exp(speed + cost + rng.normal(0, 0.2, (rounds, queries)) + stalls)

    return arm(1.0), arm(effect)


def test_every_round_visits_both_arms_there_and_back():
    order = abba_order(np.random.default_rng(1), 50)
    assert {tuple(row) for row in order.tolist()} == {(0, 1, 1, 0), (1, 0, 0, 1)}


@exact
@given(st.integers(0, 1000), st.integers(1, 30), st.integers(2, 4))
def test_every_arm_leads_equally_often_and_rounds_mirror(seed, rounds, arms):
    order = abba_order(np.random.default_rng(seed), rounds, arms)
    assert order.shape == (rounds, 2 * arms)
    assert (order == order[:, ::-1]).all()
    assert (np.sort(order[:, :arms], axis=1) == np.arange(arms)).all()
    leads = np.bincount(order[:, 0], minlength=arms)
    assert leads.max() - leads.min() <= 1


def test_the_order_follows_its_generator_and_is_not_always_the_same():
    orders = {abba_order(np.random.default_rng(seed), 8).tobytes() for seed in range(20)}
    assert len(orders) > 5
    assert abba_order(np.random.default_rng(3), 8).tobytes() in orders


def test_a_linear_drift_inside_a_round_cancels():
    order = abba_order(np.random.default_rng(1), 10)
    drift = np.tile(np.arange(4.0), (10, 1))
    assert [drift[i][order[i] == 0].mean() for i in range(10)] == [drift[i][order[i] == 1].mean() for i in range(10)]


def test_the_typical_ratio_of_a_round_is_the_median_of_its_pairs():
    a, b = [[1.0, 10.0, 100.0]], [[2.0, 30.0, 90000.0]]
    assert typical_log_ratios(a, b).tolist() == pytest.approx([math.log(3.0)])


def test_the_p95_ratio_of_a_round_is_that_of_its_percentiles():
    rng = np.random.default_rng(2)
    a, b = rng.lognormal(size=(3, 50)), rng.lognormal(size=(3, 40))
    expected = [math.log(percentile(y, 0.95) / percentile(x, 0.95)) for x, y in zip(a, b, strict=True)]
    assert p95_log_ratios(a, b).tolist() == pytest.approx(expected)


@exact
@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_ratios_do_not_depend_on_the_unit_or_on_the_speed_of_a_round(seed, scale):
    rng = np.random.default_rng(seed)
    a, b = rng.lognormal(size=(6, 20)), rng.lognormal(size=(6, 20))
    speed = rng.lognormal(size=(6, 1)) * scale
    for ratio in (typical_log_ratios, p95_log_ratios):
        assert ratio(speed * a, speed * b) == pytest.approx(ratio(a, b), abs=1e-9)
        assert ratio(b, a) == pytest.approx(-ratio(a, b), abs=1e-9)


@pytest.mark.parametrize(
    ("typical", "p95", "verdict", "head"),
    [
        (1.20, 1.20, "slower", "slower beyond 3 %"),
        (0.80, 0.80, "faster", "faster beyond 3 %"),
        (1.00, 1.00, "same", "same within 5 %"),
        (1.00, 1.20, "slower", "slower beyond 3 %"),
        (0.80, 1.00, "faster", "faster beyond 3 %"),
        (0.80, 1.20, "inconclusive", "mixed"),
        (1.04, 1.00, "inconclusive", "inconclusive, typical open, p95 same"),
    ],
)
def test_two_estimators_make_one_verdict(typical, p95, verdict, head):
    wide = 0.1 if typical == 1.04 else 0.02
    found = contrast(spread_around(typical, spread=wide), spread_around(p95, seed=2), 0.03)
    assert found.verdict == verdict
    assert found.reason.startswith(f"{head}: typical ")
    assert found.reason.endswith("(95 %, 40 rounds)")


def test_a_change_inside_the_margin_is_not_called_slower():
    logs = spread_around(1.025, spread=0.002)
    assert contrast(logs, logs, 0.03).verdict == "same"
    assert contrast(logs, logs, 0.01).verdict == "slower"


def test_beyond_the_margin_wins_over_close_to_the_same():
    logs = spread_around(1.04, spread=0.002)
    assert contrast(logs, logs, 0.03).verdict == "slower"
    assert contrast(logs, logs, 0.05).verdict == "same"


@pytest.mark.parametrize("ratio", [1.06, 0.94])
def test_the_same_takes_both_bounds_within_its_margin(ratio):
    logs = spread_around(ratio, spread=0.002)
    assert contrast(logs, logs, 0.1).verdict == "inconclusive"
    assert contrast(logs, logs, 0.1, same_margin=0.08).verdict == "same"


@pytest.mark.parametrize(("ratio", "edge", "side"), [(1.06, 1.03, "greater"), (0.94, 0.97, "less")])
def test_the_p_value_is_twice_that_of_wilcoxons_test_against_the_margin(ratio, edge, side):
    logs = math.log(ratio) + np.random.default_rng(4).normal(0, 0.05, 15)
    expected = 2 * stats.wilcoxon(logs - math.log(edge), alternative=side, method="exact").pvalue
    assert contrast(logs, logs, 0.03).p95.p_value == pytest.approx(expected)


def test_ratios_and_intervals_are_on_the_natural_scale():
    found = contrast(spread_around(1.5), spread_around(0.5), 0.03, alpha=0.01)
    assert found.typical.interval is not None
    assert found.typical.ratio == pytest.approx(1.5, abs=0.01)
    assert found.p95.ratio == pytest.approx(0.5, abs=0.01)
    assert found.typical.interval.low < 1.5 < found.typical.interval.high
    assert found.typical.interval.confidence == pytest.approx(0.99)


@exact
@given(st.lists(st.floats(-0.5, 0.5), min_size=6, max_size=40), st.sampled_from([0.03, 0.05]))
def test_slower_or_faster_takes_an_interval_beyond_the_margin_and_a_small_p_value(logs, margin):
    found = contrast(logs, logs, margin).typical
    assert found.interval is not None
    assert found.interval.low <= found.ratio * (1 + 1e-9)
    assert found.ratio <= found.interval.high * (1 + 1e-9)
    if found.verdict in ("slower", "faster"):
        assert found.p_value <= 0.05 + 1e-9
        assert found.interval.low > 1 + margin or found.interval.high < 1 - margin


def test_too_few_rounds_are_inconclusive_and_say_so():
    found = contrast([0.3, 0.31, 0.32], [0.3, 0.31, 0.32], 0.03)
    assert found.verdict == "inconclusive"
    assert found.typical.interval is None
    assert "too few rounds for an interval" in found.reason


def test_a_change_that_shows_on_one_clone_only_is_inconclusive():
    logs = np.concatenate([spread_around(1.3, 30), spread_around(0.99, 10, seed=2)])
    clones = np.repeat(["first", "second", "third", "fourth"], 10)
    assert contrast(logs, logs, 0.05).verdict == "slower"
    found = contrast(logs, logs, 0.05, restarts=clones)
    assert found.verdict == "inconclusive"
    assert "not in every restart" in found.reason
    assert contrast(logs[:30], logs[:30], 0.05, restarts=clones[:30]).verdict == "slower"


def test_a_clone_that_hardly_had_a_quiet_round_denies_nothing():
    logs = np.concatenate([spread_around(1.3, 30), [-0.01, -0.02, -0.01]])
    assert contrast(logs, logs, 0.05, restarts=[0] * 30 + [1] * 3).verdict == "slower"


def test_clones_deny_a_real_change_no_more_often_than_intervals_miss():
    """Of nine clones with a few noisy rounds each, some show the other side of 1 by chance."""
    rng = np.random.default_rng(3)
    clones = np.repeat(np.arange(9), 16)
    found = [rng.normal(math.log(1.1), 0.2, clones.size) for _ in range(100)]
    medians = [[np.median(logs[clones == clone]) for clone in range(9)] for logs in found]
    assert sum(min(each) < 0 for each in medians) > 20
    assert sum(contrast(logs, logs, 0.05, restarts=clones).p95.recurs for logs in found) >= 98


def test_holm_is_the_step_down_procedure():
    assert holm([0.01, 0.04, 0.03, 0.005], 0.05).tolist() == [True, False, False, True]
    assert holm([0.02, 0.005, 0.011, 0.13], 0.05).tolist() == [True, True, True, False]
    assert holm([0.04], 0.05).tolist() == [True]


@exact
@given(st.lists(st.floats(0, 0.1) | st.floats(0, 1), min_size=1, max_size=15), st.floats(0.01, 0.2))
def test_holm_agrees_with_its_definition_and_lies_between_bonferroni_and_no_correction(p, alpha):
    found = holm(p, alpha)
    rejected: set[int] = set()
    for step, index in enumerate(sorted(range(len(p)), key=lambda i: (p[i], i))):
        if p[index] > alpha / (len(p) - step):
            break
        rejected.add(index)
    assert set(np.flatnonzero(found).tolist()) == rejected
    assert (found >= (np.array(p) <= alpha / len(p))).all()
    assert (found <= (np.array(p) <= alpha)).all()


def test_a_weak_change_among_many_queries_is_no_longer_called_one():
    weak = contrast(spread_around(1.06, 8, 0.02), spread_around(1.0, 8, 0.02), 0.03)
    strong = contrast(spread_around(1.5, 40), spread_around(1.5, 40), 0.03)
    same = contrast(spread_around(1.0, 40), spread_around(1.0, 40), 0.03)
    assert weak.verdict == "slower"
    corrected = correct_for_many([weak, strong, *[same] * 20])
    assert [item.verdict for item in corrected[:3]] == ["inconclusive", "slower", "same"]
    assert corrected[0].reason.endswith("not significant among 22 queries (Holm)")
    assert corrected[1] == strong
    assert correct_for_many([weak])[0].verdict == "slower"
    assert correct_for_many([]) == ()


def test_a_placebo_that_alarms_voids_the_comparison():
    result = contrast(spread_around(1.2), spread_around(1.2), 0.03)
    calm = contrast(spread_around(1.0), spread_around(1.0), 0.03)
    alarm = contrast(spread_around(1.0), spread_around(0.8), 0.03)
    mixed = contrast(spread_around(1.2), spread_around(0.8), 0.03)
    assert void_if_placebo_alarms(result, calm) == result
    for placebo in (alarm, mixed):
        found = void_if_placebo_alarms(result, calm, placebo)
        assert found.verdict == "void"
        assert found.reason.startswith("void: the same against itself differs too")
        assert found.typical == result.typical
    assert count_alarms([calm, alarm, mixed]) == 2


def test_a_void_comparison_stays_void_among_many_queries():
    weak = contrast(spread_around(1.06, 8, 0.02), spread_around(1.0, 8, 0.02), 0.03)
    void = void_if_placebo_alarms(weak, weak)
    assert correct_for_many([void, *[weak] * 20])[0] == void


def test_a_against_a_hardly_ever_alarms_and_a_quarter_more_is_found():
    verdicts = {}
    for effect in (1.0, 1.25):
        rng = np.random.default_rng(9)
        counts: Counter[str] = Counter()
        for _ in range(100):
            a, b = rounds_of(rng, 40, 20, effect)
            counts[contrast(typical_log_ratios(a, b), p95_log_ratios(a, b), 0.03).verdict] += 1
        verdicts[effect] = counts
    assert verdicts[1.0]["slower"] + verdicts[1.0]["faster"] <= 5
    assert verdicts[1.25] == {"slower": 100}


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: abba_order(np.random.default_rng(1), 0), "compare nothing"),
        (lambda: abba_order(np.random.default_rng(1), 3, 1), "compare nothing"),
        (lambda: typical_log_ratios([[1.0, 2.0]], [[1.0]]), "pair them on the same parameters"),
        (lambda: p95_log_ratios([[1.0]], [[1.0], [2.0]]), "A has 1, B 2"),
        (lambda: p95_log_ratios([1.0], [1.0]), "array of 2 axes"),
        (lambda: typical_log_ratios([[1.0, 0.0]], [[1.0, 1.0]]), r"arm A: value 0 at position \(0, 1\)"),
        (lambda: contrast([0.1], [0.1, 0.2], 0.03), "1 typical ratios, 2 p95 ratios"),
        (lambda: contrast([0.1], [0.1], 3), "margin: 3 does not lie"),
        (lambda: holm([0.5, 1.5]), r"reach from 0\.5 to 1\.5"),
    ],
)
def test_input_that_makes_no_sense_is_named(call, complaint):
    with pytest.raises(MeasureError, match=complaint):
        call()
