"""Kept datasets on one server: whole or not there, dropped for room, and never what somebody else made."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from pgvitals.errors import GuardError, LabError
from pgvitals.lab import Database, Server, guard, kept, start_server
from pgvitals.lab.kept import Kept, Label
from pgvitals.lab.reap import reap
from pgvitals.suite import Suite

LABEL = Label(key="a" * 32, profile="tiny", seed=7, revisions={"shelf": "indexed"})


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeping is on, as it is for users."""
    monkeypatch.setenv("PGVITALS_KEEP_GB", "2")


@pytest.fixture(scope="module")
def server(suite: Suite, _own_state: None) -> Iterator[Server]:
    """A server without the databases that the tests of other files still hold."""
    with start_server("embedded", suite=suite) as running:
        yield running


@pytest.fixture
def source(server: Server) -> Iterator[Database]:
    """A database of ours with rows; what was kept of it goes with it."""
    with server.scratch("source") as made:
        with made.connect() as conn:
            conn.execute("create table books as select id, id * 7 as code from generate_series(1, 1000) id")
        yield made
    for each in kept_on(server):
        kept.drop(server, each)


def kept_on(server: Server) -> list[Kept]:
    with server.maintenance() as conn:
        return kept.all_kept(conn, server.refresh().databases)


def databases(server: Server) -> dict[str, int]:
    """Name -> oid of what is on the server."""
    with server.maintenance() as conn:
        return dict(conn.execute("select datname, oid::int from pg_database").fetchall())


def keep(server: Server, source: Database, **changes: Any) -> Kept:
    return kept.keep(server, source, replace(LABEL, **changes), rows=1000, load_s=1.5)


def codes(database: Database) -> list[Any]:
    with database.connect() as conn:
        return conn.execute("select ctid::text, xmin::text, id, code from books").fetchall()


def comment_of(server: Server, name: str) -> str | None:
    with server.maintenance() as conn:
        row = conn.execute(
            "select shobj_description(oid, 'pg_database') from pg_database where datname = %s", (name,)
        ).fetchone()
    assert row is not None
    return None if row[0] is None else str(row[0])


# Kept, found and cloned


def test_what_was_kept_is_found_by_its_key_and_cloned_row_by_row(server: Server, source: Database) -> None:
    made = keep(server, source)
    assert kept.find(server, LABEL.key) == made
    assert kept.find(server, "b" * 32) is None
    assert (made.label, made.rows, made.load_s) == (LABEL, 1000, 1.5)
    assert made.size_bytes > 7_000_000
    with server.scratch("clone", kept.source_of(server, made)) as clone:
        assert codes(clone) == codes(source)
        assert comment_of(server, clone.name) is None
        with clone.connect() as conn:
            assert guard.is_ours(conn)


def test_nobody_writes_into_what_is_kept_by_accident(server: Server, source: Database) -> None:
    made = keep(server, source)
    with kept.source_of(server, made).connect() as conn, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        conn.execute("delete from books")
    with server.scratch("clone", kept.source_of(server, made)) as clone, clone.connect() as conn:
        assert conn.execute("delete from books").rowcount == 1000


def test_a_lab_is_put_aside_for_a_clone_under_the_same_name(server: Server, source: Database) -> None:
    made = keep(server, source)
    before = databases(server)
    with server.scratch("lab") as lab:
        old = databases(server)[lab.name]
        kept.replace_by(server, lab, server.provisional("lab", kept.source_of(server, made)))
        assert codes(lab) == codes(source)
        assert databases(server)[lab.name] != old
        assert databases(server).keys() == before.keys() | {lab.name}
        with lab.connect() as conn:
            assert guard.is_ours(conn)
    assert databases(server) == before


# Somebody is connected


def test_what_somebody_is_connected_to_is_not_kept(server: Server, source: Database) -> None:
    before = databases(server)
    with source.connect(), pytest.raises(LabError, match="somebody is connected to the database"):
        keep(server, source)
    assert databases(server) == before


def test_a_lab_that_somebody_is_connected_to_stays_as_it_is(server: Server, source: Database) -> None:
    with server.scratch("lab") as lab, server.scratch("fresh") as fresh:
        before = databases(server)
        with lab.connect(), pytest.raises(LabError, match="somebody is connected to the database"):
            kept.replace_by(server, lab, fresh)
        assert databases(server) == before


# Room


def test_a_limit_of_nothing_and_a_limit_too_low(
    server: Server, source: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = databases(server)
    monkeypatch.setenv("PGVITALS_KEEP_GB", "0.001")
    with pytest.raises(LabError, match=r"it takes 0\.00\d+ GB, PGVITALS_KEEP_GB allows 0\.001 GB"):
        keep(server, source)
    assert databases(server) == before


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf"])
def test_a_limit_that_is_no_number_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGVITALS_KEEP_GB", text)
    with pytest.raises(LabError, match=f"PGVITALS_KEEP_GB={text}: expected a number of GB, or 0"):
        kept.limit_bytes()


def test_twice_the_size_has_to_be_free(server: Server, source: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    size = keep(server, source).size_bytes
    asked = []

    def usage(folder: str) -> SimpleNamespace:
        asked.append(folder)
        return SimpleNamespace(free=free)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    before, free = databases(server), 2 * size - 1
    with pytest.raises(LabError, match="of disk space only"):
        keep(server, source, key="b" * 32, seed=8)
    assert databases(server) == before
    free = 2 * size
    keep(server, source, key="b" * 32, seed=8)
    assert set(asked) == {server.state.data_dir}


def test_on_a_disk_that_cannot_be_seen_nothing_large_is_kept(
    server: Server, source: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "UNSEEN_BYTES", 1_000_000)
    monkeypatch.setattr(kept, "free_bytes", lambda _: None)
    with pytest.raises(LabError, match="cannot be seen from here"):
        keep(server, source)
    assert kept_on(server) == []


def test_the_longest_unused_goes_first(server: Server, source: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(f"2025-01-01T00:00:{second:02}+00:00" for second in range(60))
    monkeypatch.setattr(kept, "now_utc", lambda: next(moments))
    monkeypatch.setattr(kept, "MOST_DATASETS", 2)
    one, two = (keep(server, source, key=key * 32, seed=ord(key)) for key in "bc")
    kept.used(server, one)
    three = keep(server, source, key="d" * 32, seed=ord("d"))
    assert [each.label.key[0] for each in kept_on(server)] == ["d", "b"]
    monkeypatch.setenv("PGVITALS_KEEP_GB", str((2.5 * one.size_bytes) / 2**30))
    monkeypatch.setattr(kept, "MOST_DATASETS", 9)
    keep(server, source, key="e" * 32, seed=ord("e"))
    assert [each.label.key[0] for each in kept_on(server)] == ["e", "d"]
    assert {two.database, one.database} & databases(server).keys() == set()
    assert three.database in databases(server)


def test_what_an_edited_recipe_made_before_goes_for_what_it_makes_now(server: Server, source: Database) -> None:
    old = keep(server, source)
    other = keep(server, source, key="b" * 32, revisions={"shelf": "tables"})
    new = keep(server, source, key="c" * 32)
    assert {each.database for each in kept_on(server)} == {other.database, new.database}
    assert old.database not in databases(server)


# Only what is ours, and only whole


@pytest.mark.parametrize(
    "comment",
    [None, "", "a dataset", "[1]", '{"format": 99}', '{"format": 1}', '{"format": 1, "label": 3}'],
)
def test_a_database_whose_comment_does_not_say_so_is_no_kept_dataset(
    server: Server, source: Database, comment: str | None
) -> None:
    made = keep(server, source)
    with server.maintenance() as conn:
        text = "null" if comment is None else f"'{comment}'"
        conn.execute(f'comment on database "{made.database}" is {text}'.encode())
    assert kept.find(server, LABEL.key) is None
    server.drop(kept.source_of(server, made))


@pytest.fixture
def stranger(server: Server, source: Database) -> Iterator[Kept]:
    """Somebody's database that looks like a kept dataset."""
    told = keep(server, source)
    made = replace(told, database=f"{kept.PREFIX}0000")
    kept.drop(server, told)
    with server.maintenance() as conn:
        conn.execute(f'create database "{made.database}"'.encode())
        conn.execute(f"comment on database \"{made.database}\" is '{made.comment()}'".encode())
        yield made
        conn.execute(f'drop database "{made.database}"'.encode())


def test_a_database_that_we_did_not_make_is_neither_found_nor_cloned_nor_dropped(
    server: Server, stranger: Kept
) -> None:
    assert kept.find(server, LABEL.key) is None
    for touch in (
        lambda: kept.drop(server, stranger),
        lambda: server.provisional("x", kept.source_of(server, stranger)),
    ):
        with pytest.raises(GuardError, match="was not made by pgvitals"):
            touch()
    assert stranger.database in databases(server)


@pytest.mark.parametrize("error", [KeyboardInterrupt, psycopg.OperationalError])
def test_an_interrupted_copy_is_gone(
    server: Server, source: Database, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def interrupted(*_: object) -> None:
        raise error

    before = databases(server)
    monkeypatch.setattr(kept, "_write_comment", interrupted)
    with pytest.raises(error):
        keep(server, source)
    assert databases(server) == before
    assert kept.find(server, LABEL.key) is None


KILLED = """
import os, signal, sys
from pathlib import Path
from pgvitals.lab import Database, kept
from pgvitals.lab.attach import server_of
from pgvitals.lab.kept import Label
from pgvitals.lab.server import Server
from pgvitals.lab.state import load_state

what, state, source, lab = sys.argv[1:]
server = server_of(load_state(Path(state)))
label = Label(key="a" * 32, profile="tiny", seed=7, revisions={"shelf": "indexed"})

def killed(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def database(name):
    return Database(params=server.state.params, name=name, state_path=server.state.path)

if what == "copied":
    kept._write_comment = killed
elif what == "marked":
    Server.confirm = killed
made = kept.keep(server, database(source), label, rows=1000, load_s=1.5)
clone = server.provisional("lab", kept.source_of(server, made))
if what == "cloned":
    killed()
Server.drop = killed
kept.replace_by(server, database(lab), clone)
"""


@pytest.mark.parametrize(
    ("moment", "whole"), [("copied", False), ("marked", False), ("cloned", True), ("exchanged", True)]
)
def test_what_is_left_by_a_kill_at_any_moment_is_dropped_by_the_next_command(
    server: Server, source: Database, moment: str, whole: bool
) -> None:
    with server.scratch("lab") as lab:
        before = databases(server)
        words = (moment, str(server.state.path), source.name, lab.name)
        done = subprocess.run([sys.executable, "-c", KILLED, *words], capture_output=True, text=True, check=False)
        assert done.returncode == -9, done.stderr
        assert databases(server).keys() > before.keys()
        reap()
        found = kept.find(server, LABEL.key)
        assert (found is not None) == whole
        assert databases(server).keys() == before.keys() | ({found.database} if found else set())
        with lab.connect() as conn:
            assert guard.is_ours(conn)
            tables = conn.execute("select relname from pg_class where relname = 'books'").fetchall()
        assert len(tables) == (moment == "exchanged")
        assert server.refresh().scratch.keys() == {source.name, lab.name}
        assert server.state.unfinished == ()


def test_a_comment_reads_back_as_what_was_kept(server: Server, source: Database) -> None:
    made = keep(server, source, profile="größer", seed=2**62)
    raw = json.loads(comment_of(server, made.database) or "")
    assert raw["format"] == kept.FORMAT
    assert Kept.read(made.database, json.dumps(raw)) == made
