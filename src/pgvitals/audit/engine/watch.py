"""What a request sends: its statements, and which of them write, transaction by transaction."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from pgvitals.audit.engine.target import AnyEngine

Request = Callable[[AnyEngine, int], Any]
"""What the application does for so many rows, with its engine; a coroutine function, or an ordinary one."""

_WRITES = re.compile(r"^\s*(?:with\b.*?\)\s*)?(insert|update|delete|merge)\b", re.IGNORECASE | re.DOTALL)


@dataclass(slots=True)
class Sent:
    """What one request sent: the number of its statements, and of writes in each transaction that it committed."""

    statements: int = 0
    written: list[int] = field(default_factory=list)


async def watch(engine: AnyEngine, core: sa.Engine, request: Request, rows: int) -> Sent:
    """Make a request for so many rows and count what it sends."""
    with _listening(core) as sent:
        if inspect.iscoroutinefunction(request):
            await request(engine, rows)
        else:
            await asyncio.to_thread(request, engine, rows)
    return sent


@contextmanager
def _listening(core: sa.Engine) -> Iterator[Sent]:
    sent = Sent()
    open_: dict[int, int] = {}

    def statement(conn: Any, cursor: Any, text: str, *_: Any) -> None:
        sent.statements += 1
        if not _WRITES.match(text):
            return
        if core.dialect.detect_autocommit_setting(conn.connection.dbapi_connection):
            sent.written.append(1)
        else:
            open_[id(conn)] = open_.get(id(conn), 0) + 1

    def ended(conn: Any) -> None:
        if writes := open_.pop(id(conn), 0):
            sent.written.append(writes)

    def undone(conn: Any) -> None:
        open_.pop(id(conn), None)

    listeners = (("before_cursor_execute", statement), ("commit", ended), ("rollback", undone))
    for name, listener in listeners:
        sa.event.listen(core, name, listener)
    try:
        yield sent
    finally:
        for name, listener in listeners:
            sa.event.remove(core, name, listener)
