"""The interval of a proportion is that of Clopper and Pearson."""

from __future__ import annotations

import pytest
from scipy import stats

from pgvitals.errors import MeasureError
from pgvitals.stats.proportion import proportion_interval


@pytest.mark.parametrize(("hits", "trials"), [(0, 1), (1, 1), (0, 200), (3, 200), (95, 100), (100, 100), (7, 13)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_it_is_what_scipy_gives(hits, trials, confidence):
    expected = stats.binomtest(hits, trials).proportion_ci(confidence, method="exact")
    found = proportion_interval(hits, trials, confidence)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.confidence == confidence


@pytest.mark.parametrize(("hits", "trials"), [(0, 0), (3, 2), (-1, 5)])
def test_what_is_no_proportion_is_refused(hits, trials):
    with pytest.raises(MeasureError, match="is none"):
        proportion_interval(hits, trials)
