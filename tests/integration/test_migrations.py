"""The systems' migrations: every step up and down, what they build, and for whom."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pgvitals.errors import MigrationError
from pgvitals.lab import Database, Server, start_server
from pgvitals.lab.migrate import current, downgrade, script, upgrade
from pgvitals.suite import Suite, find_suite, load_module

SUITE = find_suite(Path(__file__).parent)
AUDIT = "20250106_1200_schema_cleanup_audit"

CATALOG = """
with ours as (
    select c.oid, c.relname, c.relkind, c.relacl, c.relowner, c.relrowsecurity, c.relforcerowsecurity
    from pg_class c where c.relnamespace = to_regnamespace(%(schema)s)
)
select 'relation', relname, concat_ws(' ', relkind, relowner::regrole, relrowsecurity, relforcerowsecurity,
    (select array_agg(acl::text order by acl::text) from unnest(relacl) acl))
from ours
union all
select 'column', relname || '.' || attname,
    concat_ws(' ', format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid))
from ours join pg_attribute on attrelid = ours.oid and attnum > 0 and not attisdropped
    left join pg_attrdef on (adrelid, adnum) = (attrelid, attnum)
where relkind <> 'i'
union all
select 'index', relname, concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid)
from ours join pg_index on indexrelid = ours.oid
union all
select 'constraint', relname || '.' || conname, concat_ws(' ', pg_get_constraintdef(con.oid), convalidated)
from ours join pg_constraint con on conrelid = ours.oid
union all
select 'trigger', relname || '.' || tgname, concat_ws(' ', pg_get_triggerdef(t.oid), tgenabled)
from ours join pg_trigger t on tgrelid = ours.oid and not tgisinternal
union all
select 'policy', relname || '.' || polname, concat_ws(' ', polcmd, polpermissive, polroles::regrole[],
    pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
from ours join pg_policy on polrelid = ours.oid
union all
select 'rule', relname || '.' || rulename, pg_get_ruledef(r.oid)
from ours join pg_rewrite r on ev_class = ours.oid
union all
select 'function', p.oid::regprocedure::text, concat_ws(' ', proowner::regrole, md5(pg_get_functiondef(p.oid)),
    (select array_agg(acl::text order by acl::text) from unnest(proacl) acl))
from pg_proc p where pronamespace = to_regnamespace(%(schema)s)
union all
select 'extension', extname, concat_ws(' ', extnamespace::regnamespace, extowner::regrole)
from pg_extension where extname <> 'plpgsql'
union all
select 'schema', nspname, concat_ws(' ', nspowner::regrole,
    (select array_agg(acl::text order by acl::text) from unnest(nspacl) acl))
from pg_namespace where nspname = %(schema)s
union all
select 'default privilege', defaclobjtype::text, concat_ws(' ', defaclrole::regrole, defaclacl)
from pg_default_acl where defaclnamespace = to_regnamespace(%(schema)s)
order by 1, 2
"""


def catalog(database: Database, system: str) -> list[tuple[str, str, str]]:
    """All that a migration may change in a system's schema, whatever its order."""
    with database.connect() as conn:
        return conn.execute(CATALOG, {"schema": SUITE.system(system).schema_name}).fetchall()


def revisions(system: str) -> list[str]:
    """A system's revisions, oldest first."""
    found = script(SUITE).iterate_revisions(f"{system}@head", "base")
    return [step.revision for step in found][::-1]


@pytest.fixture(scope="module")
def head(server: Server, suite: Suite) -> Iterator[Database]:
    """A database with every system at its head; tests leave it as it is."""
    with server.scratch("head") as database:
        upgrade(suite, database)
        yield database


@pytest.mark.parametrize("system", SUITE.systems)
def test_every_step_down_and_up_again_leaves_the_catalog_as_it_was(
    suite: Suite, database: Database, system: str
) -> None:
    for revision in revisions(system):
        before = catalog(database, system)
        upgrade(suite, database, revision)
        after = catalog(database, system)
        assert after != before
        downgrade(suite, database, f"{system}@-1")
        assert catalog(database, system) == before
        upgrade(suite, database, revision)
        assert catalog(database, system) == after


def test_down_to_base_and_up_again_leaves_the_catalog_as_it_was(suite: Suite, database: Database) -> None:
    upgrade(suite, database)
    before = {system: catalog(database, system) for system in suite.systems}
    downgrade(suite, database, "base")
    assert current(suite, database) == {}
    assert not any(catalog(database, system) for system in suite.systems)
    upgrade(suite, database)
    assert {system: catalog(database, system) for system in suite.systems} == before


def test_the_models_describe_the_head(suite: Suite, head: Database) -> None:
    config = Config(toml_file=str(suite.root / "pyproject.toml"))
    engine = head.engine()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.check(config)
    engine.dispose()


@pytest.mark.parametrize("system", SUITE.systems)
def test_the_models_carry_the_checks_of_the_head(suite: Suite, head: Database, system: str) -> None:
    models = load_module(suite.system(system).folder / "models.py", f"{system}_models")
    declared = {
        (table.name, str(constraint.name))
        for table in models.Base.metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, sa.CheckConstraint)
    }
    with head.connect() as conn:
        built = conn.execute(
            "select conrelid::regclass::text, conname from pg_constraint "
            "where contype = 'c' and connamespace = %s::regnamespace",
            (suite.system(system).schema_name,),
        ).fetchall()
    assert declared == {(table.split(".")[-1], name) for table, name in built}


@pytest.mark.parametrize("system", SUITE.systems)
def test_the_application_role_can_do_nothing_but_dml(suite: Suite, head: Database, system: str) -> None:
    policy = suite.system(system)
    with head.connect() as conn:
        assert conn.execute(
            "select rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolcanlogin from pg_roles where rolname = %s",
            (policy.roles.app,),
        ).fetchone() == (False, False, False, False, False)
        assert conn.execute(
            "select count(*) from pg_shdepend where refobjid = %s::regrole and deptype = 'o'",
            (policy.roles.app,),
        ).fetchone() == (0,)
    table = sql.Identifier(policy.schema_name, policy.tenant_tables[0])
    with head.connect(role=policy.roles.app) as conn:
        for statement in (
            "create table {schema}.intruder (id int)",
            "create schema intruder",
            "alter table {table} add column intruder int",
            "alter table {table} disable row level security",
            "drop table {table}",
            "truncate {table}",
            "create index on {table} (id)",
        ):
            refused = sql.SQL(statement).format(schema=sql.Identifier(policy.schema_name), table=table)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(refused)


@pytest.mark.parametrize("system", SUITE.systems)
def test_a_table_of_a_later_revision_is_open_to_the_application(suite: Suite, head: Database, system: str) -> None:
    policy = suite.system(system)
    later = sql.Identifier(policy.schema_name, "later")
    with head.connect(role=policy.roles.owner, autocommit=False) as conn:
        conn.execute(sql.SQL("create table {} (id bigserial)").format(later))
        row = conn.execute(
            "select has_table_privilege(%(role)s, %(table)s, 'select') and "
            "has_table_privilege(%(role)s, %(table)s, 'insert') and "
            "has_table_privilege(%(role)s, %(table)s, 'update') and "
            "has_table_privilege(%(role)s, %(table)s, 'delete') and "
            "has_sequence_privilege(%(role)s, %(table)s || '_id_seq', 'usage')",
            {"role": policy.roles.app, "table": f"{policy.schema_name}.later"},
        ).fetchone()
        conn.rollback()
    assert row == (True,)


@pytest.mark.parametrize("system", SUITE.systems)
def test_the_owner_role_owns_all_of_a_system(suite: Suite, head: Database, system: str) -> None:
    policy = suite.system(system)
    with head.connect() as conn:
        owners = conn.execute(
            "select distinct relowner::regrole::text from pg_class where relnamespace = %s::regnamespace",
            (policy.schema_name,),
        ).fetchall()
    assert owners == [(policy.roles.owner,)]


def test_the_version_table_stays_with_the_user_who_migrates(head: Database) -> None:
    with head.connect() as conn:
        row = conn.execute(
            "select relowner::regrole::text = current_user from pg_class where oid = 'public.alembic_version'::regclass"
        ).fetchone()
    assert row == (True,)


def test_a_user_who_is_no_superuser_can_migrate(suite: Suite) -> None:
    with start_server("embedded", suite=suite) as somebodys:
        with somebodys.maintenance() as conn:
            conn.execute("create role pgvitals_tester login createdb createrole password 'tester'")
        params = {**somebodys.state.params, "user": "pgvitals_tester", "password": "tester", "dbname": "postgres"}
        with start_server(make_conninfo(**params), suite=suite) as own, own.scratch("plain_user") as database:
            upgrade(suite, database)
            assert set(current(suite, database)) == set(suite.systems)
            downgrade(suite, database, "base")
            assert current(suite, database) == {}


def alembic(*args: str, suite: Suite, database: Database | None) -> subprocess.CompletedProcess[str]:
    """Run alembic as a user would, on ``database`` or with no lab at all."""
    return subprocess.run(
        [sys.executable, "-m", "alembic", *args],
        cwd=suite.root,
        env=os.environ | (database.environment() if database else {}),
        capture_output=True,
        text=True,
        check=False,
    )


def test_alembic_alone_migrates_the_lab(suite: Suite, database: Database) -> None:
    done = alembic("-x", "online=false", "upgrade", "heads", suite=suite, database=database)
    assert done.returncode == 0, done.stderr
    assert set(current(suite, database)) == set(suite.systems)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["upgrade", "heads"], "no lab server is up; start one with `pgvitals up`"),
        (["-x", "onlin=false", "upgrade", "heads"], "unknown option -x onlin; there is: online=true|false"),
        (["-x", "online=maybe", "upgrade", "heads"], "-x online must be true or false, got 'maybe'"),
    ],
)
def test_alembic_says_in_one_line_why_it_cannot(suite: Suite, args: list[str], said: str) -> None:
    refused = alembic(*args, suite=suite, database=None)
    assert refused.returncode != 0
    assert said in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_failed_statement_ends_as_one_line_without_row_values(suite: Suite, database: Database) -> None:
    upgrade(suite, database, "practice_0001")
    with database.connect() as conn:
        add_location(conn, zip_code="secret")
    refused = alembic("upgrade", AUDIT, suite=suite, database=database)
    assert refused.returncode != 0
    assert '"ck_locations_zip_format"' in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr
    assert "secret" not in refused.stdout + refused.stderr


CAST = """
from alembic import op

revision = "a_cast"
down_revision = "practice_0001"


def upgrade():
    op.execute("alter table practice.locations alter city type integer using city::integer")
"""


@pytest.fixture
def casting(suite: Suite, tmp_path: Path) -> Suite:
    """The suite with one more revision beside the cleanup of practice: it reads a text as a number."""
    shutil.copytree(suite.root / "fixtures", tmp_path / "fixtures")
    shutil.copy(suite.root / "pyproject.toml", tmp_path)
    (tmp_path / "fixtures/practice/migrations/a_cast.py").write_text(CAST, encoding="utf-8")
    return find_suite(tmp_path)


def test_a_value_that_cannot_be_cast_is_not_repeated(casting: Suite, database: Database) -> None:
    upgrade(casting, database, "practice_0001")
    with database.connect() as conn:
        add_location(conn, zip_code="12207")
    with pytest.raises(MigrationError) as caught:
        upgrade(casting, database, "a_cast")
    assert str(caught.value) == "migrating to 'a_cast' failed: InvalidTextRepresentation (SQLSTATE 22P02)"
    assert caught.value.__suppress_context__, "nor does a traceback show it"
    refused = alembic("upgrade", "a_cast", suite=casting, database=database)
    assert refused.returncode != 0
    assert "InvalidTextRepresentation (SQLSTATE 22P02) (in: alter table" in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr
    assert "Albany" not in refused.stdout + refused.stderr


def add_location(conn: psycopg.Connection, zip_code: str) -> None:
    """A location that is in order but for what its ZIP code may be."""
    conn.execute(
        "with profile as (insert into practice.practice_profiles (name) values ('p') returning id) "
        "insert into practice.locations (practice_profile_id, name, address_line1, city, state, zip_code) "
        "select id, 'l', '1 Main St', 'Albany', 'NY', %s from profile",
        (zip_code,),
    )
