"""The queries of portal, as its application asks them: for one organization, under row-level security."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from pgvitals.dataset.load import load
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import upgrade
from pgvitals.measure.runner import Call, Runner
from pgvitals.measure.task import make_tasks
from pgvitals.query import Query
from pgvitals.revisions import queries_at
from pgvitals.suite import Suite, find_suite

SUITE = find_suite()
QUERIES = {query.name: query for query in SUITE.queries if query.system == "portal"}
WRITES = [name for name, query in QUERIES.items() if query.writes]
INSERTS = [name for name in WRITES if QUERIES[name].sql.startswith("insert")]
PLAIN_INSERTS = ("add_document", "log_call")  # they read nothing
SETTING = SUITE.system("portal").tenant.setting
ULID = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}")


@pytest.fixture(scope="module")
def portal(server: Server, suite: Suite) -> Iterator[Database]:
    """Portal at its head with the rows of the smallest profile; tests leave it as it is."""
    with server.scratch("portal_queries") as database:
        upgrade(suite, database, "portal@head")
        load(suite, database, suite.profiles.get("smoke"), systems=["portal"])
        yield database


@pytest.fixture
def app(portal: Database) -> Iterator[Runner]:
    """The application's connection."""
    with Runner(portal, SUITE.system("portal").roles.app) as runner:
        yield runner


def calls(database: Database, name: str, count: int = 40) -> tuple[Call, ...]:
    """Requests as they come, drawn from the rows."""
    (task,) = make_tasks(database, [QUERIES[name]], SUITE.systems, parameter_sets=count, seed=7, ranked=False)
    return task.calls


def elsewhere(call: Call, organization: str) -> Call:
    """The same request at another organization's host, its parameters unchanged."""
    at = call.settings.index(SETTING) + 1
    return replace(call, settings=(*call.settings[:at], organization, *call.settings[at + 1 :]))


def asked(call: Call, **values: Any) -> Call:
    """The same request with other parameters."""
    return replace(call, parameters={**call.parameters, **values})


def rows(database: Database, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with database.connect() as conn:
        return conn.execute(statement, values).fetchall()


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_finds_or_writes_rows_for_most_of_its_parameters(portal: Database, app: Runner, name: str) -> None:
    found = [app.send(call) for call in calls(portal, name)]
    assert sum(rows > 0 for rows in found) >= 0.9 * len(found)


@pytest.mark.parametrize("revision", SUITE.branches.of["portal"])
def test_a_query_runs_from_the_revision_on_that_it_names(database: Database, suite: Suite, revision: str) -> None:
    upgrade(suite, database, revision)
    running = queries_at(suite, database, [suite.system("portal")])
    assert {query.name for query in running.queries} | {key.split("/")[1] for key in running.left_out} == set(QUERIES)
    for query in running.queries:
        explain(database, query)
    for key in running.left_out:
        with pytest.raises(psycopg.errors.UndefinedColumn):
            explain(database, QUERIES[key.split("/")[1]])


def explain(database: Database, query: Query) -> None:
    """Plan a query as the application and the statement of its parameters as somebody who sees all rows."""
    with database.connect(role=SUITE.system("portal").roles.app) as conn:
        conn.execute(f"explain {query.sql}", dict.fromkeys(query.parameters))
    with database.connect() as conn:
        conn.execute(f"explain {query.params}")


@pytest.mark.parametrize("name", QUERIES)
def test_at_another_organization_the_same_request_finds_and_writes_nothing(
    portal: Database, app: Runner, name: str
) -> None:
    members = {(user, organization) for user, organization in rows(portal, MEMBERS)}
    organizations = [key for (key,) in rows(portal, "select id from portal.organizations order by id")]
    tried = 0
    for call in calls(portal, name):
        other = next(key for key in organizations if not known_at(call, key, members, portal))
        assert nothing(app, elsewhere(call, other)), name
        tried += 1
    assert tried == 40


MEMBERS = "select user_id, organization_id from portal.organization_members"
OWNERS_OF = {
    "token_hash": "select user_id from portal.user_sessions where token_hash = %s",
    "email": "select id from portal.users where email = %s",
    "user_id": "select %s",
}


def known_at(call: Call, organization: str, members: set[tuple[str, str]], database: Database) -> bool:
    """Whether the request is that organization's, or asks for a user who is a member there too."""
    if call.parameters.get("organization_id") == organization:
        return True
    for name, statement in OWNERS_OF.items():
        if name in call.query.parameters:
            owners = rows(database, statement, call.parameters[name])
            return any((user, organization) in members for (user,) in owners)
    return False


def nothing(app: Runner, call: Call) -> bool:
    """True if no row is found or written, or the server refuses."""
    try:
        return app.send(call) == 0
    except psycopg.errors.InsufficientPrivilege:
        return call.writes


@pytest.mark.parametrize("name", QUERIES)
def test_the_policies_leave_an_index_for_every_table_of_a_query(portal: Database, app: Runner, name: str) -> None:
    """With sequential scans made unattractive there is none left."""
    (call, *_) = calls(portal, name, 1)
    app.begin(call)
    try:
        app.connection.execute("set local enable_seqscan = off")
        plan = app.connection.execute(f"explain (costs off) {call.sql}", call.parameters).fetchall()
    finally:
        app.abandon()
    lines = [line for (line,) in plan]
    assert [line for line in lines if "Seq Scan" in line] == []
    assert name in PLAIN_INSERTS or any("Index Cond" in line for line in lines)


@pytest.mark.parametrize("name", WRITES)
def test_a_write_names_who_acts(portal: Database, name: str) -> None:
    for call in calls(portal, name):
        assert ULID.fullmatch(call.parameters["actor_id"])


@pytest.mark.parametrize("name", INSERTS)
def test_the_ids_of_new_rows_are_new_and_all_different(portal: Database, name: str) -> None:
    drawn = calls(portal, name)
    new = {call.parameters["id"] for call in drawn}
    table = re.match(r"insert into (portal\.\w+)", QUERIES[name].sql)
    assert table is not None
    assert all(ULID.fullmatch(key) for key in new)
    assert rows(portal, f"select id from {table[1]} where id = any(%s)", list(new)) == []
    assert (
        rows(portal, f"select from (select id from ({QUERIES[name].params}) p group by id having count(*) > 1) t") == []
    )


@pytest.mark.parametrize("name", WRITES)
def test_a_write_is_in_the_audit_trail_with_the_one_who_acted(portal: Database, app: Runner, name: str) -> None:
    (call, *_) = calls(portal, name, 1)
    app.begin(call)
    try:
        assert app.execute(call) == 1
        written = app.connection.execute(
            "select organization_id, actor_user_id, operation from portal.audit_logs order by at desc, id desc limit 1"
        ).fetchone()
    finally:
        app.abandon()
    operation = "insert" if name in INSERTS else "update"
    assert written == (call.parameters["organization_id"], call.parameters["actor_id"], operation)


def test_a_token_opens_nothing_after_it_has_expired(portal: Database, app: Runner) -> None:
    call = next(call for call in calls(portal, "session_by_token") if app.send(call) == 1)
    ((expires,),) = rows(
        portal, "select expires_at from portal.user_sessions where token_hash = %s", call.parameters["token_hash"]
    )
    assert app.send(asked(call, moment=expires)) == 0


def test_a_revoked_token_opens_nothing(portal: Database, app: Runner) -> None:
    call = next(call for call in calls(portal, "session_by_token") if app.send(call) == 1)
    revoked = rows(
        portal,
        "select s.token_hash, s.created_at, m.organization_id from portal.user_sessions s"
        " join portal.organization_members m using (user_id) where s.revoked_at is not null limit 20",
    )
    assert len(revoked) == 20
    for token, moment, organization in revoked:
        other = asked(call, token_hash=token, moment=moment, organization_id=organization)
        assert app.send(elsewhere(other, organization)) == 0


def test_who_is_a_member_of_two_organizations_signs_in_at_both(portal: Database, app: Runner) -> None:
    (call, *_) = calls(portal, "session_by_token", 1)
    ((token, moment),) = rows(
        portal,
        "select s.token_hash, s.created_at from portal.user_sessions s join portal.users u on u.id = s.user_id"
        " where s.revoked_at is null and u.status = 'active' and (select count(*) from portal.organization_members m"
        " where m.user_id = s.user_id and m.status = 'active') = 2 order by s.id limit 1",
    )
    homes = rows(
        portal,
        "select m.organization_id from portal.organization_members m join portal.user_sessions s using (user_id)"
        " where s.token_hash = %s",
        token,
    )
    for (organization,) in homes:
        here = asked(call, token_hash=token, moment=moment, organization_id=organization)
        assert app.send(elsewhere(here, organization)) == 1


def test_an_hour_that_is_taken_is_not_booked(portal: Database, app: Runner) -> None:
    (call, *_) = calls(portal, "book_appointment", 1)
    assert app.send(call) == 1
    year = "select %s - interval '8736 hours', %s - interval '8736 hours'"
    ((start, end),) = rows(portal, year, call.parameters["start"], call.parameters["end"])
    assert app.send(asked(call, start=start, end=end)) == 0
    half = (end - start) / 2
    assert app.send(asked(call, start=start + half, end=end + half)) == 0
    assert app.send(asked(call, start=start - half, end=start + half)) == 0


def test_a_page_of_patients_goes_on_where_the_last_one_ended(portal: Database, app: Runner) -> None:
    from_the_first = (asked(call, last_name="", first_name="") for call in calls(portal, "patient_list"))
    call, first = next((call, page) for call in from_the_first if len(page := listed(app, call)) == 50)
    last_name, first_name = first[-1][3], first[-1][2]
    second = listed(app, asked(call, last_name=last_name, first_name=first_name))
    assert second[0][3] == last_name
    assert len({row[0] for row in first + second}) > 50


def listed(app: Runner, call: Call) -> list[tuple[Any, ...]]:
    """The rows of a lookup."""
    app.begin(call)
    try:
        return app.connection.execute(call.sql, call.parameters).fetchall()
    finally:
        app.abandon()


def test_a_chart_shows_contacts_tasks_and_the_next_appointment_of_its_patient(portal: Database, app: Runner) -> None:
    ((patient, organization),) = rows(
        portal,
        "select t.patient_id, t.organization_id from portal.tasks t where status = 'open' and exists ("
        "select from portal.appointments a where a.patient_id = t.patient_id and a.status = 'scheduled'"
        " and a.deleted_at is null) order by id limit 1",
    )
    (call, *_) = calls(portal, "patient_chart", 1)
    (chart,) = listed(app, elsewhere(asked(call, organization_id=organization, patient_id=patient), organization))
    shown = dict(zip(columns_of(app, call), chart, strict=True))
    assert [contact["is_primary"] for contact in shown["methods"]].count(True) == 1
    assert shown["methods"][0]["is_primary"]
    assert shown["scheduled_start"] > call.parameters["moment"]
    assert shown["tasks"]


def columns_of(app: Runner, call: Call) -> list[str]:
    """What a lookup returns."""
    app.begin(call)
    try:
        return [column.name for column in app.connection.execute(call.sql, call.parameters).description or ()]
    finally:
        app.abandon()
