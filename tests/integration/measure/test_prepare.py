"""Coming to rest: tables are vacuumed and read into memory, and left alone only for that time."""

from __future__ import annotations

import psycopg
import pytest

from pgvitals.errors import GuardError
from pgvitals.lab import Database
from pgvitals.lab.guard import MARKER_SCHEMA, stamp
from pgvitals.measure.prepare import at_rest

OPTIONS = "select coalesce(reloptions::text, '') from pg_class where oid = 'meter.items'::regclass"


def one(database: Database, statement: str) -> object:
    """The one value of a statement."""
    with database.connect() as conn:
        row = conn.execute(statement).fetchone()
        return row[0] if row else None


def test_autovacuum_keeps_off_inside_the_block_only(metered: Database) -> None:
    with at_rest(metered, ["meter"]):
        assert one(metered, OPTIONS) == "{autovacuum_enabled=off}"
    assert one(metered, OPTIONS) == ""


def test_autovacuum_comes_back_after_an_error(metered: Database) -> None:
    with pytest.raises(KeyboardInterrupt), at_rest(metered, ["meter"]):
        raise KeyboardInterrupt
    assert one(metered, OPTIONS) == ""


def test_autovacuum_comes_back_when_coming_to_rest_fails(metered: Database) -> None:
    with metered.connect() as conn:
        conn.execute("create function meter.bad(int) returns int immutable language sql as 'select $1'")
        conn.execute("create index bad on meter.items (meter.bad(id))")
        conn.execute(
            "create or replace function meter.bad(int) returns int immutable language plpgsql as "
            "$$ begin raise exception 'no'; end $$"
        )
    with pytest.raises(psycopg.errors.RaiseException), at_rest(metered, ["meter"]):
        pass
    assert one(metered, OPTIONS) == ""


def test_the_planner_s_statistics_and_the_visibility_map_are_fresh(metered: Database) -> None:
    with metered.connect() as conn:
        conn.execute("insert into meter.items select i, 'z', 1, 'new' from generate_series(5000, 9000) i")
    with at_rest(metered, ["meter"]):
        counted = one(metered, "select reltuples::int from pg_class where oid = 'meter.items'::regclass")
        assert counted == one(metered, "select count(*) from meter.items")
        assert one(metered, "select relpages = relallvisible from pg_class where oid = 'meter.items'::regclass")


def test_tables_and_indexes_are_read_into_memory(metered: Database) -> None:
    with metered.connect() as conn:
        conn.execute("create extension pg_buffercache")
    with at_rest(metered, ["meter"]):
        missing = one(
            metered,
            "select count(*) from pg_class c where c.relname like 'items%' and relpages > "
            "(select count(*) from pg_buffercache b where b.relfilenode = pg_relation_filenode(c.oid) "
            "and b.relforknumber = 0 "
            "and b.reldatabase = (select oid from pg_database where datname = current_database()))",
        )
    assert missing == 0


def test_other_schemas_are_not_touched(metered: Database) -> None:
    with metered.connect() as conn:
        conn.execute("create table public.bystander (id int)")
    with at_rest(metered, ["meter"]):
        assert one(metered, "select reloptions from pg_class where relname = 'bystander'") is None


def test_a_database_that_is_not_ours_is_refused_untouched(metered: Database) -> None:
    with metered.connect() as conn:
        conn.execute(f"delete from {MARKER_SCHEMA}.marker")
    try:
        with pytest.raises(GuardError, match="was not made by pgvitals"), at_rest(metered, ["meter"]):
            pass
        assert one(metered, OPTIONS) == ""
    finally:
        with metered.connect() as conn:
            stamp(conn)  # so that it is dropped
