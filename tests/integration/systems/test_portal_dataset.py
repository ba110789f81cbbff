"""The rows of portal: what they say is true of one another, at every revision."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from ulid import ULID

from pgvitals.dataset.load import load
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import upgrade
from pgvitals.profile import Profile
from pgvitals.results.records import Dataset
from pgvitals.suite import Suite, find_suite

SYSTEM = find_suite().system("portal")
TABLES = sorted({"organizations", *SYSTEM.tenant_tables, *SYSTEM.child_tables, *SYSTEM.shared_tables})
TODAY = "timestamptz '2025-10-01 00:00Z'"

# Every foreign key: its table, its parent, and both sides' columns.
KEYS = """
select conrelid::regclass::text, confrelid::regclass::text,
    (select array_agg(a.attname::text order by n.o) from unnest(c.conkey) with ordinality n (k, o)
     join pg_attribute a on a.attrelid = c.conrelid and a.attnum = n.k),
    (select array_agg(a.attname::text order by n.o) from unnest(c.confkey) with ordinality n (k, o)
     join pg_attribute a on a.attrelid = c.confrelid and a.attnum = n.k)
from pg_constraint c
where c.contype = 'f' and c.connamespace = 'portal'::regnamespace
"""

# Whose row it is: (a table without organization_id, or one of a user, and the query that gives ids and owners).
OWNERS = {
    "organizations": "select id, id from portal.organizations",
    "users": "select user_id, organization_id from portal.organization_members",
    **{
        table: f"select t.id, organization_id from portal.{table} t join portal.organization_members m using (user_id)"
        for table in ("user_sessions", "user_consents")
    },
    **{
        table: f"select t.id, p.organization_id from portal.{table} t join portal.patients p on p.id = t.patient_id"
        for table in ("contact_methods", "care_team_assignments", "patient_proxy_assignments")
    },
}

Conn = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def smoke(suite: Suite) -> Profile:
    return suite.profiles.get("smoke")


@pytest.fixture(scope="module")
def at_head(server: Server, suite: Suite, smoke: Profile) -> Iterator[tuple[Database, Dataset]]:
    """Portal at its head, loaded there."""
    with server.scratch("portal") as database:
        upgrade(suite, database, "portal@head")
        yield database, load(suite, database, smoke, systems=["portal"])


@pytest.fixture(scope="module")
def conn(at_head: tuple[Database, Dataset]) -> Iterator[Conn]:
    with at_head[0].connect() as connection:
        yield connection


def count(conn: Conn, statement: str) -> int:
    """Rows of a statement."""
    found = conn.execute(sql.SQL("select count(*) from ({}) s").format(sql.SQL(statement))).fetchone()
    assert found is not None
    return int(found[0])


def moment_of(table: str) -> str:
    return "at" if table == "audit_logs" else "created_at"


def test_two_loads_of_one_seed_have_one_checksum(
    suite: Suite, database: Database, smoke: Profile, at_head: tuple[Database, Dataset]
) -> None:
    upgrade(suite, database, "portal@head")
    assert load(suite, database, smoke, systems=["portal"]).checksum == at_head[1].checksum


def test_rows_that_were_migrated_to_the_head_are_the_rows_loaded_there(
    suite: Suite, database: Database, smoke: Profile, at_head: tuple[Database, Dataset]
) -> None:
    """The first revision knows no organization of a patient, and the backfill finds the recipe's."""
    upgrade(suite, database, "portal_0001")
    load(suite, database, smoke, systems=["portal"])
    upgrade(suite, database, "portal@head")
    for table in TABLES:
        assert content(database, table) == content(at_head[0], table), table


def content(database: Database, table: str) -> list[Any]:
    """All rows of a table; whether an appointment was deleted, the first revision cannot say."""
    with database.connect() as conn:
        statement = sql.SQL("select to_jsonb(t) - {} from {} t order by id")
        forgotten = "deleted_at" if table == "appointments" else ""
        return conn.execute(statement.format(forgotten, sql.Identifier("portal", table))).fetchall()


def test_the_smallest_profile_holds_about_fifteen_thousand_rows(at_head: tuple[Database, Dataset]) -> None:
    assert 13_000 < sum(table.rows for table in at_head[1].tables) < 17_000


def test_the_recipe_makes_rows_of_every_table(at_head: tuple[Database, Dataset]) -> None:
    assert sorted(table.table for table in at_head[1].tables) == TABLES
    assert len(TABLES) == 20


@pytest.mark.parametrize("table", TABLES)
def test_two_organizations_or_more_have_rows_in_a_table(conn: Conn, table: str) -> None:
    owners = OWNERS.get(table, f"select id, organization_id from portal.{table}")
    assert count(conn, f"select distinct owner from ({owners}) of (id, owner) where owner is not null") >= 2


@pytest.mark.parametrize("table", TABLES)
def test_an_id_begins_with_the_moment_at_which_its_row_was_made(conn: Conn, table: str) -> None:
    rows = conn.execute(
        sql.SQL("select id, extract(epoch from {}) * 1000 from {}").format(
            sql.Identifier(moment_of(table)), sql.Identifier("portal", table)
        )
    ).fetchall()
    assert rows
    assert [key for key, milliseconds in rows if ULID.from_str(key).milliseconds != milliseconds] == []


@pytest.mark.parametrize("table", TABLES)
def test_the_order_of_ids_is_the_order_of_time(conn: Conn, table: str) -> None:
    moment = moment_of(table)
    assert (
        count(
            conn,
            f"select from (select {moment} as moment, lag({moment}) over (order by id) as before from portal.{table}) t"
            " where moment < before",
        )
        == 0
    )


def test_every_foreign_key_finds_its_row(conn: Conn) -> None:
    keys = conn.execute(KEYS).fetchall()
    assert len(keys) > 30
    for child, parent, columns, target in keys:
        missing = sql.SQL(
            "select from {child} c where {given} and not exists (select from {parent} p where {same})"
        ).format(
            child=sql.SQL(child),
            parent=sql.SQL(parent),
            given=sql.SQL(" and ").join(sql.SQL("c.{} is not null").format(sql.Identifier(name)) for name in columns),
            same=sql.SQL(" and ").join(
                sql.SQL("p.{} = c.{}").format(sql.Identifier(ours), sql.Identifier(name))
                for ours, name in zip(target, columns, strict=True)
            ),
        )
        assert count(conn, missing.as_string(conn)) == 0, (child, columns)


# People


def test_people_belong_to_the_organization_that_their_user_joined_first(conn: Conn) -> None:
    oldest = (
        "select distinct on (user_id) user_id, organization_id from portal.organization_members"
        " order by user_id, joined_at, id"
    )
    for table in ("patients", "providers", "staff", "proxies"):
        assert (
            count(
                conn,
                f"select from portal.{table} t join ({oldest}) o using (user_id)"
                " where o.organization_id <> t.organization_id",
            )
            == 0
        )


def test_a_few_users_are_members_of_two_organizations(conn: Conn) -> None:
    several = count(conn, "select from portal.organization_members group by user_id having count(*) > 1")
    assert 0 < several < count(conn, "select from portal.users") / 10


def test_nobody_is_there_before_their_organization(conn: Conn) -> None:
    assert (
        count(
            conn,
            "select from portal.organization_members m join portal.organizations o on o.id = m.organization_id"
            " join portal.users u on u.id = m.user_id where m.joined_at < o.created_at or m.joined_at < u.created_at",
        )
        == 0
    )


def test_whoever_does_something_for_an_organization_is_a_member_of_it(conn: Conn) -> None:
    doers = conn.execute(
        "select c.relname, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " where c.relnamespace = 'portal'::regnamespace and c.relkind = 'r' and a.attname like '%user\\_id'"
        " and exists (select from pg_attribute o where o.attrelid = c.oid and o.attname = 'organization_id')"
    ).fetchall()
    assert len(doers) >= 12
    for table, column in doers:
        assert (
            count(
                conn,
                f"select from portal.{table} t where {column} is not null and not exists (select"
                f" from portal.organization_members m where m.user_id = t.{column}"
                " and m.organization_id = t.organization_id)",
            )
            == 0
        ), (table, column)


def test_a_user_bears_the_name_of_the_person(conn: Conn) -> None:
    for table in ("patients", "providers", "staff", "proxies"):
        assert (
            count(
                conn,
                f"select from portal.{table} p join portal.users u on u.id = p.user_id"
                " where u.full_name <> p.first_name || ' ' || p.last_name or u.phone <> p.phone",
            )
            == 0
        )


def luhn(digits: str) -> bool:
    """The formula as everybody writes it: from the right, every second digit doubled, its own digits added."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total += sum(map(int, str(int(digit) * 2))) if place % 2 else int(digit)
    return total % 10 == 0


def test_the_check_digit_of_every_npi_is_right_and_none_comes_twice(conn: Conn) -> None:
    numbers = [npi for (npi,) in conn.execute("select npi from portal.providers")]
    assert len(set(numbers)) == len(numbers) > 30
    assert luhn("808401234567893")  # the example of the standard
    assert [npi for npi in numbers if not (re.fullmatch("[0-9]{10}", npi) and luhn("80840" + npi))] == []


def test_a_patient_has_one_primary_contact_and_it_is_the_telephone(conn: Conn) -> None:
    assert (
        count(
            conn,
            "select p.id from portal.patients p left join portal.contact_methods c on c.patient_id = p.id"
            " and c.is_primary group by p.id having count(c.id) <> 1 or min(c.value) <> p.phone",
        )
        == 0
    )


def test_who_treats_or_represents_a_patient_is_of_the_same_organization(conn: Conn) -> None:
    for table, other, column in (
        ("care_team_assignments", "providers", "provider_id"),
        ("patient_proxy_assignments", "proxies", "proxy_id"),
    ):
        assert (
            count(
                conn,
                f"select from portal.{table} t join portal.patients p on p.id = t.patient_id"
                f" join portal.{other} o on o.id = t.{column} where o.organization_id <> p.organization_id"
                " or t.created_at < p.created_at or t.created_at < o.created_at",
            )
            == 0
        )


def test_the_patients_of_parents_are_children(conn: Conn) -> None:
    grown = "p.date_of_birth <= g.created_at - interval '19 years'"
    parents = "select from portal.patient_proxy_assignments g join portal.patients p on p.id = g.patient_id"
    assert count(conn, f"{parents} where g.relationship = 'parent'") > 0
    assert (
        count(
            conn,
            f"{parents} where g.relationship = 'parent' and p.created_at + interval '1 day' > g.created_at and {grown}",
        )
        == 0
    )


# Work


def test_a_provider_sees_one_patient_at_a_time(conn: Conn) -> None:
    kept = "status not in ('cancelled', 'no_show')"
    assert (
        count(
            conn,
            "select from (select scheduled_start, lag(scheduled_end) over (partition by provider_id"
            f" order by scheduled_start) as until from portal.appointments where {kept}) a"
            " where scheduled_start < until",
        )
        == 0
    )


def test_the_past_is_settled_and_the_future_is_not(conn: Conn) -> None:
    for wrong in (
        f"scheduled_end <= {TODAY} and status = 'scheduled'",
        f"scheduled_start >= {TODAY} and status in ('completed', 'no_show')",
        f"created_at > {TODAY} or updated_at > {TODAY} or updated_at < created_at or deleted_at < created_at",
        "(status = 'cancelled') <> (cancelled_at is not null)",
    ):
        assert count(conn, f"select from portal.appointments where {wrong}") == 0, wrong
    for status in ("scheduled", "completed", "cancelled", "no_show"):
        assert count(conn, f"select from portal.appointments where status = '{status}'") > 0
    assert 0 < count(conn, "select from portal.appointments where deleted_at is not null") < 200


@pytest.mark.parametrize("table", ["appointments", "documents", "tasks", "call_logs"])
def test_nothing_is_done_for_a_patient_who_is_not_there_yet(conn: Conn, table: str) -> None:
    assert count(conn, f"select from portal.{table} where patient_id is not null") > 500
    assert (
        count(
            conn,
            f"select from portal.{table} t join portal.patients p on p.id = t.patient_id"
            " where t.created_at < p.created_at",
        )
        == 0
    )


def test_calls_are_taken_in_office_hours(conn: Conn) -> None:
    local = (
        "select started_at at time zone o.timezone as t from portal.call_logs c"
        " join portal.organizations o on o.id = c.organization_id"
    )
    assert count(conn, f"select from ({local}) c where extract(isodow from t) < 6") == 1_100
    assert count(conn, f"select from ({local}) c where t::time not between '08:00' and '18:00'") == 0


def test_a_task_is_done_when_it_was_completed(conn: Conn) -> None:
    assert count(conn, "select from portal.tasks where (status = 'done') <> (completed_at is not null)") == 0
    assert count(conn, f"select from portal.tasks where status = 'open' and due_at > {TODAY}") > 0
    assert count(conn, "select from portal.tasks where due_at <= created_at or completed_at < created_at") == 0


def test_files_are_told_apart_by_their_hash_and_their_place(conn: Conn) -> None:
    files = count(conn, "select from portal.documents")
    for column in ("sha256", "storage_key"):
        assert count(conn, f"select distinct {column} from portal.documents") == files


# Accounts


def test_there_are_invitations_of_every_kind(conn: Conn) -> None:
    for kind in (
        "accepted_at between created_at and expires_at",
        f"accepted_at is null and expires_at > {TODAY}",
        f"accepted_at is null and expires_at <= {TODAY}",
    ):
        assert count(conn, f"select from portal.invitations where {kind}") > 0, kind
    stranger = "not exists (select from portal.users u where u.email = i.email)"
    assert count(conn, f"select from portal.invitations i where (accepted_at is null) <> ({stranger})") == 0


def test_sessions_are_open_expired_or_revoked_and_belong_to_their_device_s_user(conn: Conn) -> None:
    for kind in (f"expires_at > {TODAY} and revoked_at is null", f"expires_at <= {TODAY}", "revoked_at is not null"):
        assert count(conn, f"select from portal.user_sessions where {kind}") > 0, kind
    for wrong in ("d.user_id <> s.user_id", "s.created_at < d.created_at", "s.revoked_at > s.expires_at"):
        joined = "select from portal.user_sessions s join portal.user_devices d on d.id = s.device_id"
        assert count(conn, f"{joined} where {wrong}") == 0, wrong


def test_nobody_agrees_twice_to_one_version(conn: Conn) -> None:
    assert count(conn, "select from portal.user_consents group by user_id, document, version having count(*) > 1") == 0
    assert count(conn, "select distinct version from portal.user_consents where document = 'terms_of_service'") > 1
    assert count(conn, "select from portal.user_consents where revoked_at is not null") > 0


# The audit trail


def test_the_trail_names_rows_that_exist_and_begins_when_they_were_made(conn: Conn) -> None:
    named = [table for (table,) in conn.execute("select distinct table_name from portal.audit_logs")]
    assert set(named) == {"organizations", "appointments", "patients", "users", "user_devices"}
    for table in named:
        told = f"select from portal.audit_logs l where l.table_name = '{table}'"
        same = f"from portal.{table} t where t.id = l.row_id and t.created_at"
        assert count(conn, f"{told} and not exists (select {same} <= l.at)") == 0, table
        assert count(conn, f"{told} and l.operation = 'insert' and not exists (select {same} = l.at)") == 0, table
    twice = "select from portal.audit_logs where operation = 'insert' group by row_id having count(*) > 1"
    assert count(conn, twice) == 0


def test_the_trail_says_what_became_of_an_appointment(conn: Conn) -> None:
    last = "select row_id, changed #>> '{status,new}' as status from portal.audit_logs where operation = 'update'"
    told = f"select from ({last}) l join portal.appointments a on a.id = l.row_id where l.status"
    assert count(conn, f"{told} = a.status") > 100
    assert count(conn, f"{told} <> a.status") == 0


def test_the_trail_copies_no_value_that_says_something_about_health(conn: Conn) -> None:
    copied = conn.execute(
        "select distinct l.table_name, c.key from portal.audit_logs l, jsonb_each(l.changed) c"
        " where jsonb_typeof(c.value) <> 'null'"
    ).fetchall()
    assert copied
    assert {name for _, name in copied} == {"status"}
    assert not any(name in SYSTEM.phi_columns.get(table, ()) for table, name in copied)
