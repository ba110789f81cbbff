"""One user's way to the database: its connections, and one request as an application would make it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from pgvitals.errors import LoadTestError
from pgvitals.lab.database import Database
from pgvitals.measure.params import draw, tenant_of
from pgvitals.query import Query
from pgvitals.refusal import refusal
from pgvitals.suite import Suite

WARM_UP = 12  # executions of each query on each connection
# PostgreSQL decides between custom and generic plan at the sixth execution of a prepared statement.
# That has to be over before the clock starts, however slow the query is.
MIN_WARM_UP = 6
WARM_UP_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A query with its drawn parameter sets, and the tenant that each of them belongs to (or None)."""

    key: str
    sql: str
    role: str
    setting: str
    sets: list[dict[str, Any]] = field(repr=False)
    tenants: list[str | None] = field(repr=False)


def prepare(suite: Suite, database: Database, queries: Iterable[Query], sets: int, seed: int) -> list[Request]:
    """Draw ``sets`` parameter sets for each query.

    Raises:
        MeasureError: a query's params fail.
        LabError: the database does not answer.
    """
    requests = []
    with database.connect() as conn:
        for query in queries:
            system = suite.system(query.system)
            drawn = draw(conn, query, sets, seed)
            tenants = [tenant_of(system, parameters) for parameters in drawn]
            requests.append(
                Request(
                    key=query.key,
                    sql=query.sql,
                    role=system.roles.app if query.role == "app" else system.roles.owner,
                    setting=system.tenant.setting,
                    sets=drawn,
                    tenants=[None if tenant is None else str(tenant) for tenant in tenants],
                )
            )
    return requests


class Client:
    """Connections of one user, one a role: a role set at the start of a connection stays for its life."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connections: dict[str, psycopg.Connection[Any]] = {}
        self._cursors: dict[str, psycopg.Cursor[Any]] = {}

    def execute(self, request: Request, index: int) -> int:
        """BEGIN, the tenant, the query with all its rows, COMMIT; returns how many rows.

        A user who is stopped meanwhile leaves the transaction open; closing the connection ends it.

        Raises:
            psycopg.Error: what the server says; the transaction is rolled back.
            LabError: a lost connection cannot be made again.
        """
        conn, cursor = self._open(request.role)
        try:
            if (tenant := request.tenants[index]) is not None:
                cursor.execute("select set_config(%s, %s, true)", (request.setting, tenant))
            cursor.execute(request.sql, request.sets[index])
            rows = len(cursor.fetchall()) if cursor.description else 0
            conn.commit()
        except psycopg.Error:
            with suppress(psycopg.Error):  # nothing to roll back on a lost connection
                conn.rollback()
            raise
        return rows

    def warm_up(self, request: Request, offset: int) -> None:
        """Connect, prepare the statements and let the server settle on a plan.

        Raises:
            LoadTestError: the query fails.
            LabError: the connection cannot be made.
        """
        began = time.perf_counter()
        with sanitised(request.key):
            for count in range(WARM_UP):
                if count >= MIN_WARM_UP and time.perf_counter() - began > WARM_UP_S:
                    break
                self.execute(request, (offset + count) % len(request.sets))

    def close(self) -> None:
        """Close the connections."""
        for conn in self._connections.values():
            conn.close()
        self._connections.clear()
        self._cursors.clear()

    def _open(self, role: str) -> tuple[psycopg.Connection[Any], psycopg.Cursor[Any]]:
        conn = self._connections.get(role)
        if conn is None or conn.closed:
            conn = self._database.connect(role, autocommit=False)
            conn.prepare_threshold = 0  # every statement is prepared when it is first used
            conn.prepared_max = None
            self._connections[role] = conn
            self._cursors[role] = conn.cursor(binary=True)
        return conn, self._cursors[role]


@contextmanager
def sanitised(key: str) -> Iterator[None]:
    """Turn what the server says about a query into a line without any value of a row."""
    try:
        yield
    except psycopg.Error as error:
        raise LoadTestError(f"bench/{key}.sql fails in warm-up: {refusal(error)}") from None
