"""The end of a load: what somebody changed meanwhile is noticed, and costs no row; the largest tables go first."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest

from pgvitals.dataset import ledger
from pgvitals.dataset.connections import Piece, do_all
from pgvitals.dataset.load import load
from pgvitals.dataset.progress import Step
from pgvitals.dataset.stored import recall
from pgvitals.errors import DatasetError, RowsRefusedError
from pgvitals.lab import Database, Server
from pgvitals.profile import Profile
from pgvitals.results.records import Dataset
from pgvitals.suite import Suite

Dump = Callable[[Database], list[str]]


@pytest.fixture(scope="module")
def smoke(suite: Suite) -> Profile:
    return suite.profiles.get("smoke")


@pytest.fixture
def migrated(database_at: Callable[[str], Database]) -> Database:
    return database_at("practice@head")


@pytest.fixture(scope="module")
def whole(server: Server, suite: Suite, smoke: Profile, template: Callable[[str], Database]) -> Dataset:
    """What a load that nothing happens to comes to."""
    with server.scratch("whole", template("practice@head")) as made:
        return load(suite, made, smoke, systems=["practice"], jobs=1)


def when(phase: str, database: Database, statement: str) -> Callable[[Step], None]:
    """Execute a statement over another connection when a phase begins."""
    told = []

    def look(step: Step) -> None:
        if step.phase == phase and not told:
            told.append(step)
            with database.connect() as conn:
                conn.execute(statement.encode())

    return look


def held(database: Database) -> dict[tuple[str, int], int]:
    with database.connect() as conn:
        return ledger.done(conn, "practice")


def test_rows_that_are_gone_before_the_end_are_missed(suite: Suite, migrated: Database, smoke: Profile) -> None:
    change = when("vacuum", migrated, "delete from practice.auth_tokens where ctid = '(0,1)'")
    with pytest.raises(DatasetError, match=r"practice.auth_tokens holds ([\d,]+) rows, and ([\d,]+) were loaded"):
        load(suite, migrated, smoke, systems=["practice"], jobs=1, progress=change)
    with migrated.connect() as conn:
        assert recall(conn) is None
        assert [half.system for half in ledger.halves(conn)] == ["practice"]


def test_an_index_that_cannot_be_built_costs_no_row(
    suite: Suite, migrated: Database, smoke: Profile, whole: Dataset, schema_dump: Dump
) -> None:
    before = schema_dump(migrated)
    change = when("indexes", migrated, "alter table practice.locations rename column city to town")
    with pytest.raises(DatasetError, match="loading system 'practice' failed: ") as failed:
        load(suite, migrated, smoke, systems=["practice"], jobs=2, progress=change)
    assert not isinstance(failed.value, RowsRefusedError)
    there = held(migrated)
    assert sum(there.values()) == sum(table.rows for table in whole.tables)
    with migrated.connect() as conn:
        conn.execute("alter table practice.locations rename column town to city")
    steps: list[Step] = []
    again = load(suite, migrated, smoke, systems=["practice"], jobs=2, progress=steps.append)
    later = [step for step in steps if step.phase != "prepare"]
    assert {step.rows_done for step in later} == {steps[-1].rows_total}, "no row was sent again"
    assert again.checksum == whole.checksum
    assert schema_dump(migrated) == before


def test_tables_that_were_changed_meanwhile_keep_their_rows(
    suite: Suite, migrated: Database, smoke: Profile, whole: Dataset, schema_dump: Dump
) -> None:
    before = schema_dump(migrated)
    change = when("vacuum", migrated, "create index by_hand on practice.locations (created_at)")
    with pytest.raises(DatasetError, match="somebody changed the tables meanwhile; undo that") as failed:
        load(suite, migrated, smoke, systems=["practice"], jobs=1, progress=change)
    assert not isinstance(failed.value, RowsRefusedError)
    assert sum(held(migrated).values()) == sum(table.rows for table in whole.tables)
    with migrated.connect() as conn:
        assert recall(conn) is None
        conn.execute("drop index practice.by_hand")
    assert load(suite, migrated, smoke, systems=["practice"]).checksum == whole.checksum
    assert schema_dump(migrated) == before


def test_indexes_of_the_largest_tables_are_built_first(
    suite: Suite, migrated: Database, smoke: Profile, whole: Dataset
) -> None:
    with migrated.connect() as conn:
        primary = "select conname, conrelid::regclass::text from pg_constraint where contype = 'p'"
        table_of = {name: table.removeprefix("practice.") for name, table in conn.execute(primary)}
    steps: list[Step] = []
    load(suite, migrated, smoke, systems=["practice"], jobs=1, progress=steps.append)
    built = [table_of[step.item] for step in steps if step.phase == "indexes" and step.item in table_of]
    rows = {table.table: table.rows for table in whole.tables}
    sizes = [rows.get(table, 0) for table in dict.fromkeys(built)]
    assert len(sizes) > 4
    assert sizes == sorted(sizes, reverse=True)


# Several connections


def test_where_one_piece_fails_the_others_are_cancelled(database: Database) -> None:
    at_work = threading.Event()
    ends: list[type[BaseException]] = []

    def sleep(conn: psycopg.Connection) -> None:
        at_work.set()
        try:
            conn.execute("select pg_sleep(3600)")
        except psycopg.Error as error:
            ends.append(type(error))
            raise

    def fail(conn: psycopg.Connection) -> None:
        at_work.wait()
        conn.execute("select no_such_column")

    later: list[object] = []
    pieces = [
        Piece(what="a", alone=True, do=sleep),
        Piece(what="b", alone=True, do=fail),
        Piece(what="c", alone=True, do=later.append),
    ]
    with pytest.raises(psycopg.errors.UndefinedColumn):
        do_all(database, pieces, 2)
    assert ends == [psycopg.errors.QueryCanceled]
    assert later == []


def test_where_one_connection_fails_the_others_are_closed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[psycopg.Connection] = []
    connect = ledger.connect

    def twice(database: Database) -> psycopg.Connection:
        if len(made) == 2:
            raise psycopg.OperationalError("too many clients already")
        made.append(connect(database))
        return made[-1]

    monkeypatch.setattr(ledger, "connect", twice)
    pieces = [Piece(what=str(number), alone=True, do=lambda conn: None) for number in range(4)]
    with pytest.raises(psycopg.OperationalError, match="too many"):
        do_all(database, pieces, 4)
    assert [conn.closed for conn in made] == [True, True]
