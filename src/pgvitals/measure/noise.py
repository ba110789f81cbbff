"""How quiet the machine is: a spin canary, CPU pressure and steal, sampled beside the measurement.

CPU speed on shared machines drifts by tens of percent with hardly any steal, so steal alone proves
nothing; a fixed piece of work (the canary) shows the drift, and the kernel's pressure figures
(``/proc/pressure/cpu``) show waiting for a core.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from pgvitals.measure.pinning import Core
from pgvitals.results.records import Noise
from pgvitals.stats.validity import BatchNoise

_CANARY_STEPS = 40_000
_CANARY_EVERY_S = 0.05
_PRESSURE = Path("/proc/pressure/cpu")
_STAT = Path("/proc/stat")


def canary_ms() -> float:
    """Milliseconds for a fixed piece of work: the best of three, a millisecond or two each."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter_ns()
        total = 0
        for step in range(_CANARY_STEPS):
            total += step & 7
        best = min(best, (time.perf_counter_ns() - start) / 1e6)
    return best


class NoiseProbe:
    """Watches one piece of work: construct before it, :meth:`read` after it. ``core``: the one that it has, if any."""

    def __init__(self, core: Core | None = None) -> None:
        self._canary = canary_ms()
        self._start = _Counters(core)

    def read(self) -> BatchNoise:
        """Noise since construction; a figure that the kernel does not give is None."""
        pressure, steal = self._start.since()
        return BatchNoise(cpu_pressure=pressure, steal=steal, canary_ms=max(self._canary, canary_ms()))


class NoiseWatch:
    """Watches batch after batch: construct before the first, :meth:`begin` and :meth:`end` each, :meth:`close` at last.

    A batch lies between two canaries. Batches of a few milliseconds share theirs: with a canary after each of them
    a quarter of the time went into canaries. ``core``: the one that the batches have, if any.
    """

    def __init__(self, core: Core | None = None) -> None:
        self._core = core
        self._canary = canary_ms()
        self._ran_at = time.perf_counter()
        self._counters = _Counters(core)
        self._waiting: list[tuple[float | None, float | None]] = []  # (pressure, steal) of batches since that canary
        self._seen: list[BatchNoise] = []

    def begin(self) -> None:
        """A batch begins."""
        self._counters = _Counters(self._core)

    def end(self) -> None:
        """It has ended."""
        self._waiting.append(self._counters.since())
        if time.perf_counter() - self._ran_at >= _CANARY_EVERY_S:
            self._run_canary()

    def close(self) -> list[BatchNoise]:
        """The noise of every batch, in their order."""
        if self._waiting:
            self._run_canary()
        return self._seen

    def _run_canary(self) -> None:
        before, self._canary = self._canary, canary_ms()
        self._ran_at = time.perf_counter()
        self._seen += [
            BatchNoise(cpu_pressure=pressure, steal=steal, canary_ms=max(before, self._canary))
            for pressure, steal in self._waiting
        ]
        self._waiting = []


class _Counters:
    """What the kernel counts, read now.

    Where client and backends share a core, they wait for each other all the time, and pressure counts that. There, what
    others took of the core stands for it.
    """

    def __init__(self, core: Core | None) -> None:
        self._core = core
        self._mark = core.mark() if core else None
        self._start_ns = time.perf_counter_ns()
        self._pressure = _pressure_us()
        self._steal = _steal_ticks()

    def since(self) -> tuple[float | None, float | None]:
        """(CPU pressure, steal) as shares of the time since then."""
        taken = self._core.taken(self._mark) if self._core else None
        elapsed_us = (time.perf_counter_ns() - self._start_ns) / 1e3
        pressure, steal = _pressure_us(), _steal_ticks()
        waited = None
        if pressure is not None and self._pressure is not None and elapsed_us > 0:
            waited = min(1.0, (pressure - self._pressure) / elapsed_us)
        return waited if taken is None else taken, _share(self._steal, steal)


def summary(batches: list[BatchNoise]) -> Noise | None:
    """Worst and median over the batches of a run."""
    if not batches:
        return None
    canary = np.array([batch.canary_ms for batch in batches])
    pressure = [batch.cpu_pressure for batch in batches if batch.cpu_pressure is not None]
    steal = [batch.steal for batch in batches if batch.steal is not None]
    best = float(canary.min())
    return Noise(
        canary_best_ms=best,
        canary_median_ratio=float(np.median(canary)) / best,
        canary_worst_ratio=float(canary.max()) / best,
        cpu_pressure_median=float(np.median(pressure)) if pressure else None,
        cpu_pressure_worst=max(pressure) if pressure else None,
        steal_worst=max(steal) if steal else None,
    )


def _pressure_us() -> int | None:
    """Microseconds in which some task waited for a CPU, since boot."""
    try:
        for line in _PRESSURE.read_text().splitlines():
            if line.startswith("some"):
                return int(line.rsplit("total=", 1)[1])
    except (OSError, ValueError, IndexError):
        return None
    return None


def _steal_ticks() -> tuple[int, int] | None:
    """(stolen, all) clock ticks since boot."""
    try:
        fields = [int(field) for field in _STAT.read_text().splitlines()[0].split()[1:9]]
    except (OSError, ValueError, IndexError):
        return None
    return (fields[7], sum(fields)) if len(fields) == 8 else None


def _share(before: tuple[int, int] | None, after: tuple[int, int] | None) -> float | None:
    if before is None or after is None or after[1] <= before[1]:
        return None
    return (after[0] - before[0]) / (after[1] - before[1])
