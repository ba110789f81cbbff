"""The lookups of practice under row-level security: which index serves each, and what the policy costs a plan."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from pgvitals.dataset.load import load
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import upgrade
from pgvitals.measure.params import draw
from pgvitals.measure.plan_shape import walk
from pgvitals.measure.runner import Runner
from pgvitals.measure.task import make_tasks
from pgvitals.query import Query
from pgvitals.suite import Suite, find_suite

SUITE = find_suite()
PRACTICE = SUITE.system("practice")
QUERIES = {query.name: query for query in SUITE.queries if query.system == "practice"}
FIRST = "practice_0001"
SETS = 30

INDEX_OF = {
    "active_keys_by_type": "idx_encryption_keys_active_tenant_type",
    "active_token_by_hash": "ix_auth_tokens_token_hash",
    "expired_tokens": "idx_auth_tokens_tenant_status_expires",
    "fhir_by_internal": "idx_fhir_mappings_active_internal",
    "fhir_by_resource": "uq_fhir_mappings_tenant_resource",
    "fhir_errors": "idx_fhir_mappings_tenant_status_errors",
    "fhir_failing_often": "idx_fhir_mappings_tenant_status_errors",
    "key_by_name_and_version": "idx_encryption_keys_tenant_name_version",
    "keys_expiring": "idx_encryption_keys_expires_status",
    "locations_by_geography": "idx_locations_geography",
    "locations_by_name": "idx_locations_tenant_name",
    "locations_of_practice": "idx_locations_practice_active",
    "practices_by_name": "ix_practice_profiles_name",
    "practices_of_tenant": "idx_practice_profiles_tenant_active",
    "revoke_token": "ix_auth_tokens_token_hash",
    "rotate_token": "ix_auth_tokens_token_hash",
    "user_tokens": "idx_auth_tokens_user_status_type",
}


@pytest.fixture(scope="module")
def hardened(server: Server, suite: Suite) -> Iterator[Database]:
    """practice at its head, with the rows of the smallest profile."""
    with server.scratch("hardened") as database:
        upgrade(suite, database, "practice@head")
        load(suite, database, suite.profiles.get("smoke"), systems=["practice"])
        yield database


@contextmanager
def with_no_index_but(database: Database, index: str) -> Iterator[psycopg.Connection]:
    """A transaction, undone afterwards: the table has this index and its primary key, and no wish to be read whole."""
    with database.connect(autocommit=False) as conn:
        others = conn.execute(
            "select indexrelid::regclass::text from pg_index where not indisprimary and indexrelid <> %(index)s "
            "and indrelid = (select indrelid from pg_index where indexrelid = %(index)s)",
            {"index": oid_of(conn, index)},
        ).fetchall()
        for (other,) in others:
            conn.execute(f"drop index {other}")
        conn.execute("set local enable_seqscan = off")
        yield conn
        conn.rollback()


def oid_of(conn: psycopg.Connection, index: str) -> int:
    row = conn.execute("select %s::regclass::oid", (f"practice.{index}",)).fetchone()
    assert row is not None
    return int(row[0])


def as_tenant(conn: psycopg.Connection, tenant: object) -> None:
    """Be the application on behalf of a tenant until the transaction ends."""
    conn.execute("set local role practice_app")
    conn.execute("select set_config('app.current_tenant_id', %s, true)", (str(tenant),))


def conditions(conn: psycopg.Connection, statement: str, values: dict[str, Any]) -> dict[str, str]:
    """Index -> its condition in the plan of a statement."""
    row = conn.execute(f"explain (format json) {statement}", values).fetchone()
    assert row is not None
    found = walk(row[0][0]["Plan"])
    return {node["Index Name"]: node.get("Index Cond", "") for node in found if "Index Name" in node}


def drawn(database: Database, query: Query) -> dict[str, Any]:
    """One parameter set."""
    with database.connect() as conn:
        (values,) = draw(conn, query, 1, 7)
    return values


def test_every_lookup_has_an_index_to_name() -> None:
    assert set(INDEX_OF) | {"issue_token", "upsert_mapping"} == set(QUERIES)


@pytest.mark.parametrize("name", INDEX_OF)
def test_an_index_serves_each_lookup_of_the_application(hardened: Database, name: str) -> None:
    """Without the others: which of several good indexes the planner takes depends on the data."""
    query = QUERIES[name]
    values = drawn(hardened, query)
    with with_no_index_but(hardened, INDEX_OF[name]) as conn:
        as_tenant(conn, values["tenant_id"])
        found = conditions(conn, query.sql, values)
    assert set(found) == {INDEX_OF[name]}
    assert found[INDEX_OF[name]]


def test_the_setting_of_the_tenant_is_read_once_a_statement(hardened: Database) -> None:
    query = QUERIES["active_token_by_hash"]
    values = drawn(hardened, query)
    with hardened.connect(autocommit=False) as conn:
        as_tenant(conn, values["tenant_id"])
        row = conn.execute(f"explain (format json) {query.sql}", values).fetchone()
        assert row is not None
        nodes = list(walk(row[0][0]["Plan"]))
        conn.rollback()
    assert [node["Parent Relationship"] for node in nodes if "Subplan Name" in node] == ["InitPlan"]
    assert not any("current_setting" in node.get("Filter", "") for node in nodes)


@pytest.mark.parametrize(("role", "is_condition"), [("application", False), ("superuser", True)])
def test_a_pattern_finds_its_index_only_where_no_policy_stands_before_it(
    hardened: Database, role: str, is_condition: bool
) -> None:
    values = drawn(hardened, QUERIES["locations_by_name"])
    pattern = "select id from practice.locations where tenant_id = %(tenant_id)s and name like 'Ba%%'"
    range_ = "select id from practice.locations where tenant_id = %(tenant_id)s and name >= 'Ba' and name < 'Bb'"
    with with_no_index_but(hardened, "idx_locations_tenant_name") as conn:
        conn.execute("drop index practice.idx_locations_tenant_name")
        conn.execute('create index by_pattern on practice.locations (tenant_id, name collate "C" text_pattern_ops)')
        conn.execute("create index by_range on practice.locations (tenant_id, name)")
        if role == "application":
            as_tenant(conn, values["tenant_id"])
        (found,) = conditions(conn, pattern, values).values()
        assert ("name" in found) is is_condition
        (found,) = conditions(conn, range_, values).values()
        assert "name" in found


def test_every_lookup_finds_rows_before_the_audit_too(suite: Suite, database: Database) -> None:
    upgrade(suite, database, FIRST)
    load(suite, database, suite.profiles.get("smoke"), systems=["practice"])
    queries = [query for query in QUERIES.values() if not SUITE.branches.obstacle(query, FIRST)]
    assert len(queries) == len(QUERIES) - 2
    tasks = make_tasks(database, queries, {"practice": PRACTICE}, parameter_sets=SETS, seed=1, ranked=False)
    with Runner(database, "practice_app") as runner:
        for task in tasks:
            rows = [runner.send(call) for call in task.calls]
            assert sum(found > 0 for found in rows) > SETS / 2, task.query.name


def counted(conn: psycopg.Connection) -> list[tuple[str, int]]:
    """The tokens by their status."""
    return conn.execute("select status, count(*) from practice.auth_tokens group by 1 order by 1").fetchall()


def test_a_token_that_is_rotated_is_followed_by_one_child(hardened: Database) -> None:
    query = QUERIES["rotate_token"]
    values = drawn(hardened, query)
    with hardened.connect() as conn:
        before = dict(counted(conn))
    with hardened.connect(autocommit=False) as conn:
        as_tenant(conn, values["tenant_id"])
        assert conn.execute(query.sql, values).rowcount == 1
        assert conn.execute(query.sql, values | {"child_hash": "second"}).rowcount == 0, "it has one already"
        conn.execute("reset role")
        after = dict(counted(conn))
        family = conn.execute(
            "select p.status, p.revoked_at, c.status, c.rotation_count - p.rotation_count, c.user_id = p.user_id, "
            "c.token_type = p.token_type from practice.auth_tokens c join practice.auth_tokens p "
            "on p.id = c.parent_token_id where c.token_hash = %(child_hash)s",
            values,
        ).fetchall()
        conn.rollback()
    assert family == [("rotated", values["moment"], "active", 1, True, True)]
    assert after == before | {"rotated": before["rotated"] + 1}


def test_a_token_of_another_tenant_is_neither_validated_nor_revoked_nor_rotated(hardened: Database) -> None:
    with hardened.connect() as conn:
        tenants = [row[0] for row in conn.execute("select id from practice.tenants order by id").fetchall()]
    sets = {name: drawn(hardened, QUERIES[name]) for name in ("active_token_by_hash", "revoke_token", "rotate_token")}
    for name, values in sets.items():
        others = next(tenant for tenant in tenants if tenant != values["tenant_id"])
        with hardened.connect(autocommit=False) as conn:
            as_tenant(conn, others)
            assert conn.execute(QUERIES[name].sql, values).rowcount == 0, name
            conn.rollback()


def test_a_resource_that_is_known_is_updated_and_one_that_is_not_is_added(hardened: Database) -> None:
    query = QUERIES["upsert_mapping"]
    values = drawn(hardened, query)
    with hardened.connect(autocommit=False) as conn:
        as_tenant(conn, values["tenant_id"])
        count = "select count(*) from practice.fhir_mappings"
        before = conn.execute(count).fetchone()
        assert before is not None
        for resource, more in (("new", 1), ("new", 1), ("newer", 2)):
            assert conn.execute(query.sql, values | {"fhir_resource_id": resource}).rowcount == 1
            assert conn.execute(count).fetchone() == (before[0] + more,)
        conn.rollback()
