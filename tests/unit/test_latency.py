"""From samples to records: noise marks batches, verdicts take the stricter budget, percentiles fit together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgvitals.measure.latency import gate, limits, mark_valid, undecided, verdict
from pgvitals.measure.sampler import Sampling, parameter_sets
from pgvitals.measure.task import Stratum, Task
from pgvitals.profile import MeasurePlan
from pgvitals.query import Query
from pgvitals.results.outcome import Outcome
from pgvitals.results.rundir import SAMPLE_COLUMNS
from pgvitals.stats.validity import BatchNoise, Limits
from pgvitals.suite import find_suite

SYSTEM = find_suite(Path(__file__).parent).system("practice")
QUIET = BatchNoise(cpu_pressure=0.0, steal=0.0, canary_ms=1.0)
PRESSED = BatchNoise(cpu_pressure=0.5, steal=0.0, canary_ms=1.0)
BATCHES, SIZE = 24, 50


def task(name: str, budget_ms: float = 20, **tenants: float | None) -> Task:
    """A lookup of this budget, and the tenants (with theirs, if any) that it is measured for beside its traffic."""
    query = Query(
        name=name, system="practice", path=Path("q.sql"), title=name, budget_p95_ms=budget_ms, params="", sql=""
    )
    strata = tuple(
        Stratum(tenant=tenant, rank=rank, calls=(), budget_p95_ms=budget)
        for rank, (tenant, budget) in enumerate(tenants.items(), start=1)
    )
    return Task(query=query, system=SYSTEM, parameters=({},), ranks=(None,), strata=strata)


def samples(
    name: str, milliseconds: list[float], *, attempt: int = 1, valid: list[bool] | None = None, arm: str = ""
) -> pd.DataFrame:
    """Batches of a lookup, each around its own latency; the slowest of a batch takes twice as long."""
    rng = np.random.default_rng(attempt)
    frames = []
    for batch, level in enumerate(milliseconds):
        spread = level * np.linspace(1, 2, SIZE) * rng.uniform(0.99, 1.01, SIZE)
        frames.append(
            pd.DataFrame(
                {
                    "system": "practice",
                    "query": name,
                    "role": "practice_app",
                    "arm": arm,
                    "batch": batch,
                    "t_ns": np.arange(SIZE),
                    "latency_ns": (spread * 1e6).astype(np.int64),
                    "request_ns": (spread * 1.5e6).astype(np.int64),
                    "rows": batch,
                    "tenant_rank": pd.array([1] * SIZE, dtype="Int32"),
                    "valid": True if valid is None else valid[batch],
                    "attempt": attempt,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)[list(SAMPLE_COLUMNS)].astype(SAMPLE_COLUMNS)


def sampling(noise: list[BatchNoise], names: tuple[str, ...] = ("a", "b")) -> Sampling:
    """Two interleaved lookups; ``noise[i]`` belongs to the i-th batch in the order they were taken."""
    order = tuple(("practice", name, batch) for batch in range(len(noise) // len(names)) for name in names)
    frame = pd.concat([samples(name, [1.0] * (len(noise) // len(names))) for name in names], ignore_index=True)
    return Sampling(samples=frame, order=order, noise=tuple(noise), executions={}, plan_choices={})


def test_a_disturbed_batch_is_marked_and_no_other() -> None:
    noise = [QUIET] * 8
    noise[3], noise[6] = PRESSED, PRESSED  # batch 1 of b, batch 3 of a
    marked = mark_valid(sampling(noise))
    disturbed = marked[~marked["valid"]].groupby(["query", "batch"]).size().to_dict()
    assert disturbed == {("b", 1): SIZE, ("a", 3): SIZE}


def test_a_profile_says_how_much_noise_a_batch_bears() -> None:
    plan = MeasurePlan(cpu_pressure_limit=0.6, canary_limit=3.0)
    assert limits(MeasurePlan()) == Limits()
    noise = [QUIET, PRESSED, BatchNoise(cpu_pressure=None, steal=None, canary_ms=2.9), QUIET]
    assert mark_valid(sampling(noise), limits(plan))["valid"].all()
    assert mark_valid(sampling(noise))["valid"].sum() == 2 * SIZE


def test_a_second_attempt_is_held_against_the_best_canary_of_the_first() -> None:
    slow = BatchNoise(cpu_pressure=0.0, steal=0.0, canary_ms=1.5)
    assert mark_valid(sampling([slow] * 4))["valid"].all()
    assert not mark_valid(sampling([slow] * 4), best_canary_ms=1.0)["valid"].any()


@pytest.mark.parametrize(("own", "overall", "taken"), [(5, 150, 5), (500, 150, 150)])
def test_the_stricter_budget_decides(own: float, overall: float, taken: float) -> None:
    found = gate(samples("a", [1.0] * BATCHES), [task("a", own)], budget_p95_ms=overall)
    (record,) = found.queries
    assert record.budget_p95_ms == taken
    assert found.budget_p95_ms == overall


def test_only_what_is_no_pass_is_measured_again() -> None:
    frame = pd.concat([samples("slow", [10.0] * BATCHES), samples("fast", [0.1] * BATCHES)], ignore_index=True)
    tasks = [task("slow", 5), task("fast", 5)]
    assert undecided(frame, tasks, 150) == {"practice/slow": frozenset({""})}


def test_a_fail_takes_two_attempts() -> None:
    once = samples("a", [10.0] * BATCHES)
    twice = pd.concat([once, samples("a", [10.0] * BATCHES, attempt=2)], ignore_index=True)
    assert verdict(once, task("a", 5), 150)[0].outcome is Outcome.INCONCLUSIVE
    found, attempts = verdict(twice, task("a", 5), 150)
    assert (found.outcome, attempts) == (Outcome.FAIL, 2)


def test_a_lookup_s_record_is_of_its_own_samples() -> None:
    frame = pd.concat([samples("a", [1.0] * BATCHES), samples("b", [3.0] * BATCHES)], ignore_index=True)
    found = gate(frame, [task("a"), task("b")], budget_p95_ms=150, plans={"practice/b": ("Seq Scan", "abc")})
    first, second = found.queries
    assert found.outcome is Outcome.PASS
    assert first.p50_ms == pytest.approx(1.5, rel=0.05)
    assert second.p50_ms == pytest.approx(4.5, rel=0.05)
    assert (first.n, first.batches, first.valid_batches) == (BATCHES * SIZE, BATCHES, BATCHES)
    assert first.request_p95_ms == pytest.approx(1.5 * first.p95_ms, rel=0.01)
    assert (first.plan, second.plan, second.plan_hash) == ("", "Seq Scan", "abc")
    own = frame[frame["query"] == "b"]["latency_ns"]
    assert second.max_ms == own.max() / 1e6


@pytest.mark.parametrize("quiet", [0, 5, 12, 20, BATCHES])
@pytest.mark.parametrize("disturbance", [0.5, 1.0, 20.0])
@pytest.mark.parametrize("budget", [1.2, 30, 100])
def test_percentiles_rise_however_many_batches_were_disturbed(quiet: int, disturbance: float, budget: float) -> None:
    levels = [1.0] * quiet + [disturbance] * (BATCHES - quiet)
    valid = [True] * quiet + [False] * (BATCHES - quiet)
    frame = samples("a", levels, valid=valid)
    (record,) = gate(frame, [task("a", budget)], budget_p95_ms=150).queries
    assert record.p50_ms <= record.p95_ms <= record.p99_ms <= record.max_ms
    assert record.request_p50_ms <= record.request_p95_ms
    assert record.p50_ms <= record.request_p50_ms
    assert record.p95_ms <= record.request_p95_ms
    if record.p95_low_ms is not None:
        assert record.p95_high_ms is not None
        assert record.p95_low_ms <= record.p95_ms <= record.p95_high_ms
    assert (record.n, record.valid_batches) == (BATCHES * SIZE, quiet)


def test_percentiles_are_over_the_batches_that_count() -> None:
    levels = [1.0] * 12 + [20.0] * 12
    frame = samples("a", levels, valid=[True] * 12 + [False] * 12)
    (record,) = gate(frame, [task("a", 5)], budget_p95_ms=150).queries
    assert record.outcome is Outcome.PASS
    assert record.p99_ms < 2.1
    assert record.max_ms > 20  # of all samples
    assert record.rows_median == 5.5


def test_every_sample_of_two_attempts_has_parameters_of_its_own() -> None:
    plan = MeasurePlan(batches=3, batch_size=7)
    assert parameter_sets(plan) == 42


def of_tenants(milliseconds: float, largest: float, **options: int) -> pd.DataFrame:
    """Batches of a lookup: weighted by traffic, and for the largest tenant."""
    parts = {"": milliseconds, "largest tenant": largest}
    return pd.concat([samples("a", [level] * BATCHES, arm=arm, **options) for arm, level in parts.items()])  # type: ignore[arg-type]


def test_a_tenant_is_not_part_of_its_lookup_s_figures() -> None:
    alone = gate(samples("a", [1.0] * BATCHES), [task("a")], budget_p95_ms=150).queries[0]
    (beside,) = gate(of_tenants(1.0, 30.0), [task("a", largest=None)], budget_p95_ms=150).queries
    assert (beside.n, beside.max_ms, beside.p95_high_ms) == (alone.n, alone.max_ms, alone.p95_high_ms)
    (tenant,) = beside.tenants
    assert (tenant.tenant, tenant.rank, tenant.n, tenant.valid_batches) == ("largest", 1, BATCHES * SIZE, BATCHES)
    assert tenant.p95_ms == pytest.approx(30 * alone.p95_ms, rel=0.01)
    assert tenant.p95_low_ms is not None
    assert tenant.p95_low_ms > 30


def test_a_tenant_without_a_budget_is_shown_and_not_judged() -> None:
    found = gate(of_tenants(1.0, 500.0), [task("a", largest=None)], budget_p95_ms=150)
    assert (found.outcome, found.reason) == (Outcome.PASS, "the only lookup passes")
    assert found.queries[0].tenants[0].outcome is Outcome.NOT_APPLICABLE
    assert undecided(of_tenants(1.0, 500.0), [task("a", largest=None)], 150) == {}


def test_a_tenant_with_a_budget_is_judged_by_it_whatever_the_overall_one_is() -> None:
    judged = [task("a", largest=400.0)]
    once = of_tenants(1.0, 300.0)
    assert undecided(once, judged, 150) == {"practice/a": frozenset({"largest tenant"})}
    twice = pd.concat([once, of_tenants(1.0, 300.0, attempt=2)[lambda rows: rows["arm"] != ""]])
    found = gate(twice, judged, budget_p95_ms=150)
    assert found.outcome is Outcome.FAIL
    assert found.reason == (
        "the only lookup passes; 0 of 1 budget of a single tenant kept; fail: practice/a for the largest tenant"
    )
    (lookup,) = found.queries
    assert (lookup.outcome, lookup.attempts, lookup.n) == (Outcome.PASS, 1, BATCHES * SIZE)
    assert (lookup.tenants[0].attempts, lookup.tenants[0].n) == (2, 2 * BATCHES * SIZE)
    kept = gate(once, [task("a", largest=700.0)], budget_p95_ms=150)
    assert (kept.outcome, kept.reason) == (
        Outcome.PASS,
        "the only lookup passes; the only budget of a single tenant is kept",
    )


def test_a_settled_lookup_says_after_how_many_batches_and_how_far_under_its_budget() -> None:
    frame = samples("a", [0.1] * 12)
    found = gate(frame, [task("a", 20)], budget_p95_ms=150, settled={"practice/a"}).queries[0]
    assert found.settled
    assert found.p95_high_ms is not None
    times = int(20 / found.p95_high_ms)
    assert 90 < times < 110
    assert found.reason.endswith(f"; settled after 12 batches: {times}x under its budget")
