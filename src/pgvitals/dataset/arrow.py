"""Rows of COPY's binary format to Arrow columns: the way back from :mod:`pgvitals.dataset.encode`.

The server sends every row as one message, so that it is known where each begins. Each column is then read for
all rows at once: its lengths, its values, and with them where the next column begins. No Python object is made
for a value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from psycopg import Connection, sql

from pgvitals.dataset.columns import Array
from pgvitals.dataset.streams import I64
from pgvitals.errors import DatasetError

_EPOCH_DAYS = 10_957  # 2000-01-01, where PostgreSQL counts from
_EPOCH_US = _EPOCH_DAYS * 86_400_000_000
_WIDEST = 16  # bytes that a value of fixed width may take
_MOST_DIGITS = 38  # of decimal128

_COLUMNS = """
select a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       case when b.typtype = 'e' then 'text' else b.typname end,
       case when y.typtype = 'd' then y.typtypmod else a.atttypmod end,
       (select e.typname from pg_type e where e.oid = b.typelem and b.typcategory = 'A')
from pg_class t
join pg_namespace n on n.oid = t.relnamespace
join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
join pg_type y on y.oid = a.atttypid
join pg_type b on b.oid = case when y.typtype = 'd' then y.typbasetype else y.oid end
where n.nspname = %s and t.relname = %s
order by a.attnum
"""


@dataclass(frozen=True)
class _Raw:
    """One column of many rows: the message bytes, where each value begins, its length, and which are null."""

    data: bytes
    starts: I64
    lengths: I64
    nulls: Array

    @property
    def mask(self) -> Array | None:
        return self.nulls if self.nulls.any() else None

    def fixed(self, dtype: str) -> Array:
        """Values that all have the width of ``dtype``, wherever they lie; anything where they are null."""
        kind = np.dtype(dtype)
        anywhere = np.ndarray((len(self.data) - kind.itemsize + 1,), kind, self.data, 0, (1,))
        return anywhere[self.starts].astype(kind.newbyteorder("="), copy=False)

    def ragged(self, type_: Any) -> Any:
        """Values of any length: as Arrow's strings they lie between the others, of which the odd ones are taken."""
        bounds = np.empty(2 * len(self.starts), dtype=np.int32)
        bounds[0::2], bounds[1::2] = self.starts, self.starts + self.lengths
        everything = pa.Array.from_buffers(
            type_, len(bounds) - 1, [None, pa.py_buffer(bounds), pa.py_buffer(self.data)]
        )
        wanted = np.arange(0, len(bounds) - 1, 2, dtype=np.int32)
        return everything.take(pa.array(wanted, mask=self.mask))


_Decode = Callable[[_Raw], Any]


@dataclass(frozen=True, kw_only=True)
class ArrowColumn:
    """A column as it leaves: its type in PostgreSQL, its Arrow field, what COPY is asked for, how that is read."""

    type: str
    field: Any  # pyarrow.Field
    ask: sql.Composable
    decode: _Decode


def arrow_columns(conn: Connection, schema: str, table: str) -> tuple[ArrowColumn, ...]:
    """All columns of a table in their order; a type that Arrow has no equal of leaves as text."""
    found = []
    for name, type_, not_null, base, modifier, element in conn.execute(_COLUMNS, (schema, table)):
        ask, arrow, decode = _kind(base, modifier, element)
        found.append(
            ArrowColumn(
                type=type_,
                field=pa.field(name, arrow, nullable=not not_null),
                ask=sql.SQL(ask).format(sql.Identifier(name)),
                decode=decode,
            )
        )
    return tuple(found)


def to_table(columns: Sequence[ArrowColumn], messages: Sequence[bytes | memoryview]) -> Any:
    """The rows of these messages, one a row and the header cut off, as an Arrow table.

    Raises:
        DatasetError: a value is beyond what its Arrow type holds; the message names the column.
    """
    sizes = np.fromiter(map(len, messages), np.int64, len(messages))
    # Whatever fixed width is read at the start of a null, there have to be bytes.
    data = b"".join([*messages, bytes(_WIDEST)])
    at = np.cumsum(sizes) - sizes + 2  # past the number of fields
    arrays = []
    for column in columns:
        lengths = _Raw(data, at, at, at).fixed(">i4").astype(np.int64)
        nulls = lengths < 0
        lengths[nulls] = 0
        raw = _Raw(data, at + 4, lengths, nulls)
        try:
            arrays.append(column.decode(raw))
        except (pa.ArrowInvalid, OverflowError):  # whose message may hold a value
            raise DatasetError(
                f"column {column.field.name!r} holds a value of type {column.type} that Parquet's"
                f" {column.field.type} cannot hold; change it, or leave the table out"
            ) from None
        at = at + 4 + lengths
    return pa.Table.from_arrays(arrays, schema=pa.schema([column.field for column in columns]))


def _kind(base: str, modifier: int, element: str | None) -> tuple[str, Any, _Decode]:
    """Of a type: what COPY is asked for, the Arrow type, and how to read what comes."""
    if base in _FIXED:
        arrow, decode = _FIXED[base]
        return "{}", arrow, decode
    if base in ("text", "varchar", "bpchar", "name", "citext", "json"):
        return "{}", pa.string(), _text
    if base == "inet":
        return "abbrev({})", pa.string(), _text  # as it is shown; a cast would add /32
    if base == "numeric" and (arrow := _decimal(modifier)) is not None:
        return "{}::text", arrow, lambda raw: _text(raw).cast(arrow)
    if element in ("text", "varchar"):
        return "to_json({})::text", pa.list_(pa.string()), _lists
    return "{}::text", pa.string(), _text


def _decimal(modifier: int) -> Any:
    """decimal128 of a numeric's precision and scale; None if it has none, or one that does not fit."""
    if modifier < 0:
        return None
    precision, scale = (modifier - 4) >> 16, ((modifier - 4) & 0x7FF ^ 0x400) - 0x400  # may be negative
    return pa.decimal128(precision, scale) if 0 <= scale <= precision <= _MOST_DIGITS else None


def _text(raw: _Raw) -> Any:
    return raw.ragged(pa.string())


def _number(dtype: str) -> _Decode:
    return lambda raw: pa.array(raw.fixed(dtype), mask=raw.mask)


def _bool(raw: _Raw) -> Any:
    return pa.array(raw.fixed("u1") != 0, mask=raw.mask)


def _uuid(raw: _Raw) -> Any:
    ids = raw.fixed(f"V{_WIDEST}")
    valid = None if raw.mask is None else pa.py_buffer(np.packbits(~raw.nulls, bitorder="little"))
    return pa.ExtensionArray.from_storage(
        pa.uuid(), pa.FixedSizeBinaryArray.from_buffers(pa.binary(_WIDEST), len(ids), [valid, pa.py_buffer(ids)])
    )


def _since_2000(dtype: str, epoch: int, arrow: Any) -> _Decode:
    def decode(raw: _Raw) -> Any:
        counted = raw.fixed(dtype)
        counted[raw.nulls] = 0
        limits = np.iinfo(counted.dtype)
        if len(counted) and (counted.min() == limits.min or counted.max() > limits.max - epoch):
            raise OverflowError  # -infinity and infinity are the outermost numbers
        return pa.array(counted + counted.dtype.type(epoch), mask=raw.mask).view(arrow)

    return decode


def _lists(raw: _Raw) -> Any:
    """Few lists are distinct, as a rule: each is read once."""
    coded = _text(raw).dictionary_encode()
    lists = [json.loads(text) for text in coded.dictionary.to_pylist()]
    if any(isinstance(item, list) for found in lists for item in found):
        raise OverflowError  # a list of lists
    return pa.array(lists, pa.list_(pa.string())).take(coded.indices)


_FIXED: dict[str, tuple[Any, _Decode]] = {
    "bool": (pa.bool_(), _bool),
    "int2": (pa.int16(), _number(">i2")),
    "int4": (pa.int32(), _number(">i4")),
    "int8": (pa.int64(), _number(">i8")),
    "float4": (pa.float32(), _number(">f4")),
    "float8": (pa.float64(), _number(">f8")),
    "uuid": (pa.uuid(), _uuid),
    "date": (pa.date32(), _since_2000(">i4", _EPOCH_DAYS, pa.date32())),
    "timestamp": (pa.timestamp("us"), _since_2000(">i8", _EPOCH_US, pa.timestamp("us"))),
    "timestamptz": (pa.timestamp("us", "UTC"), _since_2000(">i8", _EPOCH_US, pa.timestamp("us", "UTC"))),
    "bytea": (pa.binary(), lambda raw: raw.ragged(pa.binary())),
}
