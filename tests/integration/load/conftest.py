"""A suite directory of five owners' things, so that the load test depends on nobody's queries."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pgvitals.lab import Database
from pgvitals.suite import Suite, find_suite

ROLE = "load_mini_app"
SYSTEM = f"""
title = "things of five owners"
schema = "mini"
[tenant]
table = "owners"
column = "owner_id"
setting = "app.owner_id"
type = "text"
traffic_table = "things"
[roles]
owner = "{ROLE}"
app = "{ROLE}"
"""
SCHEMA = f"""
do $$ begin create role {ROLE}; exception when duplicate_object then null; end $$;
create schema mini;
create table mini.things (id int primary key, owner_id text not null);
insert into mini.things select i, 'owner ' || i % 5 from generate_series(1, 500) i;
alter table mini.things enable row level security;
create policy own on mini.things using (owner_id = current_setting('app.owner_id', true));
grant usage on schema mini to {ROLE};
grant select, insert on mini.things to {ROLE};
"""
# Divides by zero unless it runs as the application role and with the tenant of its row.
THING = f"""-- title: One thing of its owner
-- budget_p95_ms: 50
-- params: select id, owner_id from mini.things
select 1 / count(*) from mini.things where id = %(id)s and current_user = '{ROLE}'
"""
NAP = """-- title: A tenth of a second
-- budget_p95_ms: 500
-- params: select 0.1 as seconds
select pg_sleep(%(seconds)s)
"""
GONE = """-- title: A table that is not there
-- budget_p95_ms: 50
-- params: select 'secret of a row' as name
select * from mini.gone where name = %(name)s
"""
# Whoever makes a thing that somebody else is making waits for that.
MAKE = """-- title: Make a thing, slowly
-- budget_p95_ms: 500
-- ends: rollback
-- params: select 'owner 1' as owner_id, 1000 + n as id from generate_series(1, 8) n
with made as (insert into mini.things (id, owner_id) values (%(id)s, %(owner_id)s) returning id)
select pg_sleep(0.03) from made
"""
QUERIES = {"thing": THING, "again": THING, "nap": NAP, "gone": GONE, "make": MAKE}

PATIENCE_S = 60

MakeSuite = Callable[..., Suite]


@pytest.fixture
def mini(tmp_path: Path, database: Database) -> MakeSuite:
    """Makes a suite directory with the named ones of QUERIES, over a schema in the test's database."""
    with database.connect() as conn:
        conn.execute(SCHEMA)

    def make(*names: str) -> Suite:
        root = tmp_path / "suite"
        for folder in ("fixtures/mini", "bench/mini", "loadtests"):
            (root / folder).mkdir(parents=True)
        (root / "pyproject.toml").write_text("[tool.pgvitals]\n")
        (root / "fixtures" / "mini" / "system.toml").write_text(SYSTEM)
        for name in names:
            (root / "bench" / "mini" / f"{name}.sql").write_text(QUERIES[name])
        return find_suite(root)

    return make


@pytest.fixture
def traffic(database: Database) -> Callable[[int], None]:
    """Call it with a number to wait until ``mini.things`` has been read that often.

    The server tells with a delay of about a second.
    """

    def wait(scans: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        with database.connect() as conn:
            while time.monotonic() < deadline:
                row = conn.execute(
                    "select seq_scan + coalesce(idx_scan, 0) from pg_stat_user_tables where relname = 'things'"
                ).fetchone()
                if row is not None and row[0] >= scans:
                    return
                time.sleep(0.02)
        raise AssertionError(f"no traffic after {PATIENCE_S} s")

    return wait
