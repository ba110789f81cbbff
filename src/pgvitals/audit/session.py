"""The audit's session: it reads, it gives up in time, and it leaves a lent connection as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from pgvitals.errors import AuditError

Source = psycopg.Connection[Any] | Callable[[], psycopg.Connection[Any]]

SETTINGS = {
    "default_transaction_read_only": "on",
    "statement_timeout": "30s",
    "lock_timeout": "2s",
    "search_path": "",  # every name a rule writes is qualified, or PostgreSQL's own
    "jit": "off",  # compiling catalog queries costs more than it saves
}


@contextmanager
def read_only(source: Source) -> Iterator[psycopg.Connection[Any]]:
    """A session with :data:`SETTINGS`: on a new connection, closed at the end, or on a lent one.

    Raises:
        AuditError: a lent connection is not in autocommit mode, or in the middle of a transaction.
    """
    if not isinstance(source, psycopg.Connection):
        with source() as conn:
            _apply(conn, SETTINGS)
            yield conn
        return
    if not source.autocommit or source.info.transaction_status is not TransactionStatus.IDLE:
        raise AuditError("the audit needs a connection in autocommit mode and outside of a transaction")
    before = {name: str(_setting(source, name)) for name in SETTINGS}
    _apply(source, SETTINGS)
    try:
        yield source
    finally:
        if not source.closed:
            _apply(source, before)


def _apply(conn: psycopg.Connection[Any], settings: dict[str, str]) -> None:
    for name, value in settings.items():
        conn.execute("select pg_catalog.set_config(%s, %s, false)", (name, value))


def _setting(conn: psycopg.Connection[Any], name: str) -> str | None:
    row = conn.execute("select pg_catalog.current_setting(%s)", (name,)).fetchone()
    return row[0] if row else None
