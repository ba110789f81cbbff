"""The portal's revisions on a filled database: up, down and up again, nothing is lost."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from pgvitals.dataset.deferred import snapshot
from pgvitals.errors import MigrationError
from pgvitals.lab import Database, start_server
from pgvitals.lab.migrate import current, downgrade, tables, upgrade
from pgvitals.suite import Suite
from pgvitals.ulid import new_ulid

REVISIONS = ("portal_0001", "8af88bf56c01", "ea2e58f69efd", "ec20df1795df", "portal_hardening")


def state(database: Database) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Every row of every table, as JSON whatever the order of the columns; and how the schema is built."""
    with database.connect() as conn:
        rows = {
            table: sorted(str(row) for row in conn.execute(f"select to_jsonb(t) from portal.{table} as t").fetchall())
            for table in tables(database, "portal")
        }
        return rows, snapshot(conn, "portal")


@pytest.mark.parametrize(("before", "revision"), list(pairwise(REVISIONS)))
def test_each_step_down_and_up_again_changes_no_row(suite: Suite, own_portal: Any, before: str, revision: str) -> None:
    database = own_portal(before).database
    below = state(database)
    upgrade(suite, database, revision)
    above = state(database)
    assert above != below
    downgrade(suite, database, "portal@-1")
    assert state(database) == below
    upgrade(suite, database, revision)
    assert state(database) == above


def test_a_filled_portal_can_be_taken_down_and_built_again(suite: Suite, own_portal: Any) -> None:
    database = own_portal("portal_hardening").database
    schema = state(database)[1]
    downgrade(suite, database, "portal@base")
    assert current(suite, database) == {}
    upgrade(suite, database, "portal@head")
    rows, rebuilt = state(database)
    assert rebuilt == schema
    assert not any(rows.values())


def test_people_belong_to_the_organization_that_their_user_joined_first(suite: Suite, own_portal: Any) -> None:
    portal = own_portal("portal_0001")
    mine, theirs = portal.mine.ids["patients"], portal.theirs.ids["patients"]
    with portal.database.connect() as conn:
        conn.execute(
            "insert into portal.organization_members (id, organization_id, user_id, joined_at) "
            "select %s, %s, user_id, '2000-01-01' from portal.patients where id = %s",
            (new_ulid(), portal.theirs.id, mine),
        )
        for _ in range(2):
            upgrade(suite, portal.database, "8af88bf56c01")
            found = conn.execute("select id, organization_id from portal.patients").fetchall()
            assert dict(found) == {mine: portal.theirs.id, theirs: portal.theirs.id}
            downgrade(suite, portal.database, "portal@-1")


def test_a_patient_of_no_organization_stops_the_upgrade(suite: Suite, own_portal: Any) -> None:
    database = own_portal("portal_0001").database
    with database.connect() as conn:
        conn.execute("delete from portal.organization_members")
    with pytest.raises(MigrationError, match='NotNullViolation of column "organization_id"'):
        upgrade(suite, database, "8af88bf56c01")
    assert current(suite, database) == {"portal": "portal_0001"}


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("update portal.appointments set status = 'unknown'", "ck_appointments_status_known"),
        (
            "update portal.documents set patient_id = (select id from portal.patients "
            "where organization_id <> documents.organization_id)",
            "fk_documents_patient_id",
        ),
    ],
)
def test_the_hardening_stops_at_a_row_that_it_refuses_and_changes_nothing(
    suite: Suite, own_portal: Any, change: str, constraint: str
) -> None:
    database = own_portal("ec20df1795df").database
    with database.connect() as conn:
        conn.execute(change)
    before = state(database)
    with pytest.raises(MigrationError, match=constraint):
        upgrade(suite, database, "portal_hardening")
    assert state(database) == before


def test_a_task_of_somebody_who_is_no_member_stops_the_hardening_and_is_counted(suite: Suite, own_portal: Any) -> None:
    portal = own_portal("ec20df1795df")
    with portal.database.connect() as conn:
        conn.execute("update portal.tasks set assignee_user_id = %s", (portal.theirs.ids["users"],))
        before = state(portal.database)
        with pytest.raises(
            MigrationError, match="rows of tasks whose assignee_user_id is no member of the organization: 1; correct"
        ):
            upgrade(suite, portal.database, "portal_hardening")
        assert state(portal.database) == before
        conn.execute("update portal.tasks set assignee_user_id = null")
    upgrade(suite, portal.database, "portal_hardening")


def test_a_user_who_is_no_superuser_takes_rows_up_and_down(suite: Suite) -> None:
    """FORCE holds the owner too: the owner sees every row it has to convert, or the step would lose some."""
    with start_server("embedded", suite=suite) as somebodys:
        with somebodys.maintenance() as conn:
            conn.execute("create role pgvitals_tester login createdb createrole password 'tester'")
        params = {**somebodys.state.params, "user": "pgvitals_tester", "password": "tester", "dbname": "postgres"}
        with start_server(make_conninfo(**params), suite=suite) as own, own.scratch("plain_portal") as database:
            upgrade(suite, database, "portal_0001")
            organization, user = new_ulid(), new_ulid()
            with database.connect(role="portal_owner") as conn:
                fill(conn, organization, user)
            for _ in range(2):
                upgrade(suite, database, "portal_hardening")
                with database.connect(role="portal_owner") as conn:
                    assert conn.execute("select count(*) from portal.patients").fetchone() == (0,)
                    conn.execute("select set_config('app.current_org_id', %s, false)", (organization,))
                    assert conn.execute("select organization_id from portal.patients").fetchall() == [(organization,)]
                downgrade(suite, database, "portal_0001")


def fill(conn: psycopg.Connection, organization: str, user: str) -> None:
    """An organization with one patient."""
    conn.execute("insert into portal.organizations (id, name, slug) values (%s, 'o', 'o')", (organization,))
    conn.execute(
        "insert into portal.users (id, email, full_name, password_hash) values (%s, 'e', 'n', 'h')",
        (user,),
    )
    conn.execute(
        "insert into portal.organization_members (id, organization_id, user_id) values (%s, %s, %s)",
        (new_ulid(), organization, user),
    )
    conn.execute(
        "insert into portal.patients (id, user_id, mrn, first_name, last_name, date_of_birth) "
        "values (%s, %s, '1', 'f', 'l', '1980-02-29')",
        (new_ulid(), user),
    )
