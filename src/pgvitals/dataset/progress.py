"""How far a load is, for whoever draws a bar, and how long each part of it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Where a load stands; ``rows_done`` and ``rows_total`` count over all systems."""

    system: str
    phase: str  # rows | indexes | vacuum | checksum
    item: str  # a table, index or constraint
    rows_done: int
    rows_total: int


Progress = Callable[[Step], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds that one phase of a load took, for one table; ``rows`` it wrote (0 unless the phase is rows)."""

    system: str
    phase: str
    item: str
    rows: int
    seconds: float


@dataclass
class Log:
    """Tells the caller of each step and keeps what each took."""

    progress: Progress
    rows_total: int = 0
    rows_done: int = 0
    timings: list[Timing] = field(default_factory=list)

    def add(self, system: str, item: str, rows: int) -> None:
        """Rows were sent."""
        self.rows_done += rows
        self.say(system, "rows", item)

    def say(self, system: str, phase: str, item: str) -> None:
        """A part begins or goes on."""
        self.progress(Step(system=system, phase=phase, item=item, rows_done=self.rows_done, rows_total=self.rows_total))

    @contextmanager
    def timed(self, system: str, phase: str, item: str) -> Iterator[None]:
        """Announce a part and keep the time it takes."""
        self.say(system, phase, item)
        started, rows = time.perf_counter(), self.rows_done
        yield
        seconds = time.perf_counter() - started
        self.timings.append(Timing(system=system, phase=phase, item=item, rows=self.rows_done - rows, seconds=seconds))
