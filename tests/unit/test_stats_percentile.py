"""Percentiles and their intervals, against scipy, brute force and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pgvitals.errors import MeasureError
from pgvitals.stats.percentile import (
    batch_interval,
    order_statistic_interval,
    percentile,
    percentiles_by_row,
    summary,
)

exact = settings(deadline=None, max_examples=60, derandomize=True, database=None)
latencies = st.lists(st.floats(1e-3, 1e4), min_size=1, max_size=200)
fractions = st.floats(0.01, 0.99)


def drifting_batches(
    rng: np.random.Generator, runs: int, batches: int, size: int, *, memory: float, spread: float
) -> np.ndarray:
    """(runs, batches, size) latencies: the speed of the machine wanders from batch to batch."""
    shocks = rng.normal(size=(runs, batches))
    level = shocks.copy()
    for i in range(1, batches):
        level[:, i] = memory * level[:, i - 1] + math.sqrt(1 - memory**2) * shocks[:, i]
    logs = 0.3 * rng.normal(size=(runs, batches, size)) + spread * level[:, :, None]
    return np.exp(logs + math.log(4) * (rng.random(logs.shape) < 0.02))


def hyndman_fan_8(samples: list[float], q: float) -> float:
    ordered = sorted(samples)
    position = (len(ordered) + 1 / 3) * q + 1 / 3
    below = min(max(math.floor(position), 1), len(ordered))
    above = min(below + 1, len(ordered))
    share = min(max(position - below, 0.0), 1.0)
    return ordered[below - 1] + share * (ordered[above - 1] - ordered[below - 1])


@exact
@given(latencies, fractions)
def test_a_percentile_is_definition_8_of_hyndman_and_fan(samples, q):
    assert percentile(samples, q) == pytest.approx(hyndman_fan_8(samples, q), rel=1e-9)


@exact
@given(latencies, fractions)
def test_a_percentile_agrees_with_scipys_median_unbiased_plotting_position(samples, q):
    expected = stats.mstats.mquantiles(samples, q, alphap=1 / 3, betap=1 / 3)[0]
    assert percentile(samples, q) == pytest.approx(expected, rel=1e-9)


@exact
@given(latencies, fractions, st.floats(0.01, 100))
def test_a_percentile_scales_with_its_unit(samples, q, scale):
    scaled = percentile([scale * value for value in samples], q)
    assert scaled == pytest.approx(scale * percentile(samples, q), rel=1e-9)


@exact
@given(latencies, fractions, fractions)
def test_a_higher_percentile_is_never_smaller(samples, q, other):
    low, high = sorted((q, other))
    assert percentile(samples, low) <= percentile(samples, high) * (1 + 1e-12)


@exact
@given(latencies, fractions, st.integers(0, 199), st.floats(0, 1e4))
def test_a_slower_sample_never_lowers_a_percentile(samples, q, place, delay):
    slower = list(samples)
    slower[place % len(samples)] += delay
    assert percentile(slower, q) >= percentile(samples, q) * (1 - 1e-12)


@exact
@given(latencies, fractions)
def test_a_percentile_lies_between_the_fastest_and_the_slowest_sample(samples, q):
    assert min(samples) * (1 - 1e-12) <= percentile(samples, q) <= max(samples) * (1 + 1e-12)


def test_the_p95_of_small_batches_is_not_biased_downward():
    batches = np.random.default_rng(7).exponential(size=(4000, 100))
    truth = -math.log(0.05)
    below = np.mean(percentiles_by_row(batches, 0.95) < truth)
    below_by_inverse_ecdf = np.mean(np.quantile(batches, 0.95, axis=1, method="inverted_cdf") < truth)
    assert abs(below - 0.5) < 0.03
    assert below_by_inverse_ecdf > 0.58


def test_percentiles_by_row_are_the_percentiles_of_the_rows():
    rows = np.random.default_rng(1).lognormal(size=(5, 37))
    assert percentiles_by_row(rows, 0.95).tolist() == [percentile(row, 0.95) for row in rows]


def test_a_summary_is_in_milliseconds():
    result = summary(np.arange(1, 1001) * 1_000_000)
    assert (result.n, result.max_ms) == (1000, 1000.0)
    assert result.p50_ms == pytest.approx(500.5)
    assert result.p95_ms == pytest.approx(hyndman_fan_8(list(range(1, 1001)), 0.95))
    assert result.p99_ms == pytest.approx(hyndman_fan_8(list(range(1, 1001)), 0.99))


@pytest.mark.parametrize(
    ("samples", "complaint"),
    [
        ([], "no values"),
        ([1.0, math.nan], "value nan at position 1 is not a finite number"),
        ([1.0, 2.0, math.inf], "value inf at position 2"),
        ([[1.0, 2.0]], "flat array"),
    ],
)
def test_samples_that_cannot_be_used_are_named(samples, complaint):
    with pytest.raises(MeasureError, match=complaint):
        percentile(samples, 0.95)


def test_a_percentage_instead_of_a_fraction_is_refused():
    with pytest.raises(MeasureError, match=r"95 does not lie between 0 and 1; write 95 % as 0\.95"):
        percentile([1.0, 2.0], 95)


def test_a_latency_of_zero_is_refused():
    with pytest.raises(MeasureError, match="value 0 at position 1 is not above zero"):
        summary([5, 0])


def test_a_p95_has_no_upper_bound_below_59_samples():
    assert order_statistic_interval(range(58), 0.95, 0.95) is None
    found = order_statistic_interval(range(1, 60), 0.95, 0.95)
    assert found is not None
    assert found.high == 59
    assert 0.95**59 < 0.05 < 0.95**58


@pytest.mark.parametrize("n", [6, 20, 59, 73, 200, 1000])
@pytest.mark.parametrize("q", [0.5, 0.9, 0.95])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_ranks_reach_the_confidence_and_no_closer_pair_does(n, q, confidence):
    found = order_statistic_interval(np.arange(1, n + 1), q, confidence)
    below = stats.binom.cdf(np.arange(-1, n), n, q)  # below[k] = P(fewer than k samples lie below)
    covered = {
        (low, high): below[high] - below[low] for low in range(1, n) for high in range(low + 1, min(n, low + 90) + 1)
    }
    reached = {pair: chance for pair, chance in covered.items() if chance >= confidence}
    if found is None:
        assert not reached
        return
    low, high = int(found.low), int(found.high)
    assert reached[low, high] >= confidence
    assert high - low == min(above - under for under, above in reached)


def test_an_order_statistic_interval_covers_the_quantile_of_independent_samples():
    rng = np.random.default_rng(11)
    truth = math.exp(0.5 * stats.norm.ppf(0.95))
    found = [order_statistic_interval(rng.lognormal(0, 0.5, 300), 0.95, 0.95) for _ in range(500)]
    assert np.mean([interval.low <= truth <= interval.high for interval in found]) >= 0.94


@exact
@given(st.lists(st.floats(1e-3, 1e4), min_size=60, max_size=200), st.sampled_from([0.5, 0.9, 0.95]))
def test_an_order_statistic_interval_contains_the_percentile(samples, q):
    found = order_statistic_interval(samples, q, 0.95)
    assert found is not None
    assert found.low * (1 - 1e-12) <= percentile(samples, q) <= found.high * (1 + 1e-12)


def test_a_batch_interval_is_students_t_on_the_logarithm():
    values = np.random.default_rng(2).lognormal(1.0, 0.2, 20)
    logs = np.log(values)
    low, high = stats.t.interval(0.99, 19, loc=logs.mean(), scale=stats.sem(logs))
    found = batch_interval(values)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((math.exp(low), math.exp(high)))
    assert found.confidence == 0.99


def test_one_batch_gives_no_interval():
    assert batch_interval([3.0]) is None
    assert batch_interval([3.0], pooled=3.0) is None


def test_equal_batches_give_an_interval_without_width():
    found = batch_interval([0.1] * 12)
    assert found is not None
    assert found.low == found.high == pytest.approx(0.1, rel=1e-15)


def test_wildly_different_batches_still_give_finite_bounds():
    found = batch_interval([1e-9, 1e9])
    assert found is not None
    assert 0 <= found.low < 1e-9
    assert 1e9 < found.high < math.inf


@exact
@given(
    st.lists(st.floats(0.01, 1e3), min_size=2, max_size=40),
    st.floats(0.01, 1e3),
    st.floats(0.01, 100),
    st.floats(0.5, 0.999),
)
def test_a_batch_interval_holds_both_centres_and_scales_with_the_unit(values, pooled, scale, confidence):
    found = batch_interval(values, confidence, pooled=pooled)
    scaled = batch_interval([scale * value for value in values], confidence, pooled=scale * pooled)
    assert found is not None
    assert scaled is not None
    centre = math.exp(float(np.mean(np.log(values))))
    for point in (pooled, centre):
        assert found.low * (1 - 1e-9) <= point <= found.high * (1 + 1e-9)
    if found.low > 1e-200 and found.high < 1e200:
        assert (scaled.low, scaled.high) == pytest.approx((scale * found.low, scale * found.high), rel=1e-6)


@exact
@given(st.lists(st.floats(0.01, 1e3), min_size=2, max_size=40), st.floats(0.5, 0.98))
def test_more_confidence_never_narrows_a_batch_interval(values, confidence):
    narrow, wide = batch_interval(values, confidence), batch_interval(values, confidence + 0.01)
    assert narrow is not None
    assert wide is not None
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high


def coverage(found: list, truth: float) -> float:
    return float(np.mean([interval.low <= truth <= interval.high for interval in found]))


def test_a_batch_interval_covers_the_long_run_p95_of_correlated_batches():
    rng = np.random.default_rng(5)
    shape = {"memory": 0.5, "spread": 0.1}
    truth = percentile(drifting_batches(rng, 5000, 1, 100, **shape).ravel(), 0.95)
    batch, naive = [], []
    for run in drifting_batches(rng, 400, 20, 100, **shape):
        batch.append(batch_interval(percentiles_by_row(run, 0.95), pooled=percentile(run.ravel(), 0.95)))
        naive.append(order_statistic_interval(run.ravel(), 0.95, 0.99))
    assert coverage(batch, truth) >= 0.93
    assert coverage(naive, truth) < coverage(batch, truth) - 0.05


def test_the_pooled_p95_keeps_the_interval_honest_when_batches_differ_much():
    rng = np.random.default_rng(6)
    shape = {"memory": 0.0, "spread": 0.4}
    truth = percentile(drifting_batches(rng, 5000, 1, 100, **shape).ravel(), 0.95)
    with_pooled, without = [], []
    for run in drifting_batches(rng, 300, 20, 100, **shape):
        per_batch = percentiles_by_row(run, 0.95)
        with_pooled.append(batch_interval(per_batch, pooled=percentile(run.ravel(), 0.95)))
        without.append(batch_interval(per_batch))
    assert coverage(with_pooled, truth) >= 0.93
    assert coverage(without, truth) < 0.6
