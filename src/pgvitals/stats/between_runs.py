"""Two runs made one after the other: the ratio of a latency, and how far it can be trusted.

Such a comparison lies easily: of the same thing measured twice, 66 to 92 % came out "changed" when the samples
were taken for independent. Two things move a run's value. Its batches differ among themselves, which the run
shows; and runs of the same thing differ from each other, which one run cannot show. The second is a
:class:`Spread`, estimated from earlier runs of the same conditions, or stated. Both are in the interval.

Sources: Kalibera and Jones, "Rigorous Benchmarking in Reasonable Time", ISMM 2013 (a variance for each level that
repeats); Welch, "The Generalization of Student's Problem when Several Different Population Variances are
Involved", Biometrika 34 (1947), 28-35, and Satterthwaite, Biometrics Bulletin 2 (1946), 110-114 (its degrees of
freedom); Le Boudec, Performance Evaluation (2010), chapter 2 (intervals on the logarithm).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from pgvitals.errors import MeasureError
from pgvitals.results.records import Interval
from pgvitals.stats.change_points import segments
from pgvitals.stats.compare import Change
from pgvitals.stats.percentile import percentile
from pgvitals.stats.samples import FloatArray, fraction, positive

BURST = (5.0, 0.20)
SPREAD_OUT = (300.0, 0.05)
"""Seconds over which 2,000 samples were taken on a quiet machine, and the run-to-run spread of their p95 (log)."""

LEAST_RUNS = 6
"""Fewer earlier runs do not say how much runs differ: with three the interval would be more than twice as wide."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunValue:
    """One percentile of one query in one run: of each batch, and of all its samples together, in any unit."""

    per_batch: FloatArray
    pooled: float

    @classmethod
    def of(cls, batches: Sequence[FloatArray], q: float) -> RunValue:
        """The ``q`` quantile of batches of latencies.

        Raises:
            MeasureError: no batch, an empty one, or a latency that is not above zero.
        """
        if not batches:
            raise MeasureError("run: there are no batches; measure at least two")
        each = [percentile(positive(batch, f"batch {number}"), q) for number, batch in enumerate(batches)]
        return cls(per_batch=np.asarray(each, dtype=np.float64), pooled=percentile(np.concatenate(batches), q))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How much runs of the same thing differ: the standard deviation of the logarithm of their value."""

    log_sd: float
    degrees: float  # of freedom; infinite where it is stated, not estimated
    runs: int  # it was estimated from; 0: stated


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRatio:
    """After / before: below 1 is faster."""

    ratio: float
    interval: Interval | None  # None where a run has fewer than two batches
    log_error: float  # standard error of the logarithm
    degrees: float
    nearest: float  # of the two centres the one nearer to no change, as a logarithm


def stated_spread(seconds: float) -> Spread:
    """What to expect of runs that took their samples over ``seconds``, where no history says it.

    0.20 for a burst, 0.05 for samples over five minutes, and a power of the duration between them. Source: the
    experiments behind these two numbers are told in docs/comparing.md.
    """
    (short, most), (long, least) = BURST, SPREAD_OUT
    slope = math.log(least / most) / math.log(long / short)
    sd = most * (min(max(seconds, short), long) / short) ** slope
    return Spread(log_sd=sd, degrees=math.inf, runs=0)


def spread_of(values: npt.ArrayLike) -> Spread | None:
    """The spread of earlier runs of the same thing, from one value a run in the order they were made.

    A step between them (an index that was dropped) is no spread: the deviations are from the mean of each of the
    :func:`~pgvitals.stats.change_points.segments`. None with fewer than ``LEAST_RUNS`` runs, or degrees of freedom
    for fewer than that left.

    Raises:
        MeasureError: no values, or one that is not above zero.
    """
    logs = np.log(positive(values, "values"))
    if logs.size < LEAST_RUNS:
        return None
    parts = segments(logs)
    degrees = logs.size - len(parts)
    if degrees < LEAST_RUNS - 1:
        return None
    squares = sum(float(np.sum((logs[part] - logs[part].mean()) ** 2)) for part in parts)
    return Spread(log_sd=math.sqrt(squares / degrees), degrees=float(degrees), runs=logs.size)


def run_ratio(before: RunValue, after: RunValue, spread: Spread, confidence: float = 0.95) -> RunRatio:
    """The ratio of the pooled values, with an interval from the batches of both runs and the spread of runs.

    The variance of the logarithm is that of each run's mean over its batches, plus the spread once a run; the
    degrees of freedom are Welch and Satterthwaite's. The mean over batches and the pooled value are both centres:
    the interval spans what lies around either, so it always holds the ratio that is shown.

    Raises:
        MeasureError: a value that is not above zero, or a confidence outside 0 to 1.
    """
    fraction(confidence, "confidence")
    logs = [np.log(positive(run.per_batch, "per_batch")) for run in (before, after)]
    pooled = math.log(positive([after.pooled], "pooled")[0] / positive([before.pooled], "pooled")[0])
    if min(log.size for log in logs) < 2:
        return RunRatio(ratio=math.exp(pooled), interval=None, log_error=math.inf, degrees=1.0, nearest=0.0)
    own = [float(log.var(ddof=1)) / log.size for log in logs]
    between = 2 * spread.log_sd**2
    variance = sum(own) + between
    parts = [(part, log.size - 1.0) for part, log in zip(own, logs, strict=True)] + [(between, spread.degrees)]
    weight = sum(part**2 / degrees for part, degrees in parts)
    degrees = variance**2 / weight if weight else math.inf
    error = math.sqrt(variance)
    centres = (pooled, float(logs[1].mean() - logs[0].mean()))
    half = _quantile(degrees, (1 + confidence) / 2) * error
    return RunRatio(
        ratio=math.exp(pooled),
        interval=Interval(low=_exp(min(centres) - half), high=_exp(max(centres) + half), confidence=confidence),
        log_error=error,
        degrees=degrees,
        nearest=0.0 if min(centres) <= 0 <= max(centres) else min(centres, key=abs),
    )


def change_p(found: RunRatio, margin: float) -> float:
    """Two-sided p-value of "not beyond the margin": 1 without an interval."""
    beyond = abs(found.nearest) - abs(math.log1p(margin if found.nearest > 0 else -margin))
    if found.interval is None or beyond <= 0:
        return 1.0
    if found.log_error == 0:
        return 0.0
    z = beyond / found.log_error
    tail = special.ndtr(-z) if math.isinf(found.degrees) else special.stdtr(found.degrees, -z)
    return min(1.0, 2 * float(tail))


def change(found: RunRatio, margin: float, same_margin: float) -> Change:
    """Slower or faster if the interval lies beyond ``margin``, same if within ``same_margin``, else inconclusive."""
    if found.interval is None:
        return "inconclusive"
    if found.interval.low > 1 + margin:
        return "slower"
    if found.interval.high < 1 - margin:
        return "faster"
    within = found.interval.low >= 1 - same_margin and found.interval.high <= 1 + same_margin
    return "same" if within else "inconclusive"


def resolution(found: RunRatio) -> float | None:
    """The least change (0.2: by a fifth) that an interval as wide as this one could tell from none."""
    if found.interval is None or found.interval.low <= 0:
        return None
    return math.sqrt(found.interval.high / found.interval.low) - 1


def _quantile(degrees: float, q: float) -> float:
    return float(special.ndtri(q) if math.isinf(degrees) else special.stdtrit(degrees, q))


def _exp(log: float) -> float:
    return math.exp(min(log, 709.0))
