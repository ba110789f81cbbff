"""Columns of values: what a recipe may return, and which of PostgreSQL's types hold it.

A recipe returns plain NumPy arrays, and the array says what it holds:

===================================  ==========================================================
array                                PostgreSQL
===================================  ==========================================================
uint8, shape (n, 16)                 uuid
datetime64[us], in UTC               timestamptz, timestamp
datetime64[D]                        date
int64                                smallint, integer, bigint, numeric; digits in a text column
bool                                 boolean
bytes ``S…``, UTF-8                  text, varchar, char, enum
:func:`json` · :func:`lists`         json, jsonb · text[], varchar[]
:func:`money` (int64, cents)         numeric
:func:`blob` · :func:`inet`          bytea · inet
===================================  ==========================================================

:func:`nullable` leaves values out. :func:`sealed` text or dates are ciphertext where the column is bytea,
and plain where it is not: one recipe serves the revisions before and after a column is encrypted.
"""

from __future__ import annotations

import json as _json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pgvitals.dataset.sealing import Seal
from pgvitals.dataset.streams import I64, Bool, Bytes2D, Text
from pgvitals.errors import DatasetError

Array = npt.NDArray[Any]
I32 = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Column:
    """``n`` values of one kind; ``nulls`` marks those that are left out; ``items`` are the choices of lists.

    ``lengths`` are those of blobs; ``seal`` says how a bytea column gets the values.
    """

    kind: str
    values: Array
    nulls: Bool | None = None
    items: tuple[tuple[str, ...], ...] = ()
    lengths: I32 | None = None
    seal: Seal | None = None

    def take(self, positions: I64) -> Column:
        """The values at these positions."""
        return replace(
            self,
            values=self.values[positions],
            nulls=None if self.nulls is None else self.nulls[positions],
            lengths=None if self.lengths is None else self.lengths[positions],
            seal=None if self.seal is None else self.seal.take(positions),
        )


def nullable(values: Array | Column, given: Bool) -> Column:
    """The values where ``given`` is true, null elsewhere."""
    column = as_column(values)
    nulls = ~given if column.nulls is None else column.nulls | ~given
    return replace(column, nulls=nulls)


def json(values: Text) -> Column:
    """JSON documents, already written out (see :func:`json_values`)."""
    return Column("json", values)


def json_values(documents: Sequence[object]) -> Text:
    """A handful of JSON documents to choose from."""
    return np.array([_json.dumps(document, ensure_ascii=False).encode() for document in documents])


def lists(items: Sequence[Sequence[str]], chosen: I64) -> Column:
    """Arrays of text: one of ``items`` for each position in ``chosen``."""
    return Column("lists", chosen, items=tuple(tuple(item) for item in items))


def money(cents: I64) -> Column:
    """Amounts with two decimals, given in hundredths."""
    return Column("money", cents)


def sealed(values: Array | Column, seal: Seal) -> Column:
    """Text or dates that a bytea column holds encrypted; ``seal`` has a place for each."""
    return replace(as_column(values), seal=seal)


def blob(values: Bytes2D | Sequence[bytes]) -> Column:
    """Bytes as they are: a matrix of shape (n, width), or values of any lengths."""
    if isinstance(values, np.ndarray):
        return Column("blob", values)
    matrix, lengths = padded(values)
    return Column("blob", matrix, lengths=lengths)


def padded(values: Sequence[bytes]) -> tuple[Bytes2D, I32]:
    """Values of any lengths as a matrix of shape (n, longest), and their lengths."""
    lengths = np.fromiter(map(len, values), dtype=np.int32, count=len(values))
    width = int(lengths.max(initial=0))
    flat = np.array(values, dtype=f"S{max(1, width)}").view(np.uint8)
    return flat.reshape(len(values), max(1, width))[:, :width], lengths


def inet(addresses: Bytes2D) -> Column:
    """Addresses of hosts: IPv4 (n, 4), or IPv6 (n, 16) with IPv4 mapped into it (RFC 4291, section 2.5.5.2)."""
    return Column("inet", addresses)


def in_order(columns: Mapping[str, Array | Column], moment: Array) -> dict[str, Column]:
    """The rows sorted by a moment, as they lie in a table that grew over time."""
    order = np.argsort(moment, kind="stable")
    return {name: as_column(values).take(order) for name, values in columns.items()}


def as_column(values: Array | Column) -> Column:
    """Tell the kind of a plain array.

    Raises:
        DatasetError: the array is none of those in the table above.
    """
    if isinstance(values, Column):
        return values
    if values.dtype == np.uint8 and values.ndim == 2 and values.shape[1] == 16:
        return Column("uuid", values)
    kinds = {"S": "text", "b": "bool", "i": "integer"}
    if values.ndim == 1 and values.dtype.kind in kinds:
        return Column(kinds[values.dtype.kind], values)
    if values.ndim == 1 and values.dtype.kind == "M":
        unit = np.datetime_data(values.dtype)[0]
        if unit in ("us", "D"):
            return Column("time" if unit == "us" else "date", values)
    raise DatasetError(f"an array of {values.dtype} and shape {values.shape} is no kind of column")
