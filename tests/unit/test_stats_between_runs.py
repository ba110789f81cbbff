"""Two runs made one after the other: few false alarms, and what is large is found."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pgvitals.errors import MeasureError
from pgvitals.stats.between_runs import (
    LEAST_RUNS,
    RunValue,
    Spread,
    change,
    change_p,
    resolution,
    run_ratio,
    spread_of,
    stated_spread,
)

MARGIN, SAME, CONFIDENCE = 0.05, 0.10, 0.95
QUANTILES = (0.50, 0.95)


def a_run(rng: np.random.Generator, *, scale: float = 1.0, between: float = 0.05) -> list[RunValue]:
    """p50 and p95 of a run of 20 batches of 100, whose speed differs from that of other runs by ``between`` (log)."""
    own = scale * np.exp(rng.normal(0, between))
    times = np.exp(rng.normal(0, 0.03, (20, 1)) + rng.normal(0, 0.5, (20, 100))) * own
    return [RunValue.of(list(times), q) for q in QUANTILES]


def verdicts(before: list[RunValue], after: list[RunValue], spreads: list[Spread]) -> set[str]:
    """What the typical latency and the p95 say."""
    ratios = [run_ratio(a, b, s, CONFIDENCE) for a, b, s in zip(before, after, spreads, strict=True)]
    return {change(each, MARGIN, SAME) for each in ratios}


def test_a_run_against_a_run_of_the_same_is_no_change_in_99_of_100() -> None:
    rng = np.random.default_rng(21)
    spreads = [stated_spread(300)] * 2
    alarms = sum(bool(verdicts(a_run(rng), a_run(rng), spreads) & {"slower", "faster"}) for _ in range(500))
    assert alarms <= 5


def test_runs_a_quarter_slower_are_mostly_found() -> None:
    rng = np.random.default_rng(22)
    spreads = [stated_spread(300)] * 2
    found = [verdicts(a_run(rng), a_run(rng, scale=1.25), spreads) for _ in range(200)]
    assert sum("slower" in each for each in found) > 100
    assert sum("faster" in each for each in found) == 0


def test_runs_that_hardly_differ_from_each_other_tell_smaller_changes() -> None:
    rng = np.random.default_rng(23)
    found = {1.0: 0, 1.25: 0}
    for scale in found:
        for _ in range(60):
            past = [a_run(rng, between=0.01) for _ in range(8)]
            spreads = [spread_of([run[place].pooled for run in past]) for place in (0, 1)]
            assert all(spread is not None and spread.runs == 8 for spread in spreads)
            said = verdicts(a_run(rng, between=0.01), a_run(rng, scale=scale, between=0.01), spreads)
            found[scale] += bool(said & {"slower", "faster"})
    assert found[1.0] == 0
    assert found[1.25] >= 57


def test_samples_taken_for_independent_would_raise_alarm_after_alarm() -> None:
    rng = np.random.default_rng(24)
    none = [Spread(log_sd=0.0, degrees=math.inf, runs=0)] * 2
    alarms = sum(bool(verdicts(a_run(rng), a_run(rng), none) & {"slower", "faster"}) for _ in range(100))
    assert alarms > 15


def test_the_interval_holds_the_ratio_that_is_shown_and_that_of_the_batches() -> None:
    before = RunValue(per_batch=np.array([1.0, 1.1, 0.9, 1.0]), pooled=1.4)
    after = RunValue(per_batch=np.array([2.0, 2.1, 1.9, 2.0]), pooled=1.8)
    found = run_ratio(before, after, stated_spread(300))
    assert found.ratio == pytest.approx(1.8 / 1.4)
    assert found.interval is not None
    assert found.interval.low < 1.8 / 1.4 < 2.0 < found.interval.high


def test_equal_runs_are_the_same_where_runs_do_not_differ() -> None:
    run = RunValue(per_batch=np.array([1.0, 1.01, 0.99] * 5), pooled=1.0)
    found = run_ratio(run, run, Spread(log_sd=0.01, degrees=10, runs=11))
    assert found.ratio == 1.0
    assert change(found, MARGIN, SAME) == "same"
    assert change_p(found, MARGIN) == 1.0


def test_the_p_value_says_what_the_interval_says() -> None:
    rng = np.random.default_rng(25)
    for scale in np.linspace(0.6, 1.6, 40):
        (before, after) = a_run(rng)[1], a_run(rng, scale=scale)[1]
        found = run_ratio(before, after, stated_spread(300), CONFIDENCE)
        changed = change(found, MARGIN, SAME) in ("slower", "faster")
        assert changed == (change_p(found, MARGIN) < 1 - CONFIDENCE)


def test_one_batch_has_no_interval_and_no_verdict() -> None:
    one = RunValue(per_batch=np.array([1.0]), pooled=1.0)
    other = RunValue(per_batch=np.array([3.0, 3.1]), pooled=3.0)
    found = run_ratio(one, other, stated_spread(300))
    assert found.ratio == pytest.approx(3.0)
    assert found.interval is None
    assert change(found, MARGIN, SAME) == "inconclusive"
    assert (change_p(found, MARGIN), resolution(found)) == (1.0, None)


def test_the_stated_spread_is_that_of_the_experiments_and_falls_with_the_duration() -> None:
    assert stated_spread(1).log_sd == stated_spread(5).log_sd == pytest.approx(0.20)
    assert stated_spread(300).log_sd == stated_spread(9000).log_sd == pytest.approx(0.05)
    between = [stated_spread(seconds).log_sd for seconds in (5, 20, 60, 150, 300)]
    assert between == sorted(between, reverse=True)


def test_a_spread_is_estimated_from_runs_enough_and_not_from_a_step_between_them() -> None:
    rng = np.random.default_rng(26)
    level = np.exp(rng.normal(0, 0.03, 12))
    assert spread_of(level[: LEAST_RUNS - 1]) is None
    plain = spread_of(level)
    stepped = spread_of(np.concatenate([level, 2 * np.exp(rng.normal(0, 0.03, 12))]))
    assert plain is not None
    assert stepped is not None
    assert plain.log_sd == pytest.approx(0.03, rel=0.5)
    assert stepped.log_sd == pytest.approx(0.03, rel=0.5)
    assert stepped.degrees == 22


def test_fewer_earlier_runs_make_a_wider_interval() -> None:
    run = RunValue(per_batch=np.array([1.0, 1.01, 0.99] * 5), pooled=1.0)
    few, many, stated = (
        resolution(run_ratio(run, run, Spread(log_sd=0.05, degrees=degrees, runs=1))) for degrees in (5, 50, math.inf)
    )
    assert few is not None
    assert many is not None
    assert stated is not None
    assert few > many > stated > 0.1


@pytest.mark.parametrize(
    ("batches", "told"),
    [([], "there are no batches"), ([np.array([1.0, 0.0])], "not above zero"), ([np.array([])], "there are no values")],
)
def test_latencies_that_cannot_be_are_refused(batches: list[np.ndarray], told: str) -> None:
    with pytest.raises(MeasureError, match=told):
        RunValue.of(batches, 0.95)
