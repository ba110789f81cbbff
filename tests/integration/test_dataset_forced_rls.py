"""Tables that hide their rows even from their owner and refuse changes: loaded and read by one who is no superuser."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from pgvitals.dataset import describe
from pgvitals.dataset.ledger import halves
from pgvitals.dataset.load import load
from pgvitals.dataset.progress import Step
from pgvitals.dataset.unfiltered import unfiltered
from pgvitals.errors import DatasetError, MeasureError, RowsRefusedError
from pgvitals.lab import Database, start_server
from pgvitals.lab.migrate import upgrade
from pgvitals.measure.params import draw, tenant_ranks
from pgvitals.results.records import Dataset
from pgvitals.suite import Suite, find_suite

SYSTEM = """
title = "bookings that hide from their owner"
schema = "vault"
[tenant]
table = "tenants"
column = "tenant_id"
setting = "app.vault_tenant"
traffic_table = "bookings"
[roles]
owner = "vault_owner"
app = "vault_app"
"""
PROFILES = """
default = "tiny"
[tiny]
title = "three tenants"
seed = 1
zipf = 1.0
as_of = "2025-10-01"
[tiny.sizes.vault]
tenants = 3
bookings = 300
"""
RECIPE = """
import numpy as np
from pgvitals.dataset import Table, zipf_shares

def tenants(unit):
    return {"id": unit.ids(), "tenant_id": unit.ids()}

def bookings(unit):
    start = np.datetime64("2025-01-01", "us") + unit.index * np.timedelta64(3_600_000_000, "us")
    return {
        "id": unit.ids(),
        "tenant_id": unit.id_of("tenants", unit.tenant, tenant=None),
        "starts": start,
        "ends": start + np.timedelta64(3_600_000_000, "us"),
    }

def events(unit):
    return {"id": unit.ids(), "tenant_id": unit.id_of("tenants", unit.tenant, tenant=None)}

def recipe(sizes, profile):
    shares = zipf_shares(sizes["bookings"], sizes["tenants"], profile.zipf)
    return (
        Table(name="tenants", own_rows=sizes["tenants"], make=tenants),
        Table(name="bookings", rows=shares, make=bookings),
        Table(name="events", rows=shares, make=events),
    )
"""
MIGRATION = """
from alembic import op

revision = "vault_0001"
down_revision = None
branch_labels = ("vault",)
depends_on = None

def upgrade():
    op.execute("create extension if not exists btree_gist")
    for role in ("vault_owner", "vault_app"):
        op.execute(f"do $$ begin create role {role}; exception when duplicate_object then null; end $$")
        op.execute(f"grant {role} to current_user")
    op.execute("create schema vault authorization vault_owner")
    op.execute("set role vault_owner")
    op.execute("grant usage on schema vault to vault_app")
    op.execute("create table vault.tenants (id uuid primary key, tenant_id uuid not null)")
    op.execute(
        "create table vault.bookings (id uuid primary key, tenant_id uuid not null references vault.tenants,"
        " starts timestamptz not null, ends timestamptz not null,"
        " constraint no_overlap exclude using gist (tenant_id with =, tstzrange(starts, ends) with &&)"
        " where (starts > '2025-01-02T00:00Z'))"
    )
    op.execute("create table vault.events (id uuid primary key, tenant_id uuid references vault.tenants)")
    op.execute("grant select on all tables in schema vault to vault_app")
    for table in ("tenants", "bookings", "events"):
        op.execute(f"alter table vault.{table} enable row level security, force row level security")
        op.execute(
            f"create policy own on vault.{table} to vault_app"
            " using (tenant_id::text = current_setting('app.vault_tenant', true))"
        )
    op.execute(
        "create function vault.refuse() returns trigger language plpgsql as"
        " $$ begin raise '% is append-only: % refused', tg_table_name, tg_op; end $$"
    )
    op.execute(
        "create trigger no_change before update or delete on vault.events for each row execute function vault.refuse()"
    )
    op.execute("create trigger no_truncate before truncate on vault.events execute function vault.refuse()")
    op.execute("alter table vault.events enable always trigger no_truncate")
    op.execute("reset role")

def downgrade():
    op.execute("drop schema vault cascade")
"""
QUERY = """-- title: one booking
-- budget_p95_ms: 10
-- params: select id, tenant_id from vault.bookings
select starts from vault.bookings where id = %(id)s and tenant_id = %(tenant_id)s
"""
STATE = """
select 'table ' || relname, concat_ws(' ', relrowsecurity, relforcerowsecurity)
from pg_class where relnamespace = 'vault'::regnamespace and relkind = 'r'
union all
select 'trigger ' || tgname, tgenabled::text from pg_trigger
where tgrelid = 'vault.events'::regclass and not tgisinternal
union all
select 'constraint ' || conname, pg_get_constraintdef(oid) from pg_constraint
where connamespace = 'vault'::regnamespace
order by 1
"""


@pytest.fixture(scope="module")
def vault(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """A suite of one system."""
    root = tmp_path_factory.mktemp("vault")
    fixtures = root / "fixtures"
    migrations = fixtures / "vault" / "migrations"
    migrations.mkdir(parents=True)
    (root / "bench" / "vault").mkdir(parents=True)
    (root / "pyproject.toml").write_text(
        "[tool.pgvitals]\n[tool.alembic]\nscript_location = '%(here)s/fixtures'\n"
        "version_locations = ['%(here)s/fixtures/vault/migrations']\n"
    )
    shutil.copy(suite.root / "fixtures" / "env.py", fixtures)
    (fixtures / "profiles.toml").write_text(PROFILES)
    (fixtures / "vault" / "system.toml").write_text(SYSTEM)
    (fixtures / "vault" / "dataset.py").write_text(RECIPE)
    (fixtures / "vault" / "models.py").write_text(
        "import sqlalchemy as sa\nclass Base:\n    metadata = sa.MetaData()\n"
    )
    (migrations / "vault_0001.py").write_text(MIGRATION)
    (root / "bench" / "vault" / "booking.sql").write_text(QUERY)
    return find_suite(root)


@pytest.fixture(scope="module")
def made(suite: Suite, vault: Suite) -> Iterator[Database]:
    """The system in the database of a user who may create databases and roles, and no more; not loaded."""
    with start_server("embedded", suite=suite) as somebodys:
        with somebodys.maintenance() as conn:
            conn.execute("create role plain_loader login createdb createrole password 'loader'")
        params = {**somebodys.state.params, "user": "plain_loader", "password": "loader", "dbname": "postgres"}
        with start_server(make_conninfo(**params), suite=vault) as own, own.scratch("forced") as database:
            upgrade(vault, database)
            yield database


@pytest.fixture(scope="module")
def loaded(vault: Suite, made: Database) -> Dataset:
    """What a load into it gave."""
    with made.connect() as conn:
        before = conn.execute(STATE).fetchall()
    dataset = load(vault, made, vault.profiles.get("tiny"))
    with made.connect() as conn:
        assert conn.execute(STATE).fetchall() == before
        assert len(before) == 3 + 2 + 6
    return dataset


def test_the_user_is_subject_to_the_policies(made: Database, loaded: Dataset) -> None:
    with made.connect() as conn:
        assert conn.execute(
            "select rolsuper or rolbypassrls from pg_roles where rolname = current_user"
        ).fetchall() == [(False,)]
        assert conn.execute("select count(*) from vault.bookings").fetchone() == (0,)
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="not supported with row-level security"):
            conn.cursor().copy("copy vault.bookings from stdin").__enter__()


def test_every_row_is_loaded_and_counted(loaded: Dataset) -> None:
    assert {table.table: table.rows for table in loaded.tables} == {"tenants": 3, "bookings": 300, "events": 300}


def test_a_superuser_finds_the_same_checksum(suite: Suite, vault: Suite, loaded: Dataset) -> None:
    with start_server("embedded", suite=suite) as server, server.scratch("forced") as database:
        upgrade(vault, database)
        assert load(vault, database, vault.profiles.get("tiny")).checksum == loaded.checksum


def test_tables_whose_triggers_refuse_every_change_are_loaded_afresh(
    vault: Suite, made: Database, loaded: Dataset
) -> None:
    again = load(vault, made, vault.profiles.get("tiny"), fresh=True)
    assert again.checksum == loaded.checksum
    with made.connect() as conn:
        conn.execute("set role vault_owner")
        with pytest.raises(psycopg.errors.RaiseException, match="append-only: TRUNCATE refused"):
            conn.execute("truncate vault.events")


def test_several_processes_load_what_hides_from_its_owner(vault: Suite, made: Database, loaded: Dataset) -> None:
    with made.connect() as conn:
        before = conn.execute(STATE).fetchall()
    assert load(vault, made, vault.profiles.get("tiny"), fresh=True, jobs=2).checksum == loaded.checksum
    with made.connect() as conn:
        assert conn.execute(STATE).fetchall() == before


def test_an_interrupted_load_of_what_hides_goes_on_and_a_failed_one_leaves_nothing(
    vault: Suite, made: Database, loaded: Dataset
) -> None:
    def interrupt(step: Step) -> None:
        if step.phase == "indexes":
            raise KeyboardInterrupt

    tiny = vault.profiles.get("tiny")
    with made.connect() as conn:
        before = conn.execute(STATE).fetchall()
    with pytest.raises(KeyboardInterrupt):
        load(vault, made, tiny, fresh=True, progress=interrupt)
    with made.connect() as conn:
        assert [str(half) for half in halves(conn)] == ["half a load of vault (3 of 3 parts)"]
    assert load(vault, made, tiny).checksum == loaded.checksum
    with made.connect() as conn:
        conn.execute("alter table vault.bookings add constraint never check (starts < '2025-01-01') not valid")
    with pytest.raises(RowsRefusedError, match='bookings: CheckViolation of constraint "never"'):
        load(vault, made, tiny, fresh=True)
    with made.connect() as conn:
        assert halves(conn) == []
        conn.execute("alter table vault.bookings drop constraint never")
        assert conn.execute(STATE).fetchall() == before
    assert load(vault, made, tiny).checksum == loaded.checksum, "nothing was left of the failed one"


def test_an_overlap_is_refused_again_after_the_load(made: Database, loaded: Dataset) -> None:
    with made.connect() as conn, conn.transaction(force_rollback=True):
        conn.execute("alter table vault.bookings no force row level security")
        with pytest.raises(psycopg.errors.ExclusionViolation):
            conn.execute(
                "insert into vault.bookings select gen_random_uuid(), tenant_id, starts, ends from vault.bookings"
            )


def test_hidden_rows_still_count_as_loaded(vault: Suite, made: Database, loaded: Dataset) -> None:
    with pytest.raises(DatasetError, match=r"'vault' is already loaded: table '\w+' holds rows"):
        load(vault, made, vault.profiles.get("tiny"))


def test_parameters_and_ranks_are_drawn_from_all_rows(vault: Suite, made: Database, loaded: Dataset) -> None:
    with made.connect() as conn:
        drawn = draw(conn, vault.queries[0], 300, seed=1)
        ranks = tenant_ranks(conn, vault.system("vault"))
        assert conn.execute("select count(*) from vault.bookings").fetchone() == (0,), "FORCE is back"
    assert len({row["id"] for row in drawn}) == 300
    assert sorted(ranks.values()) == [1, 2, 3]
    assert {row["tenant_id"] for row in drawn} == ranks.keys()


def test_a_description_counts_all_rows_and_shows_the_planners_statistics(
    vault: Suite, made: Database, loaded: Dataset
) -> None:
    systems = list(vault.systems.values())
    assert describe.tenants(made, systems)["rows"].sum() == 300
    assert describe.columns(made, systems)["null_share"].notna().all()


def test_who_owns_nothing_gets_an_error_and_not_a_part_of_the_rows(
    vault: Suite, made: Database, loaded: Dataset
) -> None:
    with made.connect() as conn:
        largest = next(iter(tenant_ranks(conn, vault.system("vault"))))
    with made.connect(role="vault_app") as conn:
        conn.execute("select set_config('app.vault_tenant', %s, false)", (str(largest),))
        assert 0 < conn.execute("select count(*) from vault.bookings").fetchall()[0][0] < 300
        with pytest.raises(MeasureError, match=r"'params' fails with .* affected by row-level security"):
            draw(conn, vault.queries[0], 1, seed=1)
        with pytest.raises(psycopg.errors.InsufficientPrivilege), unfiltered(conn):
            conn.execute("select count(*) from vault.bookings")


def test_a_reader_who_is_interrupted_leaves_force_on(made: Database, loaded: Dataset) -> None:
    with made.connect() as conn:
        seen = None
        with contextlib.suppress(KeyboardInterrupt), unfiltered(conn):
            seen = conn.execute("select count(*) from vault.bookings").fetchone()
            raise KeyboardInterrupt
        assert seen == (300,)
        forced = conn.execute("select bool_and(relforcerowsecurity) from pg_class where relname = 'bookings'")
        assert forced.fetchone() == (True,)
