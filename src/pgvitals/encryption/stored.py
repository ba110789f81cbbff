"""Stored keys, read over psycopg or SQLAlchemy from the table ``workspace_keys``.

Columns: workspace_id, purpose, version, kek_id, wrapped_key, retired_at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.rows import tuple_row

from pgvitals.encryption.ring import StoredKey

Source = psycopg.Connection[Any] | sa.Connection | sa.Engine
KEY_TABLE = "workspace_keys"


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """Fetches a tenant's keys from ``table`` over ``source``."""

    source: Source
    table: str
    setting: str | None

    def __call__(self, tenant: str) -> list[StoredKey]:
        """Purpose, version, wrapped key and whether it is retired, of every key of the tenant that is visible."""
        statement = (
            "select purpose, version, wrapped_key, retired_at is not null "  # noqa: S608 - quoted identifiers
            f"from {quoted(self.table)} where workspace_id = %s"
        )
        if isinstance(self.source, psycopg.Connection):
            with self.source.cursor(row_factory=tuple_row) as cursor:
                return list(cursor.execute(statement, (tenant,)))
        with _connected(self.source, self.setting, tenant) as connection:
            # The driver's own statement: SQLAlchemy would cast the parameter to varchar, which is no uuid.
            return [tuple(row) for row in connection.exec_driver_sql(statement, (tenant,))]


def fetch_from(source: Source, table: str = KEY_TABLE, *, setting: str | None = None) -> StoredKeys:
    """A ``fetch`` for `KeyRing`: keys from ``table`` ("schema.table"), which is read as the connection's role.

    A connection is used as it stands: its transaction must show the tenant's keys. An engine opens a transaction for
    each fetch and sets ``setting`` in it, so that row-level security shows them; a ring for several threads needs that.
    """
    return StoredKeys(source, table, setting)


def quoted(table: str) -> str:
    """``schema.table`` as an identifier."""
    return sql.Identifier(*table.split(".")).as_string(None)


@contextmanager
def _connected(source: sa.Connection | sa.Engine, setting: str | None, tenant: str) -> Iterator[sa.Connection]:
    if isinstance(source, sa.Connection):
        yield source
        return
    with source.begin() as connection:
        if setting is not None:
            connection.exec_driver_sql("select set_config(%s, %s, true)", (setting, tenant))
        yield connection
