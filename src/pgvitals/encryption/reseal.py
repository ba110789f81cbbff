"""Seal a tenant's rows of one table again, in batches that commit, beside whoever reads and writes them.

The rows that carry an old version are found once, by primary key, through a cursor that outlives its transaction. It
sees the table once however many batches follow, holds back no vacuum, and its client holds one batch at a time. A row
is read without a lock, and written only if nobody holds it and it still is what was read; whoever is skipped is found
by the next pass.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from pgvitals.encryption.cipher import PREFIX_BYTES, prefix, seal, unseal
from pgvitals.encryption.context import Context
from pgvitals.encryption.ring import KeyRing
from pgvitals.errors import EncryptionError

_FIND = "select {key} from {table} where {tenant_column} = %(tenant)s and {carries} order by {key}"
_CARRIED = "select exists (select from {table} where {tenant_column} = %(tenant)s and {carries})"
_COUNTED = "select {counts} from {table} where {tenant_column} = %(tenant)s and {carries}"
_READ = "select {key}, {columns} from {table} where {tenant_column} = %s and {key} = any(%s) order by {key}"
_WRITE = """
update {table} set {assignments}
where {key} = (
    select {key} from {table} where {tenant_column} = %s and {key} = %s for no key update skip locked
) and {unchanged}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedTable:
    """Which columns of a table are sealed; ``name`` is "schema.table"."""

    name: str
    columns: tuple[str, ...]
    tenant_column: str = "workspace_id"
    key_column: str = "id"


def left_out_of(tables: Sequence[SealedTable], declared: Sequence[SealedTable]) -> list[SealedTable]:
    """The declared columns that are not among those of ``tables``."""
    named = {(table.name, column) for table in tables for column in table.columns}
    rest = [
        replace(table, columns=tuple(column for column in table.columns if (table.name, column) not in named))
        for table in declared
    ]
    return [table for table in rest if table.columns]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one committed batch did."""

    table: str
    rows: int
    """Rows that were sealed again."""
    left: int
    """Rows that somebody else held or changed meanwhile."""
    broken: int
    """Rows that hold a value that does not open."""
    what: str
    """The first of them, and why."""


class Resealing:
    """One table of one tenant, from old versions of its data key to the newest."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        begin: Callable[[], AbstractContextManager[object]],
        table: SealedTable,
        *,
        tenant: str,
        ring: KeyRing,
        old: Sequence[int],
    ) -> None:
        """``begin`` opens a transaction that sees the tenant; ``old`` are the versions to leave behind."""
        self._connection, self._begin, self._table = connection, begin, table
        self._tenant, self._ring = tenant, ring
        self._values = {"tenant": tenant, "old": [prefix(version) for version in old]}
        columns = [sql.Identifier(column) for column in table.columns]
        old_prefix = sql.SQL("substr({}, 1, {}) = any(%(old)s)")
        self._parts: dict[str, sql.Composable] = {
            "table": sql.Identifier(*table.name.split(".")),
            "key": sql.Identifier(table.key_column),
            "tenant_column": sql.Identifier(table.tenant_column),
            "columns": sql.SQL(", ").join(columns),
            "carries": sql.SQL("({})").format(
                sql.SQL(" or ").join(old_prefix.format(column, PREFIX_BYTES) for column in columns)
            ),
            "counts": sql.SQL(", ").join(
                sql.SQL("count(*) filter (where {})").format(old_prefix.format(column, PREFIX_BYTES))
                for column in columns
            ),
            "assignments": sql.SQL(", ").join(sql.SQL("{} = %s").format(column) for column in columns),
            "unchanged": sql.SQL(" and ").join(sql.SQL("{} is not distinct from %s").format(each) for each in columns),
        }

    def carried(self) -> bool:
        """Whether some row carries an old version; asked in the caller's transaction."""
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(self._statement(_CARRIED), self._values).fetchone()
        return row is not None and bool(row[0])

    def told(self) -> list[str]:
        """Which columns carry an old version, and in how many values; asked in the caller's transaction."""
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(self._statement(_COUNTED), self._values).fetchone() or ()
        return [
            f"{self._table.name}.{column} ({values} values)"
            for column, values in zip(self._table.columns, row, strict=True)
            if values
        ]

    def batches(self, rows: int) -> Generator[Batch]:
        """Seal again what carries an old version now, ``rows`` rows in a transaction; yields what is committed."""
        found = self._connection.cursor("pgvitals_reseal", row_factory=tuple_row, withhold=True)
        try:
            with self._begin():
                found.execute(self._statement(_FIND), self._values)
            while True:
                with self._begin():
                    keys = [key for (key,) in found.fetchmany(rows)]
                    batch = self._reseal(keys) if keys else None
                if batch is None:
                    return
                yield batch
        finally:
            # Closing is a statement, too, and must not leave a transaction open.
            with nullcontext() if self._connection.closed else self._begin():
                found.close()

    def _reseal(self, keys: list[Any]) -> Batch:
        broken: list[str] = []
        changes: list[list[Any]] = []
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            for key, *values in cursor.execute(self._statement(_READ), (self._tenant, keys)):
                try:
                    new = [
                        value and self._renewed(value, self._context(column, key))
                        for column, value in zip(self._table.columns, values, strict=True)
                    ]
                except EncryptionError as error:
                    broken.append(f"row {key} of {self._table.name}: {error}")
                else:
                    if new != values:  # else somebody was here since the cursor looked
                        changes.append([*new, self._tenant, key, *values])
            written = 0
            if changes:
                cursor.executemany(self._statement(_WRITE), changes)
                written = cursor.rowcount
        return Batch(
            table=self._table.name,
            rows=written,
            left=len(changes) - written,
            broken=len(broken),
            what=broken[0] if broken else "",
        )

    def _context(self, column: str, key: Any) -> Context:
        return Context(self._tenant, self._table.name.rpartition(".")[2], column, str(key))

    def _renewed(self, value: bytes, context: Context) -> bytes:
        if value[:PREFIX_BYTES] not in self._values["old"]:
            return value
        version, key = self._ring.data_key(self._tenant)
        return seal(key, version, unseal(self._ring.opener(self._tenant), value, context), context)

    def _statement(self, text: str) -> sql.Composed:
        return sql.SQL(text).format(**self._parts)
