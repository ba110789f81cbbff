"""How rows are shared among tenants: Zipf's law, exact totals, nobody left empty-handed."""

from __future__ import annotations

import numpy as np

from pgvitals.dataset.streams import F64, I64
from pgvitals.errors import DatasetError

_STEPS = 2.0**32  # of the largest weight


def zipf_weights(count: int, exponent: float, shift: float = 0.0) -> F64:
    """Weights 1 / (k + shift) ** exponent for k = 1 … count, summing to 1 (Zipf; with a shift, Zipf–Mandelbrot).

    Powers differ in their last bit from processor to processor, so they are rounded: to whole steps of
    2**-32 of the largest weight, and at least one.
    """
    rank = (np.arange(1, count + 1, dtype=np.float64) + shift) / (1.0 + shift)
    weights = np.maximum(np.rint(rank**-exponent * _STEPS), 1.0)
    return np.asarray(weights / weights.sum())


def zipf_shares(total: int, count: int, exponent: float, *, of: str = "rows") -> I64:
    """Share ``total`` among ``count`` tenants by Zipf's law; the first tenant is the largest.

    Everyone gets at least 1 and the shares add up to ``total`` (largest remainders).

    Raises:
        DatasetError: there is less than one for each.
    """
    if total < count:
        raise DatasetError(f"{total} {of} cannot be shared among {count} tenants; raise the size of {of!r}")
    return proportional_shares(total - count, zipf_weights(count, exponent)) + 1


def proportional_shares(total: int, weights: F64) -> I64:
    """Share ``total`` by weights that sum to 1 (largest remainders); a small weight may get nothing."""
    exact = weights * total
    shares = np.floor(exact).astype(np.int64)
    missing = total - int(shares.sum())
    largest = np.argsort(shares - exact, kind="stable")
    shares[largest[:missing]] += 1
    return np.asarray(shares)
