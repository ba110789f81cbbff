"""Rows of binary COPY: whatever the columns, the bytes are those that a plain loop writes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgvitals.dataset import slices
from pgvitals.dataset.columns import padded
from pgvitals.dataset.encode import Field
from pgvitals.dataset.slices import encode_rows


def written_one_by_one(fields):
    """The format as PostgreSQL documents it: the number of columns, then each value behind its length."""
    out = []
    for row in range(len(fields[0].data)):
        out.append(len(fields).to_bytes(2, "big"))
        for field in fields:
            value = field.data[row].tobytes()
            length = len(value) if field.lengths is None else int(field.lengths[row])
            out.append(length.to_bytes(4, "big", signed=True) + value[: max(length, 0)])
    return b"".join(out)


@st.composite
def fields_of(draw):
    rows = draw(st.integers(1, 9))

    def values(least, most):
        return st.lists(st.binary(min_size=least, max_size=most), min_size=rows, max_size=rows)

    fields = []
    for kind in draw(st.lists(st.sampled_from(["fixed", "empty", "varying", "null"]), min_size=1, max_size=6)):
        if kind == "fixed":
            width = draw(st.integers(1, 20))
            fields.append(Field(padded(draw(values(width, width)))[0]))
        else:
            matrix, lengths = padded(draw(values(0, 0 if kind == "empty" else 12)))
            if kind == "null":
                lengths[np.array(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)))] = -1
            fields.append(Field(matrix, lengths))
    return fields


@settings(deadline=None)
@given(fields_of(), st.integers(1, 10), st.sampled_from([0, 5, 512]))
def test_any_columns_in_slices_of_any_size_are_written_as_one_by_one(fields, slice_rows, narrow):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "SLICE_ROWS", slice_rows)
        patch.setattr(slices, "_NARROW", narrow)
        made = list(encode_rows(fields))
    assert b"".join(block for block, _ in made) == written_one_by_one(fields)
    assert sum(rows for _, rows in made) == len(fields[0].data)
    assert all(rows == slice_rows for _, rows in made[:-1])


def test_bytes_beyond_a_values_length_never_get_out():
    secret = np.frombuffer(b"abcdSECRET" * 3, dtype=np.uint8).reshape(3, 10)
    field = Field(secret, np.array([4, -1, 4], dtype=np.int32))
    ((block, rows),) = encode_rows([field])
    assert (block, rows) == (b"\0\1\0\0\0\4abcd\0\1\xff\xff\xff\xff\0\1\0\0\0\4abcd", 3)


def test_no_rows_are_no_slices():
    assert list(encode_rows([Field(np.zeros((0, 16), dtype=np.uint8))])) == []
