"""Row-level security, asked from outside: what can one tenant read or write of another's?

For every table that holds rows of a tenant, and every command, as the application role: under another
tenant's setting, under none, and under settings that are no tenant at all.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pgvitals.lab import Database
from pgvitals.suite import Suite, find_suite
from pgvitals.system import System

SUITE = find_suite()
TABLES = [
    (name, table)
    for name, system in SUITE.systems.items()
    for table in (system.tenant.table, *system.tenant_tables, *system.child_tables)
]
FORGED = {
    "unset": None,
    "empty": "",
    "a word": "everybody",
    "an injection": "' or true --",
    "a wildcard": "%",
    "a null byte's name": "\\x00",
    "nobody's id": {"uuid": "00000000-0000-4000-8000-000000000000", "text": "01AAAAAAAAAAAAAAAAAAAAAAAA"},
    "too long": {"uuid": "00000000-0000-4000-8000-0000000000000", "text": "01AAAAAAAAAAAAAAAAAAAAAAAAA"},
}

BY_POLICY_OR_TRAIL = re.compile("violates row-level security policy|is append-only")


@dataclass(frozen=True)
class Case:
    """One table of one system, with two tenants that have rows in it."""

    database: Database
    system: System
    table: str
    mine: str
    theirs: str
    ids: list[Any]  # the other tenant's rows

    @property
    def name(self) -> sql.Identifier:
        return sql.Identifier(self.system.schema_name, self.table)

    @contextmanager
    def as_app(self, setting: str | None, *, privileged: bool = False) -> Iterator[psycopg.Connection]:
        """A transaction of the application under this setting, undone afterwards.

        ``privileged``: it may do everything with the table; nothing but policies and triggers stands in its way.
        """
        with self.database.connect(autocommit=False) as conn:
            app = sql.Identifier(self.system.roles.app)
            if privileged:
                conn.execute(sql.SQL("grant all on {} to {}").format(self.name, app))
            conn.execute(sql.SQL("set local role {}").format(app))
            if setting is not None:
                conn.execute("select set_config(%s, %s, true)", (self.system.tenant.setting, setting))
            yield conn
            conn.rollback()

    def count(self, conn: psycopg.Connection) -> int:
        """How many of the other tenant's rows are seen."""
        return rows_of(conn, sql.SQL("select id from {} where id = any(%s)").format(self.name), self.ids)


def rows_of(conn: psycopg.Connection, statement: sql.Composed, *values: Any) -> int:
    return len(conn.execute(statement, values).fetchall())


def owned(conn: psycopg.Connection, system: System, table: str) -> dict[str, list[Any]]:
    """Tenant -> ids of its rows in a table: by its tenant column, or by its parent's."""
    schema, tenant = system.schema_name, system.tenant
    if table == tenant.table:
        source = sql.SQL("select id as tenant, id from {}").format(sql.Identifier(schema, table))
    elif table in system.child_tables:
        source = of_parent(conn, system, table)
    else:
        source = sql.SQL("select {} as tenant, id from {}").format(
            sql.Identifier(tenant.column), sql.Identifier(schema, table)
        )
    found = conn.execute(
        sql.SQL("select tenant::text, array_agg(id) from ({}) o where tenant is not null group by tenant").format(
            source
        )
    )
    return {str(owner): list(ids) for owner, ids in found.fetchall()}


def key_to_parent(conn: psycopg.Connection, system: System, table: str) -> str:
    """The column of a child table whose foreign key leads to its parent."""
    parent = system.child_tables[table]
    column = conn.execute(
        "select attname from pg_constraint join pg_attribute on attrelid = conrelid and attnum = conkey[1] "
        "where contype = 'f' and conrelid = %s::regclass and confrelid = %s::regclass and cardinality(conkey) = 1 "
        "order by attname limit 1",
        (f"{system.schema_name}.{table}", f"{system.schema_name}.{parent}"),
    ).fetchone()
    assert column is not None, f"{table} has no foreign key to {parent}"
    return str(column[0])


def of_parent(conn: psycopg.Connection, system: System, table: str) -> sql.Composed:
    """The rows of a child table with their parent's tenant."""
    return sql.SQL("select p.{tenant} as tenant, c.id from {child} c join {parent} p on p.id = c.{key}").format(
        tenant=sql.Identifier(system.tenant.column),
        child=sql.Identifier(system.schema_name, table),
        parent=sql.Identifier(system.schema_name, system.child_tables[table]),
        key=sql.Identifier(key_to_parent(conn, system, table)),
    )


@pytest.fixture(params=TABLES, ids="/".join)
def case(request: pytest.FixtureRequest, loaded: Database, suite: Suite) -> Case:
    """A table in which at least two tenants have rows."""
    name, table = request.param
    system = suite.system(name)
    with loaded.connect() as conn:
        rows = owned(conn, system, table)
    assert len(rows) >= 2, f"the dataset gives {name}.{table} to fewer than two tenants"
    theirs, mine = sorted(rows, key=lambda owner: -len(rows[owner]))[:2]
    return Case(loaded, system, table, mine, theirs, rows[theirs])


def settings(case: Case) -> dict[str, str | None]:
    """Every setting under which nothing of ``theirs`` may be reached."""
    forged = {
        name: value[case.system.tenant.type] if isinstance(value, dict) else value for name, value in FORGED.items()
    }
    return {"another tenant": case.mine} | forged


def reaches_nothing(conn: psycopg.Connection, statement: sql.Composed, *values: Any) -> bool:
    """True if no row matched, or a policy or the trail refuses."""
    try:
        with conn.transaction():
            return conn.execute(statement, values).rowcount == 0
    except psycopg.errors.InsufficientPrivilege as error:
        return BY_POLICY_OR_TRAIL.search(str(error)) is not None


def test_a_tenant_reads_all_of_its_own_rows(case: Case) -> None:
    with case.as_app(case.theirs) as conn:
        assert case.count(conn) == len(case.ids)


def test_nobody_else_reads_a_row(case: Case) -> None:
    for name, setting in settings(case).items():
        with case.as_app(setting) as conn:
            assert case.count(conn) == 0, name
            with conn.cursor().copy(sql.SQL("copy (select id from {}) to stdout").format(case.name)) as copy:
                copied = {row[0] for row in copy.rows()}
            assert not {str(id_) for id_ in case.ids} & copied, name


def test_an_unset_or_forged_setting_shows_no_row_at_all(case: Case) -> None:
    for name, setting in settings(case).items():
        if name != "another tenant":
            with case.as_app(setting) as conn:
                assert rows_of(conn, sql.SQL("select id from {}").format(case.name)) == 0, name


def test_a_setting_that_was_set_once_and_is_over_shows_no_row(case: Case) -> None:
    """After a local setting the server remembers an empty string, not null."""
    with case.database.connect(role=case.system.roles.app) as conn:
        with conn.transaction():
            conn.execute("select set_config(%s, %s, true)", (case.system.tenant.setting, case.theirs))
            assert case.count(conn) > 0
        assert case.count(conn) == 0


def test_nobody_else_locks_or_changes_or_deletes_a_row(case: Case) -> None:
    statements = (
        "select id from {} where id = any(%s) for update",
        "update {} set id = id where id = any(%s)",
        "delete from {} where id = any(%s)",
        "merge into {} t using (values (1)) one (n) on t.id = any(%s) when matched then delete",
    )
    for name, setting in settings(case).items():
        with case.as_app(setting, privileged=True) as conn:
            for statement in statements:
                assert reaches_nothing(conn, sql.SQL(statement).format(case.name), case.ids), (name, statement)


def test_nobody_empties_a_table(case: Case) -> None:
    for setting in (case.theirs, None):
        with case.as_app(setting) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(sql.SQL("truncate {} cascade").format(case.name))


def fresh(system: System) -> str:
    return str(uuid.uuid4()) if system.primary_key == "uuid" else f"01{uuid.uuid4().hex[:24].upper()}"


def copy_of_theirs(case: Case) -> tuple[sql.Composed, str]:
    """INSERT of one of the other tenant's rows under a new id, and the row as JSON."""
    with case.database.connect() as conn:
        row = conn.execute(sql.SQL("select to_jsonb(t) from {} t where id = %s").format(case.name), (case.ids[0],))
        (values,) = row.fetchone() or ({},)
        names = conn.execute(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped "
            "and attgenerated = ''",
            (f"{case.system.schema_name}.{case.table}",),
        ).fetchall()
    columns = sql.SQL(", ").join(sql.Identifier(name) for (name,) in names)
    statement = sql.SQL(
        "insert into {table} ({columns}) select {columns} from jsonb_populate_record(null::{table}, %s)"
    )
    return statement.format(table=case.name, columns=columns), json.dumps({**values, "id": fresh(case.system)})


def test_nobody_else_writes_a_row_in_its_name(case: Case) -> None:
    insert, row = copy_of_theirs(case)
    for name, setting in settings(case).items():
        with case.as_app(setting, privileged=True) as conn:
            for suffix in ("", " on conflict do nothing"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege) as refused, conn.transaction():
                    conn.execute(insert + sql.SQL(suffix), (row,))
                assert refused.value.sqlstate == "42501", name
                assert BY_POLICY_OR_TRAIL.search(str(refused.value)), name


def test_no_row_is_moved_to_another_tenant(case: Case) -> None:
    column, value = case.system.tenant.column, case.theirs
    if case.table == case.system.tenant.table:
        column, value = "id", fresh(case.system)
    if case.table in case.system.child_tables:  # it moves with its parent
        with case.database.connect() as conn:
            column = key_to_parent(conn, case.system, case.table)
            value = owned(conn, case.system, case.system.child_tables[case.table])[case.theirs][0]
    moved = sql.SQL("update {} set {} = %s").format(case.name, sql.Identifier(column))
    with (
        case.as_app(case.mine, privileged=True) as conn,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match=BY_POLICY_OR_TRAIL),
    ):
        conn.execute(moved, (value,))


@pytest.mark.parametrize("name", SUITE.systems)
def test_the_owner_is_held_to_the_policies_too(loaded: Database, suite: Suite, name: str) -> None:
    system = suite.system(name)
    with loaded.connect(role=system.roles.owner) as conn:
        for table in (system.tenant.table, *system.tenant_tables, *system.child_tables):
            where = sql.Identifier(system.schema_name, table)
            assert rows_of(conn, sql.SQL("select id from {} limit 1").format(where)) == 0, table


@pytest.mark.parametrize("name", SUITE.systems)
def test_every_table_of_a_system_is_somebody_s(loaded: Database, suite: Suite, name: str) -> None:
    system = suite.system(name)
    named = {system.tenant.table, *system.tenant_tables, *system.child_tables, *system.shared_tables}
    with loaded.connect() as conn:
        there = conn.execute(
            "select relname from pg_class where relnamespace = %s::regnamespace and relkind in ('r', 'p')",
            (system.schema_name,),
        ).fetchall()
    assert {table for (table,) in there} == named
