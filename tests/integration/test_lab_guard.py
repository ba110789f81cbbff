"""The guard: what we made is ours, and nothing else is, however much it looks like it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from pgvitals.errors import GuardError, LabError
from pgvitals.lab import Database, Server, guard, start_server
from pgvitals.lab.binaries import bin_dir
from pgvitals.lab.migrate import downgrade, upgrade
from pgvitals.lab.psql import environment
from pgvitals.lab.state import load_state
from pgvitals.measure.prepare import at_rest
from pgvitals.suite import Suite

NAME = "somebodys_own"


@contextmanager
def made_by_hand(server: Server, options: str = "template template0") -> Iterator[Database]:
    """A database that pgvitals knows nothing of."""
    name = sql.Identifier(NAME)
    with server.maintenance() as conn:
        conn.execute(sql.SQL("create database {} {}").format(name, sql.SQL(options)))
        try:
            yield Database(params=server.state.params, name=NAME, state_path=server.state.path)
        finally:
            conn.execute(sql.SQL("drop database if exists {} with (force)").format(name))


@pytest.fixture
def foreign(server: Server) -> Iterator[Database]:
    """Somebody's database with a table and two rows."""
    with made_by_hand(server) as database:
        with database.connect() as conn:
            conn.execute("create table patients (name text)")
            conn.execute("insert into patients values ('Ada'), ('Grace')")
        yield database


def is_ours(database: Database) -> bool:
    with database.connect() as conn:
        return guard.is_ours(conn)


def patients(database: Database) -> list[tuple[str, ...]]:
    with database.connect() as conn:
        return conn.execute("select name from patients order by name").fetchall()


def copied(source: Database, target: Database) -> None:
    """Dump and restore, as one does by hand."""
    dump = subprocess.run([bin_dir() / "pg_dump"], env=environment(source), capture_output=True, check=True)
    psql = [bin_dir() / "psql", "--quiet", "--set=ON_ERROR_STOP=1"]
    subprocess.run(psql, env=environment(target), input=dump.stdout, capture_output=True, check=True)


def test_what_we_made_is_ours(database: Database, server: Server) -> None:
    assert is_ours(database)
    with server.scratch("copy", source=database) as clone:
        assert is_ours(clone)


def test_each_database_has_a_marker_of_its_own(database: Database, server: Server) -> None:
    def marker(of: Database) -> object:
        with of.connect() as conn:
            return conn.execute("select id from pgvitals.marker").fetchall()

    with server.scratch("copy", source=database) as clone, server.scratch("other") as other:
        assert len({str(marker(each)) for each in (database, clone, other)}) == 3


def test_what_somebody_else_made_is_not_ours(foreign: Database) -> None:
    assert not is_ours(foreign)


def test_a_dump_of_ours_restored_elsewhere_is_not_ours(database: Database, foreign: Database) -> None:
    copied(database, foreign)
    with foreign.connect() as conn:
        assert conn.execute("select count(*) from pgvitals.marker").fetchone() == (1,)
    assert not is_ours(foreign)


def test_a_clone_of_ours_made_by_hand_is_not_ours(database: Database, server: Server) -> None:
    with made_by_hand(server, f'template "{database.name}"') as clone:
        assert not is_ours(clone)


def test_a_marker_of_another_cluster_is_not_ours(database: Database) -> None:
    with database.connect() as conn:
        conn.execute("update pgvitals.marker set system_identifier = system_identifier + 1")
    assert not is_ours(database)
    with database.connect() as conn:
        guard.stamp(conn)  # so that it can be dropped again


def test_two_markers_are_as_good_as_none(database: Database) -> None:
    with database.connect() as conn:
        conn.execute("insert into pgvitals.marker select * from pgvitals.marker")
        assert not guard.is_ours(conn)
        guard.stamp(conn)
        assert guard.is_ours(conn)


@pytest.mark.parametrize(
    "table",
    ["(id int)", "(database_oid text, system_identifier text)", "as select 1 as database_oid, 2 as system_identifier"],
)
def test_a_table_that_happens_to_be_called_marker_is_not_ours(foreign: Database, table: str) -> None:
    with foreign.connect() as conn:
        conn.execute(f"create schema pgvitals; create table pgvitals.marker {table}")
    assert not is_ours(foreign)


@pytest.mark.parametrize("autocommit", [True, False])
def test_a_user_who_may_not_read_the_marker_is_refused_and_can_go_on(database: Database, autocommit: bool) -> None:
    with database.connect() as conn:
        conn.execute("drop role if exists guard_visitor; create role guard_visitor")
    with database.connect("guard_visitor", autocommit=autocommit) as conn:
        assert conn.execute("select 1").fetchone() == (1,)
        with pytest.raises(GuardError):
            guard.require_ours(conn)
        assert conn.execute("select 2").fetchone() == (2,)
    with database.connect() as conn:
        conn.execute("drop role guard_visitor")


def rest(server: Server, suite: Suite, database: Database) -> None:
    with at_rest(database, ["public"]):
        pass


REFUSED: dict[str, Callable[[Server, Suite, Database], object]] = {
    "drop": lambda server, suite, database: server.drop(database),
    "clone": lambda server, suite, database: server.clone(database, "mine"),
    "upgrade": lambda server, suite, database: upgrade(suite, database),
    "downgrade": lambda server, suite, database: downgrade(suite, database, "base"),
    "at rest": rest,
}


@pytest.mark.parametrize("act", REFUSED.values(), ids=REFUSED)
def test_nothing_is_done_to_a_database_that_is_not_ours(
    act: Callable[[Server, Suite, Database], object], server: Server, suite: Suite, foreign: Database
) -> None:
    def catalog() -> object:
        with server.maintenance() as conn, foreign.connect() as inside:
            tables = inside.execute("select oid, relname, reloptions, relfilenode from pg_class order by oid")
            return conn.execute("select oid, datname from pg_database order by oid").fetchall(), tables.fetchall()

    before = catalog(), server.state
    with pytest.raises(GuardError, match=f"database '{NAME}' was not made by pgvitals") as caught:
        act(server, suite, foreign)
    assert foreign.params["password"] not in str(caught.value)
    assert patients(foreign) == [("Ada",), ("Grace",)]
    assert (catalog(), server.state) == before


def test_a_database_of_the_same_name_elsewhere_licenses_nothing_here(
    server: Server, suite: Suite, foreign: Database
) -> None:
    with start_server("embedded", suite=suite) as other:
        made = other.create("twin")
        with other.maintenance() as conn:
            conn.execute(f'alter database "{made.name}" rename to {NAME}')
        twin = Database(params=other.state.params, name=NAME)
        assert is_ours(twin)
        for act in (server.drop, lambda twin: server.clone(twin, "mine")):
            with pytest.raises(GuardError):
                act(twin)
    assert patients(foreign) == [("Ada",), ("Grace",)]


# Making, cloning, dropping


def test_a_database_is_named_after_its_label_however_long_that_is(server: Server) -> None:
    label = "schema cleanup audit with \"quotes\" and 'more' " * 3
    with server.scratch(label) as database:
        assert database.name.startswith(f"pgvitals_{label[:20]}")
        with database.connect() as conn:
            assert conn.execute("select current_database()").fetchone() == (database.name,)
        assert database.name in server.state.databases
    assert database.name not in server.state.databases


def test_a_clone_has_what_its_source_has_and_leaves_it_alone(server: Server, database: Database) -> None:
    with database.connect() as conn:
        conn.execute("create table patients (name text)")
        conn.execute("insert into patients values ('Ada')")
    with server.scratch("clone", source=database) as clone:
        with clone.connect() as conn:
            conn.execute("insert into patients values ('Grace')")
        assert patients(clone) == [("Ada",), ("Grace",)]
    assert patients(database) == [("Ada",)]


def test_two_commands_on_one_server_note_each_others_databases(server: Server) -> None:
    other = Server(state=server.state, halt=server.halt)
    with server.scratch("one") as one, other.scratch("two") as two:
        assert {one.name, two.name} <= set(load_state(server.state.path).databases)
    assert not {one.name, two.name} & set(load_state(server.state.path).databases)


def test_dropping_ends_the_connections_to_it(server: Server) -> None:
    made = server.create("busy")
    with made.connect() as conn:
        server.drop(made)
        with pytest.raises(psycopg.OperationalError):
            conn.execute("select 1")


def test_a_database_that_cannot_be_marked_is_taken_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> set[str]:
        with server.maintenance() as conn:
            return {str(row[0]) for row in conn.execute("select datname from pg_database").fetchall()}

    def interrupted(conn: psycopg.Connection) -> str:
        raise KeyboardInterrupt

    before = names()
    monkeypatch.setattr(guard, "stamp", interrupted)
    with pytest.raises(KeyboardInterrupt):
        server.create("half")
    assert names() == before
    assert server.state.unfinished == ()


def test_a_role_set_at_connection_is_what_reset_returns_to(database: Database) -> None:
    with database.connect() as conn:
        conn.execute("drop role if exists guard_visitor; create role guard_visitor")
    with database.connect("guard_visitor", statement_timeout="7s", **{"app.note": "a b\\c"}) as conn:
        conn.execute("reset role")
        asked = "select current_user, current_setting('statement_timeout'), current_setting('app.note')"
        assert conn.execute(asked).fetchone() == ("guard_visitor", "7s", "a b\\c")
    with pytest.raises(LabError, match=f"cannot connect to lab database '{database.name}'") as caught:
        database.connect("nobody_of_that_name")
    assert "\n" not in str(caught.value)
    assert database.params["password"] not in str(caught.value)
    with database.connect() as conn:
        conn.execute("drop role guard_visitor")
