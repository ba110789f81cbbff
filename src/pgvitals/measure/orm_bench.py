"""Requests through the ORM in pytest-benchmark: the fixture ``orm`` for ``bench/conftest.py``.

A test says what a request does and how many statements it may send for what it returned; every round is held to that.
Times are reported and never asserted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from pgvitals.errors import MeasureError, PgvitalsError
from pgvitals.lab import Database
from pgvitals.lab.migrate import current
from pgvitals.measure.bench_plugin import SESSION
from pgvitals.measure.burst import WARMUP, Request, samples_of
from pgvitals.measure.orm import Answer, Application, Driver, Work, failure
from pgvitals.measure.orm_table import Table, Timed, span
from pgvitals.measure.prepare import sweep
from pgvitals.measure.runner import Call
from pgvitals.measure.task import Task
from pgvitals.query import Query
from pgvitals.stats.percentile import percentile
from pgvitals.suite import Suite

ARM = "orm"
PAGES = (1, 20, 500)

Sends = Callable[[Sequence[Any]], int]
"""How many statements a request sends that returned these rows."""


_TABLE = pytest.StashKey[Table]()


@dataclass(kw_only=True)
class Requests:
    """Requests of one kind, with parameters drawn from the data as the lookups' are: weighted by traffic."""

    task: Task
    application: Application
    database: Database
    benchmark: Any
    rounds: int
    table: Table
    samples: list[pd.DataFrame]

    def time(
        self,
        work: Work,
        loading: str,
        *,
        sends: Sends,
        prepare: Work | None = None,
        driver: bool = False,
        at_most: int | None = None,
    ) -> None:
        """Time ``work`` in a session of its own, a transaction each; its statements are counted every time.

        Args:
            loading: a short name for how it loads what it shows.
            sends: how many statements it may send, from the rows that it returned.
            prepare: run once for each parameter set beforehand; the pairs it returns are added to the parameters.
            driver: also time the statements that were sent through psycopg alone, by turns before and after.
            at_most: fewer rounds than ``--rounds`` asks for, where a request is slow by nature.
        """
        try:
            calls = self._prepared(prepare)
            with ExitStack() as stack:
                alone = stack.enter_context(Driver(self.database, self.task.system)) if driver else None
                rounds = _Rounds(work, calls, self.application, sends, alone)
                stack.callback(rounds.close)
                self.benchmark.pedantic(
                    rounds.work,
                    setup=rounds.start,
                    teardown=rounds.finish,
                    rounds=min(self.rounds, at_most or self.rounds),
                    warmup_rounds=WARMUP,
                    iterations=1,
                )
                rounds.finish_open()
            if self.task.query.writes:
                sweep(self.database, self.application.written_tables(work, calls[0]))
        except PgvitalsError as error:
            wrong = str(error)
        except (sa.exc.SQLAlchemyError, psycopg.Error) as error:
            wrong = failure(self.task.calls[0], error)
        else:
            self._keep(rounds, loading)
            return
        pytest.fail(f"{wrong} ({loading})", pytrace=False)  # out here: pytest shows what an error follows, with values

    def page_by_page(self, work: Work, sends: Sends, **changes: Any) -> None:
        """Pages of 1, 20 and 500 rows of the largest tenant, as far as it has so many: each sends what it may.

        ``work`` takes its page from the parameter ``limit``.
        """
        pages = [self.ask(work, limit=limit, **changes) for limit in PAGES]
        shown = [len(page.rows) for page in pages]
        if shown[0] != 1 or shown[-1] == 1:
            pytest.fail(f"pages of up to {PAGES} rows have {shown}: too few to tell how statements grow", pytrace=False)
        sent, may = [len(page.statements) for page in pages], [sends(page.rows) for page in pages]
        if sent != may:
            pytest.fail(f"pages of {shown} rows sent {sent} statements, not {may}", pytrace=False)

    def ask(self, work: Work, **changes: Any) -> Answer:
        """One request that is not timed, with the largest tenant's parameters and ``changes`` in them.

        Raises:
            MeasureError: it fails.
        """
        call = self._largest()
        self.application.meet([call])
        return self.application.send(work, replace(call, parameters={**call.parameters, **changes}))

    @contextmanager
    def leave_no_trace(self) -> Iterator[None]:
        """Every table of the system holds as many rows after the block as before."""
        with self.application.leaves_no_trace():
            yield

    def _largest(self) -> Call:
        ranks = self.task.ranks
        return self.task.calls[min(range(len(ranks)), key=lambda position: ranks[position] or len(ranks))]

    def _prepared(self, prepare: Work | None) -> list[Call]:
        calls = self.task.calls
        self.application.meet(calls)
        if prepare is None:
            return list(calls)
        known: dict[str, dict[str, Any]] = {}
        for call in calls:
            key = repr(sorted(call.parameters.items()))
            if key not in known:
                known[key] = {**call.parameters, **dict(self.application.send(prepare, call).rows)}
        return [replace(call, parameters=known[repr(sorted(call.parameters.items()))]) for call in calls]

    def _keep(self, rounds: _Rounds, loading: str) -> None:
        stats = self.benchmark.stats  # None with --benchmark-disable, and then there is no warm-up either
        first = 0 if stats is None else WARMUP
        shown, sent = rounds.rows[first:], rounds.statements[first:]
        self.benchmark.group = f"{self.task.system.name}, ORM"
        self.benchmark.extra_info.update(
            title=self.task.query.title, role=self.task.role, rows=span(shown), statements=span(sent)
        )
        if stats is None:
            return
        frame = samples_of(self.task, f"{ARM} {loading}", stats.stats.data, rounds.requests[first:])
        self.samples.append(frame)
        ratio = None
        if rounds.alone_ns:
            alone_ns = np.asarray(rounds.alone_ns[first:])
            ratio = percentile(frame["latency_ns"].to_numpy() / alone_ns, 0.50)
        self.table.lines.append(
            Timed(
                request=self.task.query.key,
                loading=loading,
                writes=self.task.query.writes,
                frame=frame,
                statements=tuple(sent),
                ratio=ratio,
            )
        )


class _Rounds:
    """What pytest-benchmark calls around each round of one request."""

    def __init__(
        self, work: Work, calls: Sequence[Call], application: Application, sends: Sends, alone: Driver | None
    ) -> None:
        self._work, self._calls, self._application = work, calls, application
        self._sends, self._alone = sends, alone
        self._open: tuple[Session, Call] | None = None
        self._answer: Sequence[Any] = ()
        self._begun = 0
        self.requests: list[Request] = []
        self.rows: list[int] = []
        self.statements: list[int] = []
        self.alone_ns: list[int] = []

    def start(self) -> tuple[tuple[Session, Call], dict[str, Any]]:
        """Open the next request; if it is this round's turn, the driver goes first."""
        call = self._calls[len(self.requests) % len(self._calls)]
        if self._alone is not None:
            # One more run, of which nothing is kept but its statements: whoever goes first finds everything read.
            statements = self._application.send(self._work, call).statements
            if len(self.requests) % 2:
                self.alone_ns.append(self._alone.time(statements, call))
        self._begun = time.perf_counter_ns()
        self._open = self._application.begin(call), call
        return self._open, {}

    def work(self, session: Session, call: Call) -> None:
        """What is timed."""
        self._answer = self._work(session, call.parameters)

    def finish(self, session: Session, call: Call) -> None:
        """End the request and count.

        Raises:
            MeasureError: it sent another number of statements than it may.
        """
        statements = self._application.statements
        self._application.end(session, call)
        taken = time.perf_counter_ns() - self._begun
        self._open = None
        rows, sent = len(self._answer), len(statements)
        if sent != (may := self._sends(self._answer)):
            raise MeasureError(
                f"{call.query.path}: {call.query.name}: sent {sent} statements for {rows} rows, not {may}"
            )
        if self._alone is not None and not len(self.requests) % 2:
            self.alone_ns.append(self._alone.time(statements, call))
        self.requests.append(Request(self._begun, taken, rows))
        self.rows.append(rows)
        self.statements.append(sent)

    def finish_open(self) -> None:
        """With --benchmark-disable pytest-benchmark calls no teardown."""
        if self._open is not None:
            self.finish(*self._open)

    def close(self) -> None:
        """Undo the request that an error left open."""
        if self._open is not None:
            self._application.abandon(self._open[0])


MakeRequests = Callable[..., Requests]


@pytest.fixture
def orm(request: pytest.FixtureRequest, lab_database: Database, benchmark: Any) -> Iterator[MakeRequests]:
    """``orm(system, params=…)`` or ``orm(system, like=…)``: requests named after the test, for ``Requests.time``.

    ``params`` is a SELECT of real parameter sets, as in a query file's header; ``like`` names the query file whose
    parameters these requests have. What ``writes`` is rolled back.
    """
    config = request.config
    session = config.stash[SESSION]
    suite = session.suite
    name, path = str(request.node.originalname).removeprefix("test_"), Path(request.node.path)

    with ExitStack() as stack:

        def make(system: str, *, params: str = "", like: str = "", writes: bool = False) -> Requests:
            try:
                _require_head(suite, lab_database, system)
                query = Query(
                    name=name,
                    system=system,
                    path=path,
                    title=_title(request.node.function),
                    budget_p95_ms=suite.config.budget_p95_ms,
                    params=params or _query(suite, f"{system}/{like}").params,
                    sql="",
                    ends="rollback" if writes else "commit",
                )
                rounds = config.getoption("--rounds")
                task = session.task(lab_database, query, rounds + WARMUP, config.getoption("--seed"))
            except PgvitalsError as error:
                benchmark.skipped = True  # pytest-benchmark would warn that nothing was measured with it
                pytest.exit(f"pgvitals: {error}", returncode=2)
            return Requests(
                task=task,
                application=stack.enter_context(Application(lab_database, task.system)),
                database=lab_database,
                benchmark=benchmark,
                rounds=rounds,
                table=_table(config),
                samples=session.through_orm,
            )

        yield make


def _table(config: pytest.Config) -> Table:
    if _TABLE not in config.stash:
        config.stash[_TABLE] = Table(session=config.stash[SESSION])
        config.pluginmanager.register(config.stash[_TABLE])
    return config.stash[_TABLE]


def _title(function: Any) -> str:
    """The first line of a test's docstring, without its full stop."""
    return str(function.__doc__ or function.__name__).strip().splitlines()[0].removesuffix(".")


def _query(suite: Suite, key: str) -> Query:
    for query in suite.queries:
        if query.key == key:
            return query
    raise MeasureError(f"there is no query {key}; there are: {', '.join(each.key for each in suite.queries)}")


def _require_head(suite: Suite, database: Database, system: str) -> None:
    """Models are those of the head: at another revision their columns are not the table's."""
    stands, head = current(suite, database).get(system), suite.branches.of[system][-1]
    if stands not in (None, head):
        raise MeasureError(
            f"the models of {system!r} are those of revision {head}, the lab stands at {stands}; "
            f"`alembic upgrade {system}@head`, or leave them out with `pytest bench/test_lookups.py`"
        )
