"""One open-loop load test inside a Locust process: start, requests, end, report.

Import it under Locust only (see :mod:`pgvitals.load.user`).
"""

from __future__ import annotations

import gc
import logging
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import gevent
import psycopg
from gevent.event import Event
from locust.env import Environment
from locust.runners import LocalRunner

from pgvitals.errors import LabError, LoadTestError, PgvitalsError
from pgvitals.filling import require_whole
from pgvitals.lab import attach
from pgvitals.load.client import Client
from pgvitals.load.ledger import Ledger
from pgvitals.load.mix import load_mix
from pgvitals.load.output import write
from pgvitals.load.pacing import Alarm
from pgvitals.load.plan import make_plan
from pgvitals.load.settings import Settings
from pgvitals.load.summary import summarise
from pgvitals.load.table import table
from pgvitals.measure.task import make_tasks
from pgvitals.refusal import refusal
from pgvitals.results.outcome import EXIT_CODES, Outcome
from pgvitals.revisions import queries_at
from pgvitals.suite import Suite

PARAMETER_SETS = 400
DRAIN_LIMIT_S = 30.0  # for answers that are late when the plan is over
_HEAD_START_NS = 20_000_000  # all users wait at their timers before the first request can be due

_log = logging.getLogger(__name__)


class OpenLoop:
    """Prepared once a process, run whenever Locust starts a test (from the web page also repeatedly).

    Raises:
        PgvitalsError: there is no lab, or a query, its parameters, the mix or the settings cannot be used.
    """

    def __init__(
        self, environment: Environment, runner: LocalRunner, suite: Suite, mix: Path, settings: Settings
    ) -> None:
        self._environment = environment
        self._runner = runner
        self._settings = settings
        systems = suite.select(list(settings.systems))
        known = load_mix(mix, suite.queries)
        self._database = attach(suite)
        require_whole(suite, self._database, systems)
        queries = queries_at(suite, self._database, systems).queries
        self._plan = make_plan(
            known.of(queries),
            rate=settings.rate,
            seconds=settings.seconds,
            seed=settings.seed,
            parameter_sets=PARAMETER_SETS,
        )
        self._tasks = make_tasks(
            self._database,
            [query for query in queries if query.key in self._plan.keys],
            {system.name: system for system in systems},
            parameter_sets=PARAMETER_SETS,
            seed=settings.seed,
            ranked=False,
        )
        self._running = False

    def begin(self, **_: Any) -> None:
        """Locust starts a test: take the plan from its first request."""
        self._ledger = Ledger(self._plan)
        self._go = Event()
        self._users = self._clients = 0
        self._failure: PgvitalsError | None = None
        self._overdue: gevent.Greenlet | None = None
        self._running = True

    def new_client(self) -> Client:
        """A client that has no connection yet."""
        self._clients += 1
        return Client(self._database, self._clients - 1, self._runner.target_user_count)

    def new_alarm(self) -> Alarm:
        """A timer for one user; without one the test ends."""
        try:
            return Alarm()
        except LoadTestError as error:
            self._fail(error)

    def enlist(self, client: Client) -> None:
        """Connect and warm up, then wait for the clock, which the last user starts."""
        try:
            for task in self._tasks:
                client.warm_up(task)
        except PgvitalsError as error:
            self._fail(error)
        self._users += 1
        if self._users == self._runner.target_user_count and not self._go.is_set():
            self._start_clock()
        self._go.wait()

    def serve(self, client: Client, alarm: Alarm) -> None:
        """Take the next request of the plan, wait until it is due, send it, and note the times."""
        ledger = self._ledger
        index = ledger.take(time.perf_counter_ns())
        if index is None:
            _park()
        task = self._tasks[ledger.plan.query[index]]
        parameters = int(ledger.plan.parameters[index])
        due_ns = ledger.due_ns(index)
        alarm.wait_until(due_ns)
        if ledger.stopped_ns:
            _park()
        rows, failure = 0, None
        ledger.start_ns[index] = time.perf_counter_ns()
        try:
            rows = client.execute(task, parameters)
        except psycopg.Error as error:
            failure = LoadTestError(refusal(error))
        except LabError:
            failure = LoadTestError("connection lost")
        done_ns = time.perf_counter_ns()
        ledger.finish(index, done_ns, None if failure is None else str(failure))
        self._environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type="SQL",
            name=task.query.key,
            response_time=(done_ns - due_ns) / 1e6,
            response_length=rows,
            exception=failure,
            context={},
        )
        if ledger.complete:
            gevent.spawn(self._stop)

    def stopping(self, **_: Any) -> None:
        """Locust is about to stop the users: what falls due now would be cut off, so it is not sent."""
        self._ledger.stop(time.perf_counter_ns())

    def end(self, **_: Any) -> None:
        """Locust has stopped the test: print the table, write the files, set the exit code."""
        if not self._running:
            return
        self._running = False
        self._stop_clock()
        try:
            if self._failure is not None:
                raise self._failure
            summary = summarise(self._ledger, self._users, {task.query.key: task.query.ends for task in self._tasks})
            if self._settings.out is not None:
                write(self._settings.out, summary, self._started_s)
            sys.stdout.write(f"\n{table(summary.load)}\n")
            code = EXIT_CODES[summary.load.outcome]
        except PgvitalsError as error:
            report(error)
            code = EXIT_CODES[Outcome.ERROR]
        self._environment.process_exit_code = code

    def interrupt(self, **_: Any) -> None:
        """Locust quits (Ctrl-C, SIGTERM): end a test that still runs, before the exit code is read."""
        if self._running:
            self.stopping()
            self._runner.stop()

    def _start_clock(self) -> None:
        # A full collection takes up to 100 ms and would look like a stall of the server.
        gc.collect()
        gc.freeze()
        gc.disable()
        self._overdue = gevent.spawn_later(self._plan.seconds + DRAIN_LIMIT_S, self._give_up)
        self._started_s = time.time()
        self._cpu_s, self._wall_s = time.process_time(), time.perf_counter()
        self._ledger.clock_ns = time.perf_counter_ns() + _HEAD_START_NS
        self._go.set()
        _log.info("%d requests in %g s, from now", len(self._plan), self._plan.seconds)

    def _stop_clock(self) -> None:
        if not self._ledger.clock_ns:
            return
        wall_s = time.perf_counter() - self._wall_s
        self._ledger.client_cpu = (time.process_time() - self._cpu_s) / wall_s
        gc.enable()
        gc.unfreeze()
        if self._overdue is not None and self._overdue is not gevent.getcurrent():
            self._overdue.kill(block=False)

    def _fail(self, error: PgvitalsError) -> NoReturn:
        if self._failure is None:
            self._failure = error
            gevent.spawn(self._stop)
        _park()

    def _give_up(self) -> None:
        _log.warning("answers are still missing %g s after the end of the plan; stopping", DRAIN_LIMIT_S)
        self._stop()

    def _stop(self) -> None:
        options = self._environment.parsed_options
        if options is not None and options.headless:
            self._runner.quit()
        else:
            self._runner.stop()  # the web page stays, with its table


def _park() -> NoReturn:
    """Wait to be stopped: to Locust, a user that leaves by itself is an error, with a traceback."""
    while True:
        Event().wait()


def report(error: PgvitalsError) -> None:
    """One line on stderr."""
    sys.stderr.write(f"error: {error}\n")
