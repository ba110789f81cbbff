"""One core for client and server: where the scheduler puts the two must not look like a difference between arms.

A lookup's client and its backend work in turns. On one core a turn costs next to nothing; on two, waking the one that
sleeps takes tens of microseconds, on a virtual machine more than a short lookup itself. Which of the two it is stays
with a connection for a while, so that one arm pays it and another does not. On one core all arms are alike.

There, client and backend wait for each other at every turn, and the kernel's pressure figures count that as they count
waiting for strangers (a fifth of the time, on an idle machine). What strangers took is told from what is left of the
core's time without our own.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psycopg

_NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class Mark(NamedTuple):
    """Nanoseconds on the clock, of our own processes so far, and idle on the core so far."""

    at: int
    own: int
    idle: int


class Core:
    """A core that this thread and some backends share for a while; see :func:`one_core`."""

    def __init__(self, number: int | None) -> None:
        self.number = number
        self.shared = False
        self._own: list[Path] = []

    def join(self, connection: psycopg.Connection) -> bool:
        """Keep a connection's backend on this core until it ends, and this thread too; whether that could be done.

        It can where the backend is a process of this machine that we may tell where to run: behind a local socket, of
        a server of the same user. Where one cannot, nobody is asked to from then on.
        """
        backend = _backend(connection.info)
        if self.number is None or backend is None:
            self._give_up()
            return False
        try:
            os.sched_setaffinity(backend, {self.number})
            os.sched_setaffinity(0, {self.number})
        except OSError:
            self._give_up()
            return False
        self.shared = True
        self._own = self._own or [Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")]
        self._own.append(Path(f"/proc/{backend}/schedstat"))
        return True

    def mark(self) -> Mark | None:
        """A moment to count from; None where nobody shares the core, or the kernel does not tell who ran."""
        if not self.shared or self.number is None:
            return None
        with suppress(OSError, ValueError, IndexError):
            own = sum(int(path.read_text().split()[0]) for path in self._own)
            return Mark(time.perf_counter_ns(), own, _idle_ns(self.number))
        return None

    def taken(self, since: Mark | None) -> float | None:
        """The share of the time since a mark that others had the core; None where that is not known."""
        now = self.mark()
        if since is None or now is None or now.at <= since.at:
            return None
        elapsed = now.at - since.at
        left = elapsed - (now.own - since.own) - (now.idle - since.idle)
        return min(1.0, max(0.0, left / elapsed))

    def _give_up(self) -> None:
        self.number, self.shared = None, False


@contextmanager
def one_core(rng: np.random.Generator) -> Iterator[Core]:
    """One of the cores that this thread may use, drawn at random; after the block it may use all of them again."""
    try:
        allowed = os.sched_getaffinity(0)
    except (AttributeError, OSError):  # the system does not know of cores
        yield Core(None)
        return
    try:
        yield Core(int(rng.choice(sorted(allowed))))
    finally:
        os.sched_setaffinity(0, allowed)


def _backend(info: psycopg.ConnectionInfo) -> int | None:
    """The number of the process behind a connection; None where it is none of this machine."""
    if not info.host.startswith("/"):
        return None
    try:
        # A socket may lead into a container, where the same number is another process.
        name = Path(f"/proc/{info.backend_pid}/comm").read_text()
    except OSError:
        return None
    return info.backend_pid if name.startswith("postgres") else None


def _idle_ns(core: int) -> int:
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            fields = line.split()
            return (int(fields[4]) + int(fields[5])) * _NS_PER_TICK  # idle and waiting for a disk
    raise ValueError(f"/proc/stat knows no core {core}")
