"""Samples as checked arrays: what enters a statistic is finite, not empty and, for a latency, above zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pgvitals.errors import MeasureError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def finite(values: npt.ArrayLike, what: str, *, dimensions: int = 1) -> FloatArray:
    """``values`` as a float array of ``dimensions`` axes.

    Raises:
        MeasureError: there is nothing in it, it has another shape, or a value is not a finite number.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != dimensions:
        shape = "a flat array" if dimensions == 1 else f"an array of {dimensions} axes"
        raise MeasureError(f"{what}: expected {shape}, got one of shape {array.shape}; reshape it")
    if not array.size:
        raise MeasureError(f"{what}: there are no values; measure at least one")
    wrong = ~np.isfinite(array)
    if wrong.any():
        raise MeasureError(f"{what}: {_first(array, wrong)} is not a finite number; drop failed executions first")
    return array


def positive(values: npt.ArrayLike, what: str, *, dimensions: int = 1) -> FloatArray:
    """As :func:`finite`, and every value above zero (a logarithm is taken of it).

    Raises:
        MeasureError: as :func:`finite`, or a value is zero or less.
    """
    array = finite(values, what, dimensions=dimensions)
    wrong = array <= 0
    if wrong.any():
        raise MeasureError(f"{what}: {_first(array, wrong)} is not above zero; measure with a monotonic clock")
    return array


def fraction(value: float, what: str) -> float:
    """``value`` if it lies strictly between 0 and 1.

    Raises:
        MeasureError: it does not (a percentage was given, perhaps).
    """
    if not 0 < value < 1:
        raise MeasureError(f"{what}: {value!r} does not lie between 0 and 1; write 95 % as 0.95")
    return float(value)


def _first(array: FloatArray, wrong: npt.NDArray[np.bool_]) -> Any:
    place = tuple(int(axis[0]) for axis in np.nonzero(wrong))
    at = place[0] if len(place) == 1 else place
    return f"value {array[place]:g} at position {at}"
