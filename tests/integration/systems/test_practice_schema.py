"""The schema audit of practice: what it builds, under traffic and the plain way, and what it refuses."""

from __future__ import annotations

import psycopg
import pytest

from pgvitals.dataset.deferred import snapshot
from pgvitals.errors import MigrationError
from pgvitals.lab import Database
from pgvitals.lab.migrate import current, downgrade, upgrade
from pgvitals.suite import Suite

AUDIT = "20250106_1200_schema_cleanup_audit"


def catalog(database: Database) -> dict[str, str]:
    """Constraints, indexes, columns, tables and triggers of practice."""
    with database.connect() as conn:
        return snapshot(conn, "practice")


def indexes(database: Database) -> set[str]:
    """Names of the indexes of practice."""
    with database.connect() as conn:
        found = conn.execute(
            "select relname from pg_class where relkind = 'i' and relnamespace = 'practice'::regnamespace"
        )
        return {name for (name,) in found.fetchall()}


def add_location(conn: psycopg.Connection, zip_code: str) -> None:
    """A location that is in order but for what its ZIP code may be."""
    conn.execute(
        "with profile as (insert into practice.practice_profiles (name) values ('p') returning id) "
        "insert into practice.locations (practice_profile_id, name, address_line1, city, state, zip_code) "
        "select id, 'l', '1 Main St', 'Albany', 'NY', %s from profile",
        (zip_code,),
    )


DOCUMENTED_INDEXES = {
    "idx_auth_tokens_user_status_type": False,
    "idx_auth_tokens_tenant_status_expires": False,
    "idx_auth_tokens_active_hash": True,
    "idx_encryption_keys_tenant_name_version": False,
    "idx_encryption_keys_expires_status": False,
    "idx_encryption_keys_active_tenant_type": True,
    "idx_fhir_mappings_server_resource_type": False,
    "idx_fhir_mappings_error_status_count": False,
    "idx_fhir_mappings_active_internal": True,
    "idx_practice_profiles_tenant_active": False,
    "idx_practice_profiles_active_name": True,
    "idx_locations_practice_active": False,
    "idx_locations_geography": False,
    "idx_locations_active_name": True,
}


def test_the_audit_builds_its_fourteen_indexes_five_of_them_partial(suite: Suite, database: Database) -> None:
    upgrade(suite, database, "practice_0001")
    before = indexes(database)
    upgrade(suite, database, AUDIT)
    with database.connect() as conn:
        found = conn.execute(
            "select relname, indpred is not null from pg_index join pg_class c on c.oid = indexrelid "
            "where relnamespace = 'practice'::regnamespace and indisvalid and relname <> all (%s)",
            (list(before),),
        ).fetchall()
    assert dict(found) == DOCUMENTED_INDEXES


def test_the_audit_is_the_same_schema_built_online_or_blocking(suite: Suite, database: Database) -> None:
    upgrade(suite, database, "practice_0001")
    before = catalog(database)
    upgrade(suite, database, AUDIT)
    online = catalog(database)
    downgrade(suite, database, "practice@-1", x={"online": "false"})
    assert catalog(database) == before
    upgrade(suite, database, AUDIT, x={"online": "false"})
    assert catalog(database) == online


def test_the_audit_can_be_started_again_after_it_failed(suite: Suite, database: Database) -> None:
    upgrade(suite, database, "practice_0001")
    with database.connect() as conn:
        add_location(conn, zip_code="none")
    with pytest.raises(MigrationError, match="ck_locations_zip_format"):
        upgrade(suite, database, AUDIT)
    assert current(suite, database) == {"practice": "practice_0001"}
    with database.connect() as conn:
        conn.execute("update practice.locations set zip_code = '12207'")
    upgrade(suite, database, AUDIT)
    assert current(suite, database) == {"practice": AUDIT}
    with database.connect() as conn:
        assert conn.execute("select count(*) from pg_constraint where not convalidated").fetchone() == (0,)


def test_an_index_that_a_failed_build_left_invalid_is_built_anew(suite: Suite, database: Database) -> None:
    upgrade(suite, database, "practice_0001")
    with database.connect() as conn:
        for _ in range(2):
            conn.execute("insert into practice.practice_profiles (name) values ('same')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            conn.execute(
                "create unique index concurrently idx_practice_profiles_active_name "
                "on practice.practice_profiles (name)"
            )
    upgrade(suite, database, AUDIT)
    with database.connect() as conn:
        row = conn.execute(
            "select indisvalid, indisunique, pg_get_expr(indpred, indrelid) from pg_index "
            "where indexrelid = 'practice.idx_practice_profiles_active_name'::regclass"
        ).fetchone()
    assert row == (True, False, "is_active")


def test_the_audit_gives_up_rather_than_queue_for_an_exclusive_lock(suite: Suite, database: Database) -> None:
    upgrade(suite, database, AUDIT)
    before = catalog(database)
    with database.connect(autocommit=False) as reader:
        reader.execute("lock table practice.locations in access share mode")
        with pytest.raises(MigrationError, match="lock timeout"):
            downgrade(suite, database, "practice@-1")
    assert current(suite, database) == {"practice": AUDIT}
    assert catalog(database) == before


REFUSED = {
    "ck_auth_tokens_rotation_count_valid": (
        "insert into practice.auth_tokens (token_hash, token_type, expires_at, rotation_count) "
        "values ('h', 'access', '2030-01-01', %s)",
        "0",
        ["-1"],
    ),
    "ck_encryption_keys_version_valid": (
        "insert into practice.encryption_keys "
        "(key_name, key_type, kms_key_id, kms_provider, key_algorithm, version) "
        "values ('k', 'data', 'arn', 'aws', 'AES-256', %s)",
        "10",
        ["0", "-1", "1.0", "v2", ""],
    ),
    "ck_fhir_mappings_error_count_valid": (
        "insert into practice.fhir_mappings "
        "(internal_id, fhir_resource_type, fhir_resource_id, fhir_server_url, error_count) "
        "values (gen_random_uuid(), 'Patient', '1', 'https://fhir.example.org', %s)",
        "0",
        ["-1", "many", "1.5", ""],
    ),
    "ck_practice_profiles_npi_format": (
        "insert into practice.practice_profiles (name, npi_number) values ('p', %s)",
        "1234567893",
        ["invalid", "123456789", "12345678931"],
    ),
    "ck_locations_zip_format": (
        "with profile as (insert into practice.practice_profiles (name) values ('p') returning id) "
        "insert into practice.locations (practice_profile_id, name, address_line1, city, state, zip_code) "
        "select id, 'l', '1 Main St', 'Albany', 'NY', %s from profile",
        "122071234",
        # The last one is a good ZIP+4: the documented pattern is wrong about it.
        ["invalid", "1234", "123456", "12345-6789"],
    ),
}


def test_each_named_check_accepts_a_good_row_and_refuses_one_bad_value(suite: Suite, database: Database) -> None:
    upgrade(suite, database, AUDIT)
    with database.connect() as conn:
        for name, (statement, good, bad) in REFUSED.items():
            assert conn.execute(statement, (good,)).rowcount == 1
            for value in bad:
                with pytest.raises(psycopg.errors.CheckViolation) as refused:
                    conn.execute(statement, (value,))
                assert refused.value.diag.constraint_name == name


def test_a_token_outlives_the_token_that_it_came_from(suite: Suite, database: Database) -> None:
    upgrade(suite, database, AUDIT)
    with database.connect() as conn:
        add = (
            "insert into practice.auth_tokens (token_hash, token_type, expires_at, parent_token_id) "
            "values (%s, 'refresh', '2030-01-01', %s) returning id"
        )
        parent = conn.execute(add, ("parent", None)).fetchone()
        assert parent is not None
        conn.execute(add, ("child", parent[0]))
        conn.execute("delete from practice.auth_tokens where token_hash = 'parent'")
        left = conn.execute("select token_hash, parent_token_id from practice.auth_tokens").fetchall()
    assert left == [("child", None)]
