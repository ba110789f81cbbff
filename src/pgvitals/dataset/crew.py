"""Several processes that fill parts together, and never outlive the one that started them."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any, cast

from pgvitals.dataset.parts import Part
from pgvitals.dataset.worker import Work
from pgvitals.errors import DatasetError, RowsRefusedError

WORTH_ROWS = 300_000
"""From this many rows on a second process saves more than the second that it takes to start."""
MOST_JOBS = 8
"""By default; one server takes in no more than this from one machine."""
_PROGRAM = "from pgvitals.dataset.worker import main; main()"

Done = Callable[[Part, float], None]
"""Hears of each part that is in, and the seconds it took."""


def default_jobs(rows: int) -> int:
    """How many processes pay for this many rows on this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if rows < WORTH_ROWS else min(cores, MOST_JOBS)


class Crew(AbstractContextManager["Crew"]):
    """Child processes, started at once: they import what they need while the load is prepared.

    They run in sessions of their own, where Ctrl-C does not reach them, and die with this process.
    """

    def __init__(self, jobs: int) -> None:
        self._processes: dict[Pipe, subprocess.Popen[bytes]] = {}
        for _ in range(jobs):
            ours, theirs = multiprocessing.Pipe()
            with theirs:
                self._processes[ours] = subprocess.Popen(
                    [sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe, process in self._processes.items():
            if error is None:
                with suppress(OSError):
                    pipe.send(None)
            else:
                process.kill()
            pipe.close()
        for process in self._processes.values():
            process.wait()

    def fill(self, work: Work, parts: Sequence[Part], done: Done) -> list[Part]:
        """Load these parts, each by whoever is free.

        Returns:
            Those that other processes than ours are at.

        Raises:
            DatasetError: a child failed.
        """
        waiting, left = deque(parts), []
        for pipe in self._processes:
            self._send(pipe, work)
        busy = set(self._processes)
        while busy:
            for pipe in cast("list[Pipe]", wait(list(busy))):
                answer, part, seconds = self._receive(pipe)
                if answer == "left":
                    left.append(part)
                elif answer == "done":
                    done(part, seconds)
                if waiting:
                    self._send(pipe, waiting.popleft())
                else:
                    busy.discard(pipe)
        return left

    def _send(self, pipe: Pipe, what: Work | Part) -> None:
        try:
            pipe.send(what)
        except OSError:
            raise self._ended(pipe) from None

    def _ended(self, pipe: Pipe) -> DatasetError:
        status = self._processes[pipe].wait()
        return DatasetError(f"a process that loaded parts has ended with status {status}; `pgvitals load` goes on")

    def _receive(self, pipe: Pipe) -> tuple[str, Any, float]:
        try:
            answer, content, seconds = pipe.recv()
        except (EOFError, OSError):
            raise self._ended(pipe) from None
        if answer == "refused":
            raise RowsRefusedError(content)
        if answer == "failed":
            raise DatasetError(content)
        return answer, content, seconds
