"""A suite directory over two tables, so that what is measured can be told from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest

from pgvitals.lab import Database, Server
from pgvitals.measure.task import Task, make_tasks
from pgvitals.suite import Suite, find_suite

SYSTEM = """
title = "items of five tenants, and a log to write to"
schema = "meter"
[tenant]
table = "tenants"
column = "tenant_id"
setting = "app.meter_tenant"
type = "text"
traffic_table = "items"
[roles]
owner = "meter_owner"
app = "meter_app"
"""
SCHEMA = """
do $$ begin create role meter_owner; exception when duplicate_object then null; end $$;
do $$ begin create role meter_app; exception when duplicate_object then null; end $$;
create schema meter;
create table meter.items (id int primary key, tenant_id text not null, kind int not null, name text not null);
insert into meter.items
    select i,
        case when i <= 2000 then 'a' when i <= 3000 then 'b' when i <= 3600 then 'c' when i <= 3900 then 'd'
            else 'e' end,
        i % 20, 'name ' || i
    from generate_series(1, 4000) i;
create index items_kind on meter.items (tenant_id, kind);
create index items_name on meter.items (name);
create table meter.log (query text);
alter table meter.items enable row level security;
create policy own on meter.items using (tenant_id = current_setting('app.meter_tenant', true));
grant usage on schema meter to meter_app, meter_owner;
grant select on all tables in schema meter to meter_app, meter_owner;
grant insert on meter.log to meter_app, meter_owner;
analyze meter.items;
"""

MakeSuite = Callable[[Mapping[str, str]], Suite]
MakeTasks = Callable[..., list[Task]]


@pytest.fixture(scope="session")
def meter(tmp_path_factory: pytest.TempPathFactory) -> MakeSuite:
    """Makes a suite directory of one system with the given query files (name -> text)."""

    def make(queries: Mapping[str, str]) -> Suite:
        root = tmp_path_factory.mktemp("suite")
        for folder in ("fixtures/meter", "bench/meter"):
            (root / folder).mkdir(parents=True)
        (root / "pyproject.toml").write_text("[tool.pgvitals]\nbudget_p95_ms = 1000\n")
        (root / "fixtures" / "meter" / "system.toml").write_text(SYSTEM)
        for name, text in queries.items():
            (root / "bench" / "meter" / f"{name}.sql").write_text(text)
        return find_suite(root)

    return make


@pytest.fixture(scope="session")
def tasks_of(meter: MakeSuite) -> MakeTasks:
    """The tasks of query files, with parameters drawn from a database."""

    def make(
        database: Database, queries: Mapping[str, str], *, sets: int = 40, seed: int = 1, tenant_sets: int = 0
    ) -> list[Task]:
        suite = meter(queries)
        return make_tasks(
            database, suite.queries, suite.systems, parameter_sets=sets, seed=seed, tenant_sets=tenant_sets
        )

    return make


@pytest.fixture(scope="session")
def template(server: Server) -> Iterator[Database]:
    """The tables of the suite above."""
    with server.scratch("meter") as made:
        with made.connect() as conn:
            conn.execute(SCHEMA)
        yield made


@pytest.fixture
def metered(server: Server, template: Database) -> Iterator[Database]:
    """The test's own copy of those tables."""
    with server.scratch("metered", template) as made:
        yield made


@pytest.fixture(scope="module")
def shared(server: Server, template: Database) -> Iterator[Database]:
    """A copy for all tests of a module that only look."""
    with server.scratch("shared", template) as made:
        yield made
