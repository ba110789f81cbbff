"""Percentiles of latencies, and how far they can be trusted.

One definition of a percentile holds everywhere: number 8 of Hyndman and Fan, "Sample Quantiles in
Statistical Packages", The American Statistician 50 (1996), 361-365. It is close to median-unbiased
whatever the distribution, and so hardly depends on the number of samples. That matters for batches:
the inverse of the empirical distribution (number 1) reads the p95 of 100 samples too low, and an
interval over such batches passes a budget too easily.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special

from pgvitals.results.records import Interval
from pgvitals.stats.samples import FloatArray, finite, fraction, positive

NS_PER_MS = 1_000_000
P95 = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Latencies of one query under one condition; times in milliseconds."""

    n: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


def percentile(samples: npt.ArrayLike, q: float) -> float:
    """The ``q`` quantile of flat ``samples`` in their own unit; ``q`` is a fraction (0.95 for a p95).

    Linear between the order statistics around rank ``(n + 1/3) q + 1/3``, never beyond the smallest
    and the largest sample. Source: Hyndman and Fan (1996), definition 8.

    Raises:
        MeasureError: no samples, a sample that is not finite, or a ``q`` outside 0 to 1.
    """
    return _quantile(finite(samples, "samples"), fraction(q, "q"))


def percentiles_by_row(samples: FloatArray, q: float) -> FloatArray:
    """:func:`percentile` of every row of a (rows, samples) array."""
    return np.asarray(np.quantile(samples, q, axis=1, method="median_unbiased"), dtype=np.float64)


def summary(latency_ns: npt.ArrayLike) -> Summary:
    """Count, p50, p95, p99 and maximum in milliseconds of flat latencies in nanoseconds.

    Source of the percentiles: Hyndman and Fan (1996), definition 8.

    Raises:
        MeasureError: no latencies, or one that is not above zero.
    """
    latency_ms = positive(latency_ns, "latency_ns") / NS_PER_MS
    return Summary(
        n=latency_ms.size,
        p50_ms=_quantile(latency_ms, 0.50),
        p95_ms=_quantile(latency_ms, P95),
        p99_ms=_quantile(latency_ms, 0.99),
        max_ms=float(latency_ms.max()),
    )


def order_statistic_interval(samples: npt.ArrayLike, q: float, confidence: float = 0.95) -> Interval | None:
    """Interval for the ``q`` quantile between two of the flat ``samples``, exact for every distribution.

    The number of samples below the true quantile is binomial; of all pairs of ranks that reach
    ``confidence`` the closest is taken. It assumes independent samples: latencies of one burst are
    not, so for a verdict see :func:`batch_interval`. None if no pair reaches ``confidence``: a p95 at
    95 % has no upper bound below 59 samples.

    Source: Le Boudec, Performance Evaluation of Computer and Communication Systems (2010), theorem 2.1.

    Raises:
        MeasureError: no samples, a sample that is not finite, ``q`` or ``confidence`` outside 0 to 1.
    """
    ordered = np.sort(finite(samples, "samples"))
    ranks = _ranks(ordered.size, fraction(q, "q"), fraction(confidence, "confidence"))
    if ranks is None:
        return None
    low, high = ranks
    return Interval(low=float(ordered[low - 1]), high=float(ordered[high - 1]), confidence=confidence)


def batch_interval(
    per_batch: npt.ArrayLike, confidence: float = 0.99, *, pooled: float | None = None
) -> Interval | None:
    """Interval for the long-run value of a positive statistic, from its values in separate batches.

    Student's t on the logarithms: what varies from batch to batch (the speed of the machine) is in
    the interval, and samples need not be independent inside a batch. None below two batches; equal
    batches give an interval of no width.

    Args:
        per_batch: one value a batch (its p95), in any unit.
        confidence: 0 to 1. Neighbouring batches resemble each other, so 99 % covers what 95 % promises.
        pooled: the same statistic over all samples at once. The p95 of fast and slow batches together
            lies above the mean of their p95s; given ``pooled``, a second interval is laid around it and
            the result spans both, so that it always holds the pooled value.

    Source: Le Boudec (2010), chapter 2 (intervals on a transformed scale; samples that are not
    independent); Kalibera and Jones, "Rigorous Benchmarking in Reasonable Time", ISMM 2013 (the
    repetition that varies is the one to count); sectioning after Asmussen and Glynn, Stochastic
    Simulation (2007), III.5.

    Raises:
        MeasureError: no values, or one that is not above zero.
    """
    logs = np.log(positive(per_batch, "per_batch"))
    fraction(confidence, "confidence")
    centres = [_mean(logs)]
    if pooled is not None:
        centres.append(float(np.log(positive([pooled], "pooled"))[0]))
    if logs.size < 2:
        return None
    t = float(special.stdtrit(logs.size - 1, (1 + confidence) / 2))
    halves = [t * math.sqrt(float(np.sum((logs - c) ** 2)) / (logs.size - 1) / logs.size) for c in centres]
    low = min(centre - half for centre, half in zip(centres, halves, strict=True))
    high = max(centre + half for centre, half in zip(centres, halves, strict=True))
    return Interval(low=_exp(low), high=_exp(high), confidence=confidence)


def _quantile(samples: FloatArray, q: float) -> float:
    return float(np.quantile(samples, q, method="median_unbiased"))


def _mean(logs: FloatArray) -> float:
    # Equal values have exactly themselves as their mean, not themselves and a rounding error.
    return float(logs[0]) if np.all(logs == logs[0]) else float(logs.mean())


def _exp(log: float) -> float:
    # A few wildly different batches can push the bound past the largest float: that is "no bound".
    return math.exp(min(log, 709.0))


@lru_cache(maxsize=256)
def _ranks(n: int, q: float, confidence: float) -> tuple[int, int] | None:
    """The closest 1-based ranks low < high with P(low <= Binomial(n, q) <= high - 1) >= confidence."""
    below = special.bdtr(np.arange(n), n, q)  # below[k] = P(B <= k); B = n lies above every rank
    lows = np.arange(1, n)
    highs = np.searchsorted(below, confidence + below[lows - 1]) + 1
    reached = highs <= n
    if not reached.any():
        return None
    lows, highs = lows[reached], highs[reached]
    covered = below[highs - 1] - below[lows - 1]
    widths = highs - lows
    best = int(np.lexsort((-covered, widths))[0])
    return int(lows[best]), int(highs[best])
