"""Which batches were measured on a quiet machine.

CPU speed drifts without any steal, so three signs are read: pressure (processes waiting for a CPU),
steal (the hypervisor took it), and a canary, a fixed spin whose time tells the speed of the core.
None of them sees a latency of the query, so dropping a batch for them does not bias its p95.

Sources: Linux kernel documentation, "PSI - Pressure Stall Information" (pressure) and proc(5), /proc/stat
(steal).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pgvitals.errors import MeasureError
from pgvitals.stats.samples import BoolArray, positive


class Disturbance(StrEnum):
    """Why a batch does not count."""

    CPU_PRESSURE = "cpu pressure"
    STEAL = "steal"
    CANARY = "slow canary"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNoise:
    """How quiet the machine was during one batch; None where the kernel does not tell."""

    cpu_pressure: float | None  # share of the time some task waited for a CPU, 0 to 1
    steal: float | None  # share of CPU time taken by the hypervisor, 0 to 1
    canary_ms: float  # time of the fixed spin


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A batch is valid below both shares and up to ``canary_ratio`` times the best canary."""

    cpu_pressure: float = 0.05
    steal: float = 0.01
    canary_ratio: float = 1.25

    def __post_init__(self) -> None:
        for name, least in (("cpu_pressure", 0.0), ("steal", 0.0), ("canary_ratio", 1.0)):
            if not getattr(self, name) >= least:
                raise MeasureError(f"limit {name}: {getattr(self, name)!r} is below {least:g}; raise it")


def disturbances(
    noise: Sequence[BatchNoise], limits: Limits | None = None, *, best_canary_ms: float | None = None
) -> dict[Disturbance, BoolArray]:
    """For every kind of disturbance, which batches it hit: a bool a batch, in their order.

    Args:
        noise: one record a batch.
        limits: what is tolerated.
        best_canary_ms: the fastest canary ever seen on this machine; by default the best of ``noise``
            (a better one in ``noise`` counts all the same).

    Raises:
        MeasureError: a share or a canary that is not a number, or no noise at all.
    """
    limits = limits or Limits()
    canary = positive([batch.canary_ms for batch in noise], "canary_ms")
    best = float(canary.min())
    if best_canary_ms is not None:
        best = min(best, float(positive([best_canary_ms], "best_canary_ms")[0]))
    return {
        Disturbance.CPU_PRESSURE: _reaches([batch.cpu_pressure for batch in noise], limits.cpu_pressure),
        Disturbance.STEAL: _reaches([batch.steal for batch in noise], limits.steal),
        Disturbance.CANARY: canary > limits.canary_ratio * best,
    }


def valid_batches(
    noise: Sequence[BatchNoise], limits: Limits | None = None, *, best_canary_ms: float | None = None
) -> BoolArray:
    """Which batches no disturbance hit: a bool a batch. Arguments and errors as :func:`disturbances`."""
    found = disturbances(noise, limits, best_canary_ms=best_canary_ms)
    return np.asarray(~np.any(list(found.values()), axis=0), dtype=np.bool_)


def count_disturbances(found: Mapping[Disturbance, BoolArray]) -> dict[Disturbance, int]:
    """Batches hit by each kind of disturbance, without those that hit none; a batch may count twice."""
    return {kind: int(hit.sum()) for kind, hit in found.items() if hit.any()}


def _reaches(shares: list[float | None], limit: float) -> BoolArray:
    for share in shares:
        if share is not None and not 0 <= share < float("inf"):
            raise MeasureError(f"noise: the share {share!r} is not a number from 0 upward; read the counter again")
    return np.array([share is not None and share >= limit for share in shares], dtype=np.bool_)
