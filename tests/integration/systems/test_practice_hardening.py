"""The hardening of practice: what it refuses, what it converts both ways, and how it ends when it cannot go on."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from pgvitals.audit import audit, load_rules, select_rules
from pgvitals.dataset.deferred import snapshot
from pgvitals.dataset.load import load
from pgvitals.errors import MigrationError
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import current, downgrade, upgrade
from pgvitals.results.outcome import Outcome
from pgvitals.suite import Suite

AUDIT = "20250106_1200_schema_cleanup_audit"
HARDENED = "practice_hardening"
TENANT_TABLES = ("auth_tokens", "encryption_keys", "fhir_mappings", "practice_profiles", "locations")

ROWS = {
    "auth_tokens": "insert into practice.auth_tokens (tenant_id, token_hash, token_type, expires_at, rotation_count) "
    "values (%(tenant)s, gen_random_uuid(), 'access', '2030-01-01', %(value)s)",
    "encryption_keys": "insert into practice.encryption_keys "
    "(tenant_id, key_name, key_type, kms_key_id, kms_provider, key_algorithm, version) "
    "values (%(tenant)s, 'k', 'data', 'arn', 'aws', 'AES-256', %(value)s)",
    "fhir_mappings": "insert into practice.fhir_mappings "
    "(tenant_id, internal_id, fhir_resource_type, fhir_resource_id, fhir_server_url, error_count) "
    "values (%(tenant)s, gen_random_uuid(), 'Patient', gen_random_uuid(), 'https://fhir.example.org', %(value)s)",
    "practice_profiles": "insert into practice.practice_profiles (tenant_id, name, npi_number) "
    "values (%(tenant)s, 'p', %(value)s)",
    "locations": "with profile as ("
    "  insert into practice.practice_profiles (tenant_id, name) values (%(tenant)s, 'p') returning id) "
    "insert into practice.locations (tenant_id, practice_profile_id, name, address_line1, city, state, zip_code) "
    "select %(tenant)s, id, 'l', '1 Main St', 'Albany', 'NY', %(value)s from profile",
}
"""A row of each table that is in order but for its tenant and the one value that a check looks at."""

GOOD = {
    "auth_tokens": "0",
    "encryption_keys": "1",
    "fhir_mappings": "0",
    "practice_profiles": "1234567893",
    "locations": "12207",
}

CHECKS = [
    ("auth_tokens", "ck_auth_tokens_rotation_count_valid", ["-1"]),
    ("encryption_keys", "ck_encryption_keys_version_valid", ["0", "-1", "v2", ""]),
    ("fhir_mappings", "ck_fhir_mappings_error_count_valid", ["-1"]),
    ("practice_profiles", "ck_practice_profiles_npi_format", ["invalid", "123456789", "12345678931", ""]),
    ("practice_profiles", "ck_practice_profiles_npi_check_digit", ["1234567890", "1234567839", "0000000000"]),
    ("locations", "ck_locations_zip_format", ["invalid", "1234", "123456789", "12345-678", "12345-67890", "12345-"]),
]


@pytest.fixture(scope="module")
def head(server: Server, suite: Suite) -> Iterator[Database]:
    """practice at its head without rows; tests leave it as it is."""
    with server.scratch("hardened") as made:
        upgrade(suite, made, HARDENED)
        yield made


@pytest.fixture
def conn(head: Database) -> Iterator[psycopg.Connection]:
    """A superuser's transaction at the head, undone afterwards."""
    with head.connect(autocommit=False) as opened:
        yield opened
        opened.rollback()


def add(conn: psycopg.Connection, table: str, value: str | None = None, tenant: UUID | None = None) -> None:
    """A row of a table; by default one that is in order, of the platform."""
    values = {"tenant": tenant, "value": GOOD[table] if value is None else value}
    assert conn.execute(ROWS[table], values).rowcount == 1


def add_tenant(conn: psycopg.Connection) -> UUID:
    row = conn.execute("insert into practice.tenants (name) values ('t') returning id").fetchone()
    assert row is not None
    return UUID(str(row[0]))


def values(database: Database, table: str, column: str) -> list[object]:
    """All values of a column, sorted."""
    query = sql.SQL("select {column} from {table} order by {column}")
    with database.connect() as conn:
        found = conn.execute(query.format(column=sql.Identifier(column), table=sql.Identifier("practice", table)))
        return [value for (value,) in found.fetchall()]


def catalog(database: Database) -> dict[str, str]:
    """All that the revision may change: tables with their columns, constraints and indexes, policies, functions."""
    with database.connect() as conn:
        more = conn.execute(
            "select 'policy ' || polrelid::regclass || ' ' || polname, pg_get_expr(polqual, polrelid) from pg_policy "
            "union all select 'function ' || oid::regprocedure, pg_get_functiondef(oid) from pg_proc "
            "where pronamespace = 'practice'::regnamespace"
        ).fetchall()
        return snapshot(conn, "practice") | dict(more)


# What it refuses


@pytest.mark.parametrize(("table", "check", "bad"), CHECKS, ids=[check for _, check, _ in CHECKS])
def test_a_row_in_order_but_for_one_value_meets_the_check_of_that_value(
    conn: psycopg.Connection, table: str, check: str, bad: list[str]
) -> None:
    add(conn, table)
    for value in bad:
        with pytest.raises(psycopg.errors.CheckViolation) as refused, conn.transaction():
            add(conn, table, value)
        assert refused.value.diag.constraint_name == check, value


def test_a_count_of_errors_is_a_number(conn: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        add(conn, "fhir_mappings", "many")


def test_nine_digits_of_a_zip_code_are_written_with_a_hyphen(suite: Suite, database: Database) -> None:
    upgrade(suite, database, AUDIT)
    with database.connect() as conn:
        with pytest.raises(psycopg.errors.CheckViolation) as refused:
            add(conn, "locations", "12345-6789")
        assert refused.value.diag.constraint_name == "ck_locations_zip_format"
        add(conn, "locations", "123456789")
    upgrade(suite, database, HARDENED)
    with database.connect() as conn:
        add(conn, "locations", "12345-6789")


def is_valid_npi(number: str) -> bool:
    """Luhn's formula as a cashier does it: double every second digit from the right, cast out nines, sum up."""
    total = 0
    for position, digit in enumerate(reversed("80840" + number)):
        total += sum(divmod(int(digit) * 2, 10)) if position % 2 else int(digit)
    return total % 10 == 0


def test_the_check_digit_is_the_one_that_a_second_computation_finds(conn: psycopg.Connection) -> None:
    stems = [f"{stem:09}" for stem in range(0, 10**9, 2_345_679)] + ["123456789"]
    numbers = [f"{stem}{digit}" for stem in stems for digit in range(10)]
    found = conn.execute(
        "select npi, practice.npi_check_digit_is_right(npi) from unnest(%s::text[]) as npi", (numbers,)
    ).fetchall()
    assert len(found) == len(numbers)
    assert all(told is is_valid_npi(npi) for npi, told in found)
    right = {npi for npi, told in found if told}
    assert len(right) == len(stems), "one of the ten digits is right"
    assert "1234567893" in right, "the example of CMS"


def test_the_check_digit_says_nothing_about_what_is_no_number(conn: psycopg.Connection) -> None:
    told = conn.execute(
        "select bool_or(practice.npi_check_digit_is_right(npi) is not null) from unnest(%s::text[]) as npi",
        (["", "invalid", "123456789", "12345678933", "123456789\n", "١٢٣٤٥٦٧٨٩٣", None],),
    ).fetchone()
    assert told == (False,)


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_a_row_of_a_tenant_that_is_not_there_is_refused(conn: psycopg.Connection, table: str) -> None:
    add(conn, table, tenant=add_tenant(conn))
    with pytest.raises(psycopg.errors.ForeignKeyViolation) as refused:
        add(conn, table, tenant=uuid4())
    assert str(refused.value.diag.constraint_name).endswith("_tenant_id")


def test_two_rows_of_a_tenant_cannot_claim_one_fhir_resource(conn: psycopg.Connection) -> None:
    claim = (
        "insert into practice.fhir_mappings "
        "(tenant_id, internal_id, fhir_resource_type, fhir_resource_id, fhir_server_url) "
        "values (%s, gen_random_uuid(), 'Patient', '1', 'https://fhir.example.org')"
    )
    for tenant in (add_tenant(conn), add_tenant(conn), None):
        conn.execute(claim, (tenant,))
        with pytest.raises(psycopg.errors.UniqueViolation), conn.transaction():
            conn.execute(claim, (tenant,))


def test_no_index_repeats_another_and_every_foreign_key_has_one(suite: Suite, head: Database) -> None:
    rules = select_rules(load_rules(), ["IDX001", "IDX002", "IDX003", "IDX005", "KEY002", "KEY003", "KEY004"])
    told = audit(head.connect, [suite.system("practice")], rules=rules).results
    assert {result.rule: result.outcome for result in told} == {rule.id: Outcome.PASS for rule in rules}


# What goes with a tenant


def test_a_tenant_stays_as_long_as_there_are_keys_of_it(conn: psycopg.Connection) -> None:
    tenant = add_tenant(conn)
    add(conn, "encryption_keys", tenant=tenant)
    with pytest.raises(psycopg.errors.ForeignKeyViolation) as refused, conn.transaction():
        conn.execute("delete from practice.tenants where id = %s", (tenant,))
    assert refused.value.diag.constraint_name == "fk_encryption_keys_tenant_id"
    conn.execute("delete from practice.encryption_keys where tenant_id = %s", (tenant,))
    assert conn.execute("delete from practice.tenants where id = %s", (tenant,)).rowcount == 1


def test_everything_else_goes_with_its_tenant_and_nothing_becomes_the_platform_s(suite: Suite, server: Server) -> None:
    with server.scratch("leaving") as database:
        upgrade(suite, database, HARDENED)
        load(suite, database, suite.profiles.get("smoke"), systems=["practice"])
        with database.connect() as conn:
            row = conn.execute("select tenant_id from practice.auth_tokens where tenant_id is not null").fetchone()
            assert row is not None
            everybody = rows_by_tenant(conn)
            assert all(everybody[table].get(row[0]) for table in everybody)
            conn.execute("delete from practice.encryption_keys where tenant_id = %s", row)
        with database.connect(role="practice_app", autocommit=False) as app:
            app.execute("select set_config('app.current_tenant_id', %s, true)", (str(row[0]),))
            assert app.execute("delete from practice.tenants").rowcount == 1
            app.commit()
        with database.connect() as conn:
            left = rows_by_tenant(conn)
        for table, rows in everybody.items():
            assert left[table] == {tenant: n for tenant, n in rows.items() if tenant != row[0]}, table


def rows_by_tenant(conn: psycopg.Connection) -> dict[str, dict[UUID | None, int]]:
    """Table -> tenant (None is the platform) -> rows."""
    count = sql.SQL("select tenant_id, count(*) from {} group by 1")
    return {
        table: dict(conn.execute(count.format(sql.Identifier("practice", table))).fetchall())
        for table in ("users", *TENANT_TABLES)
    }


def test_no_tenant_sees_or_makes_rows_of_the_platform(head: Database) -> None:
    with head.connect(autocommit=False) as conn:
        tenant = add_tenant(conn)
        for table in TENANT_TABLES:
            add(conn, table)
        conn.execute("set local role practice_app")
        conn.execute("select set_config('app.current_tenant_id', %s, true)", (str(tenant),))
        for table in TENANT_TABLES:
            seen = conn.execute(sql.SQL("select count(*) from {}").format(sql.Identifier("practice", table)))
            assert seen.fetchone() == (0,), table
            with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
                add(conn, table)
        conn.rollback()


# What it converts


@pytest.mark.parametrize("online", ["true", "false"])
def test_rows_are_converted_and_converted_back(suite: Suite, database: Database, online: str) -> None:
    upgrade(suite, database, AUDIT)
    with database.connect() as conn:
        for count in ("0", "9", "10", "2147483647"):
            add(conn, "fhir_mappings", count)
        for zip_code in ("12207", "122071234", "000000000"):
            add(conn, "locations", zip_code)
    upgrade(suite, database, HARDENED, x={"online": online})
    assert values(database, "fhir_mappings", "error_count") == [0, 9, 10, 2147483647]
    assert values(database, "locations", "zip_code") == ["00000-0000", "12207", "12207-1234"]
    downgrade(suite, database, AUDIT, x={"online": online})
    assert values(database, "fhir_mappings", "error_count") == ["0", "10", "2147483647", "9"]
    assert values(database, "locations", "zip_code") == ["000000000", "12207", "122071234"]


def test_the_hardening_is_the_same_schema_built_online_or_blocking(suite: Suite, database: Database) -> None:
    upgrade(suite, database, AUDIT)
    before = catalog(database)
    upgrade(suite, database, HARDENED)
    online = catalog(database)
    downgrade(suite, database, AUDIT, x={"online": "false"})
    assert catalog(database) == before
    upgrade(suite, database, HARDENED, x={"online": "false"})
    assert catalog(database) == online
    downgrade(suite, database, AUDIT)
    assert catalog(database) == before


# How it ends when it cannot go on

OBSTACLES = {
    "a wrong check digit": (
        "insert into practice.practice_profiles (name, npi_number) values ('p', '1234567890')",
        "ck_practice_profiles_npi_check_digit",
        "update practice.practice_profiles set npi_number = '1234567893'",
    ),
    "an orphan": (
        "insert into practice.practice_profiles (tenant_id, name) values (gen_random_uuid(), 'p')",
        "fk_practice_profiles_tenant_id",
        "update practice.practice_profiles set tenant_id = null",
    ),
    "a resource that stands twice": (
        "insert into practice.fhir_mappings (internal_id, fhir_resource_type, fhir_resource_id, fhir_server_url) "
        "select gen_random_uuid(), 'Patient', '1', 'https://fhir.example.org' from generate_series(1, 2)",
        "uq_fhir_mappings_tenant_resource",
        "delete from practice.fhir_mappings where ctid = (select max(ctid) from practice.fhir_mappings)",
    ),
    "a count beyond an integer": (
        "insert into practice.fhir_mappings "
        "(internal_id, fhir_resource_type, fhir_resource_id, fhir_server_url, error_count) "
        "values (gen_random_uuid(), 'Patient', '1', 'https://fhir.example.org', '99999999999')",
        "NumericValueOutOfRange",
        "update practice.fhir_mappings set error_count = '1'",
    ),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_it_stops_at_rows_that_are_not_in_order_and_is_started_again(
    suite: Suite, database: Database, head: Database, obstacle: str
) -> None:
    spoil, told, mend = OBSTACLES[obstacle]
    upgrade(suite, database, AUDIT)
    with database.connect() as conn:
        conn.execute(spoil)
    with pytest.raises(MigrationError, match=told):
        upgrade(suite, database, HARDENED)
    assert current(suite, database) == {"practice": AUDIT}
    with database.connect() as conn:
        conn.execute(mend)
    upgrade(suite, database, HARDENED)
    assert catalog(database) == catalog(head)


@pytest.mark.parametrize("table", ["tenants", "fhir_mappings"])
def test_it_gives_up_rather_than_queue_for_an_exclusive_lock(
    suite: Suite, database: Database, head: Database, table: str
) -> None:
    upgrade(suite, database, AUDIT)
    with database.connect(autocommit=False) as reader:
        reader.execute(sql.SQL("lock table {} in access share mode").format(sql.Identifier("practice", table)))
        with pytest.raises(MigrationError, match="lock timeout"):
            upgrade(suite, database, HARDENED)
    assert current(suite, database) == {"practice": AUDIT}
    upgrade(suite, database, HARDENED)
    assert catalog(database) == catalog(head)


def test_a_downgrade_that_gave_up_leaves_no_table_open_that_is_not_said_to_be(suite: Suite, database: Database) -> None:
    upgrade(suite, database, HARDENED)
    before = catalog(database)
    with database.connect(autocommit=False) as reader:
        reader.execute("lock table practice.tenants in access share mode")
        with pytest.raises(MigrationError, match="lock timeout"):
            downgrade(suite, database, AUDIT)
    assert current(suite, database) == {"practice": HARDENED}
    assert catalog(database) == before


@pytest.mark.parametrize("recorded", [AUDIT, HARDENED])
def test_a_run_that_was_killed_before_it_was_recorded_is_run_again(
    suite: Suite, database: Database, recorded: str
) -> None:
    """Up and recorded as not yet up, or down and recorded as not yet down; rows are there to be converted twice."""
    upgrade(suite, database, AUDIT)
    before = catalog(database)
    with database.connect() as conn:
        add(conn, "locations", "122071234", add_tenant(conn))
    upgrade(suite, database, HARDENED)
    after = catalog(database)
    if recorded == HARDENED:
        downgrade(suite, database, AUDIT)
    with database.connect() as conn:
        conn.execute("update public.alembic_version set version_num = %s", (recorded,))
    if recorded == HARDENED:
        downgrade(suite, database, AUDIT)
        assert (catalog(database), values(database, "locations", "zip_code")) == (before, ["122071234"])
    else:
        upgrade(suite, database, HARDENED)
        assert (catalog(database), values(database, "locations", "zip_code")) == (after, ["12207-1234"])


def test_nine_digits_that_come_late_are_seen_though_the_owner_is_held_to_the_policies(
    suite: Suite, database: Database
) -> None:
    """A run that got as far as the policies and was then undone by hand: what converts must see every row."""
    upgrade(suite, database, HARDENED)
    with database.connect() as conn:
        conn.execute("alter table practice.locations drop constraint ck_locations_zip_format")
        add(conn, "locations", "122071234", add_tenant(conn))
        conn.execute("update public.alembic_version set version_num = %s", (AUDIT,))
    upgrade(suite, database, HARDENED)
    assert values(database, "locations", "zip_code") == ["12207-1234"]
