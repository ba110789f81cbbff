"""Hodges-Lehmann and signed ranks, against brute force and scipy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from pgvitals.errors import MeasureError
from pgvitals.stats.signed_rank import EXACT_UP_TO, hodges_lehmann, signed_rank_p, walsh_averages

exact = settings(deadline=None, max_examples=60, derandomize=True, database=None)
ratios = st.lists(st.floats(-3, 3), min_size=8, max_size=40)


def test_walsh_averages_are_the_means_of_all_pairs():
    x = [0.3, -1.2, 2.5, 0.9]
    brute = sorted((x[i] + x[j]) / 2 for i in range(4) for j in range(i, 4))
    assert walsh_averages(x).tolist() == pytest.approx(brute)


@exact
@given(ratios)
def test_the_estimate_is_the_median_of_the_walsh_averages(x):
    pairs = itertools.combinations_with_replacement(x, 2)
    assert hodges_lehmann(x)[0] == pytest.approx(float(np.median([(a + b) / 2 for a, b in pairs])), abs=1e-12)


@exact
@given(ratios, st.floats(-3, 3), st.floats(0.1, 10))
def test_the_estimate_and_its_interval_move_and_scale_with_the_values(x, shift, scale):
    estimate, interval = hodges_lehmann(x)
    moved, moved_interval = hodges_lehmann([scale * value + shift for value in x])
    assert interval is not None
    assert moved_interval is not None
    assert moved == pytest.approx(scale * estimate + shift, abs=1e-9)
    assert moved_interval.low == pytest.approx(scale * interval.low + shift, abs=1e-9)
    assert moved_interval.high == pytest.approx(scale * interval.high + shift, abs=1e-9)


@exact
@given(ratios)
def test_swapping_the_arms_mirrors_the_interval(x):
    estimate, interval = hodges_lehmann(x)
    mirrored, mirrored_interval = hodges_lehmann([-value for value in x])
    assert interval is not None
    assert mirrored_interval is not None
    assert (mirrored, mirrored_interval.low, mirrored_interval.high) == pytest.approx(
        (-estimate, -interval.high, -interval.low), abs=1e-12
    )


@exact
@given(ratios)
def test_the_interval_contains_the_estimate_and_grows_with_confidence(x):
    estimate, narrow = hodges_lehmann(x, 0.9)
    _, wide = hodges_lehmann(x, 0.99)
    assert narrow is not None
    assert wide is not None
    assert wide.low <= narrow.low <= estimate <= narrow.high <= wide.high


@exact
@given(st.lists(st.floats(-3, 3).filter(lambda value: abs(value) > 1e-6), min_size=8, max_size=30))
def test_the_p_value_is_scipys_exact_wilcoxon_test(x):
    assume(len({abs(value) for value in x}) == len(x))
    for alternative in ("greater", "less"):
        expected = stats.wilcoxon(x, alternative=alternative, method="exact").pvalue
        assert signed_rank_p(x, 0.0, alternative) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n", [1, 3, 6, 8])
def test_the_null_distribution_is_that_of_all_signs(n):
    ranks = np.arange(1, n + 1)
    every = [ranks * np.array(signs) for signs in itertools.product((-1, 1), repeat=n)]
    sums = np.array([values[values > 0].sum() for values in every])
    for values, total in zip(every, sums, strict=True):
        assert signed_rank_p(values, 0.0, "greater") == pytest.approx(np.mean(sums >= total))
        assert signed_rank_p(values, 0.0, "less") == pytest.approx(np.mean(sums <= total))


@exact
@given(st.lists(st.floats(-3, 3), min_size=6, max_size=25, unique=True), st.floats(-1, 1))
def test_the_interval_excludes_a_shift_exactly_when_the_test_rejects_it(x, shift):
    _, interval = hodges_lehmann(x, 0.95)
    assert interval is not None
    p = 2 * min(signed_rank_p(x, shift, "greater"), signed_rank_p(x, shift, "less"))
    inside = interval.low <= shift <= interval.high
    assert inside == (p > 1 - 0.95)


def test_too_few_values_give_an_estimate_without_an_interval():
    assert hodges_lehmann([0.1, 0.2, 0.3, 0.4, 0.5], 0.95) == (pytest.approx(0.3), None)
    assert hodges_lehmann([0.1] * 6, 0.95)[1] is not None
    assert hodges_lehmann([0.1] * 7, 0.99)[1] is None
    assert hodges_lehmann([0.1] * 8, 0.99)[1] is not None
    assert hodges_lehmann([0.2]) == (0.2, None)


def test_beyond_the_exact_range_the_p_value_is_scipys_normal_approximation():
    x = np.random.default_rng(3).normal(0.02, 0.2, EXACT_UP_TO + 1)
    for alternative in ("greater", "less"):
        approximate = stats.wilcoxon(x, alternative=alternative, method="approx", correction=True).pvalue
        truth = stats.wilcoxon(x, alternative=alternative, method="exact").pvalue
        found = signed_rank_p(x, 0.0, alternative)
        assert found == pytest.approx(approximate, rel=1e-9)
        assert found == pytest.approx(truth, abs=5e-4)


@pytest.mark.parametrize("n", [EXACT_UP_TO, EXACT_UP_TO + 1])
def test_the_bounds_are_the_last_shifts_that_the_test_accepts(n):
    x = np.random.default_rng(n).normal(0.0, 0.2, n)
    averages = walsh_averages(x)
    _, interval = hodges_lehmann(x, 0.95)
    assert interval is not None
    low, high = np.searchsorted(averages, [interval.low, interval.high])
    assert 2 * signed_rank_p(x, averages[low], "greater") > 0.05 >= 2 * signed_rank_p(x, averages[low - 1], "greater")
    assert 2 * signed_rank_p(x, averages[high], "less") > 0.05 >= 2 * signed_rank_p(x, averages[high + 1], "less")


def test_one_wild_round_hardly_moves_the_estimate():
    x = np.random.default_rng(4).normal(0.05, 0.02, 40)
    wild = x.copy()
    wild[7] = 12.0
    assert abs(hodges_lehmann(wild)[0] - hodges_lehmann(x)[0]) < 0.003
    assert abs(wild.mean() - x.mean()) > 0.2


def test_equal_values_give_an_interval_without_width():
    estimate, interval = hodges_lehmann([0.07] * 12)
    assert interval is not None
    assert estimate == interval.low == interval.high == 0.07
    assert signed_rank_p([0.07] * 12, 0.07, "greater") == 1.0


@pytest.mark.parametrize("n", [12, 40])
@pytest.mark.parametrize("shape", ["normal", "heavy"])
def test_the_interval_covers_the_centre_of_symmetric_values(n, shape):
    rng = np.random.default_rng(n)
    draw = rng.normal if shape == "normal" else lambda size: rng.standard_t(2, size)
    found = [hodges_lehmann(draw(size=n) + 1.0, 0.95)[1] for _ in range(400)]
    assert np.mean([interval.low <= 1.0 <= interval.high for interval in found]) >= 0.93


def test_an_unknown_alternative_is_refused():
    with pytest.raises(MeasureError, match="'two-sided' is unknown"):
        signed_rank_p([0.1, 0.2], 0.0, "two-sided")


def test_a_ratio_that_is_no_number_is_refused():
    with pytest.raises(MeasureError, match="value nan at position 1"):
        hodges_lehmann([0.1, math.nan])
