"""One table of a database as a Parquet file, a row group at a time.

Binary COPY costs the server half of what text does, and nothing has to be parsed: on the same appointments 1.3 s
against 2.1 s by way of pyarrow's CSV reader, and against 6 s for fetching alone through a cursor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import Connection, sql

from pgvitals.dataset.arrow import ArrowColumn, to_table

GROUP_ROWS = 131_072
GROUP_BYTES = 32 * 2**20
"""A row group ends with the first row that reaches one of them."""

_HEADER_BYTES = 19  # signature, flags and the length of the header's extension
_TRAILER_BYTES = 2  # a row has at least as many: the number of its fields comes first


def write_table(conn: Connection, schema: str, table: str, columns: Sequence[ArrowColumn], path: Path) -> Iterator[int]:
    """Write all rows that the connection sees; tells how many are in the file, first 0 and then after each row group.

    Raises:
        DatasetError: a value does not fit its Parquet type.
    """
    rows = 0
    yield rows
    fields = pa.schema([column.field for column in columns])
    with pq.ParquetWriter(path, fields, compression="zstd") as writer:
        for messages in _groups(conn, schema, table, columns):
            writer.write_table(to_table(columns, messages))
            rows += len(messages)
            yield rows


def _groups(conn: Connection, schema: str, table: str, columns: Sequence[ArrowColumn]) -> Iterator[list[memoryview]]:
    """The rows as the messages they come in, one a row."""
    statement = sql.SQL("copy (select {} from {}) to stdout (format binary)").format(
        sql.SQL(", ").join(column.ask for column in columns), sql.Identifier(schema, table)
    )
    group: list[memoryview] = []
    size, skip = 0, _HEADER_BYTES
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        for whole in copy:
            message = memoryview(whole)[skip:]  # the header comes with the first row, or alone
            skip = 0
            if len(message) <= _TRAILER_BYTES:
                continue
            group.append(message)
            size += len(message)
            if len(group) >= GROUP_ROWS or size >= GROUP_BYTES:
                yield group
                group, size = [], 0
    if group:
        yield group
