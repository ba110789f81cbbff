"""The Locust user of an open-loop load test; a locustfile subclasses it. Import it under Locust only.

Locust patches the standard library when it is imported, and psycopg chooses how to wait when *it* is
imported. In the wrong order one query holds up all users: 20 users on a 100 ms query then make 10
requests a second instead of 200. So this module refuses to start in that order.
"""

from __future__ import annotations

# Locust before anything that imports psycopg.
from locust import User, events, task  # isort: split

import math
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import gevent
import psycopg
from gevent import monkey
from locust.env import Environment
from locust.runners import LocalRunner

from pgvitals.errors import LoadTestError, PgvitalsError
from pgvitals.load.client import Client
from pgvitals.load.openloop import DRAIN_LIMIT_S, OpenLoop, report
from pgvitals.load.pacing import Alarm
from pgvitals.load.settings import DEFAULT, from_environment
from pgvitals.results.outcome import EXIT_CODES, Outcome
from pgvitals.suite import find_suite

START_LIMIT_S = 120.0  # for connecting and warming up


class OpenLoopUser(User):
    """One connection that takes the next request of the plan, waits until it is due, and runs it."""

    abstract = True
    suite_path: ClassVar[Path | None] = None  # a path in the suite; None: the working directory
    mix_path: ClassVar[Path | None] = None  # None: mix.toml in the suite's load test folder
    loop: ClassVar[OpenLoop]  # shared by all users; made when Locust has read its options

    _client: Client | None = None
    _alarm: Alarm | None = None

    def on_start(self) -> None:
        """Connect, warm up, and wait for the others."""
        self._alarm = self.loop.new_alarm()
        self._client = self.loop.new_client()
        self.loop.enlist(self._client)

    @task
    def next_request(self) -> None:
        """Run one request of the plan."""
        assert self._client is not None
        assert self._alarm is not None
        self.loop.serve(self._client, self._alarm)

    def on_stop(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
        if self._alarm is not None:
            self._alarm.close()


def require_cooperative_wait() -> None:
    """Check that a user who waits for the server lets the others run.

    Raises:
        LoadTestError: psycopg waits in C, or the standard library is not patched.
    """
    name = getattr(psycopg.waiting.wait, "__name__", "an unknown function")
    if name == "wait_c" or not monkey.is_module_patched("select"):
        raise LoadTestError(
            f"psycopg waits with {name}, which holds up every other user: import locust before psycopg, "
            "and unset PSYCOPG_WAIT_FUNC and LOCUST_SKIP_MONKEY_PATCH"
        )


def _prepare(environment: Environment, **_: Any) -> None:
    """Locust has read its options: make the plan, or say in one line why there is none."""
    mine = [user for user in environment.user_classes if issubclass(user, OpenLoopUser)]
    if not mine:
        return
    gevent.signal_handler(signal.SIGINT, _interrupt)
    try:
        OpenLoopUser.loop = _open_loop(environment, mine[0])
    except PgvitalsError as error:
        report(error)
        sys.exit(EXIT_CODES[Outcome.ERROR])
    except KeyboardInterrupt:
        report(LoadTestError("load test: stopped before it began"))
        sys.exit(EXIT_CODES[Outcome.ERROR])
    _listen(environment.events.test_start, OpenLoopUser.loop.begin)
    _listen(environment.events.test_stopping, OpenLoopUser.loop.stopping)
    _listen(environment.events.test_stop, OpenLoopUser.loop.end)
    _listen(environment.events.quitting, OpenLoopUser.loop.interrupt)


def _interrupt() -> None:
    """Ctrl-C goes to Locust's main loop, not (with a traceback) to whichever user is running just then."""
    gevent.get_hub().handle_system_error(KeyboardInterrupt, KeyboardInterrupt())


def _open_loop(environment: Environment, user: type[OpenLoopUser]) -> OpenLoop:
    require_cooperative_wait()
    if not isinstance(environment.runner, LocalRunner):
        raise LoadTestError(
            "load test: each Locust worker would run the whole plan; leave out --processes, --master and --worker"
        )
    options: Any = environment.parsed_options
    settings = from_environment(os.environ)
    if options.run_time:
        settings = replace(settings, seconds=float(options.run_time))
    # Locust's own limit would cut off what is late at the end of the plan; it only backs up ours.
    options.run_time = math.ceil(START_LIMIT_S + settings.seconds + DRAIN_LIMIT_S)
    options.num_users = options.num_users or DEFAULT.users
    options.spawn_rate = options.spawn_rate or min(options.num_users, 100)
    suite = find_suite(user.suite_path)
    mix = user.mix_path or suite.root / suite.config.loadtests / "mix.toml"
    return OpenLoop(environment, environment.runner, suite, mix, settings)


def _listen(event: Any, listener: Callable[..., None]) -> None:
    event.add_listener(listener)


_listen(events.init, _prepare)
