"""The Hodges-Lehmann estimate of a shift, with the interval and the test of Wilcoxon's signed ranks.

All three count Walsh averages, the means of every pair of values (each value with itself too): their
median is the estimate, their order statistics bound it, and how many lie above a shift tests that
shift. So an interval excludes a shift exactly when the test rejects it.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from pgvitals.errors import MeasureError
from pgvitals.results.records import Interval
from pgvitals.stats.samples import FloatArray, finite, fraction

EXACT_UP_TO = 200  # beyond that many values the normal tail at 2.5 % is off by less than 1e-4


def walsh_averages(x: npt.ArrayLike) -> FloatArray:
    """The sorted ``n (n + 1) / 2`` averages ``(x[i] + x[j]) / 2`` with ``i <= j``.

    Source: Hodges and Lehmann, "Estimates of Location Based on Rank Tests", Annals of Mathematical
    Statistics 34 (1963), 598-611.

    Raises:
        MeasureError: no values, or one that is not finite.
    """
    values = finite(x, "log ratios")
    first, second = np.triu_indices(values.size)
    return np.sort(values[first] / 2 + values[second] / 2)


def hodges_lehmann(x: npt.ArrayLike, confidence: float = 0.95) -> tuple[float, Interval | None]:
    """The pseudo-median of ``x`` (paired log ratios) and its two-sided interval, in the unit of ``x``.

    One wild round moves it no further than the next one. The interval is None when there are too few
    values for ``confidence``: 95 % takes 6, 99 % takes 8.

    Source: Hodges and Lehmann (1963); signed ranks: Wilcoxon, "Individual Comparisons by Ranking
    Methods", Biometrics Bulletin 1 (1945), 80-83. Exact up to 200 values, normal beyond.

    Raises:
        MeasureError: no values, one that is not finite, or a ``confidence`` outside 0 to 1.
    """
    values = finite(x, "log ratios")
    alpha = 1 - fraction(confidence, "confidence")
    averages = walsh_averages(values)
    estimate = float(np.median(averages))
    cut = _critical(values.size, alpha / 2)
    if cut < 0:
        return estimate, None
    low, high = averages[cut], averages[averages.size - 1 - cut]
    return estimate, Interval(low=float(low), high=float(high), confidence=confidence)


def signed_rank_p(x: npt.ArrayLike, shift: float, alternative: Literal["greater", "less"]) -> float:
    """One-sided p-value of "the centre of ``x`` is ``shift``" against it being greater or less.

    Averages that equal ``shift`` count for neither side, which makes ties conservative.

    Source: Wilcoxon (1945). Exact up to 200 values, normal with continuity correction beyond.

    Raises:
        MeasureError: no values, one that is not finite, or another alternative.
    """
    if alternative not in ("greater", "less"):
        raise MeasureError(f"alternative: {alternative!r} is unknown; write 'greater' or 'less'")
    values = finite(x, "log ratios")
    averages = walsh_averages(values)
    against = averages <= shift if alternative == "greater" else averages >= shift
    return _lower_tail(values.size, int(against.sum()))


def _critical(n: int, tail: float) -> int:
    """The largest statistic whose lower tail is at most ``tail``; -1 if there is none."""
    if n > EXACT_UP_TO:
        mean, deviation = _moments(n)
        return max(-1, math.floor(mean - 0.5 + float(special.ndtri(tail)) * deviation))
    # The sums of the exact distribution carry a rounding error; a tail that equals alpha is reached.
    return int(np.searchsorted(_null(n), tail * (1 + 1e-12), side="right")) - 1


def _lower_tail(n: int, statistic: int) -> float:
    """P(T <= statistic) for the sum T of the ranks of the positive values, if the centre is zero."""
    if n > EXACT_UP_TO:
        mean, deviation = _moments(n)
        return float(special.ndtr((statistic + 0.5 - mean) / deviation))
    return min(1.0, float(_null(n)[statistic]))


def _moments(n: int) -> tuple[float, float]:
    return n * (n + 1) / 4, math.sqrt(n * (n + 1) * (2 * n + 1) / 24)


@lru_cache(maxsize=32)
def _null(n: int) -> FloatArray:
    """P(T <= t) for t = 0 .. n (n + 1) / 2: every rank is in the sum with probability one half."""
    chance = np.zeros(n * (n + 1) // 2 + 1)
    chance[0] = 1.0
    for rank in range(1, n + 1):
        with_rank = np.zeros_like(chance)
        with_rank[rank:] = chance[:-rank]
        chance = (chance + with_rank) / 2
    return np.cumsum(chance)
