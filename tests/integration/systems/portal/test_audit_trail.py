"""The portal's audit trail: what leaves a record, what a record says, and that it stays."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from pgvitals.ulid import new_ulid

FEW = {"users", "patients", "organizations"}
DOCUMENTED = FEW | {
    "appointments",
    "documents",
    "user_consents",
    "care_team_assignments",
    "contact_methods",
    "user_sessions",
    "user_devices",
}
AUDITED = {
    "portal_0001": set(),
    "8af88bf56c01": FEW,
    "ea2e58f69efd": FEW,
    "ec20df1795df": DOCUMENTED,
    "portal_hardening": DOCUMENTED
    | {
        "organization_members",
        "proxies",
        "patient_proxy_assignments",
        "providers",
        "staff",
        "tasks",
        "call_logs",
        "support_tickets",
        "invitations",
    },
}
CANARY = "CANARY"
PERSONAL = {
    "users": ("email", "phone", "full_name"),
    "patients": (
        "mrn",
        "first_name",
        "last_name",
        "phone",
        "email",
        "address_line1",
        "address_line2",
        "city",
        "zip_code",
    ),
    "proxies": ("first_name", "last_name", "phone"),
    "contact_methods": ("value",),
    "patient_proxy_assignments": ("relationship",),
    "appointments": ("location", "reason", "notes"),
    "documents": ("title", "storage_key"),
    "tasks": ("title", "description"),
    "call_logs": ("phone", "notes"),
    "support_tickets": ("subject", "body"),
    "invitations": ("email",),
}
CHANGES = {
    "UPDATE": "update portal.audit_logs set at = now()",
    "DELETE": "delete from portal.audit_logs",
    "TRUNCATE": "truncate portal.audit_logs",
}


def trail(conn: psycopg.Connection, row: str) -> list[tuple[Any, ...]]:
    """What the trail tells of a row, oldest first; not what was there from the beginning."""
    return conn.execute(
        "select operation, table_name, organization_id, actor_user_id, changed from portal.audit_logs "
        "where row_id = %s and changed <> '{}' order by at",
        (row,),
    ).fetchall()


@pytest.mark.parametrize("revision", AUDITED)
def test_each_write_to_an_audited_table_leaves_one_record(portal_at: Any, revision: str) -> None:
    portal = portal_at(revision)
    counts = {}
    with portal.session(portal.mine.id, portal.mine.ids["users"]) as conn:
        for table in set(portal.mine.ids) - {"audit_logs"}:
            before = conn.execute("select count(*) from portal.audit_logs").fetchone()
            conn.execute(f"update portal.{table} set updated_at = now() where id = %s", (portal.mine.ids[table],))
            after = conn.execute("select count(*) from portal.audit_logs").fetchone()
            assert before is not None
            assert after is not None
            counts[table] = after[0] - before[0]
    assert counts == {table: int(table in AUDITED[revision]) for table in counts}


def test_one_function_writes_the_whole_trail(head: Any) -> None:
    with head.session() as conn:
        functions = conn.execute(
            "select tgrelid::regclass::text, tgfoid::regproc::text from pg_trigger where tgname = 'audit'"
        ).fetchall()
    assert dict(functions) == {f"portal.{table}": "portal.write_audit" for table in AUDITED["portal_hardening"]}


def test_a_record_says_who_what_when_and_copies_safe_values_only(head: Any) -> None:
    row, user = head.mine.ids["appointments"], head.mine.ids["users"]
    with head.session(head.mine.id, user) as conn:
        conn.execute("update portal.appointments set status = 'cancelled', notes = 'he fell', updated_at = now()")
        changed = {"status": {"old": "scheduled", "new": "cancelled"}, "notes": None}
        assert trail(conn, row) == [("update", "appointments", head.mine.id, user, changed)]
        made = conn.execute(
            "select id ~ '^[0-7][0-9A-HJKMNP-TV-Z]{25}$', at between now() and clock_timestamp() "
            "from portal.audit_logs where row_id = %s",
            (row,),
        ).fetchall()
    assert made == [(True, True)]


def test_a_record_of_a_new_and_of_a_deleted_row_names_what_it_held(head: Any) -> None:
    with head.session(head.mine.id) as conn:
        contact = new_ulid()
        conn.execute(
            "insert into portal.contact_methods (id, patient_id, kind, value) values (%s, %s, 'sms', %s)",
            (contact, head.mine.ids["patients"], CANARY),
        )
        conn.execute("delete from portal.contact_methods where id = %s", (contact,))
        inserted, deleted = trail(conn, contact)
    assert (inserted[0], deleted[0]) == ("insert", "delete")
    assert inserted[4]["kind"] == {"old": None, "new": "sms"}
    assert deleted[4]["kind"] == {"old": "sms", "new": None}
    assert inserted[4]["value"] is None
    assert inserted[4].keys() == deleted[4].keys() == {"id", "patient_id", "kind", "value", "is_primary", "created_at"}


def test_a_record_is_of_the_rows_organization_even_if_nobody_set_one(head: Any) -> None:
    with head.session(role=None, actor="nobody") as conn:
        conn.execute("update portal.patients set status = 'inactive' where id = %s", (head.mine.ids["patients"],))
        (recorded,) = trail(conn, head.mine.ids["patients"])
    assert recorded[:4] == ("update", "patients", head.mine.id, None)


def test_a_forged_actor_is_refused(head: Any) -> None:
    with head.session(head.mine.id, new_ulid()) as conn, pytest.raises(psycopg.errors.ForeignKeyViolation):
        conn.execute("update portal.patients set status = 'inactive'")


def test_ulids_of_the_database_sort_as_time_does(head: Any) -> None:
    with head.session() as conn:
        made = conn.execute(
            "select portal.new_ulid(moment) from generate_series(timestamptz '1970-01-01', '2110-01-01', '1 year') "
            "as moment order by moment"
        ).fetchall()
        known = conn.execute("select left(portal.new_ulid('2016-07-30 22:36:16.385Z'), 10)").fetchone()
    assert made == sorted(made)
    assert known == ("01ARYZ6S41",), "the example of the ULID specification"


@pytest.mark.parametrize("way", ["statement by statement", "in one statement"])
def test_ulids_of_one_session_sort_by_their_microseconds(head: Any, way: str) -> None:
    """Ids of one microsecond sort by chance: nothing else may be out of order."""
    make = (
        "with at as materialized (select clock_timestamp() as moment from generate_series(1, %s)) "
        "select moment, portal.new_ulid(moment) from at"
    )
    with head.session() as conn:
        if way == "in one statement":
            made = conn.execute(make, (2_000,)).fetchall()
        else:
            made = [row for _ in range(2_000) for row in conn.execute(make, (1,)).fetchall()]
    moments = {moment for moment, _ in made}
    milliseconds = {moment.replace(microsecond=moment.microsecond // 1000 * 1000) for moment in moments}
    assert len(moments) > len(milliseconds), "else milliseconds would do"
    assert [ulid for _, ulid in sorted(made)] == sorted(ulid for _, ulid in made)
    assert len({ulid for _, ulid in made}) == 2_000


def test_the_database_takes_longer_for_a_ulid_than_a_microsecond(head: Any) -> None:
    with head.session() as conn:
        made = conn.execute("select portal.new_ulid(clock_timestamp()) from generate_series(1, 2000)").fetchall()
    assert made == sorted(made)


def test_records_of_one_statement_sort_as_they_were_written(head: Any) -> None:
    with head.session(head.mine.id) as conn:
        conn.execute(
            "insert into portal.contact_methods (id, patient_id, kind, value) "
            "select portal.new_ulid(clock_timestamp()), %s, 'sms', n from generate_series(1, 500) as n",
            (head.mine.ids["patients"],),
        )
        written = conn.execute(
            "select row_id from portal.audit_logs where table_name = 'contact_methods' and operation = 'insert' "
            'order by id collate "C"'
        ).fetchall()
        made = conn.execute("select id from portal.contact_methods where kind = 'sms' order by value::int").fetchall()
    assert len(made) == 500
    assert written == made == sorted(made)


def test_no_personal_value_reaches_the_trail(head: Any) -> None:
    with head.session(role=None) as conn:
        type(head.mine)(conn, f"{CANARY} new")
        for table, columns in PERSONAL.items():
            changes = ", ".join(f"{column} = left({column} || '{CANARY}', 30)" for column in columns)
            assert conn.execute(f"update portal.{table} set {changes}").rowcount >= 3
        conn.execute("delete from portal.contact_methods")
        told = conn.execute(
            "select table_name, array_agg(distinct operation), array_agg(distinct name) "
            "from portal.audit_logs, jsonb_object_keys(changed) as name group by 1"
        ).fetchall()
        leaked = conn.execute(
            "select array_agg(distinct table_name) from portal.audit_logs as a where a::text ilike %s "
            "and table_name <> 'organizations'",
            (f"%{CANARY}%",),
        ).fetchone()
    assert leaked == (None,)
    for table, operations, changed in told:
        assert {*operations} >= {"insert", "update"} or table not in PERSONAL
        assert {*changed} >= {*PERSONAL.get(table, ())}, table
    assert {table for table, _, _ in told} >= set(PERSONAL)


@pytest.mark.parametrize("command", CHANGES)
@pytest.mark.parametrize("role", ["portal_app", "portal_owner", None])
def test_the_trail_is_append_only_for_everybody(head: Any, command: str, role: str | None) -> None:
    with head.session(head.mine.id, role=role) as conn:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="audit_logs") as refused:
            conn.execute(CHANGES[command])
        if role != "portal_app":
            assert refused.value.diag.message_primary == f"portal.audit_logs is append-only: {command} is refused"


@pytest.mark.parametrize("command", CHANGES)
def test_a_superuser_who_switches_triggers_off_does_not_switch_this_one_off(head: Any, command: str) -> None:
    with head.session(role=None) as conn:
        conn.execute("set local session_replication_role = replica")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            conn.execute(CHANGES[command])


@pytest.mark.parametrize("command", ["UPDATE", "DELETE"])
def test_the_application_could_change_the_trail_before_the_hardening(portal_at: Any, command: str) -> None:
    portal = portal_at("ec20df1795df")
    with portal.session(portal.mine.id) as conn:
        assert conn.execute(CHANGES[command]).rowcount == 1


@pytest.mark.parametrize("role", ["portal_app", "portal_owner"])
def test_nobody_writes_to_the_trail_but_its_triggers(head: Any, role: str) -> None:
    with head.session(head.mine.id, role=role) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(
            "insert into portal.audit_logs (id, organization_id, table_name, row_id, operation) "
            "values (%(id)s, %(organization)s, 'patients', %(id)s, 'insert')",
            {"id": new_ulid(), "organization": head.mine.id},
        )


@pytest.mark.parametrize("function", ["write_audit()", "audit_table(text, text[])"])
def test_the_application_cannot_call_what_builds_the_trail(head: Any, function: str) -> None:
    with head.session() as conn:
        allowed = conn.execute("select has_function_privilege(%s, 'execute')", (f"portal.{function}",)).fetchone()
    assert allowed == (False,)
