"""The load test as a process, on a suite of its own: what it records, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from psycopg import sql

from pgvitals.errors import LoadTestError
from pgvitals.lab import Database
from pgvitals.load import output
from pgvitals.load import run as run_module
from pgvitals.load.histogram import merged, read_log
from pgvitals.load.mix import load_mix
from pgvitals.load.run import run
from pgvitals.load.settings import Settings
from pgvitals.profile import LoadPlan
from pgvitals.results.outcome import Outcome
from pgvitals.suite import Suite

USERS = 4
STARTED = USERS * 12 + 50  # reads of the table by which warm-up is over and the clock runs

HANGS = """
import json, os, sys, time
with open("seen.partial", "w") as file:
    json.dump([os.getpid(), sys.argv, dict(os.environ)], file)
os.rename("seen.partial", "seen.json")
time.sleep(600)
"""

MakeSuite = Callable[..., Suite]
Traffic = Callable[[int], None]


def plan(rate: float, seconds: float, users: int = USERS) -> LoadPlan:
    return LoadPlan(users=users, rate=rate, seconds=seconds)


def meanwhile(action: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


def test_a_run_records_every_planned_request(mini: MakeSuite, database: Database, tmp_path: Path) -> None:
    suite = mini("thing", "again")
    (suite.root / "loadtests" / "mix.toml").write_text('default = 0\n[weights]\n"mini/thing" = 1\n')
    out = tmp_path / "out"
    load = run(suite, database, plan=plan(100, 2), seed=1, systems=suite.select(None), out=out)
    assert load.error_samples == ()
    assert load.outcome in (Outcome.PASS, Outcome.INCONCLUSIVE)  # a noisy machine may void it
    assert load.total.requests == 200
    assert [query.query for query in load.queries] == ["thing"]  # the mix leaves the other one out
    assert load.total.service_p95_ms <= load.total.latency_p95_ms <= load.total.latency_max_ms
    assert output.read(out) == load
    assert sorted(path.name for path in out.iterdir()) == ["load.hlog", "load.json"]
    logged = read_log(out / "load.hlog")
    assert {tag: histogram.count for tag, histogram in logged.items()} == {
        "mini/thing:latency": 200,
        "mini/thing:service": 200,
        "mini/thing:lag": 200,
    }
    assert logged["mini/thing:latency"].percentile_ms(95) == load.total.latency_p95_ms
    assert np.array_equal(merged([logged["mini/thing:lag"]]).counts, logged["mini/thing:lag"].counts)


def test_writes_leave_nothing_and_their_users_do_not_wait_for_each_other(
    mini: MakeSuite, database: Database, tmp_path: Path
) -> None:
    suite = mini("make")
    with database.connect() as conn:
        conn.execute(sql.SQL("alter database {} set lock_timeout = '5ms'").format(sql.Identifier(database.name)))
    load = run(suite, database, plan=plan(60, 2), seed=1, out=tmp_path / "out")
    assert load.error_samples == ()
    assert [query.ends for query in load.queries] == ["rollback"]
    with database.connect() as conn:
        assert conn.execute("select count(*) from mini.things").fetchone() == (500,)


def test_twenty_users_wait_for_the_server_at_the_same_time(mini: MakeSuite, database: Database, tmp_path: Path) -> None:
    load = run(mini("nap"), database, plan=plan(150, 2, users=20), seed=1, out=tmp_path / "out")
    assert load.total.errors == 0
    assert load.achieved_rate >= 100  # one after the other would be 10
    assert load.total.service_p50_ms >= 100


def test_a_query_that_cannot_run_is_one_line_with_its_state_and_no_value(
    mini: MakeSuite, database: Database, tmp_path: Path
) -> None:
    with pytest.raises(LoadTestError) as caught:
        run(mini("thing", "gone"), database, plan=plan(100, 2), seed=1, out=tmp_path / "out")
    assert "bench/mini/gone.sql: fails with relation " in str(caught.value)
    assert str(caught.value).endswith(" does not exist (SQLSTATE 42P01)")
    assert not (tmp_path / "out" / "load.json").exists()


def test_errors_during_the_run_fail_it_and_are_counted(
    mini: MakeSuite, database: Database, traffic: Traffic, tmp_path: Path
) -> None:
    def rename() -> None:
        traffic(STARTED)
        with database.connect() as conn:
            conn.execute("alter table mini.things rename to hidden")

    thread = meanwhile(rename)
    load = run(mini("thing"), database, plan=plan(100, 4), seed=1, out=tmp_path / "out")
    thread.join()
    assert load.outcome is Outcome.FAIL
    assert 0 < load.total.errors < load.total.requests == 400
    assert load.error_samples == (
        f'mini/thing: relation "mini.things" does not exist (SQLSTATE 42P01), {load.total.errors} times',
    )


def test_a_lost_connection_is_counted_and_made_again(
    mini: MakeSuite, database: Database, traffic: Traffic, tmp_path: Path
) -> None:
    def cut() -> None:
        traffic(STARTED)
        with database.connect() as conn:
            conn.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
            )

    thread = meanwhile(cut)
    load = run(mini("thing"), database, plan=plan(100, 4), seed=1, out=tmp_path / "out")
    thread.join()
    assert load.outcome is Outcome.FAIL
    assert load.total.requests == 400
    assert 0 < load.total.errors <= USERS
    # The server's farewell arrives, or just the end of the connection.
    assert all("(SQLSTATE 57P01)" in sample or "a lost connection" in sample for sample in load.error_samples)


def test_only_the_asked_systems_are_queried(mini: MakeSuite, database: Database, tmp_path: Path) -> None:
    suite = mini("thing", "gone")
    shutil.copytree(suite.root / "fixtures" / "mini", suite.root / "fixtures" / "other")
    (suite.root / "bench" / "other").mkdir()
    (suite.root / "bench" / "mini" / "gone.sql").rename(suite.root / "bench" / "other" / "gone.sql")
    load = run(suite, database, plan=plan(100, 1), seed=1, systems=(suite.system("mini"),), out=tmp_path / "out")
    assert {query.system for query in load.queries} == {"mini"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_reports_what_it_has_as_inconclusive(
    mini: MakeSuite, database: Database, traffic: Traffic, tmp_path: Path, number: signal.Signals
) -> None:
    suite = mini("thing")
    out = tmp_path / "out"
    locustfile = Path(run_module.__file__).with_name("locustfile.py")
    with subprocess.Popen(
        [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "-u", str(USERS), "-t", "60s"],
        cwd=suite.root,
        env={**os.environ, **database.environment(), **Settings(rate=100, out=out).variables()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        traffic(STARTED)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 3, stderr
    assert "Traceback" not in stderr
    load = output.read(out)
    assert load.outcome is Outcome.INCONCLUSIVE
    assert 0 < load.total.requests < 6000 == load.target_rate * load.seconds
    assert "Open-loop load test: 4 connections, 60 s" in stdout


def test_psycopg_before_locust_is_refused(tmp_path: Path, mini: MakeSuite, database: Database) -> None:
    suite = mini("thing")
    early = "import psycopg\nfrom pgvitals.load.user import require_cooperative_wait\nrequire_cooperative_wait()\n"
    result = subprocess.run([sys.executable, "-c", early], capture_output=True, text=True, check=False, cwd=suite.root)
    assert "LoadTestError: psycopg waits with wait_c" in result.stderr.splitlines()[-1]


def test_a_forced_wait_function_is_refused_in_one_line(
    mini: MakeSuite, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PSYCOPG_WAIT_FUNC", "wait_c")
    with pytest.raises(LoadTestError, match=r"^psycopg waits with wait_c, .*unset PSYCOPG_WAIT_FUNC"):
        run(mini("thing"), database, plan=plan(100, 1), seed=1, out=tmp_path / "out")


def test_settings_of_locust_in_the_environment_do_not_change_the_run(
    mini: MakeSuite, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    monkeypatch.setenv("LOCUST_RUN_TIME", "50")
    load = run(mini("thing"), database, plan=plan(100, 1), seed=1, out=tmp_path / "out")
    assert (load.seconds, load.total.requests) == (1.0, 100)


def test_a_process_that_hangs_is_ended_with_its_group_and_was_told_no_secret(
    mini: MakeSuite, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = mini("thing")
    (suite.root / "loadtests" / "locustfile.py").write_text(HANGS)
    monkeypatch.setattr(run_module, "_LIMIT_S", 8.0)
    with pytest.raises(LoadTestError, match="did not end within 9 s"):
        run(suite, database, plan=plan(100, 1), seed=1, out=tmp_path / "out")
    pid, argv, environment = json.loads((suite.root / "seen.json").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert database.params["password"] not in " ".join([*argv, *environment.values()])


def test_ctrl_c_ends_the_process_too(mini: MakeSuite, database: Database, tmp_path: Path) -> None:
    suite = mini("thing")
    (suite.root / "loadtests" / "locustfile.py").write_text(HANGS)
    seen = suite.root / "seen.json"

    def interrupt() -> None:
        while not seen.exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = meanwhile(interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(suite, database, plan=plan(100, 1), seed=1, out=tmp_path / "out")
    thread.join()
    with pytest.raises(ProcessLookupError):
        os.kill(json.loads(seen.read_text())[0], 0)


def test_a_locustfile_that_breaks_is_told_by_its_last_line(mini: MakeSuite, database: Database, tmp_path: Path) -> None:
    suite = mini("thing")
    (suite.root / "loadtests" / "locustfile.py").write_text("from pgvitals.load.user import NoSuchUser\n")
    with pytest.raises(LoadTestError, match="ImportError: cannot import name 'NoSuchUser'"):
        run(suite, database, plan=plan(100, 1), seed=1, out=tmp_path / "out")


def test_without_locust_the_extra_is_named(
    suite: Suite, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LoadTestError, match=r"pip install 'pgvitals\[load\]'"):
        run(suite, database, plan=plan(100, 1), seed=1, out=tmp_path / "out")


def test_the_suites_own_locustfile_and_mix_are_in_order(suite: Suite) -> None:
    folder = suite.root / suite.config.loadtests
    assert sum(load_mix(folder / "mix.toml", suite.queries).of(suite.queries).values()) > 0
    listed = subprocess.run(
        [sys.executable, "-m", "locust", "-f", str(folder / "locustfile.py"), "--list"],
        capture_output=True,
        text=True,
        check=True,
        cwd=suite.root,
    )
    assert listed.stdout.split()[-1] == "Lookups"
