"""A share of trials, with an interval that is exact whatever the share."""

from __future__ import annotations

from scipy import special

from pgvitals.errors import MeasureError
from pgvitals.results.records import Interval
from pgvitals.stats.samples import fraction


def proportion_interval(hits: int, trials: int, confidence: float = 0.95) -> Interval:
    """The two-sided interval of a proportion, ``hits`` of ``trials`` that do not depend on each other.

    Its ends are the shares under which so many hits, or so few, would have a chance of half of ``1 - confidence``.

    Source: Clopper and Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial",
    Biometrika 26 (1934), 404-413.

    Raises:
        MeasureError: no trials, or more hits than trials.
    """
    if trials < 1 or not 0 <= hits <= trials:
        raise MeasureError(f"proportion: {hits} of {trials} trials is none; count at least one trial and no more hits")
    tail = (1 - fraction(confidence, "confidence")) / 2
    low = float(special.betaincinv(hits, trials - hits + 1, tail)) if hits else 0.0
    high = float(special.betaincinv(hits + 1, trials - hits, 1 - tail)) if hits < trials else 1.0
    return Interval(low=low, high=high, confidence=confidence)
