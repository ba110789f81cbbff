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


PEOPLE = ("patients", "providers", "staff", "proxies")
SET_ASIDE = "organizations_set_aside"


def join_before(conn: psycopg.Connection, organization: str, table: str, row: str) -> None:
    """Make the user of a row a member of an organization, and let that have been long ago."""
    conn.execute(
        "insert into portal.organization_members (id, organization_id, user_id, joined_at) "
        f"select %s, %s, user_id, '2000-01-01' from portal.{table} where id = %s",
        (new_ulid(), organization, row),
    )


def owners(conn: psycopg.Connection, table: str) -> dict[str, str]:
    """Id of each row and its organization."""
    return dict(conn.execute(f"select id, organization_id from portal.{table}").fetchall())


@pytest.mark.parametrize("table", PEOPLE)
def test_of_several_organizations_it_is_that_of_what_refers_to_the_row_or_else_the_one_joined_first(
    suite: Suite, own_portal: Any, table: str
) -> None:
    portal = own_portal("portal_0001")
    mine, theirs = portal.mine.ids[table], portal.theirs.ids[table]
    with portal.database.connect() as conn:
        join_before(conn, portal.theirs.id, table, mine)
        upgrade(suite, portal.database, "8af88bf56c01")
        expected = portal.theirs.id if table == "staff" else portal.mine.id
        assert owners(conn, table) == {mine: expected, theirs: portal.theirs.id}, "nothing refers to staff"
        downgrade(suite, portal.database, "portal@-1")
        assert SET_ASIDE not in tables(portal.database, "portal"), "it is found in the same way"
        for other in ("appointments", "documents", "tasks", "call_logs", "care_team_assignments"):
            conn.execute(f"delete from portal.{other}")
        conn.execute("delete from portal.patient_proxy_assignments")
        upgrade(suite, portal.database, "8af88bf56c01")
        assert owners(conn, table) == {mine: portal.theirs.id, theirs: portal.theirs.id}


@pytest.mark.parametrize("referring", ["appointments", "documents", "tasks", "call_logs"])
def test_a_patient_is_where_anything_is_kept_about_them(suite: Suite, own_portal: Any, referring: str) -> None:
    portal = own_portal("portal_0001")
    with portal.database.connect() as conn:
        join_before(conn, portal.theirs.id, "patients", portal.mine.ids["patients"])
        for other in {"appointments", "documents", "tasks", "call_logs"} - {referring}:
            conn.execute(f"delete from portal.{other}")
        upgrade(suite, portal.database, "portal_hardening")
        assert owners(conn, "patients")[portal.mine.ids["patients"]] == portal.mine.id


def test_down_and_up_again_every_row_has_the_organization_that_it_had(suite: Suite, own_portal: Any) -> None:
    """Users who joined another organization, or are members of none any more, since their rows were given one."""
    portal = own_portal("portal_hardening")
    with portal.database.connect() as conn:
        for other in ("appointments", "documents", "tasks", "call_logs"):
            conn.execute(f"delete from portal.{other}")
        for table in PEOPLE:
            join_before(conn, portal.theirs.id, table, portal.mine.ids[table])
        conn.execute(
            "delete from portal.organization_members where user_id = (select user_id from portal.staff where id = %s)",
            (portal.theirs.ids["staff"],),
        )
        downgrade(suite, portal.database, "8af88bf56c01")
    before = state(portal.database)
    with portal.database.connect() as conn:
        had = {table: owners(conn, table) for table in PEOPLE}
        for _ in range(2):
            downgrade(suite, portal.database, "portal_0001")
            assert SET_ASIDE in tables(portal.database, "portal")
            with (
                portal.database.connect(role="portal_app") as app,
                pytest.raises(psycopg.errors.InsufficientPrivilege),
            ):
                app.execute(f"select from portal.{SET_ASIDE}")
            upgrade(suite, portal.database, "8af88bf56c01")
            assert {table: owners(conn, table) for table in PEOPLE} == had
            assert state(portal.database) == before, "and nothing is left of the table"


def test_what_was_set_aside_of_an_organization_that_is_gone_is_found_anew(suite: Suite, own_portal: Any) -> None:
    portal = own_portal("8af88bf56c01")
    with portal.database.connect() as conn:
        third = portal.mine.id[:-1] + ("0" if portal.mine.id[-1] != "0" else "1")
        conn.execute("insert into portal.organizations (id, name, slug) values (%s, 'third', 'third')", (third,))
        conn.execute("update portal.staff set organization_id = %s", (third,))
        downgrade(suite, portal.database, "portal_0001")
        assert conn.execute(f"select count(*) from portal.{SET_ASIDE}").fetchone() == (2,)
        conn.execute("delete from portal.audit_logs")
        conn.execute("delete from portal.organizations where id = %s", (third,))
        upgrade(suite, portal.database, "8af88bf56c01")
        assert set(owners(conn, "staff").values()) == {portal.mine.id, portal.theirs.id}


def test_what_was_set_aside_goes_with_the_schema(suite: Suite, own_portal: Any) -> None:
    portal = own_portal("8af88bf56c01")
    with portal.database.connect() as conn:
        conn.execute("update portal.staff set organization_id = %s", (portal.mine.id,))
    downgrade(suite, portal.database, "portal_0001")
    assert SET_ASIDE in tables(portal.database, "portal")
    downgrade(suite, portal.database, "portal@base")
    upgrade(suite, portal.database, "portal_0001")


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
