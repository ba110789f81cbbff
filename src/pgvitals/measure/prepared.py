"""Prepared statements of one connection, executed with libpq's own calls as psycopg hands them on.

A cursor of psycopg decides at every execution whether to prepare, looks the statement up, and keeps state for a
later ``fetchone`` or ``nextset``: 15 to 20 µs, which say nothing of the database. What an application cannot do
without stays: parameters are dumped by psycopg's dumpers, rows become Python values by its binary loaders, and
waiting is psycopg's own, so that an interrupt cancels the statement and, under gevent, others run meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.generators import execute
from psycopg.pq import ExecStatus, Format

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

_BINARY = Format.BINARY
_COMMAND_OK, _TUPLES_OK = int(ExecStatus.COMMAND_OK), int(ExecStatus.TUPLES_OK)


@dataclass(slots=True)
class Statement:
    """A statement with ``$1``, ``$2`` … for ``count`` values; on each connection it needs one of these for itself.

    A statement whose values come in several types (an integer that fits two bytes, one that does not, a null) is
    prepared once for each combination, as psycopg does it: ``names`` has them by the types' numbers.
    """

    text: str
    count: int
    formats: list[PyFormat] = field(init=False)
    names: dict[tuple[int, ...] | None, bytes] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.formats = [PyFormat.AUTO] * self.count


class Prepared:
    """Executes prepared statements on one connection, for one thread or greenlet at a time."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._pgconn = connection.pgconn
        self._wait = connection.wait
        self._encoding = connection.info.encoding
        self._transformer = Transformer(connection)
        self._count = 0
        self.fetched = 0
        """Rows of the last :meth:`fetch`, for whoever timed it from outside."""

    def fetch(self, statement: Statement, values: Sequence[Any]) -> int:
        """Execute a statement and make Python values of every row of its answer.

        Returns the number of rows, fetched or written. It is prepared when it is first executed.

        Raises:
            psycopg.Error: what the server says, or that a value cannot be sent.
        """
        transformer = self._transformer
        given = transformer.dump_sequence(values, statement.formats)
        formats = transformer.formats
        name = statement.names.get(transformer.types) or self._prepare(statement, transformer.types)
        self._pgconn.send_query_prepared(name, given, param_formats=formats, result_format=_BINARY)
        result = self._wait(execute(self._pgconn))[-1]
        if result.status == _TUPLES_OK:
            transformer.set_pgresult(result)
            rows: int = result.ntuples
            transformer.load_rows(0, rows, tuple)
        else:
            rows = self._checked(result).command_tuples or 0
        self.fetched = rows
        return rows

    def command(self, command: bytes) -> None:
        """A command without values and rows, not prepared.

        Raises:
            psycopg.Error: what the server says.
        """
        self._pgconn.send_query(command)
        self._checked(self._wait(execute(self._pgconn))[-1])

    def _prepare(self, statement: Statement, types: tuple[int, ...] | None) -> bytes:
        self._count += 1
        name = b"pgvitals_%d" % self._count
        self._pgconn.send_prepare(name, statement.text.encode(self._encoding), param_types=types)
        self._checked(self._wait(execute(self._pgconn))[-1])
        statement.names[types] = name
        return name

    def _checked(self, result: PGresult) -> PGresult:
        if result.status != _COMMAND_OK:
            raise psycopg.errors.error_from_result(result, encoding=self._encoding)
        return result
