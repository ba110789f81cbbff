"""pazpaz's audit trail: what its rules let happen before the hardening, and what it records and refuses after."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import downgrade, upgrade
from pgvitals.suite import Suite

TRAPPED, HEAD = "92df859932f2", "pazpaz_hardening"
ROLES = {"the application": "pazpaz_app", "the owner": "pazpaz_owner", "a superuser": None}
CHANGES = {
    "update": "update pazpaz.audit_events set action = 'read'",
    "delete": "delete from pazpaz.audit_events",
    "truncate": "truncate pazpaz.audit_events",
}
CANARY = "canary-5f2c"
AUDITED = {
    "users": {"email": CANARY, "full_name": CANARY, "role": "owner"},
    "clients": {"first_name": CANARY.encode(), "last_name": CANARY.encode(), "tags": [CANARY], "notes": b"sealed"},
    "services": {"name": CANARY, "description": CANARY},
    "locations": {"name": CANARY, "address": CANARY, "details": CANARY},
    "appointments": {"location_details": CANARY, "notes": CANARY.encode()},
    "workspace_keys": {"wrapped_key": CANARY.encode(), "purpose": "index"},
    "sessions": {"plan": CANARY.encode(), "deleted_reason": CANARY},
    "session_versions": {"plan": CANARY.encode()},
    "session_attachments": {"file_name": CANARY, "s3_key": CANARY},
}
"""Table -> values of a new row that the trail must not repeat, beside some that it may."""
UPDATES: dict[str, tuple[str, Any, bool]] = {
    "users": ("role", "assistant", True),
    "clients": ("phone", CANARY.encode(), False),
    "services": ("default_duration_minutes", 60, True),
    "locations": ("details", "other", False),
    "appointments": ("status", "cancelled", True),
    "workspace_keys": ("retired_at", dt.datetime(2030, 1, 1, tzinfo=dt.UTC), True),
    "sessions": ("is_draft", False, True),
    "session_versions": ("objective", CANARY.encode(), False),
    "session_attachments": ("file_name", f"{CANARY}.pdf", False),
}
"""Table -> a column, its new value, and whether the trail tells it."""
Row = Callable[..., UUID]


class Practice:
    """A workspace with one user, one client, one visit and its session, and a superuser's connection."""

    def __init__(self, database: Database, conn: psycopg.Connection, row: Row) -> None:
        self.database, self.conn, self.row = database, conn, row
        names = {"first_name": b"sealed", "last_name": b"sealed"}
        self.workspace = row(conn, "workspaces")
        self.user = row(conn, "users", workspace_id=self.workspace)
        self.client = row(conn, "clients", workspace_id=self.workspace, **names)
        self.appointment = row(conn, "appointments", workspace_id=self.workspace, client_id=self.client)
        self.session = row(conn, "sessions", workspace_id=self.workspace, client_id=self.client)
        self.keys = {"client_id": self.client, "session_id": self.session, "workspace_id": self.workspace}

    def event(self) -> UUID:
        return self.row(self.conn, "audit_events", workspace_id=self.workspace, user_id=self.user)

    def events(self, where: str = "true", *values: Any) -> list[tuple[Any, ...]]:
        """Who, where, what and how, in order."""
        return self.conn.execute(
            "select user_ref, workspace_ref, event_type, resource_type, resource_id, action, metadata "
            f"from pazpaz.audit_events where {where} order by created_at, id",
            values,
        ).fetchall()

    def count(self) -> int:
        (count,) = self.conn.execute("select count(*) from pazpaz.audit_events").fetchone() or (0,)
        return int(count)

    def values_for(self, table: str) -> dict[str, Any]:
        """A row of an audited table, with the keys that it needs."""
        found = self.conn.execute(
            "select attname from pg_attribute where attrelid = %s::regclass and attnotnull", (f"pazpaz.{table}",)
        )
        needed = {name: self.keys[name] for (name,) in found if name in self.keys}
        return needed | AUDITED[table]

    @contextmanager
    def as_app(self) -> Iterator[psycopg.Connection]:
        """A connection of the application on behalf of this workspace."""
        with self.database.connect(role="pazpaz_app") as app:
            app.execute("select set_config('app.current_workspace_id', %s, false)", (str(self.workspace),))
            yield app


@pytest.fixture(scope="module")
def revisions(server: Server, suite: Suite) -> Iterator[dict[str, Database]]:
    """A database before the hardening and one after it, to be cloned."""
    with server.scratch("trapped") as trapped, server.scratch("hardened") as hardened:
        upgrade(suite, trapped, TRAPPED)
        upgrade(suite, hardened, HEAD)
        yield {TRAPPED: trapped, HEAD: hardened}


@pytest.fixture
def trapped(server: Server, revisions: dict[str, Database], pazpaz_row: Row) -> Iterator[Practice]:
    """A practice before the hardening, with one event in its trail."""
    with server.scratch("test", revisions[TRAPPED]) as database, database.connect() as conn:
        practice = Practice(database, conn, pazpaz_row)
        practice.event()
        yield practice


@pytest.fixture
def hardened(server: Server, revisions: dict[str, Database], pazpaz_row: Row) -> Iterator[Practice]:
    """A practice after the hardening."""
    with server.scratch("test", revisions[HEAD]) as database, database.connect() as conn:
        yield Practice(database, conn, pazpaz_row)


@pytest.mark.parametrize("table", ["workspaces", "users"])
@pytest.mark.parametrize("who", ROLES)
def test_before_nobody_can_delete_what_an_event_may_refer_to(trapped: Practice, table: str, who: str) -> None:
    """The rule rewrites the foreign key's own statement to nothing, which the server notices."""
    column = {"workspaces": "workspace_id", "users": "user_id"}[table]
    with trapped.database.connect(role=ROLES[who]) as conn, pytest.raises(psycopg.errors.InternalError_) as refused:
        conn.execute(sql.SQL("delete from pazpaz.{}").format(sql.Identifier(table)))
    assert refused.value.diag.message_primary == (
        f'referential integrity query on "{table}" from constraint "fk_audit_events_{column}" on "audit_events" '
        "gave unexpected result"
    )


def test_before_set_null_would_not_fit_the_user_either(trapped: Practice) -> None:
    trapped.conn.execute("drop rule audit_events_immutable on pazpaz.audit_events")
    with pytest.raises(psycopg.errors.NotNullViolation) as refused:
        trapped.conn.execute("delete from pazpaz.users")
    assert refused.value.diag.column_name == "user_id"


@pytest.mark.parametrize("who", ROLES)
@pytest.mark.parametrize("change", ["update", "delete"])
def test_before_a_change_of_the_trail_is_swallowed_in_silence(trapped: Practice, change: str, who: str) -> None:
    whole = "select * from pazpaz.audit_events"
    events = trapped.conn.execute(whole).fetchall()
    with trapped.database.connect(role=ROLES[who]) as conn:
        assert conn.execute(CHANGES[change]).rowcount == 0
    assert trapped.conn.execute(whole).fetchall() == events


@pytest.mark.parametrize("who", ["the owner", "a superuser"])
def test_before_truncate_empties_the_trail(trapped: Practice, who: str) -> None:
    with trapped.database.connect(role=ROLES[who]) as conn:
        conn.execute(CHANGES["truncate"])
    assert trapped.count() == 0


@pytest.mark.parametrize("who", ROLES)
@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_the_trail_is_refused_by_name(hardened: Practice, change: str, who: str) -> None:
    events = hardened.events()
    with (
        hardened.database.connect(role=ROLES[who]) as conn,
        pytest.raises(psycopg.errors.InsufficientPrivilege) as refused,
    ):
        conn.execute(CHANGES[change])
    said = refused.value.diag.message_primary or ""
    if who == "the application":
        assert said == "permission denied for table audit_events"
    else:
        assert said == f"pazpaz.audit_events is append-only: {change} refused"
    assert hardened.events() == events


def test_a_truncate_that_cascades_to_the_trail_is_refused(hardened: Practice) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only: truncate refused"):
        hardened.conn.execute("truncate pazpaz.workspaces cascade")


def test_replaying_another_server_s_changes_is_no_way_around(hardened: Practice) -> None:
    hardened.conn.execute("set session_replication_role = replica")
    for change in CHANGES:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            hardened.conn.execute(CHANGES[change])


def test_a_trigger_cannot_change_what_a_foreign_key_may(hardened: Practice) -> None:
    """Only references to rows that are gone may be emptied, whoever asks from inside a trigger."""
    event = hardened.event()
    hardened.conn.execute(
        "create function pazpaz.forge() returns trigger language plpgsql as "
        "$$ begin execute new.name; return new; end $$; "
        "create trigger forge before insert on pazpaz.services for each row execute function pazpaz.forge()"
    )
    for change in ("user_id = null", "workspace_id = null", "action = 'x'", "user_ref = null", "metadata = '{}'"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only: update refused"):
            hardened.row(
                hardened.conn,
                "services",
                workspace_id=hardened.workspace,
                name=f"update pazpaz.audit_events set {change} where id = '{event}'",
            )


def test_the_trail_outlives_its_workspace(hardened: Practice) -> None:
    event = hardened.event()
    with hardened.as_app() as app:
        assert app.execute("delete from pazpaz.workspaces").rowcount == 1
    for table in ("workspaces", *AUDITED):
        rows = hardened.conn.execute(sql.SQL("select from pazpaz.{}").format(sql.Identifier(table)))
        assert rows.rowcount == 0, table
    kept = hardened.conn.execute("select workspace_id, user_id, workspace_ref from pazpaz.audit_events").fetchall()
    assert set(kept) == {(None, None, hardened.workspace)}
    assert hardened.events("id = %s", event)[0][0] == hardened.user
    deleted = [kind for _, _, kind, *_ in hardened.events("action = 'delete'")]
    assert sorted(deleted) == [
        "appointments.delete",
        "clients.delete",
        "sessions.delete",
        "users.delete",
        "workspaces.delete",
    ]


def test_the_trail_outlives_a_user(hardened: Practice) -> None:
    event = hardened.event()
    hardened.conn.execute("delete from pazpaz.users")
    kept = hardened.conn.execute(
        "select workspace_id, user_id, workspace_ref, user_ref from pazpaz.audit_events where id = %s", (event,)
    ).fetchone()
    assert kept == (hardened.workspace, None, hardened.workspace, hardened.user)


def test_references_are_the_database_s_own_to_set(hardened: Practice) -> None:
    event = hardened.row(
        hardened.conn,
        "audit_events",
        workspace_id=hardened.workspace,
        user_id=hardened.user,
        workspace_ref=uuid4(),
        user_ref=uuid4(),
    )
    assert hardened.events("id = %s", event)[0][:2] == (hardened.user, hardened.workspace)


def as_actor(practice: Practice, actor: object) -> None:
    practice.conn.execute("select set_config('app.current_user_id', %s, false)", (str(actor),))


@pytest.mark.parametrize("table", AUDITED)
def test_each_write_makes_one_event_that_says_who_where_and_what_but_not_the_values(
    hardened: Practice, table: str
) -> None:
    as_actor(hardened, hardened.user)
    before = hardened.count()
    values = hardened.values_for(table)
    row = hardened.row(hardened.conn, table, **values)
    column, value, told = UPDATES[table]
    name = sql.Identifier(table)
    hardened.conn.execute(
        sql.SQL("update pazpaz.{} set {} = %s where id = %s").format(name, sql.Identifier(column)), (value, row)
    )
    hardened.conn.execute(sql.SQL("delete from pazpaz.{} where id = %s").format(name), (row,))
    made, changed, deleted = hardened.events("resource_id = %s", row)
    assert hardened.count() == before + 3
    for event, operation, action in (
        (made, "insert", "create"),
        (changed, "update", "update"),
        (deleted, "delete", "delete"),
    ):
        assert event[:6] == (hardened.user, hardened.workspace, f"{table}.{operation}", table, row, action)
    assert set(values) <= set(made[6]["changed"])
    assert set(values) <= set(deleted[6]["changed"])
    assert "old" not in made[6]
    assert "new" not in deleted[6]
    assert changed[6]["changed"] == [column]
    assert ("new" in changed[6]) == ("old" in changed[6]) == told
    if told:
        assert list(changed[6]["new"]) == [column]
    trail = hardened.conn.execute("select string_agg(e::text, ' ') from pazpaz.audit_events e").fetchone()
    assert trail is not None
    assert CANARY not in trail[0]
    assert CANARY.encode().hex() not in trail[0]


def test_a_workspace_s_own_changes_are_recorded(hardened: Practice) -> None:
    hardened.conn.execute("update pazpaz.workspaces set name = %s", (CANARY,))
    made, renamed = hardened.events("resource_id = %s", hardened.workspace)
    assert (made[2], renamed[2]) == ("workspaces.insert", "workspaces.update")
    assert renamed[1:6] == (hardened.workspace, "workspaces.update", "workspaces", hardened.workspace, "update")
    assert renamed[6] == {"changed": ["name"]}


@pytest.mark.parametrize("nothing", ["status = status", "updated_at = now()", "notes = null, updated_at = now()"])
def test_a_change_of_nothing_is_no_event(hardened: Practice, nothing: str) -> None:
    before = hardened.count()
    assert hardened.conn.execute(f"update pazpaz.appointments set {nothing}").rowcount == 1
    assert hardened.count() == before


@pytest.mark.parametrize(
    "made", ["table pg_temp.jsonb (a int)", "domain pg_temp.text as varchar(3)", "type pg_temp.uuid as enum ()"]
)
def test_what_a_connection_makes_for_itself_does_not_reach_into_the_trail(hardened: Practice, made: str) -> None:
    with hardened.database.connect(role="pazpaz_app") as conn:
        conn.execute(f"create {made}")
        conn.execute("select set_config('app.current_workspace_id', %s, false)", (str(hardened.workspace),))
        before = hardened.count()
        conn.execute("update pazpaz.appointments set status = 'completed'")
        assert hardened.count() == before + 1


def test_copy_and_upsert_make_one_event_a_row(hardened: Practice) -> None:
    before = hardened.count()
    with hardened.conn.cursor().copy(
        "copy pazpaz.services (workspace_id, name, default_duration_minutes) from stdin"
    ) as rows:
        for number in range(3):
            rows.write_row((hardened.workspace, str(number), 30))
    assert hardened.count() == before + 3
    hardened.conn.execute(
        "insert into pazpaz.services (workspace_id, name, default_duration_minutes) values (%s, '1', 60) "
        "on conflict (workspace_id, name) do update set default_duration_minutes = excluded.default_duration_minutes",
        (hardened.workspace,),
    )
    assert hardened.count() == before + 4
    assert hardened.events("action = 'update'")[0][6] == {
        "changed": ["default_duration_minutes"],
        "old": {"default_duration_minutes": 30},
        "new": {"default_duration_minutes": 60},
    }


@pytest.mark.parametrize("actor", ["", "nobody", "00000000-0000-4000-8000-00000000000g"])
def test_without_an_actor_a_write_is_recorded_all_the_same(hardened: Practice, actor: str) -> None:
    as_actor(hardened, actor)
    hardened.conn.execute("update pazpaz.appointments set status = 'completed'")
    (event,) = hardened.events("event_type = 'appointments.update'")
    assert event[0] is None


def test_an_actor_of_no_workspace_s_is_kept_by_its_id(hardened: Practice) -> None:
    stranger = uuid4()
    as_actor(hardened, stranger)
    hardened.conn.execute("update pazpaz.appointments set status = 'completed'")
    row = hardened.conn.execute(
        "select user_id, user_ref from pazpaz.audit_events where event_type = 'appointments.update'"
    ).fetchone()
    assert row == (None, stranger)


def test_the_application_appends_to_its_own_trail_only(hardened: Practice) -> None:
    other = hardened.row(hardened.conn, "workspaces")
    with hardened.as_app() as app:
        hardened.row(app, "audit_events", workspace_id=hardened.workspace, user_id=hardened.user)
        for stranger in (other, uuid4()):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
                hardened.row(app, "audit_events", workspace_id=stranger)


def test_going_back_keeps_the_events_that_the_older_table_cannot_hold(suite: Suite, hardened: Practice) -> None:
    known = hardened.event()
    hardened.conn.execute("delete from pazpaz.sessions")  # by nobody
    rows = "select to_jsonb(e) from pazpaz.audit_events e order by id"
    before = hardened.conn.execute(rows).fetchall()
    downgrade(suite, hardened.database, TRAPPED)
    assert hardened.conn.execute("select id from pazpaz.audit_events").fetchall() == [(known,)]
    with hardened.database.connect(role="pazpaz_app") as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("select from pazpaz.audit_events_set_aside")
    upgrade(suite, hardened.database, HEAD)
    assert hardened.conn.execute(rows).fetchall() == before
    assert hardened.conn.execute("select to_regclass('pazpaz.audit_events_set_aside')").fetchone() == (None,)


def test_what_was_set_aside_goes_with_the_trail(suite: Suite, hardened: Practice) -> None:
    hardened.conn.execute("delete from pazpaz.clients")  # whose names are no sealed ones
    downgrade(suite, hardened.database, TRAPPED)
    assert hardened.conn.execute("select from pazpaz.audit_events_set_aside").rowcount > 0
    downgrade(suite, hardened.database, "pazpaz@base")
    assert hardened.conn.execute("select to_regnamespace('pazpaz')").fetchone() == (None,)
