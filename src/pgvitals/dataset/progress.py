"""How far a load is, for whoever draws a bar, and how long each part of it took."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Where a load stands; ``rows_done`` and ``rows_total`` count over all systems."""

    system: str
    phase: str  # prepare | rows | indexes | vacuum | checksum
    item: str  # a table, index or constraint
    rows_done: int
    rows_total: int


Progress = Callable[[Step], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds that one phase of a load took, for one table; ``rows`` it wrote (0 unless the phase is rows).

    What several processes or connections did at once is added up.
    """

    system: str
    phase: str
    item: str
    rows: int
    seconds: float


@dataclass
class Log:
    """Tells the caller of each step and keeps what each took; threads may share it."""

    progress: Progress
    rows_total: int = 0
    rows_done: int = 0
    _took: dict[tuple[str, str, str], tuple[int, float]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def timings(self) -> tuple[Timing, ...]:
        """What took how long so far."""
        return tuple(
            Timing(system=system, phase=phase, item=item, rows=rows, seconds=seconds)
            for (system, phase, item), (rows, seconds) in self._took.items()
        )

    def sent(self, system: str, table: str, rows: int) -> None:
        """Rows were sent."""
        with self._lock:
            self.rows_done += rows
            self.took(system, "rows", table, rows, 0.0)
            self.say(system, "rows", table)

    def took(self, system: str, phase: str, item: str, rows: int, seconds: float) -> None:
        """Something took this long."""
        with self._lock:
            before, spent = self._took.get((system, phase, item), (0, 0.0))
            self._took[system, phase, item] = (before + rows, spent + seconds)

    def say(self, system: str, phase: str, item: str) -> None:
        """A part begins or goes on."""
        with self._lock:
            step = Step(system=system, phase=phase, item=item, rows_done=self.rows_done, rows_total=self.rows_total)
            self.progress(step)

    @contextmanager
    def timed(self, system: str, phase: str, item: str) -> Iterator[None]:
        """Announce a part and keep the time it takes."""
        self.say(system, phase, item)
        started = time.perf_counter()
        yield
        self.took(system, phase, item, 0, time.perf_counter() - started)
