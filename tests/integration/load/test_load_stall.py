"""A stall of the server must show in the percentiles, and as much of it as pgbench sees."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pgvitals.lab import Database
from pgvitals.lab.binaries import bin_dir
from pgvitals.load.run import run
from pgvitals.profile import LoadPlan
from pgvitals.suite import Suite

PLAN = LoadPlan(users=4, rate=200, seconds=5)
STALL_S = 1.5
STARTED = 4 * 12 + 100  # reads of the table by which warm-up is over and the clock runs


@pytest.fixture
def stall(database: Database, traffic: Callable[[int], None]) -> Callable[[], threading.Thread]:
    """Starts a thread that locks the table for ``STALL_S`` once traffic has begun."""

    def lock() -> None:
        traffic(STARTED)
        with database.connect() as conn, conn.transaction():
            conn.execute("lock table mini.things in access exclusive mode")
            time.sleep(STALL_S)

    def start() -> threading.Thread:
        thread = threading.Thread(target=lock, daemon=True)
        thread.start()
        return thread

    return start


def pgbench(database: Database, folder: Path) -> np.ndarray:
    """Latencies in ms from the due time (``-R``), the way pgbench counts them, at the same rate and duration."""
    script = folder / "thing.sql"
    script.write_text("select count(*) from mini.things where id = 7;\n")
    params = database.params
    plan = ["-c", str(PLAN.users), "-R", str(PLAN.rate), "-T", str(int(PLAN.seconds)), "--random-seed=1"]
    where = ["-h", params["host"], "-p", params["port"], "-U", params["user"], database.name]
    subprocess.run(
        [str(bin_dir() / "pgbench"), "-n", "-M", "prepared", "-f", str(script), *plan, "-l", *where],
        check=True,
        capture_output=True,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PGPASSWORD": params["password"]},
    )
    lines = [line.split() for log in folder.glob("pgbench_log.*") for line in log.read_text().splitlines()]
    return np.array([int(line[2]) for line in lines if line[2].isdigit()]) / 1000


def test_a_stall_shows_in_the_percentiles_as_it_does_in_pgbench(
    mini: Callable[..., Suite], database: Database, stall: Callable[[], threading.Thread], tmp_path: Path
) -> None:
    suite = mini("thing")
    thread = stall()
    load = run(suite, database, plan=PLAN, seed=1, out=tmp_path / "out").total
    thread.join()
    stall_ms = STALL_S * 1000
    assert load.errors == 0
    assert load.latency_max_ms >= 0.9 * stall_ms
    assert load.latency_p99_ms >= 0.8 * stall_ms
    assert load.latency_p95_ms >= 0.6 * stall_ms
    assert load.service_p95_ms < 0.1 * stall_ms  # four requests were slow; a closed loop reports just these

    with database.connect() as conn:
        conn.execute("select pg_stat_reset()")
    thread = stall()
    theirs = pgbench(database, tmp_path)
    thread.join()
    assert len(theirs) > 0.8 * PLAN.rate * PLAN.seconds
    assert load.latency_p95_ms == pytest.approx(np.percentile(theirs, 95), rel=0.3)
    assert load.latency_p99_ms == pytest.approx(np.percentile(theirs, 99), rel=0.3)
