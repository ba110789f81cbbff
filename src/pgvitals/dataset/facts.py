"""Asks a loaded database what its recipe claims: each fact is one statement and gets an outcome of its own."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import psycopg

from pgvitals.dataset.declared import DeclaredFact, Picture, facts_of, pictures_of
from pgvitals.dataset.unfiltered import is_exempt, unfiltered
from pgvitals.errors import FactError
from pgvitals.lab import Database, guard
from pgvitals.lab.migrate import current
from pgvitals.measure.params import without_indexes
from pgvitals.profile import Profile
from pgvitals.refusal import refusal
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Fact
from pgvitals.suite import Suite
from pgvitals.system import System

_SETTINGS = {
    "statement_timeout": "300s",
    "timezone": "UTC",  # a date is a date in UTC unless a statement names another zone
    "work_mem": "64MB",
    "jit": "off",
    "search_path": "",
}
_SESSIONS = 2
Progress = Callable[[int, int], None]


def check(
    suite: Suite,
    database: Database,
    profile: Profile,
    systems: Sequence[System],
    *,
    seed: int | None = None,
    progress: Progress | None = None,
) -> tuple[Fact, ...]:
    """The facts of ``systems``, asked of a database of ours that holds ``profile``.

    They run as whoever migrated it, with row-level security out of the way, in a read-only transaction. A
    statement that fails is an outcome (``error``); it does not keep the others from being asked.

    Raises:
        FactError: a file of facts cannot be used.
        GuardError: the database is not ours.
    """
    declared = facts_of(suite, systems)
    given = _parameters(profile, seed)
    revisions = current(suite, database)
    waiting = deque(enumerate(declared))
    found: dict[int, Fact] = {}

    def ask_on(conn: psycopg.Connection) -> None:
        with suppress(IndexError):
            while True:
                number, each = waiting.popleft()
                found[number] = _checked(suite, conn, each, given, revisions.get(each.system, ""), profile)
                if progress:
                    progress(len(found), len(declared))

    with ExitStack() as stack:
        first = stack.enter_context(_asking(database))
        # One at a time where a session has to take FORCE off its tables: another one would wait for it.
        more = _SESSIONS - 1 if is_exempt(first) else 0
        sessions = [first, *(stack.enter_context(_asking(database)) for _ in range(more))]
        with ThreadPoolExecutor(len(sessions)) as pool:
            try:
                list(pool.map(ask_on, sessions))
            except BaseException:
                waiting.clear()
                for conn in sessions:
                    conn.cancel()
                raise
    return tuple(found[number] for number in range(len(declared)))


def pictures(
    suite: Suite,
    database: Database,
    profile: Profile,
    systems: Sequence[System],
    *,
    seed: int | None = None,
) -> dict[str, pd.DataFrame]:
    """Name -> the rows of every system that has a picture of that name, with a column ``system`` in front.

    Raises:
        FactError: a file cannot be used, or its statement fails.
        GuardError: the database is not ours.
    """
    given = _parameters(profile, seed)
    revisions = current(suite, database)
    frames: dict[str, list[pd.DataFrame]] = {}
    with _asking(database) as conn:
        for each in pictures_of(suite, systems):
            if _obstacle(suite, each, revisions.get(each.system, "")):
                continue
            try:
                cursor = conn.execute(each.sql.encode(), given)
            except psycopg.Error as error:
                raise FactError(f"{each.path}: {refusal(error)}") from None
            frame = pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])
            frame.insert(0, "system", each.system)
            frames.setdefault(each.name, []).append(frame)
    return {name: pd.concat(parts, ignore_index=True) for name, parts in frames.items()}


@contextmanager
def _asking(database: Database) -> Iterator[psycopg.Connection]:
    """A connection in a read-only transaction that sees every row.

    Indexes stay unused: they would only slow down what reads whole tables, and index usage is measured elsewhere.
    """
    with database.connect() as conn:
        guard.require_ours(conn)
        with unfiltered(conn), without_indexes(conn):
            for name, value in _SETTINGS.items():
                conn.execute("select set_config(%s, %s, true)", (name, value))
            conn.execute("set transaction read only")
            yield conn


def _parameters(profile: Profile, seed: int | None) -> dict[str, Any]:
    return {
        "as_of": datetime.fromisoformat(profile.as_of).replace(tzinfo=UTC),
        "zipf": profile.zipf,
        "seed": profile.seed if seed is None else seed,
    }


def _obstacle(suite: Suite, each: Picture, revision: str) -> str:
    """Why it is not for the revision where the database stands; empty if it is."""
    if not revision:
        return "the system was never migrated"
    return suite.branches.obstacle(each, revision) if each.since or each.until else ""


def _checked(
    suite: Suite,
    conn: psycopg.Connection,
    each: DeclaredFact,
    given: Mapping[str, Any],
    revision: str,
    profile: Profile,
) -> Fact:
    started = time.perf_counter()
    value: float | None = None
    n: int | None = None
    expected = each.expect.given({"zipf": profile.zipf})
    if why := _obstacle(suite, each, revision):
        outcome, reason = Outcome.NOT_APPLICABLE, f"not at this revision: {why}"
    else:
        try:
            value, n = _ask(conn, each, given)
        except FactError as error:
            outcome, reason = Outcome.ERROR, str(error)
        else:
            if n < each.at_least:
                outcome, reason = Outcome.NOT_APPLICABLE, f"of {n:,}; it takes {each.at_least:,} to tell"
            elif value is None:
                outcome, reason = Outcome.ERROR, f"no value, though it was computed from {n:,}"
            elif value in expected:
                outcome, reason = Outcome.PASS, ""
            else:
                outcome, reason = Outcome.FAIL, "outside of what is expected"
    return Fact(
        system=each.system,
        fact=each.name,
        title=each.title,
        about=each.about,
        unit=each.unit,
        low=expected.low,
        high=expected.high,
        value=value,
        n=n,
        at_least=each.at_least,
        outcome=outcome,
        reason=reason,
        duration_ms=round((time.perf_counter() - started) * 1e3, 1),
    )


def _ask(conn: psycopg.Connection, each: DeclaredFact, given: Mapping[str, Any]) -> tuple[float | None, int]:
    """The fact's value and how many things it is of.

    Raises:
        FactError: the statement fails, or returns something else than one row of numbers; never a row's value.
    """
    try:
        with conn.transaction():
            rows = conn.execute(each.sql.encode(), given).fetchmany(2)
    except psycopg.Error as error:
        raise FactError(refusal(error)) from None
    if len(rows) != 1:
        raise FactError(f"the statement returns {'no row' if not rows else 'more than one row'}; a fact is one")
    value, n = rows[0]
    if n is None:
        raise FactError("the statement returns no n: of how many things the value is")
    if value is not None and not math.isfinite(value):
        raise FactError(f"the value is no finite number but {value}")
    return value, n
