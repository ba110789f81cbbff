"""Mann and Whitney's test: against SciPy's, and what it takes for granted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pgvitals.errors import MeasureError
from pgvitals.stats.rank_sum import rank_sum_p


@pytest.mark.parametrize("shift", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("step", [0.0, 0.5])  # rounded values have ties
def test_it_is_the_test_that_scipy_has(shift: float, step: float) -> None:
    rng = np.random.default_rng(5)
    first, second = rng.normal(0, 1, 60), rng.normal(shift, 1, 45)
    if step:
        first, second = np.round(first / step) * step, np.round(second / step) * step
    expected = stats.mannwhitneyu(first, second, method="asymptotic").pvalue
    assert rank_sum_p(first, second) == pytest.approx(expected, rel=1e-9)


def test_equal_values_say_nothing() -> None:
    assert rank_sum_p([2.0] * 20, [2.0] * 30) == 1.0


def test_no_values_are_an_error() -> None:
    with pytest.raises(MeasureError):
        rank_sum_p([], [1.0])
