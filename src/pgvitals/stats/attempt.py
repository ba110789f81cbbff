"""One measurement of one query, as the gate judges it: latencies by batch, and which batches count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pgvitals.errors import MeasureError
from pgvitals.stats.samples import BoolArray, FloatArray, positive


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attempt:
    """One measurement of one query: its latencies in milliseconds, batch by batch.

    ``valid`` says for each batch whether the machine was quiet (see :mod:`pgvitals.stats.validity`).

    Raises:
        MeasureError: no batch, an empty one, a latency that is not above zero, or flags of another length.
    """

    batches: Sequence[FloatArray]
    valid: BoolArray

    def __post_init__(self) -> None:
        batches = tuple(positive(batch, f"batch {number}") for number, batch in enumerate(self.batches))
        valid = np.asarray(self.valid, dtype=np.bool_)
        if not batches or valid.shape != (len(batches),):
            raise MeasureError(
                f"attempt: {len(batches)} batches and validity flags of shape {valid.shape}; give one flag a batch"
            )
        object.__setattr__(self, "batches", batches)
        object.__setattr__(self, "valid", valid)

    @classmethod
    def from_samples(cls, latency_ms: npt.ArrayLike, batch: npt.ArrayLike, valid: npt.ArrayLike) -> Attempt:
        """An attempt from flat columns, one row a sample: latency, batch number, and validity of its batch.

        Raises:
            MeasureError: columns of different lengths, or a batch that is valid and invalid at once.
        """
        latency = positive(latency_ms, "latency_ms")
        number, flag = np.asarray(batch), np.asarray(valid, dtype=np.bool_)
        if number.shape != latency.shape or flag.shape != latency.shape:
            raise MeasureError(
                f"attempt: columns of shapes {latency.shape}, {number.shape}, {flag.shape}; give one row a sample"
            )
        names, place = np.unique(number, return_inverse=True)
        batches = [latency[place == index] for index in range(names.size)]
        share = np.bincount(place, weights=flag) / np.bincount(place)
        if not np.isin(share, (0.0, 1.0)).all():
            mixed = names[(share > 0) & (share < 1)][0]
            raise MeasureError(f"attempt: batch {mixed} is both valid and invalid; give each batch its own number")
        return cls(batches=batches, valid=share == 1.0)
