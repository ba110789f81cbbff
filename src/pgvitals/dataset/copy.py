"""Units of rows into a table by binary COPY, which costs the server a fifth of what text does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from psycopg import Connection, sql

from pgvitals.dataset.encode import Field
from pgvitals.dataset.slices import encode_rows
from pgvitals.errors import DatasetError

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"


def copy_rows(
    conn: Connection,
    table: sql.Composable,
    columns: Sequence[str],
    units: Iterable[Sequence[Field]],
    *,
    freeze: bool,
    advance: Callable[[int], None] = lambda rows: None,
) -> int:
    """COPY units of rows into a table; returns their number. ``advance`` hears of the rows in each slice.

    ``freeze`` writes them as if vacuumed; the table must have been truncated in the same transaction.

    Raises:
        DatasetError: the server counted other rows than were sent.
    """
    statement = sql.SQL("copy {} ({}) from stdin (format binary, freeze {})").format(
        table, sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Literal(freeze)
    )
    sent = 0
    with conn.cursor() as cursor:
        with cursor.copy(statement) as copy:
            copy.write(HEADER)
            for fields in units:
                for block, rows in encode_rows(fields):
                    copy.write(block)
                    sent += rows
                    advance(rows)
            copy.write(TRAILER)
        if cursor.rowcount != sent:
            name = table.as_string(conn)
            raise DatasetError(f"{name}: sent {sent} rows and the server counted {cursor.rowcount}; load again")
    return sent
