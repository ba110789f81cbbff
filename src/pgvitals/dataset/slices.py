"""Rows in the format of binary COPY, a few thousand at a time.

A slice is laid out on a sheet: one record a row, with each value as wide as the longest of its column. A
mask of the same shape then cuts the unused bytes out. One sheet serves all slices of a unit, and whole
values are copied rather than bytes: that takes a third of the time of concatenating matrices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from pgvitals.dataset.columns import I32, Array
from pgvitals.dataset.encode import Field

SLICE_ROWS = 1_024
_NARROW = 512  # bytes of a value whose masks are looked up: those of all lengths take a quarter of a megabyte


def encode_rows(fields: Sequence[Field]) -> Iterator[tuple[bytes, int]]:
    """The rows of these columns in COPY's binary format: slices without header and trailer, and their rows."""
    rows = len(fields[0].data)
    sheet = _Sheet(fields, min(rows, SLICE_ROWS))
    for start in range(0, rows, SLICE_ROWS):
        stop = min(start + SLICE_ROWS, rows)
        yield sheet.rows(start, stop), stop - start


class _Sheet:
    """Room for a slice of rows: the number of columns, then each value behind its length."""

    def __init__(self, fields: Sequence[Field], rows: int) -> None:
        widths = [_width(field) for field in fields]
        places = [(f"length {k}", ">i4") for k in range(len(fields))]
        values = [(f"value {k}", f"V{width}") for k, width in enumerate(widths)]
        pairs = [cell for pair in zip(places, values, strict=True) for cell in pair]
        row = np.dtype([("columns", ">i2"), *pairs])
        self._bytes = np.empty((rows, row.itemsize), dtype=np.uint8)
        self._used = np.ones((rows, row.itemsize), dtype=np.bool_)
        records, used = (sheet.view(row)[:, 0] for sheet in (self._bytes, self._used))
        records["columns"] = len(fields)
        self._columns = [
            _Column(field, width, records[f"length {k}"], records[f"value {k}"], used[f"value {k}"])
            for k, (field, width) in enumerate(zip(fields, widths, strict=True))
        ]
        self._whole = not any(column.varies for column in self._columns)

    def rows(self, start: int, stop: int) -> bytes:
        """The rows of that slice."""
        for column in self._columns:
            column.fill(start, stop)
        laid_out = self._bytes[: stop - start]
        return laid_out.tobytes() if self._whole else laid_out[self._used[: stop - start]].tobytes()


class _Column:
    """One column's places on the sheet, and what comes there."""

    def __init__(self, field: Field, width: int, lengths: Array, values: Array, used: Array) -> None:
        self._width, self._lengths, self._values, self._used = width, lengths, values, used
        self._data = _as_records(field.data, width) if width else None
        self._given = None if field.lengths is None or (field.lengths == width).all() else field.lengths
        self.varies = width > 0 and self._given is not None
        self._lengths[:] = width

    def fill(self, start: int, stop: int) -> None:
        """Write the values from ``start`` up to ``stop``."""
        n = stop - start
        if self._data is not None:
            self._values[:n] = self._data[start:stop]
        if self._given is not None:
            self._lengths[:n] = self._given[start:stop]
            if self._data is not None:
                self._used[:n] = _masks(np.maximum(self._given[start:stop], 0), self._width)


def _width(field: Field) -> int:
    """Of the longest value; 0 if all are null or empty."""
    return field.data.shape[1] if field.lengths is None else int(field.lengths.max(initial=0))


def _as_records(matrix: Array, width: int) -> Array:
    """The first bytes of each row as one value, which is copied at once."""
    return np.asarray(np.ascontiguousarray(matrix)[:, :width].view(f"V{width}")[:, 0])


def _masks(lengths: I32, width: int) -> Array:
    """For each length a record of ``width`` booleans, of which so many are true."""
    if width <= _NARROW:
        return np.asarray(_all_masks(width)[lengths])
    return _as_records(np.arange(width, dtype=np.int32) < lengths[:, None], width)


@lru_cache(maxsize=32)
def _all_masks(width: int) -> Array:
    """The masks of every length from 0 to ``width``."""
    return _as_records(np.tri(width + 1, width, -1, dtype=np.bool_), width)
