"""pazpaz's keys, constraints and indexes: the traps on the way, and what holds at the head."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from pgvitals.encryption import Context, KeyRing, blind_index, fetch_from, lab_provider, seal
from pgvitals.lab import Database
from pgvitals.lab.migrate import upgrade
from pgvitals.suite import Suite

Row = Callable[..., UUID]
SEALED = {"first_name": b"sealed", "last_name": b"sealed"}
HOURS = ("2030-01-07T09:00Z", "2030-01-07T10:00Z")
REDUNDANT = """
select a.indexrelid::regclass::text, b.indexrelid::regclass::text
from pg_index a
join pg_index b on b.indrelid = a.indrelid and b.indexrelid <> a.indexrelid
join pg_class ca on ca.oid = a.indexrelid
join pg_class cb on cb.oid = b.indexrelid
where ca.relnamespace = 'pazpaz'::regnamespace and ca.relam = cb.relam
  and pg_get_expr(a.indpred, a.indrelid) is not distinct from pg_get_expr(b.indpred, b.indrelid)
  and (a.indkey::int2[])[0:a.indnkeyatts - 1] = (b.indkey::int2[])[0:a.indnkeyatts - 1]
  and (a.indclass::oid[])[0:a.indnkeyatts - 1] = (b.indclass::oid[])[0:a.indnkeyatts - 1]
  and not (a.indisunique and a.indnkeyatts < b.indnkeyatts)
"""
UNINDEXED = """
select conrelid::regclass::text, conname
from pg_constraint f
where contype = 'f' and connamespace = 'pazpaz'::regnamespace and not exists (
    select from pg_index i
    where i.indrelid = f.conrelid and (i.indkey::int2[])[0] = f.conkey[1]
      and exists (
        select from pg_opclass c join pg_amop a on a.amopfamily = c.opcfamily join pg_operator o on o.oid = a.amopopr
        where c.oid = (i.indclass::oid[])[0] and o.oid = f.conpfeqop[1])
      and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', (
        select attname from pg_attribute where attrelid = f.conrelid and attnum = f.conkey[1]))))
"""


def test_rows_go_or_stay_with_what_they_refer_to(suite: Suite, database: Database) -> None:
    cascade, set_null = "c", "n"
    documented = {
        "fk_appointments_client_id": cascade,
        "fk_appointments_location_id": set_null,
        "fk_appointments_service_id": set_null,
        "fk_appointments_workspace_id": cascade,
        "fk_clients_workspace_id": cascade,
        "fk_locations_workspace_id": cascade,
        "fk_services_workspace_id": cascade,
        "fk_users_workspace_id": cascade,
    }
    sessions = {
        "fk_audit_events_user_id": set_null,
        "fk_audit_events_workspace_id": cascade,
        "fk_session_attachments_session_id": cascade,
        "fk_session_attachments_workspace_id": cascade,
        "fk_session_versions_created_by_user_id": set_null,
        "fk_session_versions_session_id": cascade,
        "fk_sessions_appointment_id": set_null,
        "fk_sessions_client_id": cascade,
        "fk_sessions_created_by_user_id": set_null,
        "fk_sessions_deleted_by_user_id": set_null,
        "fk_sessions_workspace_id": cascade,
        "fk_workspace_keys_workspace_id": cascade,
    }
    hardened = {
        "fk_appointments_practitioner_id": set_null,
        "fk_audit_events_workspace_id": set_null,
        "fk_session_versions_workspace_id": cascade,
    }
    rules: dict[str, str] = {}
    with database.connect() as conn:
        for revision, more in {
            "f6092aa0856d": documented,
            "92df859932f2": sessions,
            "pazpaz_hardening": hardened,
        }.items():
            rules |= more
            upgrade(suite, database, revision)
            found = conn.execute(
                "select conname, confdeltype::text from pg_constraint "
                "where contype = 'f' and connamespace = 'pazpaz'::regnamespace"
            ).fetchall()
            assert dict(found) == rules


def test_the_application_role_reads_and_writes_rows(suite: Suite, database: Database) -> None:
    upgrade(suite, database, "f6092aa0856d")
    with database.connect(role="pazpaz_app") as conn:
        assert conn.execute("insert into pazpaz.workspaces (name) values ('one')").rowcount == 1
        assert conn.execute("update pazpaz.workspaces set name = 'two' where name = 'one'").rowcount == 1
        assert conn.execute("select name from pazpaz.workspaces").fetchall() == [("two",)]
        assert conn.execute("delete from pazpaz.workspaces").rowcount == 1


def test_the_pgcrypto_helpers_hide_every_error_until_they_are_corrected(suite: Suite, database: Database) -> None:
    upgrade(suite, database, "6be7adba063b")
    wrong = "select pazpaz.decrypt_phi(pazpaz.encrypt_phi('secret', 'one'), 'another')"
    right = "select pazpaz.decrypt_phi(pazpaz.encrypt_phi('secret', 'one'), 'one')"
    with database.connect(role="pazpaz_app") as conn:
        assert conn.execute(right).fetchone() == ("secret",)
        assert conn.execute(wrong).fetchone() == (None,)
        with conn.transaction(force_rollback=True):
            conn.execute("set local search_path = pazpaz")
            with pytest.raises(psycopg.errors.UndefinedFunction), conn.transaction():
                conn.execute(right)
    upgrade(suite, database, "8283b279aeac")
    with database.connect(role="pazpaz_app") as conn:
        conn.execute("set search_path = pazpaz")
        assert conn.execute(right).fetchone() == ("secret",)
        assert conn.execute("select pazpaz.encrypt_phi('same', 'k') = pazpaz.encrypt_phi('same', 'k')").fetchone() == (
            False,
        )
        with pytest.raises(psycopg.errors.ExternalRoutineInvocationException, match="Wrong key or corrupt data"):
            conn.execute(wrong)


def index_scans(conn: psycopg.Connection, query: str, *values: Any) -> dict[str, str]:
    """The indexes that a query's plan uses, each with its condition."""
    (plan,) = conn.execute(f"explain (format json) {query}", values).fetchone() or ([],)
    return {node["Index Name"]: node.get("Index Cond", "") for node in walk(plan[0]["Plan"]) if "Index Name" in node}


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of a plan."""
    yield node
    for child in node.get("Plans", []):
        yield from walk(child)


def sealed_name(conn: psycopg.Connection, workspace: UUID, column: str, client: UUID, text: str) -> bytes:
    ring = KeyRing(lab_provider(), fetch_from(conn, "pazpaz.workspace_keys"))
    version, key = ring.data_key(str(workspace))
    return seal(key, version, text, Context(str(workspace), "clients", column, str(client)))


def test_an_index_on_ciphertext_finds_no_name_and_a_unique_one_admits_duplicates(
    suite: Suite, database: Database, pazpaz_row: Row
) -> None:
    upgrade(suite, database, "2de77d93d190")
    with database.connect() as conn:
        workspace = pazpaz_row(conn, "workspaces")
        clients = [pazpaz_row(conn, "clients", workspace_id=workspace, email="ada@example.org") for _ in range(2)]
        for number in range(2_000):
            pazpaz_row(conn, "clients", workspace_id=workspace, last_name=f"Name {number}")
        conn.execute("analyze pazpaz.clients")
        search = "select id from pazpaz.clients where workspace_id = %s and last_name = %s"
        assert "ix_clients_workspace_lastname_firstname" in index_scans(conn, search, workspace, "Lovelace")
        assert {id_ for (id_,) in conn.execute(search, (workspace, "Lovelace"))} == set(clients)
        upgrade(suite, database, "92df859932f2")
        conn.execute("analyze pazpaz.clients")
        assert conn.execute("select to_regclass('pazpaz.ix_clients_workspace_lastname_firstname')").fetchone() != (
            None,
        )
        again = sealed_name(conn, workspace, "last_name", clients[0], "Lovelace")
        assert conn.execute(search, (workspace, again)).fetchall() == [], "the index is used, and finds nothing"
        conn.execute("create unique index enforces_nothing on pazpaz.clients (workspace_id, email)")
        seals = conn.execute("select email from pazpaz.clients where email is not null").fetchall()
        assert len(seals) == 2, "one e-mail twice"


@pytest.fixture
def head(suite: Suite, database: Database) -> Database:
    upgrade(suite, database, "pazpaz@head")
    return database


@contextmanager
def application(database: Database, workspace: UUID) -> Iterator[psycopg.Connection]:
    """A connection of the application on behalf of a workspace."""
    with database.connect(role="pazpaz_app") as conn:
        conn.execute("select set_config('app.current_workspace_id', %s, false)", (str(workspace),))
        yield conn


def test_the_application_makes_a_workspace_under_its_own_id(head: Database, pazpaz_row: Row) -> None:
    made = uuid4()
    with head.connect(role="pazpaz_app") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        pazpaz_row(conn, "workspaces", id=made)
    with application(head, made) as conn:
        assert pazpaz_row(conn, "workspaces", id=made) == made
        assert pazpaz_row(conn, "users", workspace_id=made)


def test_the_blind_index_finds_a_client_and_keeps_an_email_to_one_of_a_workspace(
    head: Database, pazpaz_row: Row
) -> None:
    key = b"k" * 32
    find = "select id from pazpaz.clients where workspace_id = %s and email_index = %s"
    with head.connect() as conn:
        first, second = (pazpaz_row(conn, "workspaces") for _ in range(2))
        ada = pazpaz_row(conn, "clients", workspace_id=first, email_index=blind_index(key, "ada@example.org"), **SEALED)
        for number in range(2_000):
            index = blind_index(key, f"{number}@example.org") if number % 2 else None
            pazpaz_row(conn, "clients", workspace_id=first, email_index=index, **SEALED)
        conn.execute("analyze pazpaz.clients")
        with pytest.raises(psycopg.errors.UniqueViolation) as refused:
            pazpaz_row(conn, "clients", workspace_id=first, email_index=blind_index(key, " Ada@EXAMPLE.org"), **SEALED)
        assert refused.value.diag.constraint_name == "uq_clients_workspace_email_index"
        pazpaz_row(conn, "clients", workspace_id=second, email_index=blind_index(key, "ada@example.org"), **SEALED)
    with application(head, first) as conn:
        index = blind_index(key, "ADA@example.org")
        assert conn.execute(find, (first, index)).fetchall() == [(ada,)]
        assert "uq_clients_workspace_email_index" in index_scans(conn, find, first, index)


@pytest.fixture
def booked(head: Database, pazpaz_row: Row) -> Iterator[tuple[psycopg.Connection, dict[str, UUID]]]:
    """A workspace with one visit at HOURS, and what another visit needs."""
    with head.connect() as conn:
        workspace = pazpaz_row(conn, "workspaces")
        client = pazpaz_row(conn, "clients", workspace_id=workspace, **SEALED)
        practitioner = pazpaz_row(conn, "users", workspace_id=workspace)
        visit = {"workspace_id": workspace, "client_id": client, "practitioner_id": practitioner}
        pazpaz_row(conn, "appointments", **visit, scheduled_start=HOURS[0], scheduled_end=HOURS[1])
        yield conn, visit


def test_two_scheduled_visits_of_one_practitioner_do_not_overlap(
    booked: tuple[psycopg.Connection, dict[str, UUID]], pazpaz_row: Row
) -> None:
    conn, visit = booked
    for start, end in (HOURS, ("2030-01-07T09:59Z", "2030-01-07T11:00Z"), ("2030-01-06T00:00Z", "2030-01-08T00:00Z")):
        with pytest.raises(psycopg.errors.ExclusionViolation) as refused:
            pazpaz_row(conn, "appointments", **visit, scheduled_start=start, scheduled_end=end)
        assert refused.value.diag.constraint_name == "ex_appointments_practitioner_overlap"
    pazpaz_row(conn, "appointments", **visit, scheduled_start=HOURS[1], scheduled_end="2030-01-07T11:00Z")
    moved = "update pazpaz.appointments set scheduled_start = '2030-01-07T09:30Z' where scheduled_start = %s"
    with pytest.raises(psycopg.errors.ExclusionViolation):
        conn.execute(moved, (HOURS[1],))


@pytest.mark.parametrize("status", ["cancelled", "no_show", "completed"])
def test_a_visit_that_does_not_take_place_is_in_nobody_s_way(
    booked: tuple[psycopg.Connection, dict[str, UUID]], pazpaz_row: Row, status: str
) -> None:
    conn, visit = booked
    other = pazpaz_row(conn, "appointments", **visit, status=status)
    with pytest.raises(psycopg.errors.ExclusionViolation):
        conn.execute("update pazpaz.appointments set status = 'scheduled' where id = %s", (other,))


def test_another_practitioner_or_none_may_work_at_the_same_time(
    booked: tuple[psycopg.Connection, dict[str, UUID]], pazpaz_row: Row
) -> None:
    conn, visit = booked
    colleague = pazpaz_row(conn, "users", workspace_id=visit["workspace_id"], email="colleague@example.org")
    for practitioner in (colleague, None, None):
        pazpaz_row(conn, "appointments", **visit | {"practitioner_id": practitioner})


def test_the_application_s_conflict_check_uses_the_index_on_plain_columns(head: Database, pazpaz_row: Row) -> None:
    with head.connect() as conn:
        workspace = pazpaz_row(conn, "workspaces")
        client = pazpaz_row(conn, "clients", workspace_id=workspace, **SEALED)
        users = [pazpaz_row(conn, "users", workspace_id=workspace, email=f"{n}@example.org") for n in range(12)]
        conn.execute("alter table pazpaz.appointments disable trigger record_change")
        conn.execute(
            "insert into pazpaz.appointments (workspace_id, client_id, practitioner_id, scheduled_start, "
            "scheduled_end, location_type, status) "
            "select %s, %s, u, h, h + interval '50 minutes', 'clinic', 'completed' "
            "from unnest(%s::uuid[]) u, generate_series(timestamptz '2029-01-01Z', '2029-12-31Z', '3 hours') h",
            (workspace, client, users),
        )
        conn.execute("analyze pazpaz.appointments")
    with application(head, workspace) as app:
        for day in ("2029-01-02", "2029-06-01", "2029-12-30"):
            scans = index_scans(
                app,
                "select id from pazpaz.appointments where workspace_id = %s and practitioner_id = %s "
                "and scheduled_start < %s and scheduled_end > %s and status not in ('cancelled', 'no_show')",
                workspace,
                users[0],
                f"{day} 10:00Z",
                f"{day} 09:00Z",
            )
            condition = scans["ix_appointments_practitioner_times"]
            for column in ("practitioner_id", "scheduled_start", "scheduled_end"):
                assert column in condition, "as a condition of the index, not as a filter of what it finds"


@pytest.mark.parametrize(
    ("table", "values", "constraint"),
    [
        ("appointments", {"scheduled_end": HOURS[0]}, "ck_appointments_end_after_start"),
        ("services", {"default_duration_minutes": 0}, "ck_services_duration_positive"),
        ("sessions", {"duration_minutes": 0}, "ck_sessions_duration_positive"),
        ("sessions", {"amendment_count": -1}, "ck_sessions_amendment_count_not_negative"),
        ("appointments", {"status": "Cancelled"}, "ck_appointments_status_known"),
        ("services", {"price": -1}, "ck_services_price_not_negative"),
    ],
)
def test_a_row_that_is_wrong_in_one_value_is_refused_by_the_named_check(
    booked: tuple[psycopg.Connection, dict[str, UUID]],
    pazpaz_row: Row,
    table: str,
    values: dict[str, Any],
    constraint: str,
) -> None:
    conn, visit = booked
    keys = {"workspace_id": visit["workspace_id"]} | ({} if table == "services" else {"client_id": visit["client_id"]})
    pazpaz_row(conn, table, **keys)
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        pazpaz_row(conn, table, **keys, **values)
    assert refused.value.diag.constraint_name == constraint


def test_no_index_repeats_another_at_the_head(suite: Suite, database: Database) -> None:
    upgrade(suite, database, "92df859932f2")
    with database.connect() as conn:
        before = conn.execute(REDUNDANT).fetchall()
        assert ("pazpaz.ix_users_id", "pazpaz.pk_users") in before
        assert ("pazpaz.ix_appointments_workspace_id", "pazpaz.ix_appointments_workspace_time_range") in before
        upgrade(suite, database, "pazpaz_hardening")
        assert conn.execute(REDUNDANT).fetchall() == []


def test_every_foreign_key_has_an_index_at_the_head(suite: Suite, database: Database) -> None:
    upgrade(suite, database, "92df859932f2")
    with database.connect() as conn:
        assert ("pazpaz.sessions", "fk_sessions_workspace_id") in conn.execute(UNINDEXED).fetchall()
        upgrade(suite, database, "pazpaz_hardening")
        assert conn.execute(UNINDEXED).fetchall() == []


def test_earlier_versions_of_a_session_get_its_workspace(suite: Suite, database: Database, pazpaz_row: Row) -> None:
    upgrade(suite, database, "92df859932f2")
    with database.connect() as conn:
        expected = {}
        for _ in range(2):
            workspace = pazpaz_row(conn, "workspaces")
            client = pazpaz_row(conn, "clients", workspace_id=workspace, **SEALED)
            session = pazpaz_row(conn, "sessions", workspace_id=workspace, client_id=client)
            expected[pazpaz_row(conn, "session_versions", session_id=session)] = workspace
        upgrade(suite, database, "pazpaz_hardening")
        assert dict(conn.execute("select id, workspace_id from pazpaz.session_versions").fetchall()) == expected


def test_the_application_cannot_delete_a_key_but_its_workspace_takes_it_along(head: Database, pazpaz_row: Row) -> None:
    with head.connect(role="pazpaz_app", autocommit=False) as conn:
        workspace = uuid4()
        conn.execute("select set_config('app.current_workspace_id', %s, true)", (str(workspace),))
        pazpaz_row(conn, "workspaces", id=workspace)
        pazpaz_row(conn, "workspace_keys", workspace_id=workspace)
        with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
            conn.execute("delete from pazpaz.workspace_keys")
        conn.execute("delete from pazpaz.workspaces where id = %s", (workspace,))
        assert conn.execute("select from pazpaz.workspace_keys").fetchall() == []
        conn.rollback()


def test_retention_deletes_what_is_over_and_nothing_else(head: Database, pazpaz_row: Row) -> None:
    with head.connect(autocommit=False) as conn:
        kept: dict[UUID, set[UUID]] = {}
        for workspace in (pazpaz_row(conn, "workspaces"), pazpaz_row(conn, "workspaces")):
            client = pazpaz_row(conn, "clients", workspace_id=workspace, **SEALED)
            of = {"workspace_id": workspace, "client_id": client}
            dates = ("2000-01-01", "2999-01-01", None)
            over, later, never = (pazpaz_row(conn, "sessions", **of, permanent_delete_after=date) for date in dates)
            for session in (over, later):
                pazpaz_row(conn, "session_versions", workspace_id=workspace, session_id=session)
            kept[workspace] = {over, later, never}
        mine, other = kept
        conn.execute("set local role pazpaz_retention")
        assert conn.execute("delete from pazpaz.sessions").rowcount == 0  # of no workspace
        conn.execute("select set_config('app.current_workspace_id', %s, true)", (str(mine),))
        assert conn.execute("delete from pazpaz.sessions").rowcount == 1
        for table in ("clients", "appointments", "workspaces", "audit_events"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
                conn.execute(sql.SQL("delete from pazpaz.{}").format(sql.Identifier(table)))
        conn.execute("reset role")
        left = dict(
            conn.execute(
                "select workspace_id, array_agg(id) from pazpaz.sessions where workspace_id = any(%s) group by 1",
                ([mine, other],),
            ).fetchall()
        )
        assert len(left[mine]) == 2
        assert set(left[mine]) < kept[mine]
        assert set(left[other]) == kept[other]
        versions = "select count(*) from pazpaz.session_versions where workspace_id = any(%s)"
        assert conn.execute(versions, ([mine, other],)).fetchone() == (3,)
        conn.rollback()
