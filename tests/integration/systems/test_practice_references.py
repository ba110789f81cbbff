"""A row of a tenant refers to that tenant's rows or to the platform's: no other tenant's is hung on or looked into."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from pgvitals.errors import MigrationError
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import current, upgrade
from pgvitals.suite import Suite

AUDIT = "20250106_1200_schema_cleanup_audit"
REQUIRED: dict[str, dict[str, Any]] = {
    "users": {"full_name": "Somebody"},
    "auth_tokens": {"token_type": "access", "expires_at": "2030-01-01Z"},
    "encryption_keys": {
        "key_name": "k",
        "key_type": "data",
        "kms_key_id": "arn",
        "kms_provider": "aws",
        "key_algorithm": "AES-256-GCM",
    },
    "practice_profiles": {"name": "a practice"},
    "locations": {
        "name": "an office",
        "address_line1": "1 Main St",
        "city": "Albany",
        "state": "NY",
        "zip_code": "12207",
    },
}
"""What a row has to have, beside what is different in each and what it refers to."""
UNIQUE = {"users": "email", "auth_tokens": "token_hash"}
NOT_NULL = {"locations": ("practice_profile_id", "practice_profiles")}
PLATFORM = ("auth_tokens", "encryption_keys", "practice_profiles")
REFERENCES = """
select c.relname, a.attname, r.relname from pg_constraint k
join pg_class c on c.oid = k.conrelid join pg_class r on r.oid = k.confrelid
join pg_attribute a on a.attrelid = c.oid and a.attnum = k.conkey[1]
where k.contype = 'f' and c.relnamespace = 'practice'::regnamespace and r.relname <> 'tenants' order by 1, 2
"""


class Reference(NamedTuple):
    """A foreign key to something else than the tenant."""

    table: str
    column: str
    target: str


@dataclass(frozen=True)
class Tenant:
    """A tenant, or the platform (no id), with a row of each table that it can have."""

    id: UUID | None
    rows: dict[str, UUID]


@dataclass(frozen=True)
class Two:
    """Two tenants and the platform, at the head; tests undo what they do."""

    database: Database
    mine: Tenant
    other: Tenant
    platform: Tenant
    references: list[Reference]

    @contextmanager
    def as_app(self, role: str = "practice_app") -> Iterator[psycopg.Connection]:
        """The application on behalf of the first one, undone afterwards."""
        with self.database.connect(role=role, autocommit=False) as conn:
            conn.execute("select set_config('app.current_tenant_id', %s, true)", (str(self.mine.id),))
            yield conn
            conn.rollback()


def add(conn: psycopg.Connection, table: str, **values: Any) -> UUID:
    """Insert a row, without asking for it back: the application does not see what is not its own."""
    given = {"id": uuid4()} | REQUIRED[table] | values
    if table in UNIQUE:
        given[UNIQUE[table]] = str(uuid4())
    conn.execute(
        sql.SQL("insert into practice.{} ({}) values ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, given)),
            sql.SQL(", ").join(sql.Placeholder() * len(given)),
        ),
        list(given.values()),
    )
    return UUID(str(given["id"]))


def needed(table: str, rows: dict[str, UUID]) -> dict[str, UUID]:
    """What a row of the table cannot do without."""
    if table not in NOT_NULL:
        return {}
    column, target = NOT_NULL[table]
    return {column: rows[target]}


def fill(conn: psycopg.Connection, tenant: UUID | None) -> Tenant:
    rows: dict[str, UUID] = {}
    for table in REQUIRED:
        if tenant is not None or table != "users":
            rows[table] = add(conn, table, tenant_id=tenant, **needed(table, rows))
    return Tenant(tenant, rows)


def add_tenant(conn: psycopg.Connection) -> UUID:
    tenant = uuid4()
    conn.execute("insert into practice.tenants (id, name) values (%s, 't')", (tenant,))
    return tenant


@pytest.fixture(scope="module")
def two(server: Server, suite: Suite) -> Iterator[Two]:
    with server.scratch("references") as database:
        upgrade(suite, database, "practice@head")
        with database.connect() as conn:
            found = [Reference(*row) for row in conn.execute(REFERENCES).fetchall()]
            tenants = [fill(conn, tenant) for tenant in (add_tenant(conn), add_tenant(conn), None)]
        yield Two(database, *tenants, found)


def refused(conn: psycopg.Connection, statement: sql.Composed, *values: object) -> str:
    """What the server says when it refuses."""
    with pytest.raises(psycopg.Error) as error, conn.transaction():
        conn.execute(statement, values)
    return f"{error.value.sqlstate} {error.value.diag.message_primary}"


def change(reference: Reference) -> sql.Composed:
    """Have a row refer to another one."""
    return sql.SQL("update practice.{} set {} = %s where id = %s").format(
        sql.Identifier(reference.table), sql.Identifier(reference.column)
    )


def test_the_references_of_all_tables_are_tried(two: Two) -> None:
    assert len(two.references) >= 5
    assert {each.table for each in two.references} <= set(REQUIRED)


def test_no_row_is_changed_to_refer_to_another_tenant(two: Two) -> None:
    """What is another tenant's looks like what is nobody's."""
    for each in two.references:
        mine = two.mine.rows[each.table]
        with two.as_app() as conn:
            told = [refused(conn, change(each), row, mine) for row in (two.other.rows[each.target], uuid4())]
            assert told == [f'42501 new row violates row-level security policy for table "{each.table}"'] * 2, each
            assert conn.execute(change(each), (two.mine.rows[each.target], mine)).rowcount == 1, each


def test_no_row_is_made_that_refers_to_another_tenant(two: Two) -> None:
    for each in two.references:
        own = {"tenant_id": two.mine.id} | needed(each.table, two.mine.rows)
        with two.as_app() as conn:
            for row in (two.other.rows[each.target], uuid4()):
                with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
                    add(conn, each.table, **own | {each.column: row})
            add(conn, each.table, **own | {each.column: two.mine.rows[each.target]})


def test_a_row_may_refer_to_one_of_the_platform_and_is_changed_later_as_any_other(two: Two) -> None:
    for each in two.references:
        if each.target in PLATFORM:
            with two.as_app() as conn:
                assert conn.execute(change(each), (two.platform.rows[each.target], two.mine.rows[each.table])).rowcount
                touch = sql.SQL("update practice.{} set updated_at = now()").format(sql.Identifier(each.table))
                assert conn.execute(touch).rowcount == 1, each


@pytest.mark.parametrize("role", ["practice_app", "practice_owner"])
def test_asking_for_rows_of_the_platform_shows_none(two: Two, role: str) -> None:
    with two.as_app(role) as conn:
        for target in PLATFORM:
            asked = sql.SQL("select practice.{}(%s)").format(sql.Identifier(f"may_refer_to_{target}"))
            assert conn.execute(asked, (two.platform.rows[target],)).fetchone() == (True,)
            assert conn.execute(asked, (two.other.rows[target],)).fetchone() == (False,)
            if role == "practice_app":
                conn.execute("set local practice.platform_rows = 'yes'")
            seen = conn.execute(sql.SQL("select id from practice.{}").format(sql.Identifier(target))).fetchall()
            assert seen == [(two.mine.rows[target],)], target


def test_rows_of_one_statement_may_refer_to_one_another(two: Two) -> None:
    first, second = uuid4(), uuid4()
    with two.as_app() as conn:
        conn.execute(
            "insert into practice.auth_tokens (tenant_id, id, parent_token_id, token_hash, token_type, expires_at) "
            "select %(tenant)s, id, parent, id::text, 'access', '2030-01-01Z' "
            "from (values (%(first)s::uuid, null), (%(second)s, %(first)s::uuid)) as made (id, parent)",
            {"tenant": two.mine.id, "first": first, "second": second},
        )


@pytest.mark.parametrize("online", ["true", "false"])
def test_rows_that_refer_to_another_tenant_stop_the_hardening_and_are_counted(
    suite: Suite, database: Database, online: str
) -> None:
    upgrade(suite, database, AUDIT)
    with database.connect() as conn:
        mine, other, platform = (fill(conn, tenant) for tenant in (add_tenant(conn), add_tenant(conn), None))
        for each in [Reference(*row) for row in conn.execute(REFERENCES).fetchall()]:
            row = mine.rows[each.table]
            conn.execute(change(each), (other.rows[each.target], row))
            told = f"rows of {each.table} whose {each.column} is of another tenant: 1; correct them, and migrate again"
            with pytest.raises(MigrationError, match=told):
                upgrade(suite, database, "practice_hardening", x={"online": online})
            assert current(suite, database) == {"practice": AUDIT}
            conn.execute(change(each), (platform.rows.get(each.target, mine.rows[each.target]), row))
    upgrade(suite, database, "practice_hardening", x={"online": online})
