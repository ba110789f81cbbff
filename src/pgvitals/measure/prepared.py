"""Prepared statements of one connection, executed with libpq's own calls as psycopg hands them on.

A cursor of psycopg decides at every execution whether to prepare, looks the statement up, and keeps state for a
later ``fetchone`` or ``nextset``: 15 to 20 µs, which say nothing of the database. What an application cannot do
without stays: parameters are dumped by psycopg's dumpers, rows become Python values by its binary loaders, and
waiting is psycopg's own, so that an interrupt cancels the statement and, under gevent, others run meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import generators
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ExecStatus, Format

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

_AUTO, _BINARY = PyFormat.AUTO, Format.BINARY
_COMMAND_OK, _TUPLES_OK = int(ExecStatus.COMMAND_OK), int(ExecStatus.TUPLES_OK)


class Prepared:
    """The prepared statements of one connection; each is prepared when it is first executed.

    One thread, or one greenlet, at a time. A statement whose parameters come in several types (an integer that
    fits two bytes, one that does not, a null) is prepared once for each combination, as psycopg does it.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._encoding = connection.info.encoding
        self._transformer = Transformer(connection)
        self._names: dict[tuple[str, tuple[int, ...]], bytes] = {}

    def execute(self, statement: str, values: Sequence[Any]) -> PGresult:
        """Execute a statement with ``$1``, ``$2`` … for its values; the answer, still in the server's format.

        Raises:
            psycopg.Error: what the server says, or that a value cannot be sent.
        """
        transformer = self._transformer
        dumped = transformer.dump_sequence(values, [_AUTO] * len(values))
        types = transformer.types or ()
        formats = transformer.formats
        name = self._names.get((statement, types)) or self._prepare(statement, types)
        self._pgconn.send_query_prepared(name, dumped, param_formats=formats, result_format=_BINARY)
        return self._answer()

    def command(self, command: bytes) -> None:
        """A command without parameters and rows, not prepared.

        Raises:
            psycopg.Error: what the server says.
        """
        self._pgconn.send_query(command)
        self._answer()

    def rows(self, result: PGresult) -> list[tuple[Any, ...]]:
        """The rows of an answer as Python values."""
        transformer = self._transformer
        transformer.set_pgresult(result)
        return transformer.load_rows(0, result.ntuples, tuple)

    def _prepare(self, statement: str, types: tuple[int, ...]) -> bytes:
        name = b"pgvitals_%d" % len(self._names)
        self._pgconn.send_prepare(name, statement.encode(self._encoding), param_types=types)
        self._answer()
        self._names[statement, types] = name
        return name

    def _answer(self) -> PGresult:
        result: PGresult = self._connection.wait(generators.execute(self._pgconn))[-1]
        if result.status != _TUPLES_OK and result.status != _COMMAND_OK:
            raise psycopg.errors.error_from_result(result, encoding=self._encoding)
        return result
