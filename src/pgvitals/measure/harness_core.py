"""One core for everything that the harness check starts, and how much of it strangers took.

On two cores, waking the one that sleeps takes tens of microseconds, and where the scheduler puts client and server
differs from connection to connection. What is started inside :func:`on_one_core` stays on its core: the server, its
backends, pgbench. There they wait for each other at every turn, which the kernel counts as pressure; so what others
took is told from what is left of the core's time without our own.

Source: proc(5), /proc/stat and /proc/PID/stat.
"""

from __future__ import annotations

import os
import random
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil

_TICKS = os.sysconf("SC_CLK_TCK")


class Spent(NamedTuple):
    """Seconds: on the clock, of our own processes so far, and idle on the core so far."""

    at: float
    own: float
    idle: float


@contextmanager
def on_one_core() -> Iterator[int | None]:
    """Keep this process, and what it starts, on one of its cores for the time of a block.

    Gives the core's number, or None where the system cannot do that.
    """
    try:
        allowed = os.sched_getaffinity(0)
        core = random.choice(sorted(allowed))  # noqa: S311
        os.sched_setaffinity(0, {core})
    except (AttributeError, OSError):
        yield None
        return
    try:
        yield core
    finally:
        os.sched_setaffinity(0, allowed)


def spent(core: int, server_pid: int) -> Spent:
    """The moment now, to count from or to; ``server_pid`` is the server's first process."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)  # pgbench
    own = time.process_time() + children.ru_utime + children.ru_stime + _server_s(server_pid)
    return Spent(time.perf_counter(), own, _idle_s(core))


def taken(before: Spent, after: Spent) -> float:
    """The share of the core's time between two moments that others had."""
    elapsed = after.at - before.at
    left = elapsed - (after.own - before.own) - (after.idle - before.idle)
    return min(1.0, max(0.0, left / elapsed)) if elapsed > 0 else 0.0


def _server_s(pid: int) -> float:
    """Of the server's processes, those that have ended too (their parent counts them)."""
    first = psutil.Process(pid)
    times = first.cpu_times()
    total = float(times.user + times.system + times.children_user + times.children_system)
    for each in first.children():
        with suppress(psutil.NoSuchProcess):
            total += float(sum(each.cpu_times()[:2]))
    return total


def _idle_s(core: int) -> float:
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            fields = line.split()
            return (int(fields[4]) + int(fields[5])) / _TICKS  # idle, and waiting for a disk
    return 0.0
