"""Plans of the measured queries, and what they would cost with one more index: hypothetical, or built and undone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from pgvitals.audit.probes.attempt import statement
from pgvitals.errors import SuiteError
from pgvitals.header import numbered
from pgvitals.query import Query, load_query
from pgvitals.suite import find_suite
from pgvitals.system import System

_EQUALITY = re.compile(r"\(?\(?(?:\w+\.)?(?P<name>\w+)\)?(?:::\w+(?: \w+)*)? = \(?\$\d+\)?")
_RANGE = re.compile(r"\(?\(?(?:\w+\.)?(?P<name>\w+)\)?(?:::\w+(?: \w+)*)? (?:<=?|>=?) \(?\$\d+\)?")
_PREPARED = "pgvitals_measured_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A table that a plan reads as a whole for some of its rows; names are as the plan has them."""

    schema: str
    table: str
    columns: tuple[str, ...]  # compared with a parameter: equal first, then the first range


def measured_queries(system: System) -> tuple[Query, ...]:
    """The queries that are measured for a system: those of its suite, or of a folder ``queries`` beside its policy."""
    own = sorted((system.folder / "queries").glob("*.sql"))
    if own:
        return tuple(load_query(path, system.name) for path in own)
    try:
        suite = find_suite(system.folder)
    except SuiteError:
        return ()
    return tuple(query for query in suite.queries if query.system == system.name)


class Planner:
    """Plans one query after the other, for any parameters, within a transaction that is rolled back."""

    def __init__(self, conn: psycopg.Connection[Any], system: System) -> None:
        self.conn, self.system = conn, system
        self._prepared = 0
        row = conn.execute(
            "select n.nspname from pg_catalog.pg_extension as e "
            "join pg_catalog.pg_namespace as n on n.oid = e.extnamespace where e.extname = 'hypopg'"
        ).fetchone()
        self.hypopg = row[0] if row else None
        conn.execute("set local plan_cache_mode = force_generic_plan")
        conn.execute("set local max_parallel_workers_per_gather = 0")

    def plan(self, query: Query) -> dict[str, Any] | None:
        """How a query is planned, whatever its parameters; None if it does not fit this revision."""
        nulls = sql.SQL(", ").join([sql.SQL("null")] * len(query.parameters))
        call = sql.SQL("({})").format(nulls) if query.parameters else sql.SQL("")
        self._prepared += 1
        name = sql.Identifier(f"{_PREPARED}{self._prepared}")
        try:
            with self.conn.transaction(force_rollback=True):
                self.conn.execute(
                    statement("prepare {name} as {query}", name=name.as_string(), query=numbered(query.sql))
                )
                row = self.conn.execute(sql.SQL("explain (format json) execute {}{}").format(name, call)).fetchone()
        except psycopg.ProgrammingError:
            return None
        return dict(row[0][0]["Plan"]) if row else None

    def forget(self) -> None:
        """Forget the statements that were prepared: no rollback does."""
        query = "select name from pg_catalog.pg_prepared_statements where starts_with(name, %s)"
        for (name,) in self.conn.execute(query, (_PREPARED,)).fetchall():
            self.conn.execute(sql.SQL("deallocate {}").format(sql.Identifier(name)))

    def readings(self, plan: dict[str, Any]) -> Iterator[Reading]:
        """The sequential scans of a plan that filter by a parameter."""
        if plan.get("Node Type") == "Seq Scan" and (condition := plan.get("Filter")):
            equal = dict.fromkeys(found["name"] for found in _EQUALITY.finditer(condition))
            ranges = [found["name"] for found in _RANGE.finditer(condition) if found["name"] not in equal]
            if columns := (*equal, *ranges[:1]):
                yield Reading(schema=self.system.schema_name, table=plan["Relation Name"], columns=columns)
        for child in plan.get("Plans", ()):
            yield from self.readings(child)

    @contextmanager
    def with_index(self, reading: Reading) -> Iterator[str]:
        """With an index on the columns of a reading; yields the statement that would make it."""
        made = sql.SQL("create index on {} ({})").format(
            sql.Identifier(reading.schema, reading.table), sql.SQL(", ").join(map(sql.Identifier, reading.columns))
        )
        if self.hypopg is None:
            with self.conn.transaction(force_rollback=True):
                self.conn.execute(made)
                yield made.as_string(self.conn)
            return
        there = sql.Identifier(self.hypopg)
        self.conn.execute(sql.SQL("select {}.hypopg_create_index(%s)").format(there), (made.as_string(self.conn),))
        try:
            yield made.as_string(self.conn)
        finally:
            self.conn.execute(sql.SQL("select {}.hypopg_reset()").format(there))
