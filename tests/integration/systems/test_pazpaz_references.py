"""A row refers to rows of its own workspace: no other one is looked into, booked up, or kept from deleting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from pgvitals.errors import MigrationError
from pgvitals.lab import Database
from pgvitals.lab.migrate import upgrade
from pgvitals.suite import Suite

Row = Callable[..., UUID]
SEALED = {"first_name": b"\x01" * 40, "last_name": b"\x01" * 40}
MORNING = {"scheduled_start": "2030-01-07T09:00Z", "scheduled_end": "2030-01-07T10:00Z"}
EVENING = {"scheduled_start": "2030-01-07T18:00Z", "scheduled_end": "2030-01-07T19:00Z"}
REFERENCES = [
    ("appointments", "client_id", "clients"),
    ("appointments", "practitioner_id", "users"),
    ("appointments", "service_id", "services"),
    ("appointments", "location_id", "locations"),
    ("sessions", "client_id", "clients"),
    ("sessions", "appointment_id", "appointments"),
    ("sessions", "created_by_user_id", "users"),
    ("sessions", "deleted_by_user_id", "users"),
    ("session_versions", "session_id", "sessions"),
    ("session_versions", "created_by_user_id", "users"),
    ("session_attachments", "session_id", "sessions"),
]
KEPT = ("clients", "appointments", "sessions")
"""What has to be kept goes only with its whole workspace."""


@dataclass(frozen=True)
class Workspace:
    """A workspace with one row of each table."""

    id: UUID
    rows: dict[str, UUID]


@dataclass(frozen=True)
class Two:
    """Two workspaces at the head."""

    database: Database
    mine: Workspace
    other: Workspace

    @contextmanager
    def as_app(self, workspace: Workspace) -> Iterator[psycopg.Connection]:
        """The application on behalf of one of them."""
        with self.database.connect(role="pazpaz_app") as conn:
            conn.execute("select set_config('app.current_workspace_id', %s, false)", (str(workspace.id),))
            yield conn


def fill(conn: psycopg.Connection, pazpaz_row: Row) -> Workspace:
    workspace = pazpaz_row(conn, "workspaces")
    of = {"workspace_id": workspace}
    rows = {table: pazpaz_row(conn, table, **of) for table in ("users", "services", "locations")}
    rows["clients"] = pazpaz_row(conn, "clients", **of, **SEALED)
    of_client = of | {"client_id": rows["clients"]}
    rows["appointments"] = pazpaz_row(conn, "appointments", **of_client, practitioner_id=rows["users"], **MORNING)
    rows["sessions"] = pazpaz_row(conn, "sessions", **of_client)
    for table in ("session_versions", "session_attachments"):
        rows[table] = pazpaz_row(conn, table, **of, session_id=rows["sessions"])
    return Workspace(workspace, rows)


@pytest.fixture
def two(database_at: Callable[[str], Database], pazpaz_row: Row) -> Two:
    database = database_at("pazpaz@head")
    with database.connect() as conn:
        return Two(database, fill(conn, pazpaz_row), fill(conn, pazpaz_row))


def test_every_reference_between_rows_of_workspaces_is_tried(suite: Suite, database: Database) -> None:
    upgrade(suite, database, "pazpaz@head")
    with database.connect() as conn:
        found = conn.execute(
            "select c.relname, a.attname, r.relname from pg_constraint k join pg_class c on c.oid = k.conrelid "
            "join pg_attribute a on a.attrelid = c.oid and a.attnum = k.conkey[1] "
            "join pg_class r on r.oid = k.confrelid where k.contype = 'f' and c.relnamespace = 'pazpaz'::regnamespace "
            "and r.relname <> 'workspaces' and c.relname <> 'audit_events'"
        ).fetchall()
    assert sorted(found) == sorted(REFERENCES)


@pytest.mark.parametrize(("table", "column", "target"), REFERENCES)
def test_a_row_is_not_changed_to_refer_to_another_workspace(two: Two, table: str, column: str, target: str) -> None:
    change = sql.SQL("update pazpaz.{} set {} = %s where id = %s").format(sql.Identifier(table), sql.Identifier(column))
    with two.as_app(two.mine) as conn:
        assert conn.execute(change, (two.mine.rows[target], two.mine.rows[table])).rowcount == 1
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(change, (two.other.rows[target], two.mine.rows[table]))


@pytest.mark.parametrize("start_end", [MORNING, EVENING], ids=["busy", "free"])
def test_another_workspace_s_practitioner_is_neither_looked_into_nor_booked_up(
    two: Two, pazpaz_row: Row, start_end: dict[str, str]
) -> None:
    visit = {"workspace_id": two.mine.id, "client_id": two.mine.rows["clients"]} | start_end
    with two.as_app(two.mine) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        pazpaz_row(conn, "appointments", **visit, practitioner_id=two.other.rows["users"])


def test_an_id_of_another_workspace_looks_like_one_of_nobody(two: Two, pazpaz_row: Row) -> None:
    said = []
    for client in (two.other.rows["clients"], UUID(int=0)):
        with two.as_app(two.mine) as conn, pytest.raises(psycopg.Error) as refused:
            pazpaz_row(conn, "appointments", workspace_id=two.mine.id, client_id=client, **EVENING)
        said.append((refused.value.sqlstate, str(refused.value)))
    assert said[0] == said[1]


@pytest.mark.parametrize(("table", "column", "target"), REFERENCES)
def test_whatever_another_workspace_tries_one_deletes_its_own_rows(
    two: Two, table: str, column: str, target: str
) -> None:
    change = sql.SQL("update pazpaz.{} set {} = %s where id = %s").format(sql.Identifier(table), sql.Identifier(column))
    with two.as_app(two.mine) as conn, suppress(psycopg.errors.InsufficientPrivilege):
        conn.execute(change, (two.other.rows[target], two.mine.rows[table]))
    row = two.other.rows[target]
    if target in KEPT:
        target, row = "workspaces", two.other.id
    with two.as_app(two.other) as conn:
        statement = sql.SQL("delete from pazpaz.{} where id = %s").format(sql.Identifier(target))
        assert conn.execute(statement, (row,)).rowcount == 1


def test_rows_that_refer_to_another_workspace_stop_the_hardening_and_are_counted(
    suite: Suite, database: Database, pazpaz_row: Row
) -> None:
    upgrade(suite, database, "92df859932f2")
    with database.connect() as conn:
        one, other = (pazpaz_row(conn, "workspaces") for _ in range(2))
        service = pazpaz_row(conn, "services", workspace_id=other)
        for _ in range(2):
            client = pazpaz_row(conn, "clients", workspace_id=one, **SEALED)
            pazpaz_row(conn, "appointments", workspace_id=one, client_id=client, service_id=service, **MORNING)
        with pytest.raises(MigrationError, match="rows of appointments whose service_id is of another workspace: 2"):
            upgrade(suite, database, "pazpaz_hardening")
        conn.execute("update pazpaz.appointments set service_id = null")
        upgrade(suite, database, "pazpaz_hardening")
