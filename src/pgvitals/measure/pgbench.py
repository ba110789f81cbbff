"""pgbench as a second instrument: one client, prepared statements, the latency of every single transaction.

Its parameters follow from a seed by a recurrence that the script itself computes, so that another instrument can
send exactly the same ones (:func:`sequence`).

Source: PostgreSQL documentation, pgbench (``-M prepared``, ``-l``: elapsed time of each transaction in microseconds).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from pgvitals.errors import LabError, MeasureError
from pgvitals.lab.binaries import bin_dir
from pgvitals.lab.database import Database
from pgvitals.lab.psql import environment
from pgvitals.stats.samples import FloatArray

_MULTIPLIER, _INCREMENT, _MODULUS = 1_103_515_245, 12_345, 2**31
_HIGH_BITS = 2**8  # the low ones of such a sequence have short periods
_ELAPSED_US = 2


def find_pgbench() -> Path:
    """The embedded server's pgbench, else the machine's.

    Raises:
        LabError: there is none.
    """
    own = bin_dir() / "pgbench"
    found = str(own) if own.is_file() else shutil.which("pgbench")
    if found is None:
        raise LabError("there is no pgbench here; install PostgreSQL's client, or `pip install 'pgvitals[embedded]'`")
    return Path(found)


def script(statement: str, low: int, count: int) -> str:
    """A script of one transaction: the next parameter ``:key`` of ``count`` ones from ``low`` on, and a statement."""
    return (
        f"\\set state (:state * {_MULTIPLIER} + {_INCREMENT}) % {_MODULUS}\n"
        f"\\set key {low} + :state / {_HIGH_BITS} % {count}\n"
        f"{statement};\n"
    )


def sequence(seed: int, n: int, low: int, count: int) -> list[int]:
    """The first ``n`` parameters that :func:`script` gives its statement with that seed."""
    state, found = seed, []
    for _ in range(n):
        state = (state * _MULTIPLIER + _INCREMENT) % _MODULUS
        found.append(low + state // _HIGH_BITS % count)
    return found


def run(database: Database, written: str, *, transactions: int, seed: int) -> FloatArray:
    """Latencies in ms of every transaction of a script, in order, on a connection of its own.

    Args:
        written: as :func:`script` makes it.
        seed: 0 to 2**31 - 1.

    Raises:
        MeasureError: pgbench fails, or does not log every transaction.
    """
    with tempfile.TemporaryDirectory(prefix="pgvitals-pgbench-") as folder:
        path = Path(folder) / "script.sql"
        path.write_text(written)
        done = subprocess.run(
            [
                *(str(find_pgbench()), "-n", "-M", "prepared", "-c", "1", "-j", "1"),
                *("-t", str(transactions), "-f", str(path), "-D", f"state={seed}"),
                *("-l", f"--log-prefix={folder}/log"),
            ],
            env=environment(database),
            capture_output=True,
            text=True,
            check=False,
        )
        logged = [line.split() for log in Path(folder).glob("log.*") for line in log.read_text().splitlines()]
    if done.returncode != 0 or len(logged) != transactions:
        said = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "it says nothing")
        raise MeasureError(f"pgbench logged {len(logged)} of {transactions} transactions: {said}")
    return np.array([int(fields[_ELAPSED_US]) for fields in logged], dtype=np.float64) / 1e3
