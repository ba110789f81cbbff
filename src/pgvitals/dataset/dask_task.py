"""What a Dask worker does for a load: fill one part a task, if it would make the same rows as who asks for them."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import psycopg

from pgvitals.dataset.parts import Part
from pgvitals.dataset.version import recipe_version
from pgvitals.dataset.worker import Filler, Work
from pgvitals.encryption import lab_provider
from pgvitals.errors import DatasetError, PgvitalsError, RowsRefusedError, SuiteError
from pgvitals.suite import find_suite

SUITE_VARIABLE = "PGVITALS_SUITE"
"""Where a worker finds the suite, if not at the same path as the process that asks it to load."""
_IDLE = "1min"  # a worker whose coordinator was killed lets its connection go


_fillers: dict[int, tuple[frozenset[str], Filler]] = {}
"""Of each thread: for which loads, and the connection."""


class Answer(NamedTuple):
    """What became of a part: ``left`` to another process, ``refused`` by its table, ``unfit`` is the worker."""

    status: Literal["done", "left", "refused", "unfit"]
    text: str = ""
    seconds: float = 0.0


class UnfitWorkerError(DatasetError):
    """A Dask worker would make other rows than the process that asks for them, or cannot make any."""


def fill_part(work: Work, part: Part, kek: str) -> Answer:
    """A task: load one part; ``kek`` names the key that wraps the dataset's keys.

    Raises:
        PgvitalsError: something that may be over at the next try.
    """
    started = time.perf_counter()
    try:
        filled = _filler(work, kek).fill(part)
    except RowsRefusedError as error:
        return Answer("refused", str(error))
    except UnfitWorkerError as error:
        return Answer("unfit", f"Dask worker on {socket.gethostname()}: {error}")
    except PgvitalsError:
        _close(threading.get_ident())
        raise
    return Answer("done" if filled else "left", seconds=time.perf_counter() - started)


def let_go(loads: frozenset[str]) -> None:
    """Close this worker's connections of these loads."""
    for thread, (held, _) in list(_fillers.items()):
        if held == loads:
            _close(thread)


def _filler(work: Work, kek: str) -> Filler:
    thread, loads = threading.get_ident(), ids(work)
    if thread in _fillers and _fillers[thread][0] != loads:
        _close(thread)
    if thread not in _fillers:
        here = replace(work, suite=Path(os.environ.get(SUITE_VARIABLE) or work.suite))
        _require_same(here, kek)
        filler = Filler(here)
        _fillers[thread] = loads, filler
        filler.conn.execute("select set_config('idle_session_timeout', %s, false)", (_IDLE,))
    return _fillers[thread][1]


def _close(thread: int) -> None:
    if thread in _fillers:
        with suppress(psycopg.Error):
            _fillers.pop(thread)[1].conn.close()


def _require_same(work: Work, kek: str) -> None:
    try:
        suite = find_suite(work.suite)
        there = {f"the recipe of system {name!r}": version for name, (_, version) in work.loads.items()}
        here = {f"the recipe of system {name!r}": recipe_version(suite.system(name)) for name in work.loads}
    except SuiteError as error:
        raise UnfitWorkerError(f"{error}; set {SUITE_VARIABLE} there to the folder of the suite") from None
    there["the key-encryption key"], here["the key-encryption key"] = kek, lab_provider().kek_id
    for what, wanted in there.items():
        if here[what] != wanted:
            raise UnfitWorkerError(
                f"{what} is {here[what]} there and {wanted} here; give it the same suite, pgvitals, Faker and keys,"
                " and start it again"
            )


def ids(work: Work) -> frozenset[str]:
    """The loads that a worker's connection is for."""
    return frozenset(load for load, _ in work.loads.values())


def dask_setup(worker: Any) -> None:
    """Dask calls this where this module is preloaded: Ctrl-C is for the process that started the cluster."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
