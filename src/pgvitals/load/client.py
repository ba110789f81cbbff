"""One user's way to the database: a connection for each role, and requests over them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from pgvitals.errors import LoadTestError
from pgvitals.lab.database import Database
from pgvitals.measure.runner import Runner, failure
from pgvitals.measure.task import Task, shares
from pgvitals.query import Query

WARM_UP = 12  # executions of each query on each connection
# PostgreSQL decides between custom and generic plan at the sixth execution of a prepared statement.
# That has to be over before the clock starts, however slow the query is.
MIN_WARM_UP = 6
WARM_UP_S = 1.0


class Client:
    """Connections of one user, one a role: a role set at the start of a connection stays for its life.

    Of a write, each of ``users`` takes parameter sets of its own (``number`` says which): nobody waits for
    a row that somebody else is about to give back.
    """

    def __init__(self, database: Database, number: int, users: int) -> None:
        self._database = database
        self._number = number % users
        self._users = users
        self._runners: dict[str, Runner] = {}
        self._own: dict[str, tuple[int, ...]] = {}

    def execute(self, task: Task, position: int) -> int:
        """One request with the parameter set at ``position`` (of a write, one of this user's); returns its rows.

        Raises:
            psycopg.Error: what the server says; the transaction is rolled back.
            LabError: a lost connection cannot be made again.
        """
        return self._open(task.role).send(task.calls[self._position(task, position)])

    def warm_up(self, task: Task) -> None:
        """Connect, prepare the statements and let the server settle on a plan.

        Raises:
            LoadTestError: the query fails.
            LabError: the connection cannot be made.
        """
        began = time.perf_counter()
        with sanitised(task.query):
            for count in range(WARM_UP):
                if count >= MIN_WARM_UP and time.perf_counter() - began > WARM_UP_S:
                    break
                self.execute(task, (self._number + count) % len(task.calls))

    def close(self) -> None:
        """Close the connections."""
        for runner in self._runners.values():
            runner.close()
        self._runners.clear()

    def _position(self, task: Task, position: int) -> int:
        if not task.query.writes:
            return position
        own = self._own.get(task.query.key)
        if own is None:
            own = self._own[task.query.key] = shares(task, self._users)[self._number]
        return own[position % len(own)]

    def _open(self, role: str) -> Runner:
        runner = self._runners.get(role)
        if runner is None or runner.connection.closed:
            runner = self._runners[role] = Runner(self._database, role)
        return runner


@contextmanager
def sanitised(query: Query) -> Iterator[None]:
    """Turn what the server says about a query into a line without any value of a row."""
    try:
        yield
    except psycopg.Error as error:
        raise LoadTestError(failure(query, error)) from None
