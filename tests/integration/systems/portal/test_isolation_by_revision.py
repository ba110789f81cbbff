"""Who reads whose rows at each revision of the portal: what the audit found open, and what closes it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql

from pgvitals.ulid import new_ulid

PEOPLE = {"patients", "providers", "staff", "proxies"}
SCOPED = PEOPLE | {
    "user_devices",
    "appointments",
    "documents",
    "tasks",
    "call_logs",
    "support_tickets",
    "invitations",
    "audit_logs",
}
EVERYTHING = SCOPED | {
    "organizations",
    "organization_members",
    "users",
    "user_sessions",
    "user_consents",
    "contact_methods",
    "care_team_assignments",
    "patient_proxy_assignments",
}
ISOLATED = {
    "portal_0001": set(),
    "8af88bf56c01": PEOPLE,
    "ea2e58f69efd": PEOPLE,
    "ec20df1795df": SCOPED,
    "portal_hardening": EVERYTHING,
}


def tables_that(conn: psycopg.Connection, condition: str) -> set[str]:
    query = (
        f"select relname from pg_class where relnamespace = 'portal'::regnamespace and relkind = 'r' and {condition}"
    )
    return {name for (name,) in conn.execute(query).fetchall()}


def seen(conn: psycopg.Connection, table: str, id_: str) -> bool:
    query = sql.SQL("select from {} where id = %s").format(sql.Identifier("portal", table))
    return conn.execute(query, (id_,)).fetchone() is not None


@pytest.mark.parametrize("revision", ISOLATED)
def test_row_level_security_stands_on_exactly_these_tables(portal_at: Any, revision: str) -> None:
    with portal_at(revision).session() as conn:
        assert tables_that(conn, "relrowsecurity") == ISOLATED[revision]
        assert tables_that(conn, "exists (select from pg_policy where polrelid = pg_class.oid)") == ISOLATED[revision]
        forced = tables_that(conn, "relforcerowsecurity")
    assert forced == (EVERYTHING if revision == "portal_hardening" else set())


@pytest.mark.parametrize("revision", ISOLATED)
def test_another_organization_reads_what_has_no_policy_and_nothing_else(portal_at: Any, revision: str) -> None:
    portal = portal_at(revision)
    assert set(portal.theirs.ids) == EVERYTHING
    with portal.session(portal.mine.id) as conn:
        assert {table for table, id_ in portal.mine.ids.items() if not seen(conn, table, id_)} == set()
        assert {table for table, id_ in portal.theirs.ids.items() if not seen(conn, table, id_)} == ISOLATED[revision]


@pytest.mark.parametrize(("revision", "leaks"), [("ec20df1795df", True), ("portal_hardening", False)])
def test_a_patients_contacts_are_read_without_the_patient_until_the_hardening(
    portal_at: Any, revision: str, leaks: bool
) -> None:
    portal = portal_at(revision)
    patient = portal.theirs.ids["patients"]
    with portal.session(portal.mine.id) as conn:
        assert not seen(conn, "patients", patient)
        contacts = conn.execute("select value from portal.contact_methods where patient_id = %s", (patient,)).fetchall()
    assert bool(contacts) is leaks


@pytest.mark.parametrize(
    "setting", ["", "everybody", "01ARZ3NDEKTSV4RRFFQ69G5FAU", "01arz3ndektsv4rrffq69g5fav", "8" * 26, "0" * 26 + "\n"]
)
def test_a_setting_that_is_no_ulid_is_no_organization(head: Any, setting: str) -> None:
    with head.session(setting) as conn:
        assert conn.execute("select portal.current_org()").fetchone() == (None,)
        assert not any(seen(conn, table, id_) for table, id_ in head.mine.ids.items())
    with head.session(head.mine.id) as conn:
        assert conn.execute("select portal.current_org()").fetchone() == (head.mine.id,)


@pytest.mark.parametrize("table", sorted(EVERYTHING))
def test_a_policy_reads_its_setting_once_a_statement(head: Any, table: str) -> None:
    with head.session(head.mine.id) as conn:
        plan = [line for (line,) in conn.execute(f"explain (verbose) select id from portal.{table}").fetchall()]
    assert any("InitPlan" in line for line in plan)
    reading = [line.strip() for line in plan if "current_setting" in line or "current_org()" in line]
    assert all(line.startswith("Output: ") for line in reading), "the setting is read for each row"


def test_a_session_is_found_by_its_token_at_the_right_host_only(head: Any) -> None:
    question = (
        "select u.id from portal.user_sessions as s join portal.users as u on u.id = s.user_id "
        "where s.token_hash = 'theirs' and s.expires_at > now() and s.revoked_at is null"
    )
    expected = {head.theirs.id: [(head.theirs.ids["users"],)], head.mine.id: [], None: []}
    for organization, found in expected.items():
        with head.session(organization) as conn:
            assert conn.execute(question).fetchall() == found


def test_who_signs_up_becomes_a_user_then_a_member(head: Any) -> None:
    user = new_ulid()
    insert = "insert into portal.users (id, email, full_name, password_hash) values (%s, 'new', 'n', 'h')"
    with head.session() as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(insert, (user,))
    with head.session(head.mine.id) as conn:
        conn.execute(insert, (user,))
        assert not seen(conn, "users", user)
        conn.execute(
            "insert into portal.organization_members (id, organization_id, user_id) values (%s, %s, %s)",
            (new_ulid(), head.mine.id, user),
        )
        assert seen(conn, "users", user)


def join(conn: psycopg.Connection, organization: str, user: str) -> None:
    conn.execute(
        "insert into portal.organization_members (id, organization_id, user_id) values (%s, %s, %s)",
        (new_ulid(), organization, user),
    )


def test_nobody_makes_another_organizations_user_a_member_to_read_what_is_the_users_own(
    portal_at: Any, head: Any
) -> None:
    before = portal_at("ec20df1795df")
    with before.session(before.mine.id) as conn:
        join(conn, before.mine.id, before.theirs.ids["users"])
    with head.session(head.mine.id, actor=head.mine.ids["users"]) as conn:
        with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
            join(conn, head.mine.id, head.theirs.ids["users"])
        with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
            conn.execute("update portal.organization_members set user_id = %s", (head.theirs.ids["users"],))
        assert not seen(conn, "users", head.theirs.ids["users"])


def test_who_is_a_member_elsewhere_joins_in_person_and_is_a_member_like_others_from_then_on(head: Any) -> None:
    user = head.theirs.ids["users"]
    with head.session(head.mine.id, actor=user) as conn:
        join(conn, head.mine.id, user)
        assert seen(conn, "users", user)
        conn.execute("select set_config('app.current_user_id', %s, true)", (head.mine.ids["users"],))
        left = conn.execute("update portal.organization_members set status = 'left' where user_id = %s", (user,))
        assert left.rowcount == 1


@pytest.mark.parametrize("role", ["portal_app", "portal_owner"])
def test_asking_about_all_memberships_shows_none_of_another_organization(head: Any, role: str) -> None:
    with head.session(head.mine.id, role=role) as conn:
        conn.execute("select portal.may_be_member(%s)", (head.theirs.ids["users"],))
        if role == "portal_app":
            conn.execute("set local portal.all_memberships = 'yes'")
        assert not seen(conn, "organization_members", head.theirs.ids["organization_members"])
        assert seen(conn, "organization_members", head.mine.ids["organization_members"])


def book(conn: psycopg.Connection, organization: Any, **others: str) -> None:
    """An appointment of an organization's patient with its provider, or with the ``others``."""
    people = organization.ids | others
    conn.execute(
        "insert into portal.appointments (id, organization_id, patient_id, provider_id, scheduled_start, scheduled_end)"
        " values (%s, %s, %s, %s, '2025-10-02 09:00Z', '2025-10-02 10:00Z')",
        (new_ulid(), organization.id, people["patients"], people["providers"]),
    )


@pytest.mark.parametrize("whose", ["patients", "providers"])
def test_nobody_books_another_organizations_people_after_the_hardening(portal_at: Any, head: Any, whose: str) -> None:
    before = portal_at("ec20df1795df")
    with before.session(before.mine.id) as conn:
        book(conn, before.mine, **{whose: before.theirs.ids[whose]})
    with head.session(head.mine.id) as conn:
        book(conn, head.mine)
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            book(conn, head.mine, **{whose: head.theirs.ids[whose]})


@pytest.mark.parametrize(
    ("table", "key", "person"),
    [
        ("care_team_assignments", "provider_id", "providers"),
        ("patient_proxy_assignments", "proxy_id", "proxies"),
        ("contact_methods", "patient_id", "patients"),
    ],
)
def test_nobody_gives_a_patient_another_organizations_people(head: Any, table: str, key: str, person: str) -> None:
    change = sql.SQL("update {} set {} = %s").format(sql.Identifier("portal", table), sql.Identifier(key))
    with head.session(head.mine.id) as conn:
        assert conn.execute(change, (head.mine.ids[person],)).rowcount == 1
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(change, (head.theirs.ids[person],))


MEMBERS = [
    ("patients", "user_id"),
    ("proxies", "user_id"),
    ("providers", "user_id"),
    ("staff", "user_id"),
    ("user_devices", "user_id"),
    ("tasks", "assignee_user_id"),
    ("support_tickets", "assignee_user_id"),
]
"""Whom rows of an organization are about, or who is to see to them."""
WHO_DID_IT = {
    ("appointments", "created_by_user_id"),
    ("documents", "uploaded_by_user_id"),
    ("tasks", "created_by_user_id"),
    ("call_logs", "handled_by_user_id"),
    ("support_tickets", "requester_user_id"),
    ("invitations", "invited_by_user_id"),
    ("audit_logs", "actor_user_id"),
}
OPENED_BY_A_MEMBERSHIP = {(table, "user_id") for table in ("organization_members", "user_sessions", "user_consents")}


def test_every_column_that_names_a_user_is_asked_about_or_opens_nothing(head: Any) -> None:
    with head.session() as conn:
        found = conn.execute(
            "select c.relname, a.attname from pg_constraint k join pg_class c on c.oid = k.conrelid "
            "join pg_attribute a on a.attrelid = c.oid and a.attnum = k.conkey[1] "
            "where k.contype = 'f' and k.confrelid = 'portal.users'::regclass"
        ).fetchall()
    assert set(found) == set(MEMBERS) | WHO_DID_IT | OPENED_BY_A_MEMBERSHIP


def users_of_both(conn: psycopg.Connection, portal: Any) -> dict[str, str]:
    """Organization -> a user of it who is nobody's patient; from then on the session is the application's."""
    users = {}
    for organization in (portal.mine, portal.theirs):
        user = users[organization.id] = new_ulid()
        conn.execute(
            "insert into portal.users (id, email, full_name, password_hash) values (%s, %s, 'n', 'h')", (user, user)
        )
        join(conn, organization.id, user)
    conn.execute("set local role portal_app")
    return users


@pytest.mark.parametrize(("table", "column"), MEMBERS)
def test_no_row_is_about_a_user_who_is_no_member_after_the_hardening(
    portal_at: Any, head: Any, table: str, column: str
) -> None:
    change = sql.SQL("update {} set {} = %s where id = %s").format(
        sql.Identifier("portal", table), sql.Identifier(column)
    )
    touch = sql.SQL("update {} set updated_at = now()").format(sql.Identifier("portal", table))
    before = portal_at("ec20df1795df")
    with before.session(before.mine.id, role=None) as conn:
        users = users_of_both(conn, before)
        assert conn.execute(change, (users[before.theirs.id], before.mine.ids[table])).rowcount == 1
    with head.session(head.mine.id, role=None) as conn:
        users = users_of_both(conn, head)
        assert conn.execute(change, (users[head.mine.id], head.mine.ids[table])).rowcount == 1
        for nobody in (users[head.theirs.id], new_ulid()):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
                conn.execute(change, (nobody, head.mine.ids[table]))
        conn.execute("update portal.organization_members set status = 'left'")
        assert conn.execute(touch).rowcount > 0, "whoever has left is in nobody's way"


def test_a_task_may_wait_for_nobody(head: Any) -> None:
    with head.session(head.mine.id) as conn:
        assert conn.execute("update portal.tasks set assignee_user_id = null").rowcount == 1


def test_who_signs_up_is_a_member_before_being_a_patient(head: Any) -> None:
    user = new_ulid()
    patient = (
        "insert into portal.patients (id, organization_id, user_id, mrn, first_name, last_name, date_of_birth) "
        "values (%s, %s, %s, 'new', 'f', 'l', '1980-02-29')"
    )
    with head.session(head.mine.id) as conn:
        conn.execute(
            "insert into portal.users (id, email, full_name, password_hash) values (%s, 'new', 'n', 'h')", (user,)
        )
        with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
            conn.execute(patient, (new_ulid(), head.mine.id, user))
        join(conn, head.mine.id, user)
        assert conn.execute(patient, (new_ulid(), head.mine.id, user)).rowcount == 1
