"""Loading: the same rows every time, all or nothing, and a catalog that is afterwards what it was before."""

from dataclasses import replace

import pytest
from psycopg import sql

from pgvitals.dataset import load as load_module
from pgvitals.dataset import worker
from pgvitals.dataset.checksum import table_checksum
from pgvitals.dataset.load import load, load_timed
from pgvitals.dataset.recipe import load_recipe
from pgvitals.errors import DatasetError, GuardError
from pgvitals.lab.guard import MARKER_SCHEMA
from pgvitals.lab.migrate import upgrade

PEOPLE_BUSY = """
with edges as (
    select workspace_id, scheduled_start as t, 1 as change from pazpaz.appointments
    where status not in ('cancelled', 'no_show')
    union all
    select workspace_id, scheduled_end, -1 from pazpaz.appointments where status not in ('cancelled', 'no_show')
), busy as (
    select workspace_id, sum(change) over (partition by workspace_id order by t, change rows unbounded preceding) as n
    from edges
), most as (
    select workspace_id, max(n) as n from busy group by workspace_id
)
select w.id, m.n, (select count(*) from pazpaz.users u where u.workspace_id = w.id and u.role = 'practitioner')
from pazpaz.workspaces w left join most m on m.workspace_id = w.id
"""


@pytest.fixture(scope="module")
def smoke(suite):
    return suite.profiles.get("smoke")


@pytest.fixture(scope="module")
def filled(server, suite, smoke):
    """All systems at their heads, loaded once for the tests that only look."""
    with server.scratch("filled") as database:
        upgrade(suite, database)
        dataset, timings = load_timed(suite, database, smoke)
        yield database, dataset, timings


@pytest.fixture(scope="module")
def conn(filled):
    with filled[0].connect() as conn:
        yield conn


@pytest.fixture
def migrated(database_at):
    return database_at("heads")


def one(conn, query):
    return conn.execute(query).fetchone()[0]


def rows_by_table(database, schema):
    with database.connect() as conn:
        tables = [row[0] for row in conn.execute("select tablename from pg_tables where schemaname = %s", (schema,))]
        return {
            table: conn.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(schema, table))).fetchone()[0]
            for table in tables
        }


# The same rows


def test_two_loads_of_one_seed_have_one_checksum(suite, migrated, smoke, filled):
    assert load(suite, migrated, smoke).checksum == filled[1].checksum


def test_the_order_of_parts_and_units_does_not_matter(suite, migrated, smoke, filled, monkeypatch):
    parts, units = load_module.in_turns, worker.units_of
    monkeypatch.setattr(load_module, "in_turns", lambda given: parts(given)[::-1])
    monkeypatch.setattr(worker, "units_of", lambda *given: reversed(list(units(*given))))
    assert load(suite, migrated, smoke).checksum == filled[1].checksum


def test_another_seed_has_another_checksum_in_every_table(suite, migrated, smoke, filled):
    other = load(suite, migrated, smoke, seed=smoke.seed + 1)
    assert other.seed == smoke.seed + 1
    assert [a.table for a, b in zip(other.tables, filled[1].tables, strict=True) if a.checksum == b.checksum] == []


def test_loading_afresh_gives_the_same_rows_again(suite, migrated, smoke, filled):
    load(suite, migrated, smoke, seed=99)
    assert load(suite, migrated, smoke, fresh=True).checksum == filled[1].checksum


def test_one_changed_value_changes_the_checksum_of_its_table_alone(suite, migrated, smoke, filled):
    load(suite, migrated, smoke, systems=["pazpaz"])
    before = {table.table: table.checksum for table in filled[1].tables if table.system == "pazpaz"}
    with migrated.connect() as conn:
        conn.execute("set session_replication_role = replica")  # or the change itself would be an audit event
        conn.execute(
            "update pazpaz.clients set phone = '1' where id = (select id from pazpaz.clients order by id limit 1)"
        )
        after = {table: table_checksum(conn, "pazpaz", table)[1] for table in before}
    assert [table for table in before if before[table] != after[table]] == ["clients"]


# What was there stays


def test_the_catalog_is_afterwards_what_it_was_before(suite, migrated, smoke, schema_dump):
    with migrated.connect() as conn:
        for oddity in (
            "comment on constraint pk_clients on pazpaz.clients is 'the key''s comment'",
            "comment on index pazpaz.ix_clients_workspace_active is 'an index comment'",
            "comment on index pazpaz.pk_clients is 'the index of the key'",
            "create index odd_expression on pazpaz.users (lower(full_name) desc nulls last) include (email)"
            " where is_active",
            "create index odd_fill on pazpaz.clients (phone) with (fillfactor = 70)",
            "alter table pazpaz.clients cluster on ix_clients_workspace_updated",
            "alter table pazpaz.users replica identity using index pk_users",
            "alter table pazpaz.clients add constraint odd_unique unique (id, phone) deferrable initially deferred",
            "alter table pazpaz.clients add constraint odd_check check (phone <> 'x') not valid",
            "alter table pazpaz.clients add constraint odd_exclusion exclude (id with =)",
            "alter table pazpaz.appointments add constraint odd_foreign_key foreign key (id)"
            " references pazpaz.appointments (id) deferrable not valid",
            "create view pazpaz.odd_view as select id, last_name, count(*) from pazpaz.clients group by id",
            "create function pazpaz.refuse() returns trigger language plpgsql as 'begin raise ''fired''; end'",
            "create trigger odd_trigger before insert on pazpaz.clients for each row execute function pazpaz.refuse()",
            "create trigger odd_always before truncate on pazpaz.clients execute function pazpaz.refuse()",
            "alter table pazpaz.clients enable always trigger odd_always",
            "create trigger odd_off before insert on pazpaz.users for each row execute function pazpaz.refuse()",
            "alter table pazpaz.users disable trigger odd_off",
            "alter table pazpaz.clients enable row level security, force row level security",
        ):
            conn.execute(oddity)
    before = schema_dump(migrated)
    load(suite, migrated, smoke)
    assert schema_dump(migrated) == before
    with migrated.connect() as conn:
        assert one(conn, "select count(*) from pg_index where not indisvalid") == 0


def test_a_row_that_the_server_refuses_leaves_nothing_behind(suite, migrated, smoke):
    with migrated.connect() as conn:
        conn.execute("alter table pazpaz.appointments add constraint never check (status <> 'no_show')")
    with pytest.raises(DatasetError, match=r"'pazpaz' failed: appointments: CheckViolation of constraint \"never\""):
        load(suite, migrated, smoke, systems=["pazpaz"])
    assert set(rows_by_table(migrated, "pazpaz").values()) == {0}


def test_a_value_that_the_server_quotes_is_not_repeated(suite, migrated, smoke):
    with migrated.connect() as conn:
        conn.execute("alter table pazpaz.appointments add constraint odd check (('Jane Doe' || status)::integer > 0)")
    with pytest.raises(DatasetError) as caught:
        load(suite, migrated, smoke, systems=["pazpaz"])
    assert str(caught.value) == "loading system 'pazpaz' failed: InvalidTextRepresentation (SQLSTATE 22P02)"


def test_a_catalog_that_would_come_back_different_undoes_the_load(suite, migrated, smoke, schema_dump):
    with migrated.connect() as conn:
        conn.execute(
            "create function public.meddle() returns event_trigger language plpgsql as $$ declare made record; begin"
            " for made in select object_identity from pg_event_trigger_ddl_commands() loop"
            " execute format('alter index %s set (fillfactor = 50)', made.object_identity); end loop; end $$"
        )
        conn.execute(
            "create event trigger meddle on ddl_command_end when tag in ('CREATE INDEX')"
            " execute function public.meddle()"
        )
    before = schema_dump(migrated)
    with pytest.raises(DatasetError, match=r"index pazpaz\.ix_\w+ would not be after loading what it was before"):
        load(suite, migrated, smoke)
    assert schema_dump(migrated) == before
    assert set(rows_by_table(migrated, "pazpaz").values()) == {0}


def test_a_loaded_system_is_not_loaded_twice(suite, migrated, smoke):
    load(suite, migrated, smoke, systems=["practice"])
    with pytest.raises(DatasetError, match=r"'practice' is already loaded: table '\w+' holds rows; .*--fresh"):
        load(suite, migrated, smoke)
    assert set(rows_by_table(migrated, "pazpaz").values()) == {0}, "nothing was loaded before the refusal"


def test_a_database_of_somebody_else_is_refused(suite, migrated, smoke):
    marker, away = sql.Identifier(MARKER_SCHEMA), sql.Identifier("away")
    rename = sql.SQL("alter schema {} rename to {}")
    with migrated.connect() as conn:
        conn.execute(rename.format(marker, away))
        try:
            with pytest.raises(GuardError, match="was not made by pgvitals"):
                load(suite, migrated, smoke)
        finally:
            conn.execute(rename.format(away, marker))
    assert set(rows_by_table(migrated, "pazpaz").values()) == {0}


def test_an_owner_who_is_no_superuser_may_load(suite, server, migrated, smoke, filled):
    systems = suite.systems.values()
    with server.maintenance() as conn:
        conn.execute("create role plain login noinherit password 'plain'")
        for system in systems:
            conn.execute(sql.SQL("grant {} to plain").format(sql.Identifier(system.roles.owner)))
    try:
        with migrated.connect() as conn:
            conn.execute(sql.SQL("grant usage, create on schema {} to plain").format(sql.Identifier(MARKER_SCHEMA)))
            conn.execute(
                sql.SQL("grant select on all tables in schema {} to plain").format(sql.Identifier(MARKER_SCHEMA))
            )
            conn.execute("grant select on public.alembic_version to plain")
        plain = replace(migrated, params={**migrated.params, "user": "plain", "password": "plain"})
        assert load(suite, plain, smoke).checksum == filled[1].checksum
    finally:
        with migrated.connect() as conn:
            conn.execute("drop owned by plain")
            conn.execute("drop role plain")


# Revisions


def test_an_unmigrated_system_says_so(suite, database, smoke):
    with pytest.raises(DatasetError, match="'pazpaz' has no tables in this database; migrate it first"):
        load(suite, database, smoke)


def test_practice_loads_before_the_audit_and_then_passes_its_constraints(suite, database, smoke, filled):
    upgrade(suite, database, "practice_0001")
    dataset = load(suite, database, smoke, systems=["practice"])
    assert dataset.revisions == {"practice": "practice_0001"}
    upgrade(suite, database, "practice@head")
    with database.connect() as conn:
        assert one(conn, "select count(*) from pg_constraint where not convalidated") == 0


def test_pazpaz_loads_at_its_first_revision_without_what_comes_later(suite, database, smoke):
    upgrade(suite, database, "65ac34a08850")
    dataset = load(suite, database, smoke, systems=["pazpaz"])
    assert {table.table for table in dataset.tables} == {"workspaces", "users", "clients", "appointments"}
    upgrade(suite, database, "pazpaz@head")


def test_a_required_column_that_the_recipe_does_not_make_is_named(suite, migrated, smoke):
    with migrated.connect() as conn:
        conn.execute("alter table pazpaz.clients add column shoe_size int not null")
    with pytest.raises(DatasetError, match=r"pazpaz\.clients\.shoe_size is NOT NULL without a default"):
        load(suite, migrated, smoke, systems=["pazpaz"])


def test_a_column_of_another_type_is_named(suite, migrated, smoke):
    with migrated.connect() as conn:
        conn.execute("alter table pazpaz.users drop column full_name, add column full_name int not null")
    with pytest.raises(DatasetError, match=r"pazpaz\.users\.full_name: values of kind 'text' do not fit type 'int4'"):
        load(suite, migrated, smoke, systems=["pazpaz"])


def test_every_column_that_a_recipe_makes_is_in_the_newest_tables(suite, smoke, conn):
    for system in suite.systems.values():
        recipe = load_recipe(system, smoke)
        for table in recipe.tables:
            made = set(recipe.make(table, next(recipe.units(table, 1))))
            there = conn.execute(
                "select column_name from information_schema.columns where table_schema = %s and table_name = %s",
                (system.schema_name, table.name),
            )
            assert made <= {row[0] for row in there}, f"{system.name}.{table.name}"


# Reports


def test_the_record_counts_what_is_there(suite, smoke, filled):
    database, dataset, _ = filled
    for table in dataset.tables:
        assert rows_by_table(database, table.system)[table.table] == table.rows > 0
        assert table.size_bytes > 0
    assert dataset.profile == "smoke"
    assert set(dataset.revisions) == set(suite.systems)


def test_every_phase_of_every_system_is_timed(suite, filled):
    _, dataset, timings = filled
    for system in suite.systems:
        assert {t.phase for t in timings if t.system == system} == {"rows", "indexes", "vacuum", "checksum"}
    assert {(t.system, t.item): t.rows for t in timings if t.phase == "rows"} == {
        (table.system, table.table): table.rows for table in dataset.tables
    }
    assert sum(t.seconds for t in timings if t.phase != "checksum") <= dataset.load_s


def test_progress_rises_to_the_announced_rows(suite, migrated, smoke):
    steps = []
    dataset = load(suite, migrated, smoke, progress=steps.append)
    done = [step.rows_done for step in steps]
    assert done == sorted(done)
    assert {step.rows_total for step in steps} == {sum(table.rows for table in dataset.tables)} == {done[-1]}


def test_loaded_tables_are_analyzed_and_every_page_with_rows_is_all_visible(conn):
    loaded = "relkind = 'r' and relnamespace in ('pazpaz'::regnamespace, 'practice'::regnamespace)"
    visible = conn.execute(
        f"select oid::regclass::text, relallvisible, reltuples from pg_class where {loaded} and reltuples > 0"
    ).fetchall()
    assert len(visible) > 10
    for table, pages, rows in visible:  # COPY may leave a few pages at the end of a table empty
        assert one(conn, f"select count(distinct (ctid::text::point)[0]) from {table}") == pages, table
        assert one(conn, f"select count(*) from {table}") == rows, table
    assert one(conn, "select count(distinct tablename) from pg_stats where schemaname = 'practice'") == 7


# Realism


def test_no_practice_has_more_visits_at_once_than_practitioners(conn):
    found = conn.execute(PEOPLE_BUSY).fetchall()
    assert len(found) > 10
    assert [row for row in found if row[1] is None or row[1] > row[2]] == []


def test_nobody_is_completed_in_the_future_nor_scheduled_in_the_past(conn, smoke):
    wrong = (
        "select count(*) from pazpaz.appointments where"
        " case status when 'scheduled' then scheduled_end <= %(now)s when 'cancelled' then false"
        " else scheduled_end > %(now)s end"
    )
    assert conn.execute(wrong, {"now": smoke.as_of + "T00:00Z"}).fetchone() == (0,)
    statuses = {row[0] for row in conn.execute("select distinct status from pazpaz.appointments")}
    assert statuses == {"scheduled", "completed", "cancelled", "no_show"}


def test_nothing_happens_before_its_cause(conn, smoke):
    assert one(conn, "select count(*) from pazpaz.appointments where created_at >= scheduled_start") == 0
    assert (
        one(
            conn,
            "select count(*) from pazpaz.appointments a join pazpaz.clients c on c.id = a.client_id"
            " where c.created_at > a.created_at or c.workspace_id <> a.workspace_id",
        )
        == 0
    )
    for schema in ("pazpaz", "practice"):
        for table in tables_that_change(conn, schema):
            wrong = f"select count(*) from {schema}.{table} where updated_at < created_at or updated_at > %s"
            assert conn.execute(wrong, (smoke.as_of + "T00:00Z",)).fetchone() == (0,), table


def tables_that_change(conn, schema):
    found = conn.execute(
        "select table_name from information_schema.columns where table_schema = %s and column_name = 'updated_at'",
        (schema,),
    )
    return [table for (table,) in found]


def test_a_visit_lasts_as_long_as_its_service_and_is_where_its_location_is(conn):
    assert (
        one(
            conn,
            "select count(*) from pazpaz.appointments a join pazpaz.services s on s.id = a.service_id"
            " where a.scheduled_end - a.scheduled_start <> make_interval(mins => s.default_duration_minutes)",
        )
        == 0
    )
    assert (
        one(
            conn,
            "select count(*) from pazpaz.appointments a join pazpaz.locations l on l.id = a.location_id"
            " where a.location_type <> l.location_type or a.workspace_id <> l.workspace_id",
        )
        == 0
    )


def test_a_few_clients_come_very_often_and_most_do_not(conn):
    typical, top = conn.execute(
        "select percentile_disc(0.5) within group (order by n), max(n)"
        " from (select count(*) n from pazpaz.appointments group by client_id) as visits"
    ).fetchone()
    assert top > 10 * typical


def test_rotation_chains_lead_to_earlier_tokens_of_the_same_user(conn):
    wrong = (
        "select count(*) from practice.auth_tokens t left join practice.auth_tokens p on p.id = t.parent_token_id"
        " where (t.rotation_count > 0) <> (p.id is not null)"
        " or (p.id is not null and (p.user_id is distinct from t.user_id or p.issued_at >= t.issued_at"
        " or p.rotation_count <> t.rotation_count - 1 or p.status <> 'rotated' or p.revoked_at <> t.issued_at))"
    )
    assert one(conn, wrong) == 0
    assert one(conn, "select max(rotation_count) from practice.auth_tokens") > 3


def test_the_status_of_a_token_agrees_with_its_times(conn, smoke):
    wrong = (
        "select count(*) from practice.auth_tokens where not case status"
        " when 'active' then expires_at > %(now)s and revoked_at is null"
        " when 'expired' then expires_at <= %(now)s and revoked_at is null"
        " else revoked_at between issued_at and least(expires_at, %(now)s) end"
    )
    assert conn.execute(wrong, {"now": smoke.as_of + "T00:00Z"}).fetchone() == (0,)
    statuses = {row[0] for row in conn.execute("select distinct status from practice.auth_tokens")}
    assert statuses == {"active", "rotated", "revoked", "expired"}
    assert one(conn, "select min(length(token_hash)) from practice.auth_tokens where token_hash ~ '^[0-9a-f]+$'") == 128


def test_versions_of_a_key_count_up_from_their_parents(conn):
    wrong = (
        "select count(*) from practice.encryption_keys k left join practice.encryption_keys p on p.id = k.parent_key_id"
        " where (k.version = '1') <> (p.id is null) or (p.id is not null and (p.version::int <> k.version::int - 1"
        " or p.key_name <> k.key_name or p.tenant_id is distinct from k.tenant_id or p.activated_at >= k.activated_at))"
    )
    assert one(conn, wrong) == 0
    assert one(conn, "select max(version::int) from practice.encryption_keys") > 2


def test_errors_of_a_mapping_are_counted_as_digits_and_told_in_words(conn):
    wrong = (
        "(error_count::text ~ '^[1-9]') <> (last_error is not null and last_error_at is not null)"
        " or (status = 'error' and error_count::text = '0')"
    )
    assert one(conn, f"select count(*) from practice.fhir_mappings where {wrong}") == 0


@pytest.mark.parametrize("table", ["auth_tokens", "encryption_keys", "fhir_mappings", "practice_profiles", "locations"])
def test_a_small_share_of_rows_belongs_to_the_platform(conn, table):
    share = one(conn, f"select avg((tenant_id is null)::int) from practice.{table}")
    assert 0 < share < 0.06


def test_the_largest_tenant_is_several_times_the_typical_one(conn):
    sizes = [
        row[0] for row in conn.execute("select count(*) from pazpaz.appointments group by workspace_id order by 1 desc")
    ]
    assert sizes[0] > 4 * sizes[len(sizes) // 2]


def test_city_state_and_zip_code_belong_together(conn):
    prefixes = conn.execute("select count(distinct left(zip_code, 3)) from practice.locations group by city, state")
    assert {row[0] for row in prefixes} == {1}
    assert one(conn, "select count(*) from practice.locations where zip_code !~ '^[0-9]{5}$'") == 0
