"""An engine's pool as probes use it: the same words for synchronous engines and asynchronous ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import QueuePool

from pgvitals.audit.engine.target import GIVEN, AnyEngine

T = TypeVar("T")
_MOST = 50
"""Connections that are taken, at most, to meet one again."""


class Checkout:
    """A connection between its checkout and its return."""

    def __init__(self, connection: sa.Connection | AsyncConnection) -> None:
        self._connection = connection

    async def scalar(self, statement: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """The first value of the answer, or None."""
        if isinstance(self._connection, AsyncConnection):
            return await self._connection.scalar(sa.text(statement), parameters)
        return await asyncio.to_thread(self._connection.scalar, sa.text(statement), parameters)

    async def execute(self, statement: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Execute a statement whose answer does not matter."""
        if isinstance(self._connection, AsyncConnection):
            await self._connection.execute(sa.text(statement), parameters)
        else:
            await asyncio.to_thread(self._connection.execute, sa.text(statement), parameters)

    async def commit(self) -> None:
        """End the transaction."""
        await self._call(lambda connection: connection.commit())

    async def invalidate(self) -> None:
        """Have the connection closed, not returned."""
        await self._call(lambda connection: connection.invalidate())

    async def process(self) -> int:
        """The server's process behind it, by which it is known again."""
        return int(await self.scalar("select pg_backend_pid()"))

    async def _call(self, what: Callable[[Any], T]) -> None:
        if isinstance(self._connection, AsyncConnection):
            await what(self._connection)  # type: ignore[misc]
        else:
            await asyncio.to_thread(what, self._connection)


class EnginePool:
    """The pool of an engine."""

    def __init__(self, engine: AnyEngine) -> None:
        self.engine = engine

    @property
    def core(self) -> sa.Engine:
        """The synchronous engine, which every engine has."""
        return self.engine.sync_engine if isinstance(self.engine, AsyncEngine) else self.engine

    @property
    def limits(self) -> dict[str, float] | None:
        """``pool_size``, ``max_overflow`` and ``pool_timeout`` of a pool that has them."""
        pool = self.core.pool
        if not isinstance(pool, QueuePool):
            return None
        return {"pool_size": pool.size(), "max_overflow": pool._max_overflow, "pool_timeout": pool._timeout}

    @property
    def given(self) -> frozenset[str] | None:
        """Those of the limits that whoever made the engine gave; None where nobody watched."""
        found = GIVEN.get(self.core.pool)
        return None if found is None else frozenset("pool_timeout" if name == "timeout" else name for name in found)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Checkout]:
        """A connection of the pool for the time of the block."""
        if isinstance(self.engine, AsyncEngine):
            async with self.engine.connect() as connection:
                yield Checkout(connection)
            return
        taken = await asyncio.to_thread(self.engine.connect)
        try:
            yield Checkout(taken)
        finally:
            await asyncio.to_thread(taken.close)

    @asynccontextmanager
    async def again(self, process: int) -> AsyncIterator[Checkout | None]:
        """The connection of a process that was returned, or None if the pool does not give it out any more."""
        most = min(_MOST, self.core.pool.size() if isinstance(self.core.pool, QueuePool) else 1)
        async with AsyncExitStack() as stack:
            for _ in range(most):
                taken = await stack.enter_async_context(self.connect())
                if await taken.process() == process:
                    yield taken
                    return
            yield None

    async def dispose(self) -> None:
        """Close what the pool holds."""
        if isinstance(self.engine, AsyncEngine):
            await self.engine.dispose()
        else:
            await asyncio.to_thread(self.engine.dispose)
