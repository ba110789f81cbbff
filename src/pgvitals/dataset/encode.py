"""How PostgreSQL's types store columns in binary: what each type's receive function expects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pgvitals.dataset.columns import I32, Array, Column, as_column, padded
from pgvitals.dataset.streams import Bytes2D
from pgvitals.errors import DatasetError

_EPOCH_DAYS = 10_957  # 2000-01-01, where PostgreSQL counts from
_EPOCH_US = _EPOCH_DAYS * 86_400_000_000
_IPV4_MAPPED = np.array([0] * 10 + [255] * 2, dtype=np.uint8)
_TEXT_TYPES = ("text", "varchar", "bpchar", "enum", "citext", "name")


@dataclass(frozen=True)
class Field:
    """Encoded values: bytes of shape (n, width), and each one's length: -1 is null, None is ``width`` throughout."""

    data: Bytes2D
    lengths: I32 | None = None


@dataclass(frozen=True, kw_only=True)
class Type:
    """A PostgreSQL type: its name (``enum`` for any enum), and the OID of its elements if it is an array."""

    name: str
    element: int = 0


def encode(values: Array | Column, type_: Type) -> Field:
    """The binary form that the type's receive function expects.

    Raises:
        DatasetError: the type cannot hold values of this kind, or not this large.
    """
    column = as_column(values)
    kind = "sealed" if column.seal is not None and type_.name == "bytea" else column.kind
    encoder = _ENCODERS.get((kind, type_.name))
    if encoder is None:
        raise DatasetError(f"values of kind {column.kind!r} do not fit type {type_.name!r}")
    field = encoder(column, type_)
    if column.nulls is None or not column.nulls.any():
        return field
    width = field.data.shape[1]
    lengths = np.full(len(column.nulls), width, dtype=np.int32) if field.lengths is None else field.lengths.copy()
    lengths[column.nulls] = -1
    return Field(field.data, lengths)


def _big_endian(values: Array, dtype: str) -> Field:
    wide = np.ascontiguousarray(values.astype(dtype))
    return Field(wide.view(np.uint8).reshape(len(values), wide.dtype.itemsize))


def _integer(column: Column, type_: Type) -> Field:
    dtype = {"int2": ">i2", "int4": ">i4", "int8": ">i8"}[type_.name]
    limits = np.iinfo(np.dtype(dtype))
    if len(column.values) and not limits.min <= column.values.min() <= column.values.max() <= limits.max:
        raise DatasetError(f"a value of {column.values.max()} does not fit type {type_.name!r}")
    return _big_endian(column.values, dtype)


def _time(column: Column, _: Type) -> Field:
    return _big_endian(column.values.astype(np.int64) - _EPOCH_US, ">i8")


def _date(column: Column, _: Type) -> Field:
    return _big_endian(column.values.astype(np.int64) - _EPOCH_DAYS, ">i4")


def _bool(column: Column, _: Type) -> Field:
    return Field(column.values.astype(np.uint8).reshape(-1, 1))


def _uuid(column: Column, _: Type) -> Field:
    return Field(np.ascontiguousarray(column.values))


def _text(column: Column, _: Type) -> Field:
    values = np.ascontiguousarray(column.values)
    data = values.view(np.uint8).reshape(len(values), values.dtype.itemsize)
    return Field(data, np.strings.str_len(values).astype(np.int32))


def _digits(column: Column, type_: Type) -> Field:
    return _text(Column("text", column.values.astype("S20")), type_)


def _jsonb(column: Column, type_: Type) -> Field:
    text = _text(column, type_)
    version = np.ones((len(text.data), 1), dtype=np.uint8)
    lengths = np.strings.str_len(column.values).astype(np.int32) + 1
    return Field(np.concatenate([version, text.data], axis=1), lengths.astype(np.int32))


def _numeric(column: Column, _: Type) -> Field:
    """Sign, scale 2 or 0, and base-10000 digits; the server trims zero digits at either end."""
    scale = 2 if column.kind == "money" else 0
    magnitude = np.abs(column.values.astype(np.int64))
    whole, fraction = np.divmod(magnitude, 10**scale)
    if len(whole) and whole.max() >= 10**12:
        raise DatasetError(f"an amount of {whole.max()} is beyond what a dataset writes as numeric (12 digits)")
    parts = np.empty((len(whole), 8), dtype=">i2")
    parts[:, 0], parts[:, 1], parts[:, 3] = 4, 2, scale
    parts[:, 2] = np.where(column.values < 0, 0x4000, 0)
    parts[:, 4], parts[:, 5], parts[:, 6] = whole // 10**8, whole // 10**4 % 10**4, whole % 10**4
    parts[:, 7] = fraction * 100
    return Field(parts.view(np.uint8).reshape(len(whole), 16))


def _blob(column: Column, _: Type) -> Field:
    return Field(np.ascontiguousarray(column.values), column.lengths)


def _sealed(column: Column, _: Type) -> Field:
    """Dates are sealed as ISO 8601 text, and what is null is not sealed at all."""
    if column.seal is None or column.kind not in ("text", "date"):
        raise DatasetError(f"only text and dates are sealed, not values of kind {column.kind!r}")
    n = len(column.values)
    given = np.arange(n) if column.nulls is None else np.flatnonzero(~column.nulls)
    plain = column.values[given]
    texts = np.datetime_as_string(plain).astype("S") if column.kind == "date" else plain
    sealed, sealed_lengths = padded(column.seal.take(given).values(texts))
    data = np.zeros((n, sealed.shape[1]), dtype=np.uint8)
    lengths = np.zeros(n, dtype=np.int32)
    data[given], lengths[given] = sealed, sealed_lengths
    return Field(data, lengths)


def _inet(column: Column, _: Type) -> Field:
    """Family (2 or 3), bits of the mask, no cidr, bytes of the address, the address."""
    n, width = column.values.shape
    out = np.zeros((n, 4 + width), dtype=np.uint8)
    out[:, :4] = (2, 32, 0, 4) if width == 4 else (3, 128, 0, 16)
    out[:, 4:] = column.values
    if width == 4:
        return Field(out)
    mapped = (column.values[:, :12] == _IPV4_MAPPED).all(axis=1)
    out[mapped, :4] = (2, 32, 0, 4)
    out[mapped, 4:8] = column.values[mapped, 12:]
    return Field(out, np.where(mapped, 8, 20).astype(np.int32))


def _lists(column: Column, type_: Type) -> Field:
    table, lengths = padded([_list(item, type_.element) for item in column.items])
    return Field(table[column.values], lengths[column.values])


def _list(item: tuple[str, ...], element: int) -> bytes:
    numbers = [1, 0, element, len(item), 1] if item else [0, 0, element]
    body = b"".join(len(raw).to_bytes(4, "big") + raw for raw in (text.encode() for text in item))
    return b"".join(number.to_bytes(4, "big") for number in numbers) + body


_Encoder = Callable[[Column, Type], Field]
_ENCODERS: dict[tuple[str, str], _Encoder] = {
    ("uuid", "uuid"): _uuid,
    ("time", "timestamptz"): _time,
    ("time", "timestamp"): _time,
    ("date", "date"): _date,
    ("bool", "bool"): _bool,
    ("json", "json"): _text,
    ("json", "jsonb"): _jsonb,
    ("money", "numeric"): _numeric,
    ("integer", "numeric"): _numeric,
    ("lists", "_text"): _lists,
    ("lists", "_varchar"): _lists,
    ("sealed", "bytea"): _sealed,
    ("blob", "bytea"): _blob,
    ("inet", "inet"): _inet,
    **{("integer", name): _integer for name in ("int2", "int4", "int8")},
    **{("text", name): _text for name in _TEXT_TYPES},
    **{("integer", name): _digits for name in ("text", "varchar", "bpchar")},
}
