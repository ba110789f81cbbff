"""The query files: they fit the schema, their parameters exist, and the lookups find what they should."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgvitals.dataset.load import load
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import upgrade
from pgvitals.measure.runner import Runner
from pgvitals.measure.task import make_tasks
from pgvitals.query import Query
from pgvitals.suite import Suite, find_suite

SUITE = find_suite(Path(__file__).parent)
QUERIES = {query.key: query for query in SUITE.queries}
AT_HEAD = [
    key for key, query in QUERIES.items() if not SUITE.branches.obstacle(query, SUITE.branches.of[query.system][-1])
]
AUDIT = "20250106_1200_schema_cleanup_audit"

SETS = 40
"""How many parameter sets of each query are tried."""

PAZPAZ_ROWS = """
insert into pazpaz.workspaces (name) select 'w' || n from generate_series(1, 4) n;
insert into pazpaz.clients (workspace_id, first_name, last_name)
    select id, 'Ada', 'L' || n from pazpaz.workspaces, generate_series(1, 5) n;
insert into pazpaz.appointments (workspace_id, client_id, scheduled_start, scheduled_end, location_type)
    select workspace_id, id, start, start + interval '50 minutes', 'clinic'
    from pazpaz.clients, generate_series(timestamptz '2025-01-06 09:00Z', '2025-03-01', '1 day') start;
"""

PRACTICE_ROWS = """
insert into practice.tenants (name) select 't' || n from generate_series(1, 10) n;
insert into practice.users (tenant_id, email, full_name)
    select id, 'u' || n || '@example.org', 'U' from practice.tenants, generate_series(1, 20) n;
insert into practice.auth_tokens (tenant_id, user_id, token_hash, token_type, status, issued_at, expires_at)
    select tenant_id, id, md5(id::text || n), (array['access', 'refresh'])[1 + n % 2],
        case when n % 10 < 3 then 'active' else 'expired' end, '2025-01-01', '2025-02-01'
    from practice.users, generate_series(1, 40) n;
insert into practice.fhir_mappings
    (tenant_id, internal_id, fhir_resource_type, fhir_resource_id, fhir_server_url, is_active)
    select id, gen_random_uuid(), (array['Patient', 'Encounter'])[1 + n % 2], n::text,
        'https://fhir.example.org/' || id, n % 20 <> 0
    from practice.tenants, generate_series(1, 800) n;
with profile as (
    insert into practice.practice_profiles (tenant_id, name) select id, name from practice.tenants returning *
)
insert into practice.locations
    (tenant_id, practice_profile_id, name, address_line1, city, state, zip_code, is_active)
    select tenant_id, id, 'l' || n, n || ' Main St', 'City ' || n % 10,
        (array['NY', 'OH', 'TX', 'WA', 'VT'])[1 + n / 10 % 5], '12207', n % 10 <> 0
    from profile, generate_series(1, 200) n;
analyze practice.auth_tokens, practice.fhir_mappings, practice.locations;
"""


@pytest.fixture(scope="module")
def head(server: Server, suite: Suite) -> Iterator[Database]:
    """A database with every system at its head, without rows."""
    with server.scratch("head") as database:
        upgrade(suite, database)
        yield database


@pytest.fixture(scope="module")
def filled(server: Server, suite: Suite) -> Iterator[Database]:
    """Both systems at the documents' revisions, with a few rows of everything that is looked up."""
    with server.scratch("filled") as database:
        upgrade(suite, database, "f6092aa0856d")
        upgrade(suite, database, AUDIT)
        with database.connect() as conn:
            conn.execute(PAZPAZ_ROWS)
            conn.execute(PRACTICE_ROWS)
        yield database


def role_of(query: Query) -> str:
    roles = SUITE.system(query.system).roles
    return roles.app if query.role == "app" else roles.owner


def drawn(database: Database, query: Query, n: int) -> list[dict[str, Any]]:
    """``n`` parameter sets of a query, spread over what its ``params`` gives."""
    with database.connect() as conn, conn.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        return cursor.execute(f"select * from ({query.params}) p order by md5(p::text) limit {n}").fetchall()


@pytest.mark.parametrize("key", QUERIES)
def test_a_budget_stays_within_the_suite_s(key: str) -> None:
    assert QUERIES[key].budget_p95_ms <= SUITE.config.budget_p95_ms


@pytest.mark.parametrize("key", QUERIES)
def test_a_query_gives_the_same_rows_on_any_day(key: str) -> None:
    query = QUERIES[key]
    moving = r"\b(now|current_date|current_timestamp|localtimestamp|random|clock_timestamp)\b"
    assert not re.search(moving, query.sql + query.params, re.IGNORECASE)


@pytest.mark.parametrize("key", QUERIES)
def test_a_query_names_the_columns_it_needs(key: str) -> None:
    assert not re.search(r"\bselect\s+(\w+\.)?\*", QUERIES[key].sql, re.IGNORECASE)


@pytest.mark.parametrize("key", AT_HEAD)
def test_every_parameter_is_a_column_of_the_params(head: Database, key: str) -> None:
    query = QUERIES[key]
    with head.connect() as conn:
        described = conn.execute(f"select * from ({query.params}) p limit 0").description or []
    columns = [column.name for column in described]
    assert set(query.parameters) <= set(columns)
    assert SUITE.system(query.system).tenant.column in columns


@pytest.mark.parametrize("key", AT_HEAD)
def test_the_role_of_a_query_may_run_it_at_the_head(head: Database, key: str) -> None:
    query = QUERIES[key]
    with head.connect(role=role_of(query)) as conn:
        assert conn.execute(f"explain {query.sql}", dict.fromkeys(query.parameters)).fetchall()


@pytest.fixture(scope="module")
def loaded(server: Server, suite: Suite) -> Iterator[Database]:
    """Every system at its head, with the rows of the smallest profile."""
    with server.scratch("loaded") as database:
        upgrade(suite, database)
        load(suite, database, suite.profiles.get("smoke"))
        yield database


@pytest.mark.parametrize("key", AT_HEAD)
def test_a_query_finds_rows_for_most_of_its_parameters(loaded: Database, key: str) -> None:
    query = QUERIES[key]
    (task,) = make_tasks(loaded, [query], SUITE.systems, parameter_sets=SETS, seed=1, ranked=False)
    with Runner(loaded, task.role) as runner:
        rows = [runner.send(call) for call in task.calls]
    assert sum(found > 0 for found in rows) > SETS / 2
    if query.writes:
        assert set(rows) == {1}, "a write that finds its row says so"


def test_a_week_of_the_calendar_holds_seven_days_of_one_workspace(filled: Database) -> None:
    query = QUERIES["pazpaz/calendar_week"]
    values = {"week_start": "2025-01-13T00:00Z", "week_end": "2025-01-20T00:00Z"}
    with filled.connect(role="pazpaz_app") as conn:
        row = conn.execute("select id from pazpaz.workspaces limit 1").fetchone()
        assert row is not None
        found = conn.execute(query.sql, values | {"workspace_id": row[0]}).fetchall()
    assert len(found) == 5 * 7


def test_an_appointment_that_only_touches_another_is_no_conflict(filled: Database) -> None:
    query = QUERIES["pazpaz/conflict_check"]
    with filled.connect(role="pazpaz_app") as conn:
        row = conn.execute("select id from pazpaz.workspaces limit 1").fetchone()
        assert row is not None
        touching = {"workspace_id": row[0], "start": "2025-01-13T09:50Z", "end": "2025-01-13T10:40Z"}
        assert conn.execute(query.sql, touching).fetchall() == []
        overlapping = touching | {"start": "2025-01-13T09:49Z"}
        assert len(conn.execute(query.sql, overlapping).fetchall()) == 5


def test_a_token_is_valid_until_it_expires(filled: Database) -> None:
    query = QUERIES["practice/active_token_by_hash"]
    (values,) = drawn(filled, query, 1)
    with filled.connect(role="practice_app") as conn:
        assert len(conn.execute(query.sql, values | {"moment": "2025-01-31T23:59Z"}).fetchall()) == 1
        assert conn.execute(query.sql, values | {"moment": "2025-02-01T00:00Z"}).fetchall() == []


@pytest.fixture(scope="module")
def before(server: Server, suite: Suite) -> Iterator[Database]:
    """The practice tables as they stood before the audit, with the same rows."""
    with server.scratch("before") as database:
        upgrade(suite, database, "practice_0001")
        with database.connect() as conn:
            conn.execute(PRACTICE_ROWS)
        yield database


@pytest.mark.parametrize(
    ("key", "index"),
    [
        ("practice/active_token_by_hash", "ix_auth_tokens_token_hash"),
        ("practice/user_tokens", "ix_auth_tokens_user_id"),
        ("practice/fhir_by_internal", "ix_fhir_mappings_internal_id"),
        ("practice/fhir_by_resource", "ix_fhir_mappings_fhir_resource_id"),
        ("practice/locations_by_geography", "ix_locations_city"),
    ],
)
def test_before_the_audit_a_lookup_takes_a_single_column_index(before: Database, key: str, index: str) -> None:
    query = QUERIES[key]
    (values,) = drawn(before, query, 1)
    with before.connect() as conn:
        assert index in plan_indexes(conn, query, values)


@pytest.mark.parametrize(
    ("key", "index"),
    [
        ("practice/active_token_by_hash", "idx_auth_tokens_active_hash"),
        ("practice/user_tokens", "idx_auth_tokens_user_status_type"),
        ("practice/fhir_by_internal", "idx_fhir_mappings_active_internal"),
        ("practice/fhir_by_resource", "idx_fhir_mappings_server_resource_type"),
        ("practice/locations_by_geography", "idx_locations_geography"),
    ],
)
def test_after_the_audit_its_own_index_serves_each_lookup(filled: Database, key: str, index: str) -> None:
    """Without the others: which of several good indexes the planner takes depends on the data."""
    query = QUERIES[key]
    (values,) = drawn(filled, query, 1)
    with filled.connect(autocommit=False) as conn:
        others = conn.execute(
            "select indexrelid::regclass::text from pg_index where not indisprimary and indexrelid <> %(index)s "
            "and indrelid = (select indrelid from pg_index where indexrelid = %(index)s)",
            {"index": oid_of(conn, index)},
        ).fetchall()
        for (other,) in others:
            conn.execute(f"drop index {other}")
        found = plan_indexes(conn, query, values)
        conn.rollback()
    assert found == {index}


def oid_of(conn: psycopg.Connection, index: str) -> int:
    row = conn.execute("select %s::regclass::oid", (f"practice.{index}",)).fetchone()
    assert row is not None
    return int(row[0])


def plan_indexes(conn: psycopg.Connection, query: Query, values: dict[str, Any]) -> set[str]:
    """Names of the indexes in the plan of a query."""
    row = conn.execute(f"explain (format json) {query.sql}", values).fetchone()
    assert row is not None
    return set(_index_names(row[0][0]["Plan"]))


def _index_names(node: dict[str, Any]) -> Iterator[str]:
    if "Index Name" in node:
        yield node["Index Name"]
    for child in node.get("Plans", ()):
        yield from _index_names(child)
