"""Parked clusters: taken over by one server alone, discarded when broken, and nothing of the last lab in them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgvitals.lab import Server, embedded, kept, parked, start_server
from pgvitals.lab.binaries import bin_dir
from pgvitals.lab.kept import Label
from pgvitals.lab.parked import Parked, all_parked
from pgvitals.lab.reap import reap
from pgvitals.lab.roles import make_roles
from pgvitals.suite import Suite

LABEL = Label(key="a" * 32, profile="tiny", seed=7, revisions={"shelf": "indexed"})
OTHERS = [path for path in sorted(Path("/usr/lib/postgresql").glob("*/bin")) if path.resolve() != bin_dir().resolve()]


@pytest.fixture(autouse=True)
def place(lab_home: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A home of the test's own, and keeping is on."""
    monkeypatch.setenv("PGVITALS_KEEP_GB", "2")
    return lab_home


def asked(server: Server, statement: str) -> list[tuple[Any, ...]]:
    with server.maintenance() as conn:
        return conn.execute(statement.encode()).fetchall()


def identifier(server: Server) -> int:
    ((found,),) = asked(server, "select system_identifier from pg_control_system()")
    return int(found)


def fill(server: Server, key: str = "a") -> None:
    """Keep a dataset of one table, whose owner is a role of its own."""
    database = server.create("lab")
    with database.connect() as conn:
        for role in ("keeper", "passing"):
            conn.execute(make_roles(role).encode())
        conn.execute("create table books as select id, id * 7 as code from generate_series(1, 1000) id")
        conn.execute("alter table books owner to keeper")
    kept.keep(server, database, replace(LABEL, key=key * 32), rows=1000, load_s=1.5)
    with database.connect() as conn:
        conn.execute("create table more (id int); alter table more owner to passing")


def parked_one(suite: Suite, key: str = "a", meanwhile: Callable[[Server], None] = lambda _: None) -> Parked:
    """Run a server that keeps something to its end."""
    with start_server("embedded", suite=suite) as server:
        fill(server, key)
        meanwhile(server)
    return all_parked()[0]


def rows(server: Server) -> list[tuple[Any, ...]]:
    found = kept.find(server, LABEL.key)
    assert found is not None
    with server.scratch("clone", kept.source_of(server, found)) as clone, clone.connect() as conn:
        return conn.execute(
            "select sum(id), sum(code), tableowner from books, pg_tables where tablename = 'books' group by tableowner"
        ).fetchall()


def test_the_next_server_takes_over_what_was_parked(suite: Suite, place: Any) -> None:
    with start_server("embedded", suite=suite) as first:
        fill(first)
        before, password = identifier(first), first.state.params["password"]
        place.ids()
    assert place.leftovers() == []
    (left,) = all_parked()
    assert (left.suite, [each.label for each in left.datasets]) == (str(suite.root), [LABEL])
    assert left.size_bytes > left.datasets[0].size_bytes
    with start_server("embedded", suite=suite) as second:
        assert identifier(second) == before
        assert second.state.params["password"] != password
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(**{**second.state.params, "password": password})  # type: ignore[arg-type]
        assert asked(second, "select current_setting('cluster_name')") == [(f"pgvitals {second.state.id}",)]
        assert rows(second) == [(500500, 3503500, "keeper")]
        assert all_parked() == []
        place.ids()
    assert place.leftovers() == []
    assert [each.datasets[0].label for each in all_parked()] == [LABEL]


def test_nothing_but_what_is_kept_and_its_roles_is_in_it(suite: Suite) -> None:
    parked_one(suite)
    with start_server("embedded", suite=suite) as server:
        names = asked(server, "select datname from pg_database where oid >= 16384")
        assert names == [(kept.find(server, LABEL.key).database,)]  # type: ignore[union-attr]
        assert asked(server, "select rolname from pg_roles where oid >= 16384") == [("keeper",)]
        assert server.state.databases == (names[0][0],)


def test_a_server_that_keeps_nothing_is_not_parked(suite: Suite, place: Any) -> None:
    with start_server("embedded", suite=suite) as server:
        server.create("lab")
    assert not (place.path / "parked").exists()


def test_switched_off_nothing_is_parked_and_nothing_taken(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    before = parked_one(suite)
    monkeypatch.setenv("PGVITALS_KEEP_GB", "0")
    with start_server("embedded", suite=suite) as server:
        assert server.state.databases == ()
    assert all_parked() == [before]


def test_secrets_are_for_their_owner_alone_and_the_password_in_one_file(suite: Suite) -> None:
    left = parked_one(suite)
    files = [path for path in left.folder.rglob("*") if path.is_file()]
    assert [path.name for path in files if left.password.encode() in path.read_bytes()] == ["parked.json"]
    assert stat.S_IMODE((left.folder / "parked.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(left.data.stat().st_mode) == 0o700
    assert sorted(path.name for path in left.folder.iterdir()) == ["data", "parked.json"]
    assert left.password not in repr(left)


def test_gigabytes_of_recycled_wal_are_not_parked(suite: Suite) -> None:
    def churn(server: Server) -> None:
        with server.scratch("churn") as database, database.connect() as conn:
            for _ in range(6):
                conn.execute("create table t as select repeat('x', 1000) from generate_series(1, 20000)")
                conn.execute("drop table t")
                conn.execute("checkpoint")

    segments = [path for path in (parked_one(suite, meanwhile=churn).data / "pg_wal").iterdir() if path.is_file()]
    assert len(segments) <= 2
    with start_server("embedded", suite=suite) as server:
        assert rows(server) == [(500500, 3503500, "keeper")]


# One cluster, several takers


def test_of_two_servers_at_once_one_takes_it_and_the_other_is_new(suite: Suite, client: Callable[..., Any]) -> None:
    parked_one(suite)
    users = [client("run"), client("run")]
    states = [user.state() for user in users]
    assert sorted(len(state.databases) for state in states) == [0, 1]
    servers = [Server(state=state, halt=embedded.stop) for state in states]
    assert len({identifier(server) for server in servers}) == 2
    assert all_parked() == []


def test_what_another_suite_or_other_binaries_left_stays(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    left = parked_one(suite)
    elsewhere = replace(suite, root=tmp_path)
    with start_server("embedded", suite=elsewhere) as server:
        assert server.state.databases == ()
    for binaries in OTHERS:
        monkeypatch.setenv("PGVITALS_PG_BIN", str(binaries))
        with start_server("embedded", suite=suite) as server:
            assert server.state.databases == ()
    assert all_parked() == [left]


def test_the_binaries_that_count_are_those_that_ran_it(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    left = parked_one(suite)
    later = parked_one(suite, "b", lambda _: monkeypatch.setenv("PGVITALS_PG_BIN", "/nowhere"))
    assert later.binaries == left.binaries


# Ends


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_command_that_fails_or_is_interrupted_parks_as_well(suite: Suite, error: type[BaseException]) -> None:
    def work() -> None:
        with start_server("embedded", suite=suite) as server:
            fill(server)
            raise error

    with pytest.raises(error):
        work()
    assert len(all_parked()) == 1


def test_a_killed_one_parks_nothing(suite: Suite, client: Callable[..., Any], place: Any) -> None:
    parked_one(suite)
    user = client("run")
    assert len(user.state().databases) == 1
    user.end(signal.SIGKILL)
    place.ids()
    assert len(reap()) == 1
    assert place.leftovers() == []
    assert all_parked() == []


def test_a_server_that_died_is_not_parked(suite: Suite, place: Any) -> None:
    with start_server("embedded", suite=suite) as server:
        fill(server)
        assert server.state.server is not None
        os.kill(server.state.server.pid, signal.SIGQUIT)
        os.waitpid(server.state.server.pid, 0)
        place.ids()
    assert place.leftovers() == []
    assert all_parked() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("alter role keeper bypassrls", "attributes of a role"),
        ("alter role keeper set lock_timeout = '1h'", "attributes of a role"),
        ("alter role all set lock_timeout = '1h'", "settings of a role"),
        ("alter role postgres set jit = off", "settings of a role"),
        ("alter system set work_mem = '64MB'", "ALTER SYSTEM"),
        ("grant keeper to pg_monitor", "roles were granted"),
        ("grant set on parameter work_mem to keeper", "parameters were granted"),
        ("select pg_create_physical_replication_slot('s')", "replication slots"),
    ],
)
def test_a_cluster_that_would_not_be_as_a_new_one_is_not_parked(
    suite: Suite, place: Any, change: str, said: str
) -> None:
    with start_server("embedded", suite=suite) as server:
        fill(server)
        with server.maintenance() as conn:
            conn.execute(change.encode())
        place.ids()
        assert said in str(embedded.retire(server.refresh()))
    assert place.leftovers() == []
    assert all_parked() == []


# Broken ones


def cut(path: Path) -> None:
    os.truncate(path, 100)


def garble(path: Path) -> None:
    path.write_text("{")


def another_password(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"password": "wrong"}))


@pytest.mark.parametrize(
    ("file", "harm"),
    [
        ("data/global/pg_control", cut),
        ("data/global/pg_control", Path.unlink),
        ("data/postgresql.conf", garble),
        ("data/PG_VERSION", Path.unlink),
        ("parked.json", garble),
        ("parked.json", another_password),
        ("parked.json", Path.unlink),
    ],
)
def test_a_broken_one_is_thrown_away_and_the_command_goes_on(
    suite: Suite, place: Any, file: str, harm: Callable[[Path], None]
) -> None:
    harm(parked_one(suite).folder / file)
    with start_server("embedded", suite=suite) as server:
        assert kept.find(server, LABEL.key) is None
        fill(server, "b")
        place.ids()
    assert place.leftovers() == []
    (left,) = all_parked()
    assert [each.label.key[0] for each in left.datasets] == ["b"]
    assert [path.name for path in (place.path / "parked").iterdir()] == [left.id]


def test_a_directory_whose_data_was_just_taken_is_cleared_away(suite: Suite, place: Any) -> None:
    left = parked_one(suite)
    shutil.rmtree(left.data)
    assert all_parked() == []
    parked.prune()
    assert list((place.path / "parked").iterdir()) == []


# Bounds


def copied(left: Parked, id_: str, **changes: Any) -> Parked:
    """The same cluster once more, under another name."""
    made = replace(left, id=id_, **changes)
    subprocess.run(["cp", "-a", str(left.folder), str(made.folder)], check=True)
    raw = json.loads((left.folder / "parked.json").read_text())
    said = {name: value for name, value in changes.items() if name != "datasets"}
    if "datasets" in changes:
        raw["datasets"][0]["label"]["key"] = changes["datasets"]
    (made.folder / "parked.json").write_text(json.dumps(raw | said | {"id": id_}))
    return made


def ids() -> list[str]:
    return [each.id for each in all_parked()]


def test_only_the_newest_stay_within_the_limits(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    left = parked_one(suite)
    for number in range(4):
        copied(left, f"0000000{number}", parked_utc=f"2020-01-0{number + 1}T00:00:00+00:00", datasets=f"{number}" * 32)
    parked.prune()
    assert ids() == [left.id, "00000003", "00000002"]
    monkeypatch.setenv("PGVITALS_KEEP_GB", str(2.5 * left.size_bytes / 2**30))
    parked.prune()
    assert ids() == [left.id, "00000003"]
    monkeypatch.setenv("PGVITALS_KEEP_GB", str(0.5 * left.size_bytes / 2**30))
    parked.prune()
    assert ids() == []


def test_what_a_later_one_holds_too_and_what_belongs_to_no_suite_any_more_goes(suite: Suite) -> None:
    left = parked_one(suite)
    copied(left, "00000001", parked_utc="2020-01-01T00:00:00+00:00")
    copied(left, "00000002", suite="/gone", datasets="c" * 32)
    parked.prune()
    assert ids() == [left.id]


def test_the_one_with_most_rows_is_taken_first(suite: Suite, place: Any) -> None:
    left = parked_one(suite)
    small = copied(left, "00000001", datasets="b" * 32)
    raw = json.loads((small.folder / "parked.json").read_text())
    raw["datasets"][0]["rows"] = 1
    (small.folder / "parked.json").write_text(json.dumps(raw))
    assert set(ids()) == {left.id, small.id}
    with start_server("embedded", suite=suite):
        assert ids() == [small.id]


@pytest.mark.parametrize("name", ["mine", "0000", "0000000g", "000000001"])
def test_only_directories_by_our_names_are_ever_deleted(suite: Suite, place: Any, name: str, tmp_path: Path) -> None:
    parent = place.path / "parked"
    (parent / name).mkdir(parents=True)
    (parent / name / "notes").write_text("mine")
    (tmp_path / "notes").write_text("mine")
    (parent / "00000000").symlink_to(tmp_path)
    parked.prune()
    assert (parent / name / "notes").read_text() == (tmp_path / "notes").read_text()


def test_a_removed_one_is_gone_and_one_that_was_taken_meanwhile_is_not_counted(suite: Suite, place: Any) -> None:
    left = parked_one(suite)
    with ExitStack() as stack:
        stack.enter_context(start_server("embedded", suite=suite))
        assert parked.remove(left) is False
    (again,) = all_parked()
    assert parked.remove(again) is True
    assert list((place.path / "parked").iterdir()) == []
