"""pazpaz's data migrations: rows are sealed on the way up and come back as they were on the way down."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pgvitals.encryption import Context, KeyRing, blind_index, convert, fetch_from, lab_provider, seal, unseal
from pgvitals.errors import MigrationError
from pgvitals.lab import Database, start_server
from pgvitals.lab.migrate import current, downgrade, upgrade
from pgvitals.suite import Suite

BEFORE, NAMES, BIRTHS, HEAD = "2de77d93d190", "a2341bb8aa45", "92df859932f2", "pazpaz_hardening"
SEALED = {
    NAMES: {
        "clients": (
            "first_name",
            "last_name",
            "email",
            "phone",
            "address",
            "medical_history",
            "emergency_contact_name",
            "emergency_contact_phone",
        )
    },
    BIRTHS: {"clients": ("date_of_birth",)},
    HEAD: {"clients": ("notes",), "appointments": ("notes",)},
}
STEPS = [(BEFORE, NAMES), (NAMES, BIRTHS), (BIRTHS, HEAD)]
CANARY = "Canary-Zebulon"
MANY = 25
Row = Callable[..., UUID]

CLIENTS: tuple[dict[str, Any], ...] = (
    {"first_name": CANARY, "last_name": CANARY, "email": f"{CANARY}@example.org", "phone": "", "notes": CANARY},
    {"first_name": CANARY, "last_name": CANARY, "address": CANARY, "medical_history": f"{CANARY} " * 999},
    {"first_name": "Zoë 🦓", "last_name": 'O\'Neil \\ %s "q"\t\n', "date_of_birth": dt.date(1900, 2, 28)},
    {"first_name": "x" * 255, "last_name": " ", "emergency_contact_name": CANARY, "emergency_contact_phone": "1" * 50},
    {"first_name": "Ada", "last_name": "Lovelace", "email": " ", "date_of_birth": dt.date(2024, 2, 29), "notes": ""},
)


@pytest.fixture
def filled(database_at: Callable[[str], Database], pazpaz_row: Row) -> Database:
    """Three workspaces at the revision before the first encrypting one; the last one has no clients."""
    database = database_at(BEFORE)
    with database.connect() as conn:
        fill(conn, pazpaz_row)
    return database


def fill(conn: psycopg.Connection, row: Row) -> None:
    first, second, _ = (row(conn, "workspaces", name=name) for name in ("first", "second", "third"))
    for workspace in (first, second):
        for client in CLIENTS:
            id_ = row(conn, "clients", workspace_id=workspace, **client)
            row(conn, "appointments", workspace_id=workspace, client_id=id_, notes=client.get("notes"))
    for number in range(MANY):
        row(conn, "clients", workspace_id=first, last_name=str(number), email=f"{number}@example.org")


def contents(database: Database) -> dict[str, list[dict[str, Any]]]:
    """All rows of the tables that are converted."""
    with database.connect() as conn:
        found = {}
        for table in ("clients", "appointments"):
            rows = conn.execute(
                sql.SQL("select to_jsonb(t) from pazpaz.{} t order by id").format(sql.Identifier(table))
            )
            found[table] = [row for (row,) in rows]
        return found


def opened(database: Database, table: str, column: str) -> dict[str, str | None]:
    """Row -> the text of a sealed column, opened one by one."""
    with database.connect() as conn:
        ring = KeyRing(lab_provider(), fetch_from(conn, "pazpaz.workspace_keys"))
        rows = conn.execute(
            sql.SQL("select workspace_id::text, id::text, {} from pazpaz.{}").format(
                sql.Identifier(column), sql.Identifier(table)
            )
        ).fetchall()
        return {
            id_: None if sealed is None else unseal(ring.opener(tenant), sealed, Context(tenant, table, column, id_))
            for tenant, id_, sealed in rows
        }


@pytest.mark.parametrize(("before", "revision"), STEPS)
def test_what_was_sealed_opens_to_the_same_text(suite: Suite, filled: Database, before: str, revision: str) -> None:
    upgrade(suite, filled, before)
    plain = contents(filled)
    upgrade(suite, filled, revision)
    for table, columns in SEALED[revision].items():
        for column in columns:
            assert opened(filled, table, column) == {row["id"]: row[column] for row in plain[table]}


@pytest.mark.parametrize(("before", "revision"), STEPS)
def test_each_encrypting_step_alone_goes_down_to_the_very_same_rows(
    suite: Suite, filled: Database, before: str, revision: str
) -> None:
    upgrade(suite, filled, before)
    plain = contents(filled)
    upgrade(suite, filled, revision)
    assert contents(filled) != plain
    downgrade(suite, filled, before)
    assert contents(filled) == plain
    upgrade(suite, filled, revision)


def test_the_whole_way_up_and_down_leaves_the_rows_as_they_were(suite: Suite, filled: Database) -> None:
    plain = contents(filled)
    upgrade(suite, filled, HEAD)
    downgrade(suite, filled, BEFORE)
    assert contents(filled) == plain


def test_two_seals_of_one_name_differ_in_each_row_and_each_run(suite: Suite, filled: Database) -> None:
    def seals() -> list[bytes]:
        with filled.connect() as conn:
            return [value for (value,) in conn.execute("select last_name from pazpaz.clients order by id")]

    upgrade(suite, filled, NAMES)
    first = seals()
    assert len(set(first)) == len(first) > MANY
    downgrade(suite, filled, BEFORE)
    upgrade(suite, filled, NAMES)
    assert not set(first) & set(seals())


def stored_bytes(database: Database, table: str) -> bytes:
    """Every byte of a table's files: rows, dead rows, long values and indexes."""
    with database.connect() as conn:
        conn.execute("checkpoint")
        (content,) = conn.execute(
            "select string_agg(pg_read_binary_file(pg_relation_filepath(c.oid)), '') from pg_class c "
            "where relkind in ('r', 'i', 't') and (c.oid = %(t)s::regclass or c.oid in "
            "(select reltoastrelid from pg_class where oid = %(t)s::regclass) or c.oid in "
            "(select indexrelid from pg_index where indrelid = %(t)s::regclass))",
            {"t": f"pazpaz.{table}"},
        ).fetchone() or (b"",)
    return bytes(content)


def test_no_name_is_left_in_the_files_of_the_table(suite: Suite, filled: Database) -> None:
    upgrade(suite, filled, BEFORE)
    assert CANARY.encode() in stored_bytes(filled, "clients")
    assert CANARY.encode() in stored_bytes(filled, "appointments")
    upgrade(suite, filled, HEAD)
    assert CANARY.encode() not in stored_bytes(filled, "clients")
    assert CANARY.encode() not in stored_bytes(filled, "appointments")


KEYS = (
    "select w.name, k.purpose, k.version, k.kek_id, k.retired_at is null from pazpaz.workspaces w "
    "join pazpaz.workspace_keys k on k.workspace_id = w.id order by 1, 2, 3"
)


def test_every_workspace_gets_the_keys_that_it_lacks_and_no_other(
    suite: Suite, filled: Database, pazpaz_row: Row
) -> None:
    with filled.connect() as conn:
        ids = dict(conn.execute("select name, id from pazpaz.workspaces").fetchall())
        pazpaz_row(conn, "workspace_keys", workspace_id=ids["third"], version=4, retired_at="2025-01-01")
        upgrade(suite, filled, NAMES)
        once = conn.execute(KEYS).fetchall()
        assert once == [
            ("first", "data", 1, "lab", True),
            ("second", "data", 1, "lab", True),
            ("third", "data", 4, "lab", False),
            ("third", "data", 5, "lab", True),
        ]
        wrapped = conn.execute("select id, wrapped_key from pazpaz.workspace_keys order by id").fetchall()
        downgrade(suite, filled, BEFORE)
        upgrade(suite, filled, BIRTHS)
        assert conn.execute("select id, wrapped_key from pazpaz.workspace_keys order by id").fetchall() == wrapped
        upgrade(suite, filled, HEAD)
        added = set(conn.execute(KEYS).fetchall()) - set(once)
        assert added == {(name, "index", 1, "lab", True) for name in ids}
        downgrade(suite, filled, BIRTHS)
        assert conn.execute(KEYS).fetchall() == once


def test_a_workspace_that_is_made_while_keys_are_made_gets_one_too(
    suite: Suite, database: Database, pazpaz_row: Row
) -> None:
    upgrade(suite, database, BEFORE)
    waits = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    with ThreadPoolExecutor(1) as pool, database.connect() as watching:
        with database.connect(autocommit=False) as conn:
            workspace = pazpaz_row(conn, "workspaces")
            pazpaz_row(conn, "clients", workspace_id=workspace, first_name="Ada", last_name="Lovelace")
            upgraded = pool.submit(upgrade, suite, database, NAMES)
            while not (watching.execute(waits).fetchall() or upgraded.done()):
                time.sleep(0.01)
            conn.commit()
        upgraded.result()
        assert watching.execute("select workspace_id from pazpaz.workspace_keys").fetchall() == [(workspace,)]


def test_rows_are_fetched_in_batches(suite: Suite, filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[int] = []
    fetchmany = psycopg.ServerCursor.fetchmany

    def counting(cursor: psycopg.ServerCursor[Any], size: int = 0) -> list[Any]:
        rows = fetchmany(cursor, size)
        fetched.append(len(rows))
        return rows

    monkeypatch.setattr(convert, "BATCH_ROWS", 10)
    monkeypatch.setattr(psycopg.ServerCursor, "fetchmany", counting)
    monkeypatch.setattr(psycopg.ServerCursor, "fetchall", None)
    upgrade(suite, filled, NAMES)
    assert fetched == [3, 0, 10, 10, 10, 5, 0]  # workspaces without a key, then clients


@pytest.fixture
def broken(suite: Suite, filled: Database) -> tuple[Database, UUID]:
    """A database in which one name does not open, and the row that it is in."""
    upgrade(suite, filled, NAMES)
    with filled.connect() as conn:
        row = conn.execute(
            "update pazpaz.clients set last_name = set_byte(last_name, 20, get_byte(last_name, 20) # 1) "
            "where id = (select min(id::text)::uuid from pazpaz.clients) returning id"
        ).fetchone()
    assert row is not None
    return filled, row[0]


def test_a_name_that_does_not_open_stops_the_downgrade_and_says_where(
    suite: Suite, broken: tuple[Database, UUID]
) -> None:
    database, row = broken
    before = contents(database)
    with pytest.raises(MigrationError) as refused:
        downgrade(suite, database, BEFORE)
    assert str(refused.value).startswith(f"row {row} of clients: clients.last_name: a sealed value does not open")
    assert "\n" not in str(refused.value)
    assert current(suite, database) == {"pazpaz": NAMES}
    assert contents(database) == before


def test_alembic_says_so_on_one_line(suite: Suite, broken: tuple[Database, UUID]) -> None:
    database, row = broken
    refused = alembic("downgrade", BEFORE, suite=suite, database=database)
    assert refused.returncode != 0
    assert f"row {row} of clients" in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_script_without_a_database_cannot_convert_rows(suite: Suite, filled: Database) -> None:
    refused = alembic("upgrade", f"{BEFORE}:{NAMES}", "--sql", suite=suite, database=filled)
    assert refused.returncode != 0
    assert "a revision that seals or opens rows cannot be written as a script" in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr


def alembic(*args: str, suite: Suite, database: Database) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alembic", *args],
        cwd=suite.root,
        env=os.environ | database.environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x" * 256, r"clients\.first_name has 256 characters, and varchar\(255\) no room"),
        (
            "A\0da",
            r"row [-0-9a-f]{36} of clients: clients\.first_name holds a null character, and varchar\(255\) cannot",
        ),
    ],
    ids=["too long", "null character"],
)
def test_a_text_that_the_older_column_cannot_hold_stops_the_downgrade(
    suite: Suite, filled: Database, text: str, why: str
) -> None:
    upgrade(suite, filled, NAMES)
    with filled.connect() as conn:
        row = conn.execute("select workspace_id::text, id::text from pazpaz.clients limit 1").fetchone()
        assert row is not None
        ring = KeyRing(lab_provider(), fetch_from(conn, "pazpaz.workspace_keys"))
        version, key = ring.data_key(row[0])
        sealed = seal(key, version, text, Context(row[0], "clients", "first_name", row[1]))
        conn.execute("update pazpaz.clients set first_name = %s where id = %s", (sealed, row[1]))
    with pytest.raises(MigrationError, match=why):
        downgrade(suite, filled, BEFORE)


def test_the_blind_index_of_an_email_is_made_and_a_blank_one_has_none(suite: Suite, filled: Database) -> None:
    with filled.connect() as conn:
        emails = conn.execute("select id, workspace_id::text, email from pazpaz.clients").fetchall()
        upgrade(suite, filled, HEAD)
        ring = KeyRing(lab_provider(), fetch_from(conn, "pazpaz.workspace_keys"))
        made = dict(conn.execute("select id, email_index from pazpaz.clients").fetchall())
        assert made == {
            id_: blind_index(ring.index_key(workspace), email) if (email or "").strip() else None
            for id_, workspace, email in emails
        }
    assert sum(index is not None for index in made.values()) == MANY + 2


def test_clients_that_share_an_email_stop_the_hardening_and_are_counted(
    suite: Suite, filled: Database, pazpaz_row: Row
) -> None:
    with filled.connect() as conn:
        (first,) = conn.execute("select id from pazpaz.workspaces where name = 'first'").fetchone() or ("",)
        pazpaz_row(conn, "clients", workspace_id=first, email=f"{CANARY.upper()}@example.org ")
    with pytest.raises(
        MigrationError, match=r"^e-mails that another client of the same workspace has, too: 1;"
    ) as refused:
        upgrade(suite, filled, HEAD)
    assert CANARY.lower() not in str(refused.value).lower()
    assert current(suite, filled) == {"pazpaz": BIRTHS}


@pytest.fixture
def somebodys(suite: Suite) -> Iterator[Database]:
    """A database of a user who is no superuser."""
    with start_server("embedded", suite=suite) as server:
        with server.maintenance() as conn:
            conn.execute("create role pgvitals_tester login createdb createrole password 'tester'")
        params = {**server.state.params, "user": "pgvitals_tester", "password": "tester", "dbname": "postgres"}
        with start_server(make_conninfo(**params), suite=suite) as own, own.scratch("plain_user") as database:
            yield database


def test_a_user_who_is_no_superuser_converts_rows_both_ways(suite: Suite, somebodys: Database, pazpaz_row: Row) -> None:
    upgrade(suite, somebodys, BEFORE)
    with somebodys.connect(role="pazpaz_owner") as conn:
        fill(conn, pazpaz_row)
        rows = "select to_jsonb(c) from pazpaz.clients c order by id"
        plain = conn.execute(rows).fetchall()
        upgrade(suite, somebodys, HEAD)
        assert conn.execute("select count(*) from pazpaz.clients").fetchone() == (0,), "the policies hold for the owner"
        downgrade(suite, somebodys, BEFORE)
        assert conn.execute(rows).fetchall() == plain
    downgrade(suite, somebodys, "pazpaz@base")
