"""A checksum of what a table holds, taken from the database itself and blind to the order of rows.

Whatever made and sent the rows, and however many workers: the same rows give the same number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from psycopg import Connection, sql

# The text form of a row depends on these; they are fixed so that every client sees the same.
_SETTINGS = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "search_path": "pg_catalog",
}


def table_checksum(conn: Connection, schema: str, table: str) -> tuple[int, str]:
    """Rows and checksum: the sum of each row's 64-bit hash, as a decimal number."""
    statement = sql.SQL("select count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text from {} as t")
    with conn.transaction():
        for name, value in _SETTINGS.items():
            conn.execute("select set_config(%s, %s, true)", (name, value))
        row = conn.execute(statement.format(sql.Identifier(schema, table))).fetchone()
    if row is None:
        raise AssertionError("an aggregate always returns a row")
    return int(row[0]), str(row[1])


def overall_checksum(tables: Iterable[tuple[str, str, int, str]]) -> str:
    """One SHA-256 over (system, table, rows, checksum), whatever their order."""
    lines = sorted(f"{system}.{table} {rows} {checksum}" for system, table, rows, checksum in tables)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
