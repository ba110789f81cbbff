"""The server's own time for exactly the executions that are measured: differences of pg_stat_statements.

Its counters are in shared memory and change when a statement ends, so that readings before and after a batch differ
by that batch. A lookup is found by the query id that the server reports for it, and by nothing else: two lookups that
differ in a literal share an id, and never a batch. psycopg sends a number in the type that it fits in, which makes
other ids of the same text; those belong to it as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import sql

from pgvitals.errors import MeasureError
from pgvitals.lab import guard
from pgvitals.lab.database import Database
from pgvitals.measure.runner import Call, Runner, failure
from pgvitals.measure.task import Task
from pgvitals.results.server_time import COUNTED, EXPLAINED, ServerTime
from pgvitals.stats.samples import FloatArray

Counters = dict[int, tuple[int, float]]
"""Query id -> (calls, milliseconds)."""

_SCHEMA = "select extnamespace::regnamespace::text from pg_extension where extname = 'pg_stat_statements'"
_READ = """
    select queryid, sum(calls)::bigint, sum(total_exec_time) from {schema}.pg_stat_statements(false)
    where dbid = %s and queryid is not null group by queryid
"""
_SAME_TEXT = """
    select queryid from {schema}.pg_stat_statements(true) where dbid = %s and query in (
        select query from {schema}.pg_stat_statements(true) where dbid = %s and queryid = %s
    )
"""
_RUNNING = "select query_id from pg_stat_activity where pid = %s"


@dataclass
class _Sum:
    calls: int = 0
    server_ms: float = 0.0
    client_ms: float = 0.0


@dataclass
class _Known:
    first: int
    ids: set[int] = field(default_factory=set)


class ServerClock:
    """Reads the server's counters around batches; where it has none, :attr:`why` says so and nothing is read."""

    def __init__(self, database: Database) -> None:
        self._known: dict[str, _Known] = {}
        self._sums: dict[str, _Sum] = {}
        self._connection = database.connect()
        self.why = ""
        try:
            self._read, self._same_text, self._place = self._open()
            self.counters()
        except psycopg.Error as error:
            self.why = _why(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def counters(self) -> Counters:
        """As they are now; empty where there are none."""
        if self.why:
            return {}
        rows = self._connection.execute(self._read, (self._place,), prepare=True).fetchall()
        return {int(each): (int(calls), float(ms)) for each, calls, ms in rows}

    def learn(self, runner: Runner, task: Task, call: Call) -> bool:
        """Send one call and ask the server which query that was; False if there is nothing to ask or it is known.

        Raises:
            MeasureError: the call fails.
        """
        if self.why or task.query.key in self._known:
            return False
        try:
            runner.begin(call)
            runner.execute(call)
            found = self._connection.execute(_RUNNING, (runner.connection.info.backend_pid,)).fetchone()
            runner.end(call)
        except psycopg.Error as error:
            runner.abandon()
            raise MeasureError(failure(task.query, error)) from None
        if found is None or found[0] is None:
            self.why = "the server does not say which query it runs (compute_query_id)"
        else:
            self._known[task.query.key] = _Known(first=int(found[0]))
        return True

    def count(self, task: Task, before: Counters, after: Counters, service_ms: FloatArray) -> None:
        """A batch lies between two readings; it counts only if the server counted as many executions of that query."""
        known = self._known.get(task.query.key)
        if self.why or known is None:
            return
        calls, server_ms = _between(known.ids | {known.first}, before, after)
        if calls != len(service_ms):
            known.ids = self._ids(known.first)
            calls, server_ms = _between(known.ids | {known.first}, before, after)
        if calls == len(service_ms):
            found = self._sums.setdefault(task.query.key, _Sum())
            found.calls += calls
            found.server_ms += server_ms
            found.client_ms += float(service_ms.sum())

    def times(self) -> dict[str, ServerTime]:
        """``system/query`` -> what was counted."""
        return {
            key: ServerTime(
                source=COUNTED,
                mean_ms=found.server_ms / found.calls,
                client_mean_ms=found.client_ms / found.calls,
                executions=found.calls,
            )
            for key, found in self._sums.items()
        }

    def _open(self) -> tuple[sql.Composed, sql.Composed, int]:
        conn = self._connection
        guard.require_ours(conn)
        with suppress(psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported):
            conn.execute(
                sql.SQL("create extension if not exists pg_stat_statements schema {}").format(
                    sql.Identifier(guard.MARKER_SCHEMA)
                )
            )
        row = conn.execute(_SCHEMA).fetchone()
        if row is None:
            raise psycopg.errors.UndefinedFile("pg_stat_statements is not installed")
        schema = sql.SQL(str(row[0]))
        place = conn.execute("select oid::bigint from pg_database where datname = current_database()").fetchone()
        assert place is not None, "a connection is to a database"
        with suppress(psycopg.errors.InsufficientPrivilege):  # fewer entries are read faster
            conn.execute(sql.SQL("select {}.pg_stat_statements_reset(0, %s::bigint::oid, 0)").format(schema), place)
        read, same_text = (sql.SQL(each).format(schema=schema) for each in (_READ, _SAME_TEXT))
        return read, same_text, int(place[0])

    def _ids(self, first: int) -> set[int]:
        rows = self._connection.execute(self._same_text, (self._place, self._place, first)).fetchall()
        return {int(each) for (each,) in rows}


def explained(plans: Sequence[dict[str, Any]], note: str) -> ServerTime | None:
    """The one execution that was captured of the middle tenant, or the largest, with the plan that the server used."""
    used = plans[0].get("server_used") or {"generic": 0}
    mode = "generic" if used["generic"] > used.get("custom", 0) else "custom"
    chosen = [each for each in plans if each["mode"] == mode]
    plan = chosen[len(chosen) // 2]["plan"]
    if "Execution Time" not in plan:
        return None
    return ServerTime(
        source=EXPLAINED, mean_ms=float(plan["Execution Time"]), client_mean_ms=None, executions=1, note=note
    )


def _between(ids: Iterable[int], before: Counters, after: Counters) -> tuple[int, float]:
    calls, spent = 0, 0.0
    for each in ids:
        (calls_before, ms_before), (calls_after, ms_after) = before.get(each, (0, 0.0)), after.get(each, (0, 0.0))
        calls += calls_after - calls_before
        spent += ms_after - ms_before
    return calls, spent


def _why(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.ObjectNotInPrerequisiteState):
        return "pg_stat_statements is not loaded (shared_preload_libraries)"
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "pg_stat_statements may not be read by this user"
    return "pg_stat_statements is not installed"
