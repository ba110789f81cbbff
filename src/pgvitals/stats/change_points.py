"""Where a series of runs changes its level.

Of all stretches of the series, the one whose mean differs most from the rest is taken (it may reach to an end: a
single step). It stands if hardly any shuffle of the same values has one as different; then each of its edges is
tested in the same way against its neighbour alone, and the parts are treated alike. A permutation test is exact
whatever the distribution is: of series without a change at most ``alpha`` show one. Looking for stretches, not for
splits, finds what went up and came down again. Libraries that put a price on each change instead (ruptures) leave
the share of false ones open.

Sources: Olshen, Venkatraman, Lucito and Wigler, "Circular Binary Segmentation for the Analysis of Array-based DNA
Copy Number Data", Biostatistics 5 (2004), 557-572; for change points of benchmark runs, Daly et al., "The Use of
Change Point Detection to Identify Software Performance Regressions in a Continuous Integration System", ICPE 2020.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pgvitals.errors import MeasureError
from pgvitals.stats.samples import FloatArray, finite, fraction

ALPHA = 0.01
LEAST_SIDE = 3
"""Runs on either side of a change: a lone outlier is none."""

_SHUFFLES = 1999


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePoint:
    """A change of level; ``ratio`` is after / before."""

    index: int  # of the first value of the new level
    ratio: float
    p_value: float


def least_values(alpha: float = ALPHA) -> int:
    """How many values it takes before any change can be told at ``alpha``: 10 at 1 %, 8 at 5 %.

    Even the clearest change, in the middle of ``n`` values, is as large in 2 of C(n, n/2) shuffles.
    """
    fraction(alpha, "alpha")
    n = 2 * LEAST_SIDE
    while 2 / math.comb(n, n // 2) > alpha:
        n += 1
    return n


def change_points(log_values: npt.ArrayLike, alpha: float = ALPHA) -> tuple[ChangePoint, ...]:
    """The changes of level in flat logarithms, one a run in their order; none where there are too few.

    The shuffles come from a fixed seed: the same series always gives the same answer.

    Raises:
        MeasureError: no values, one that is not finite, or an ``alpha`` outside 0 to 1 or finer than the shuffles.
    """
    logs = finite(log_values, "log_values")
    least = least_values(alpha)
    if alpha < 2 / (_SHUFFLES + 1):
        raise MeasureError(f"alpha: {alpha!r} is finer than {_SHUFFLES} shuffles can tell; ask for 0.001 or more")
    rng = np.random.default_rng(0)
    found: dict[int, float] = {}
    pending = [(0, logs.size)]
    while pending:
        start, end = pending.pop()
        if end - start >= least:
            inner = {start + place: p for place, p in _stretch(logs[start:end], alpha, rng).items()}
            found |= inner
            pending += itertools.pairwise([start, *sorted(inner), end]) if inner else []
    edges = [0, *sorted(found), logs.size]
    means = [float(logs[low:high].mean()) for low, high in itertools.pairwise(edges)]
    return tuple(
        ChangePoint(index=place, ratio=math.exp(after - before), p_value=found[place])
        for place, (before, after) in zip(sorted(found), itertools.pairwise(means), strict=True)
    )


def segments(log_values: npt.ArrayLike, alpha: float = ALPHA) -> tuple[slice, ...]:
    """The stretches between the changes of :func:`change_points`, in order."""
    logs = finite(log_values, "log_values")
    edges = [0, *(point.index for point in change_points(logs, alpha)), logs.size]
    return tuple(slice(low, high) for low, high in itertools.pairwise(edges))


def _stretch(logs: FloatArray, alpha: float, rng: np.random.Generator) -> dict[int, float]:
    """The edges of the stretch that differs most, each with its p-value; none if shuffles have one too."""
    rows = _shuffled(logs, rng)
    sums = np.cumsum(rows - rows.mean(axis=1, keepdims=True), axis=1)
    sums = np.concatenate([np.zeros((len(rows), 1)), sums], axis=1)
    largest = np.zeros(len(rows))
    ends = (0, 0)
    for length in range(LEAST_SIDE, logs.size - LEAST_SIDE + 1):
        starts, sizes = _differences(sums, length)
        if sizes[0].max() > largest[0]:
            first = int(starts[sizes[0].argmax()])
            ends = (first, first + length)
        largest = np.maximum(largest, sizes.max(axis=1))
    p_value = _share_as_large(largest)
    edges = [edge for edge in ends if 0 < edge < logs.size]
    if p_value > alpha or len(edges) < 2:
        return dict.fromkeys(edges, p_value) if p_value <= alpha else {}
    low, high = edges
    sides = {low: _step(logs[:high], low, rng), high: _step(logs[low:], high - low, rng)}
    kept = {edge: p for edge, p in sides.items() if p <= alpha}
    return kept or {min(sides, key=lambda edge: sides[edge]): p_value}


def _differences(sums: FloatArray, length: int) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Where stretches of ``length`` may start, and how far the mean of each differs from the rest, row by row.

    ``sums``: running sums of centred rows, from 0.
    """
    n = sums.shape[1] - 1
    starts = np.arange(n - length + 1)
    rests = np.stack([starts, n - length - starts])  # on either side: nothing, or enough for a level
    starts = starts[((rests == 0) | (rests >= LEAST_SIDE)).all(axis=0)]
    sizes = np.abs(sums[:, starts + length] - sums[:, starts]) / math.sqrt(length * (n - length) / n)
    return starts, np.asarray(sizes, dtype=np.float64)


def _step(logs: FloatArray, place: int, rng: np.random.Generator) -> float:
    """The share of shuffles whose means before and after ``place`` differ as much."""
    rows = _shuffled(logs, rng)
    return _share_as_large(np.abs(rows[:, :place].mean(axis=1) - rows[:, place:].mean(axis=1)))


def _shuffled(logs: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The values as they are, and below them their shuffles."""
    return np.vstack([logs, rng.permuted(np.tile(logs, (_SHUFFLES, 1)), axis=1)])


def _share_as_large(sizes: FloatArray) -> float:
    """How often a row is as large as the first one, which counts itself (Phipson and Smyth 2010)."""
    return float(np.count_nonzero(sizes >= sizes[0] * (1 - 1e-9)) / sizes.size)
