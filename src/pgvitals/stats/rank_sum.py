"""Mann and Whitney's test: whether one set of values tends to be larger than another, taken for independent."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from pgvitals.stats.samples import finite


def rank_sum_p(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """The two-sided p value, by the normal tail with a correction for ties and for continuity.

    It is exact enough from about ten values on either side. Latencies of one burst after another are not
    independent, so that the test alarms far too often on them: compare in turns
    (:func:`pgvitals.stats.compare.contrast`).

    Source: Mann and Whitney, "On a Test of Whether one of Two Random Variables is Stochastically Larger than the
    Other", Annals of Mathematical Statistics 18 (1947), 50-60.

    Raises:
        MeasureError: no values, or one that is not finite.
    """
    a, b = finite(first, "the first values"), finite(second, "the second values")
    _, place, counts = np.unique(np.concatenate([a, b]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    total = a.size + b.size
    above = ranks[: a.size].sum() - a.size * (a.size + 1) / 2
    ties = (counts.astype(np.float64) ** 3 - counts).sum() / (total * (total - 1))
    spread = np.sqrt(a.size * b.size / 12 * (total + 1 - ties))
    if spread == 0:
        return 1.0
    distance = max(0.0, abs(above - a.size * b.size / 2) - 0.5)
    return float(min(1.0, 2 * special.ndtr(-distance / spread)))
