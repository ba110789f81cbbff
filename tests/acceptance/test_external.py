"""Somebody's server, by DSN, as a user who may make databases and roles and nothing else: no trace, no password."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from pgvitals.lab import Server, start_server
from pgvitals.results.rundir import load_run
from pgvitals.suite import Suite

PASSWORD = "correct-horse-battery"
EVERYTHING = """
    select 'database ' || datname from pg_database
    union all select 'role ' || rolname from pg_roles
    union all select 'setting ' || setconfig::text from pg_db_role_setting
    order by 1
"""


def contents(server: Server) -> list[str]:
    """Databases, roles and settings of the whole server."""
    with server.maintenance() as conn:
        return [str(name) for (name,) in conn.execute(EVERYTHING).fetchall()]


@pytest.fixture(scope="module")
def server(suite: Suite, _own_state: None) -> Iterator[Server]:
    """A server without a past: the tests of other files leave roles on theirs, which belong to its labs."""
    with start_server("embedded", suite=suite) as running:
        yield running


@pytest.fixture
def dsn(server: Server) -> Iterator[str]:
    """How that user reaches the server."""
    with server.maintenance() as conn:
        conn.execute(f"create role visitor login password '{PASSWORD}' createdb createrole")
    yield f"postgresql://visitor:{PASSWORD}@127.0.0.1:{server.state.params['port']}/postgres"
    with server.maintenance() as conn:
        conn.execute("drop role visitor")


def test_a_run_by_dsn_keeps_the_password_to_itself_and_cleans_up(
    copied, server: Server, dsn: str, tmp_path: Path
) -> None:
    before = contents(server)
    words = ("run", "--profile", "quick", "--system", "practice", "--only", "bench,load,audit,impact", "--json")
    process = copied.start("pgvitals", *words, "--out", str(tmp_path / "run"), "--postgres", dsn)
    seen: set[str] = set()
    typed = psutil.Process(process.pid).cmdline()
    said = ThreadPoolExecutor().submit(process.communicate)  # or its pipes fill up and it waits
    while process.poll() is None:
        children: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):  # it may have ended meanwhile
            children = psutil.Process(process.pid).children(recursive=True)
        for child in children:
            with contextlib.suppress(psutil.Error):
                if (words_of_child := child.cmdline()) != typed:  # as it is between fork and exec
                    seen.add(" ".join(words_of_child) + str(child.environ()))
        time.sleep(0.05)
    out, err = said.result()
    assert process.returncode == 3, err  # two batches are too few
    assert any("pytest" in each for each in seen)
    assert any("locust" in each for each in seen)
    assert not [each for each in seen if PASSWORD in each]
    assert PASSWORD not in out + err
    run = load_run(json.loads(out)["run"])
    assert run.info.server is not None
    assert (run.info.server.kind, run.info.server.transport) == ("external", "tcp")
    assert run.info.command.endswith("--postgres DSN")
    assert run.info.config["postgres"] == "a DSN"
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
    assert holding == []
    assert contents(server) == before
    assert copied.leftovers() == []


def test_a_lab_on_somebody_s_server_stays_and_goes(fresh, server: Server, dsn: str) -> None:
    before = contents(server)
    by_dsn = fresh.with_variables(PGVITALS_DSN=dsn)
    up = by_dsn.typed("up")
    assert up.returncode == 0, up.stderr
    assert "external server: PGVITALS_DSN is set" in up.stdout
    try:
        assert by_dsn.typed("load", "--profile", "quick", "--system", "practice").returncode == 0
        bench = by_dsn.typed("bench", "--system", "practice", "--json")
        assert bench.returncode == 3, bench.stderr
        # Whoever is no superuser is held to the policies, like the application.
        assert by_dsn.typed("psql", "-Atc", "select from practice.users limit 1").stdout == ""
        assert by_dsn.typed("psql", "-Atc", "select count(*) > 0 from pgvitals.dataset").stdout == "t\n"
        (told,) = json.loads(by_dsn.typed("status", "--json").stdout)["labs"]
        assert (told["kind"], told["profile"]) == ("external", "quick")
        assert PASSWORD not in up.stdout + up.stderr + bench.stdout + bench.stderr + str(told)
    finally:
        down = by_dsn.typed("down")
    assert down.returncode == 0, down.stderr
    assert contents(server) == before
    assert fresh.leftovers() == []
