"""One request as the application would make it: its role, its tenant setting, a transaction of its own.

Everything that sends a query does it here: the sampler, pytest-benchmark, impact, EXPLAIN, the load test.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Self

import psycopg
from psycopg import generators, sql
from psycopg.pq import ExecStatus

from pgvitals.errors import MeasureError
from pgvitals.lab.database import Database
from pgvitals.query import Query
from pgvitals.refusal import refusal

_SET = {2: "select set_config(%s, %s, true)", 4: "select set_config(%s, %s, true), set_config(%s, %s, true)"}
_COMMAND_OK = int(ExecStatus.COMMAND_OK)
_TUPLES_OK = int(ExecStatus.TUPLES_OK)


class Timing(NamedTuple):
    """One execution: ``service_ns`` = execute + fetch, ``request_ns`` = BEGIN to COMMIT or ROLLBACK."""

    t_ns: int
    service_ns: int
    request_ns: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request ready to be sent. ``settings`` are names and values in turns, local to its transaction."""

    query: Query
    sql: str
    parameters: dict[str, Any]
    settings: tuple[str, ...]
    writes: bool


class Runner:
    """One connection of one role, with prepared statements and binary results.

    A lookup runs in a read-only transaction, which costs nothing to speak of, so that a statement which
    writes ends with an error and changes nothing. A write is rolled back. BEGIN, COMMIT and ROLLBACK go
    to the server as they are: through a cursor they would cost three times as much, and psycopg forgets
    every prepared statement when it sees a ROLLBACK.

    Raises:
        LabError: the connection cannot be made.
    """

    def __init__(self, database: Database, role: str) -> None:
        self.connection = database.connect(role)
        self.connection.prepare_threshold = 0  # every statement is prepared when it is first used
        self.connection.prepared_max = None  # and stays so, however many queries the suite has
        self._cursor = self.connection.cursor(binary=True)
        # A cursor that gets the same statement again keeps how its values are read and written: some microseconds.
        self._setting = self.connection.cursor(binary=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; its statistics reach the server's counters."""
        self.connection.close()

    def begin(self, call: Call) -> None:
        """Open the request's transaction and set its tenant and actor, as far as it has them."""
        self._command(b"begin" if call.writes else b"begin read only")
        if call.settings:
            self._setting.execute(_SET[len(call.settings)], call.settings)

    def execute(self, call: Call) -> int:
        """Execute and fetch every row: the service. Returns the number of rows, fetched or written."""
        cursor = self._cursor
        cursor.execute(call.sql, call.parameters)
        if not call.writes:
            return len(cursor.fetchall())
        result = cursor.pgresult
        if result is not None and result.status == _TUPLES_OK:  # without RETURNING there is nothing to fetch
            cursor.fetchall()
        return self.fetched

    @property
    def fetched(self) -> int:
        """Rows of the last :meth:`execute`, for whoever timed it from outside."""
        return max(0, self._cursor.rowcount)

    def end(self, call: Call) -> None:
        """End the request's transaction."""
        self._command(b"rollback" if call.writes else b"commit")

    def send(self, call: Call) -> int:
        """One request; returns its rows.

        A user of the load test who is stopped meanwhile leaves the transaction open; closing the connection
        ends it.

        Raises:
            psycopg.Error: what the server says; the transaction is rolled back.
        """
        try:
            self.begin(call)
            rows = self.execute(call)
            self.end(call)
        except psycopg.Error:
            self.abandon()
            raise
        return rows

    def run(self, call: Call) -> Timing:
        """One request, timed.

        Raises:
            MeasureError: the query fails; values of parameters are not repeated.
        """
        clock = time.perf_counter_ns
        try:
            begun = clock()
            self.begin(call)
            start = clock()
            rows = self.execute(call)
            done = clock()
            self.end(call)
            return Timing(start, done - start, clock() - begun, rows)
        except psycopg.Error as error:
            self.abandon()
            raise MeasureError(failure(call.query, error)) from None

    def abandon(self) -> None:
        """Roll back whatever is open; on a lost connection there is nothing to roll back."""
        with suppress(psycopg.Error):
            self._command(b"rollback")

    def ask(self, statement: sql.SQL | sql.Composed) -> psycopg.Cursor[Any]:
        """Something beside the request, inside its transaction, that is not worth a prepared statement."""
        return self.connection.execute(statement, prepare=False)

    def plan_choices(self) -> dict[str, tuple[int, int]]:
        """Statement -> (generic, custom) plans that the server used for it on this connection."""
        found = self.connection.execute("select statement, generic_plans, custom_plans from pg_prepared_statements")
        return {str(statement): (int(generic), int(custom)) for statement, generic, custom in found.fetchall()}

    def _command(self, command: bytes) -> None:
        """Send a command without parameters or rows, and wait as psycopg does (under gevent, others run meanwhile)."""
        pgconn = self.connection.pgconn
        pgconn.send_query(command)
        result = self.connection.wait(generators.execute(pgconn))[-1]
        if result.status != _COMMAND_OK:
            raise psycopg.errors.error_from_result(result)


def failure(query: Query, error: psycopg.Error) -> str:
    """One line about a failed query: its file, and what the server said without values of rows."""
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return f"{query.path}: writes, which a lookup may not; if it is meant to, add '-- ends: rollback' to its header"
    return f"{query.path}: fails with {refusal(error)}"
