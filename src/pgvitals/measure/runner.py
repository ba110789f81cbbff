"""One request as the application would make it: its role, its tenant setting, a transaction of its own.

Everything that sends a query does it here: the sampler, pytest-benchmark, impact, EXPLAIN, the load test.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Self

import psycopg
from psycopg import sql

from pgvitals.errors import MeasureError
from pgvitals.header import numbered, parameters
from pgvitals.lab.database import Database
from pgvitals.measure.prepared import Prepared, Statement
from pgvitals.query import Query
from pgvitals.refusal import refusal

_SET = {2: "select set_config($1, $2, true)", 4: "select set_config($1, $2, true), set_config($3, $4, true)"}


class Timing(NamedTuple):
    """One execution.

    ``service_ns`` is from the parameters as Python values to every row as Python values; ``request_ns`` is that
    with what stands around it: BEGIN, the tenant's setting, COMMIT or ROLLBACK.
    """

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
    writes ends with an error and changes nothing. A write is rolled back. Every statement is prepared when it
    is first executed and stays so, through a ROLLBACK too.

    Raises:
        LabError: the connection cannot be made.
    """

    def __init__(self, database: Database, role: str) -> None:
        self.connection = database.connect(role)
        self._prepared = Prepared(self.connection)
        self._set = {count: Statement(text, count) for count, text in _SET.items()}
        self._known: dict[str, tuple[Statement, tuple[str, ...]]] = {}  # a call's text -> statement, its parameters
        self.fetch = self._prepared.fetch
        """Execute what :meth:`ready` gives and make Python values of every row: the service, for whoever times it."""

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
        self._prepared.command(b"begin" if call.writes else b"begin read only")
        if call.settings:
            self._prepared.fetch(self._set[len(call.settings)], call.settings)

    def ready(self, call: Call) -> tuple[Statement, list[Any]]:
        """What :attr:`fetch` takes: the statement, and its parameters in order."""
        statement, names = self._known.get(call.sql) or self._read(call.sql)
        return statement, [call.parameters[name] for name in names]

    def execute(self, call: Call) -> int:
        """Execute and make Python values of every row. Returns the rows, fetched or written."""
        return self.fetch(*self.ready(call))

    @property
    def fetched(self) -> int:
        """Rows of the last execution, for whoever timed it from outside."""
        return self._prepared.fetched

    def end(self, call: Call) -> None:
        """End the request's transaction."""
        self._prepared.command(b"rollback" if call.writes else b"commit")

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
            statement, values = self.ready(call)
            start = clock()
            rows = self.fetch(statement, values)
            done = clock()
            self.end(call)
            return Timing(start, done - start, clock() - begun, rows)
        except psycopg.Error as error:
            self.abandon()
            raise MeasureError(failure(call.query, error)) from None

    def abandon(self) -> None:
        """Roll back whatever is open; on a lost connection there is nothing to roll back."""
        with suppress(psycopg.Error):
            self._prepared.command(b"rollback")

    def ask(self, statement: sql.SQL | sql.Composed) -> psycopg.Cursor[Any]:
        """Something beside the request, inside its transaction, that is not worth a prepared statement."""
        return self.connection.execute(statement, prepare=False)

    def plan_choices(self) -> dict[str, tuple[int, int]]:
        """Statement -> (generic, custom) plans that the server used for it on this connection."""
        generic, custom = Counter[str](), Counter[str]()
        found = self.connection.execute("select statement, generic_plans, custom_plans from pg_prepared_statements")
        for statement, of_all, of_one in found.fetchall():
            generic[statement] += of_all
            custom[statement] += of_one
        return {statement: (generic[statement], custom[statement]) for statement in generic}

    def _read(self, text: str) -> tuple[Statement, tuple[str, ...]]:
        names = parameters(text)
        self._known[text] = Statement(numbered(text), len(names)), names
        return self._known[text]


def failure(query: Query, error: psycopg.Error) -> str:
    """One line about a failed query: its file, and what the server said without values of rows."""
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return f"{query.path}: writes, which a lookup may not; if it is meant to, add '-- ends: rollback' to its header"
    return f"{query.path}: fails with {refusal(error)}"
