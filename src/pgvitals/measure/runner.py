"""Runs one query as the application would: its role, its tenant setting, one transaction a request."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Self

import psycopg

from pgvitals.errors import MeasureError
from pgvitals.lab.database import Database
from pgvitals.measure.params import draw, tenant_of, tenant_ranks
from pgvitals.query import Query
from pgvitals.refusal import refusal
from pgvitals.system import System


class Timing(NamedTuple):
    """One execution: ``service_ns`` = execute + fetch, ``request_ns`` = BEGIN to COMMIT."""

    t_ns: int
    service_ns: int
    request_ns: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class Task:
    """A query with the parameter sets that it will be run with, in this order, again and again."""

    query: Query
    system: System
    parameters: tuple[dict[str, Any], ...]
    ranks: tuple[int | None, ...]

    @property
    def role(self) -> str:
        """The PostgreSQL role that runs it."""
        return self.system.roles.app if self.query.role == "app" else self.system.roles.owner


def make_tasks(
    database: Database, queries: Sequence[Query], systems: dict[str, System], *, parameter_sets: int, seed: int
) -> list[Task]:
    """Draw the parameters of every query and look up the rank of each tenant."""
    tasks = []
    with database.connect() as conn:
        ranks = {name: tenant_ranks(conn, system) for name, system in systems.items()}
        for query in queries:
            system = systems[query.system]
            parameters = draw(conn, query, parameter_sets, seed)
            tasks.append(
                Task(
                    query=query,
                    system=system,
                    parameters=tuple(parameters),
                    ranks=tuple(ranks[query.system].get(tenant_of(system, row)) for row in parameters),
                )
            )
    return tasks


class Runner:
    """One connection of one role, with prepared statements and binary results."""

    def __init__(self, database: Database, system: System, role: str) -> None:
        self._setting = system.tenant.setting
        self._tenant_column = system.tenant.column
        self._conn = database.connect(role)
        self._conn.prepare_threshold = 0  # every statement is prepared when it is first used
        self._conn.prepared_max = None  # and stays so, however many queries the suite has
        self._cursor = self._conn.cursor(binary=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; its statistics reach the server's counters."""
        self._conn.close()

    def begin(self, parameters: dict[str, Any]) -> None:
        """Open the request's transaction and set its tenant, if the query has one."""
        self._cursor.execute("begin")
        tenant = parameters.get(self._tenant_column)
        if tenant is not None:
            self._cursor.execute("select set_config(%s, %s, true)", (self._setting, str(tenant)))

    def execute(self, query: Query, parameters: dict[str, Any]) -> int:
        """Execute and fetch every row: the service. Returns the number of rows."""
        self._cursor.execute(query.sql, parameters)
        return len(self._cursor.fetchall())

    @property
    def fetched(self) -> int:
        """Rows of the last :meth:`execute`, for whoever timed it from outside."""
        return max(0, self._cursor.rowcount)

    def commit(self) -> None:
        """End the request's transaction."""
        self._cursor.execute("commit")

    def run(self, query: Query, parameters: dict[str, Any]) -> Timing:
        """One request, timed.

        Raises:
            MeasureError: the query fails; values of parameters are not repeated.
        """
        clock = time.perf_counter_ns
        try:
            begun = clock()
            self.begin(parameters)
            start = clock()
            rows = self.execute(query, parameters)
            done = clock()
            self.commit()
            return Timing(start, done - start, clock() - begun, rows)
        except psycopg.Error as error:
            raise MeasureError(failure(query, error)) from None

    def plan_choices(self) -> dict[str, tuple[int, int]]:
        """Statement -> (generic, custom) plans that the server used for it on this connection."""
        found = self._conn.execute("select statement, generic_plans, custom_plans from pg_prepared_statements")
        return {str(statement): (int(generic), int(custom)) for statement, generic, custom in found.fetchall()}


def failure(query: Query, error: psycopg.Error) -> str:
    """One line about a failed query: its file, and what the server said without values of rows."""
    return f"{query.path}: fails with {refusal(error)}"
