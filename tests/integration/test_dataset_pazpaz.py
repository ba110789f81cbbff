"""The rows of pazpaz, before and after its columns are encrypted: records that agree with what they are about."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import psycopg
import pytest
from psycopg import sql

from pgvitals.dataset.load import load
from pgvitals.dataset.recipe import Recipe, Unit, load_recipe
from pgvitals.encryption import Context, KeyRing, blind_index, fetch_from, lab_provider, unseal
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import upgrade
from pgvitals.profile import Profile
from pgvitals.results.records import Dataset
from pgvitals.suite import Suite

PLAIN = "2de77d93d190"  # the last revision that keeps what is known of clients in the clear
NOTES = ("subjective", "objective", "assessment", "plan")
CLIENT = (
    "first_name", "last_name", "email", "phone", "address", "medical_history", "emergency_contact_name",
    "emergency_contact_phone", "date_of_birth", "notes",
)  # fmt: skip
Open = Callable[[str, str, object, object, bytes | None], str | None]


@pytest.fixture(scope="module")
def smoke(suite: Suite) -> Profile:
    return suite.profiles.get("smoke")


@pytest.fixture(scope="module")
def recipe(suite: Suite, smoke: Profile) -> Recipe:
    return load_recipe(suite.system("pazpaz"), smoke)


def filled(suite: Suite, server: Server, smoke: Profile, revision: str) -> Iterator[tuple[Database, Dataset]]:
    with server.scratch("pazpaz_rows") as database:
        upgrade(suite, database, revision)
        yield database, load(suite, database, smoke, systems=["pazpaz"])


@pytest.fixture(scope="module")
def head(suite: Suite, server: Server, smoke: Profile) -> Iterator[tuple[Database, Dataset]]:
    yield from filled(suite, server, smoke, "pazpaz@head")


@pytest.fixture(scope="module")
def plain(suite: Suite, server: Server, smoke: Profile) -> Iterator[tuple[Database, Dataset]]:
    yield from filled(suite, server, smoke, PLAIN)


@pytest.fixture(scope="module")
def conn(head: tuple[Database, Dataset]) -> Iterator[psycopg.Connection]:
    with head[0].connect() as conn:
        yield conn


@pytest.fixture(scope="module")
def before(plain: tuple[Database, Dataset]) -> Iterator[psycopg.Connection]:
    with plain[0].connect() as conn:
        yield conn


@pytest.fixture(scope="module")
def opened(conn: psycopg.Connection) -> Open:
    return partial(open_sealed, KeyRing(lab_provider(), fetch_from(conn, "pazpaz.workspace_keys")))


def open_sealed(ring: KeyRing, table: str, column: str, tenant: object, row: object, value: bytes | None) -> str | None:
    context = Context(str(tenant), table, column, str(row))
    return None if value is None else unseal(ring.opener(str(tenant)), value, context)


def count(conn: psycopg.Connection, statement: str, *parameters: object) -> int:
    found = conn.execute(f"select count(*) from {statement}", parameters).fetchone()
    assert found is not None
    return int(found[0])


def columns(conn: psycopg.Connection) -> dict[str, dict[str, str]]:
    rows = conn.execute(
        "select table_name, column_name, data_type from information_schema.columns where table_schema = 'pazpaz'"
    )
    found: dict[str, dict[str, str]] = {}
    for table, column, type_ in rows:
        found.setdefault(table, {})[column] = type_
    return found


def checksum(conn: psycopg.Connection, table: str, names: list[str]) -> object:
    statement = sql.SQL("select count(*), sum(hashtextextended(row({})::text, 0)) from {}")
    of = sql.SQL(", ").join(map(sql.Identifier, names))
    return conn.execute(statement.format(of, sql.Identifier("pazpaz", table))).fetchone()


# Revisions


def test_what_two_revisions_have_in_common_holds_the_same_rows(
    conn: psycopg.Connection, before: psycopg.Connection
) -> None:
    earlier, later = columns(before), columns(conn)
    assert earlier.keys() <= later.keys()
    for table, types in earlier.items():
        both = sorted(name for name, type_ in types.items() if later[table].get(name) == type_)
        assert len(both) >= 3
        assert checksum(before, table, both) == checksum(conn, table, both), table


def test_what_is_sealed_of_a_client_opens_to_what_stood_there_in_the_clear(
    conn: psycopg.Connection, before: psycopg.Connection, opened: Open
) -> None:
    types = columns(conn)["clients"]
    statement = f"select id, workspace_id, {', '.join(CLIENT)} from pazpaz.clients order by id"
    compared = 0
    for clear, now in zip(before.execute(statement), conn.execute(statement), strict=True):
        assert clear[:2] == now[:2]
        for column, expected, value in zip(CLIENT, clear[2:], now[2:], strict=True):
            sealed = types[column] == "bytea"
            got = opened("clients", column, now[1], now[0], value) if sealed else value
            assert got == (str(expected) if sealed and expected is not None else expected)
            compared += expected is not None
    assert compared > 8_000


def test_notes_of_appointments_open_to_what_stood_there_in_the_clear(
    conn: psycopg.Connection, before: psycopg.Connection, opened: Open
) -> None:
    statement = "select id, workspace_id, notes from pazpaz.appointments where notes is not null order by id"
    sealed = columns(conn)["appointments"]["notes"] == "bytea"
    rows = 0
    for (row, _, clear), (same, tenant, value) in zip(before.execute(statement), conn.execute(statement), strict=True):
        assert row == same
        assert clear == (opened("appointments", "notes", tenant, row, value) if sealed else value)
        rows += 1
    assert rows > 500


def test_some_clients_share_their_name_with_another(before: psycopg.Connection) -> None:
    twins = "(select 1 from pazpaz.clients group by workspace_id, first_name, last_name having count(*) > 1) as twins"
    assert 5 < count(before, twins) < 200


# Keys


def test_every_workspace_has_a_key_for_data_and_one_for_its_index(conn: psycopg.Connection) -> None:
    rows = conn.execute(
        "select w.id, array_agg(k.purpose order by k.purpose), bool_and(k.version = 1 and k.retired_at is null)"
        " from pazpaz.workspaces w left join pazpaz.workspace_keys k on k.workspace_id = w.id group by w.id"
    ).fetchall()
    assert len(rows) == 12
    assert {(tuple(purposes), live) for _, purposes, live in rows} == {(("data", "index"), True)}
    ring = KeyRing(lab_provider(), fetch_from(conn, "pazpaz.workspace_keys"))
    keys = {key for (tenant, *_) in rows for key in (ring.data_key(str(tenant))[1], ring.index_key(str(tenant)))}
    assert len(keys) == 24


def test_the_blind_index_finds_a_client_by_address(recipe: Recipe) -> None:
    table = next(table for table in recipe.tables if table.name == "clients")
    for unit in recipe.units(table, 1):
        made = recipe.make(table, unit)
        emails, index = made["email"], made["email_index"]
        key = unit.secret("workspace key", "index", unit.tenant)
        given = [
            (email, found.tobytes())
            for email, found, null in zip(emails.values, index.values, emails.nulls, strict=True)
            if not null
        ]
        assert index.nulls.tolist() == emails.nulls.tolist()
        assert [blind_index(key, f" {email.decode().upper()}") for email, _ in given] == [found for _, found in given]
        assert len({found for _, found in given}) == len(given) > 0


# Appointments


def test_no_two_scheduled_appointments_of_a_practitioner_overlap(recipe: Recipe) -> None:
    table = next(table for table in recipe.tables if table.name == "appointments")
    scheduled = 0
    for unit in recipe.units(table, 1):
        made = recipe.make(table, unit)
        alive = np.isin(made["status"].values, (b"scheduled", b"completed", b"no_show"))
        books: dict[bytes, list[tuple[np.datetime64, np.datetime64]]] = {}
        for who, start, end in zip(
            *(made[name].values[alive] for name in ("practitioner_id", "scheduled_start", "scheduled_end")),
            strict=True,
        ):
            books.setdefault(who.tobytes(), []).append((start, end))
        for visits in books.values():
            visits.sort()
            assert all(end <= start for (_, end), (start, _) in itertools.pairwise(visits))
        assert books.keys() <= practitioners(recipe, unit)
        scheduled += int((made["status"].values == b"scheduled").sum())
    assert scheduled > 100


def practitioners(recipe: Recipe, unit: Unit) -> set[bytes]:
    table = next(table for table in recipe.tables if table.name == "users")
    users = next(one for one in recipe.units(table, unit.seed) if one.tenant == unit.tenant)
    made = recipe.make(table, users)
    return {row.tobytes() for row in made["id"].values[made["role"].values == b"practitioner"]}


# Sessions


def test_a_session_documents_a_completed_visit(conn: psycopg.Connection) -> None:
    assert count(conn, "pazpaz.sessions") == 2_000
    wrong = (
        "pazpaz.sessions s left join pazpaz.appointments a on a.id = s.appointment_id"
        " left join pazpaz.users u on u.id = s.created_by_user_id"
        " where a.status <> 'completed' or (s.workspace_id, s.client_id, s.session_date) is distinct from"
        " (a.workspace_id, a.client_id, a.scheduled_start) or u.workspace_id <> s.workspace_id"
        " or u.role <> 'practitioner'"
        " or make_interval(mins => s.duration_minutes) <> a.scheduled_end - a.scheduled_start"
    )
    assert count(conn, wrong) == 0
    assert count(conn, "(select 1 from pazpaz.sessions group by appointment_id having count(*) > 1) twice") == 0


def test_drafts_are_of_last_week_and_everything_else_is_final(conn: psycopg.Connection, smoke: Profile) -> None:
    now = smoke.as_of + "T00:00Z"
    wrong = (
        "pazpaz.sessions where is_draft <> (finalized_at is null)"
        " or (is_draft and session_date < %s::timestamptz - interval '8 days')"
        " or draft_last_saved_at < created_at or finalized_at < draft_last_saved_at or finalized_at > %s"
        " or (is_draft and (amendment_count > 0 or deleted_at is not null))"
    )
    assert count(conn, wrong, now, now) == 0
    assert count(conn, "pazpaz.sessions where is_draft") > 3


def test_the_notes_of_a_session_open_with_its_workspaces_key(conn: psycopg.Connection, opened: Open) -> None:
    texts: dict[str, set[str]] = {note: set() for note in NOTES}
    for row, tenant, draft, *values in conn.execute(
        f"select id, workspace_id, is_draft, {', '.join(NOTES)} from pazpaz.sessions"
    ):
        for note, value in zip(NOTES, values, strict=True):
            text = opened("sessions", note, tenant, row, value)
            if text is None:
                assert draft
                assert note != "subjective"
            else:
                assert text.endswith(".")
                texts[note].add(text)
    assert min(len(found) for found in texts.values()) > 100


def test_an_amended_session_says_what_its_last_version_said_and_more(conn: psycopg.Connection, opened: Open) -> None:
    rows = conn.execute(
        "select s.id, s.workspace_id, s.plan, s.subjective, s.version, s.amendment_count, s.amended_at,"
        " array_agg(v.id order by version_number), array_agg(v.plan order by version_number),"
        " array_agg(v.subjective order by version_number), array_agg(version_number order by version_number),"
        " max(v.created_at)"
        " from pazpaz.sessions s left join pazpaz.session_versions v on v.session_id = s.id group by s.id"
    ).fetchall()
    twice = 0
    for row, tenant, plan, said, version, amendments, amended, ids, plans, earlier, numbers, latest in rows:
        assert version == amendments + 1
        if not amendments:
            assert ids == [None]
            assert amended is None
            continue
        assert numbers == list(range(1, version))
        assert amended == latest
        told = [opened("session_versions", "plan", tenant, *one) for one in zip(ids, plans, strict=True)]
        told.append(opened("sessions", "plan", tenant, row, plan))
        for number, (shorter, longer) in enumerate(itertools.pairwise(told), start=1):
            assert longer.startswith(shorter + "\nAddendum: ")
            assert longer.count("Addendum") == number
        first = opened("session_versions", "subjective", tenant, ids[0], earlier[0])
        assert first == opened("sessions", "subjective", tenant, row, said)
        twice += amendments == 2
    assert twice > 20
    if "workspace_id" in columns(conn)["session_versions"]:
        assert (
            count(
                conn,
                "pazpaz.session_versions v join pazpaz.sessions s on s.id = v.session_id"
                " where v.workspace_id <> s.workspace_id",
            )
            == 0
        )


def test_what_is_deleted_is_kept_for_seven_years(conn: psycopg.Connection, smoke: Profile) -> None:
    wrong = (
        "pazpaz.sessions where (deleted_at is null) <> (deleted_reason is null and deleted_by_user_id is null"
        " and permanent_delete_after is null) or deleted_at < finalized_at or deleted_at > %s"
        " or permanent_delete_after <> (deleted_at at time zone 'UTC' + interval '7 years') at time zone 'UTC'"
    )
    assert count(conn, wrong, smoke.as_of + "T00:00Z") == 0
    assert 10 < count(conn, "pazpaz.sessions where deleted_at is not null") < 40


def test_files_belong_to_sessions_and_are_deleted_with_them(conn: psycopg.Connection, smoke: Profile) -> None:
    wrong = (
        "pazpaz.session_attachments f left join pazpaz.sessions s on s.id = f.session_id"
        " where s.workspace_id is distinct from f.workspace_id or f.created_at < s.created_at"
        " or (f.deleted_at is null) <> (s.deleted_at is null) or f.updated_at > %s or f.file_size_bytes < 1000"
        " or f.s3_key <> concat_ws('/', 'workspaces', f.workspace_id, 'sessions', s.id, f.id)"
    )
    assert count(conn, wrong, smoke.as_of + "T00:00Z") == 0
    assert count(conn, "pazpaz.session_attachments") > 300


# The audit trail


def test_events_are_of_users_and_rows_of_their_workspace(conn: psycopg.Connection) -> None:
    assert count(conn, "pazpaz.audit_events") == 5_000
    wrong = "pazpaz.audit_events e left join pazpaz.users u on u.id = e.user_id where u.workspace_id <> e.workspace_id"
    assert count(conn, wrong) == 0
    for table in ("users", "clients", "appointments", "sessions"):
        there = (
            "pazpaz.audit_events e left join pazpaz.{t} r on r.id = e.resource_id"
            " where resource_type = '{t}' and {c} is distinct from e.workspace_id"
        )
        assert count(conn, there.format(t=table, c="r.workspace_id")) == 0
        assert count(conn, f"pazpaz.audit_events where resource_type = '{table}'") > 400
    assert count(conn, "pazpaz.audit_events where event_type <> resource_type || '.' || action") == 0


def test_nothing_is_read_before_it_is_there(conn: psycopg.Connection, smoke: Profile) -> None:
    assert count(conn, "pazpaz.audit_events where created_at > %s", smoke.as_of + "T00:00Z") == 0
    for table in ("users", "clients", "appointments", "sessions"):
        early = f"pazpaz.audit_events e join pazpaz.{table} r on r.id = e.resource_id where e.created_at < r.created_at"
        assert count(conn, early) == 0, table


def test_events_come_from_both_kinds_of_addresses(conn: psycopg.Connection) -> None:
    families = dict(conn.execute("select family(ip_address), count(*) from pazpaz.audit_events group by 1").fetchall())
    assert families.keys() == {4, 6, None}
    assert families[4] > families[6] > families[None] > 10


def test_an_event_names_columns_and_no_value_of_a_client(conn: psycopg.Connection) -> None:
    said = {str(row[0]) for row in conn.execute("select distinct metadata from pazpaz.audit_events")}
    assert 5 < len(said) < 20, "a handful of documents cannot hold what differs from client to client"


def test_events_without_workspace_and_user_would_still_say_whose_they_were(recipe: Recipe) -> None:
    table = next(table for table in recipe.tables if table.name == "audit_events")
    made = recipe.make(table, next(recipe.units(table, 1)))
    for reference, key in (("workspace_ref", "workspace_id"), ("user_ref", "user_id")):
        assert made[reference].values.tobytes() == made[key].values.tobytes()
