"""One try: a statement as somebody, rolled back, and what came of it; never a value of a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql

NOT_ALLOWED = "42501"
"""insufficient_privilege: no right, or row-level security refuses the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """``rows`` were returned or changed; or the server refused, with ``sqlstate`` and perhaps a ``constraint``."""

    rows: int = 0
    sqlstate: str = ""
    constraint: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether there was an error."""
        return bool(self.sqlstate)

    @property
    def is_not_allowed(self) -> bool:
        """Whether a right was missing, or row-level security refused."""
        return self.sqlstate == NOT_ALLOWED

    @property
    def got_through(self) -> bool:
        """Whether the statement reached a row: it did what it said, or only a constraint on that row stopped it."""
        return self.rows > 0 if not self.sqlstate else self.sqlstate.startswith("23")


def statement(template: LiteralString, **parts: str) -> sql.Composed:
    """A statement with parts in the places of ``{name}``: names that the catalog has quoted, and what they make up."""
    return sql.SQL(template).format(**{name: sql.SQL(text) for name, text in parts.items()})


def attempt(
    conn: psycopg.Connection[Any], what: sql.Composed, given: Sequence[Any] | Mapping[str, Any] = ()
) -> Attempt:
    """Run a statement within the transaction that is open, and undo it."""
    try:
        with conn.transaction(force_rollback=True):
            return Attempt(rows=max(0, conn.execute(what, given).rowcount))
    except psycopg.Error as error:
        return refused(conn, error)


def refused(conn: psycopg.Connection[Any], error: psycopg.Error) -> Attempt:
    """What an error says, and no more.

    Raises:
        psycopg.Error: the server did not answer.
    """
    if conn.broken or conn.closed or error.sqlstate is None:
        raise error
    return Attempt(sqlstate=error.sqlstate, constraint=error.diag.constraint_name or "")


@contextmanager
def acting(
    conn: psycopg.Connection[Any], role: str | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Act as a role, with settings, within the transaction that is open; what is done meanwhile is undone with them."""
    with conn.transaction(force_rollback=True):
        for name, value in (settings or {}).items():
            conn.execute("select pg_catalog.set_config(%s, %s, true)", (name, value))
        if role is not None:
            conn.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        yield


def role_exists(conn: psycopg.Connection[Any], name: str) -> bool:
    """Whether there is such a role."""
    row = conn.execute("select exists (select from pg_catalog.pg_roles where rolname = %s)", (name,)).fetchone()
    return bool(row and row[0])


def uncounted(conn: psycopg.Connection[Any]) -> None:
    """Keep what the transaction scans out of the statistics, by which unused indexes are known: it is no workload.

    Only a superuser may; anybody else's probes leave some scans behind.
    """
    conn.execute(
        "select pg_catalog.set_config('track_counts', 'off', true) from pg_catalog.pg_roles "
        "where rolname = current_user and rolsuper"
    )
