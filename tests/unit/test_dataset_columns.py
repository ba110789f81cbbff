"""Columns: an array says what it holds; what does not fit a type is refused by name."""

import numpy as np
import pytest

from pgvitals.dataset.columns import as_column, in_order, json, json_values, lists, money, nullable
from pgvitals.dataset.encode import Type, encode
from pgvitals.dataset.slices import SLICE_ROWS, encode_rows
from pgvitals.errors import DatasetError


def one(values, type_, **more):
    field = encode(values, Type(name=type_, **more))
    length = field.data.shape[1] if field.lengths is None else field.lengths[0]
    return None if length < 0 else field.data[0, :length].tobytes()


@pytest.mark.parametrize(
    ("values", "type_", "stored"),
    [
        (np.array([258]), "int2", b"\x01\x02"),
        (np.array([-2]), "int4", b"\xff\xff\xff\xfe"),
        (np.array([2**40]), "int8", (2**40).to_bytes(8, "big")),
        (np.array([-120]), "text", b"-120"),
        (np.array([True]), "bool", b"\x01"),
        (np.array(["2000-01-02T00:00:00.000001"], dtype="datetime64[us]"), "timestamptz", (86_400_000_001).to_bytes(8)),
        (np.array(["1999-12-31"], dtype="datetime64[D]"), "date", b"\xff\xff\xff\xff"),
        (np.array(["né".encode()]), "varchar", "né".encode()),
        (np.arange(16, dtype=np.uint8).reshape(1, 16), "uuid", bytes(range(16))),
        (json(json_values([{"a": "ü"}])), "jsonb", '\x01{"a": "ü"}'.encode()),
        (json(json_values([[]])), "json", b"[]"),
    ],
)
def test_values_take_the_servers_binary_form(values, type_, stored):
    assert one(values, type_) == stored


def test_a_list_names_the_type_of_its_elements():
    stored = one(lists([("a", "bc"), ()], np.array([0])), "_text", element=25)
    assert stored == bytes.fromhex("00000001 00000000 00000019 00000002 00000001 00000001 61 00000002 6263")
    assert one(lists([("a",), ()], np.array([1])), "_text", element=25) == bytes.fromhex("00000000 00000000 00000019")


@pytest.mark.parametrize("number", [2**15, -(2**15) - 1])
def test_a_number_too_large_for_its_type_is_refused(number):
    with pytest.raises(DatasetError, match="does not fit type 'int2'"):
        encode(np.array([number]), Type(name="int2"))


def test_an_amount_beyond_twelve_digits_is_refused():
    with pytest.raises(DatasetError, match="beyond"):
        encode(money(np.array([10**14])), Type(name="numeric"))


@pytest.mark.parametrize(("values", "type_"), [(np.array([b"x"]), "uuid"), (np.array([True]), "text")])
def test_a_kind_that_the_type_cannot_hold_is_refused(values, type_):
    with pytest.raises(DatasetError, match=f"do not fit type '{type_}'"):
        encode(values, Type(name=type_))


@pytest.mark.parametrize("values", [np.array([1.5]), np.array(["text"]), np.zeros((2, 2)), np.array(["2025"], "M8[Y]")])
def test_other_arrays_are_no_columns(values):
    with pytest.raises(DatasetError, match="no kind of column"):
        as_column(values)


def test_null_replaces_what_is_not_given():
    twice = nullable(nullable(np.array([1, 2, 3]), np.array([True, False, True])), np.array([True, True, False]))
    assert encode(twice, Type(name="int4")).lengths.tolist() == [4, -1, -1]


def test_rows_sorted_by_a_moment_keep_their_values_and_nulls_together():
    moment = np.array([30, 10, 20])
    sorted_ = in_order({"n": np.array([3, 1, 2]), "x": nullable(np.array([3, 1, 2]), moment > 15)}, moment)
    assert sorted_["n"].values.tolist() == sorted_["x"].values.tolist() == [1, 2, 3]
    assert sorted_["x"].nulls.tolist() == [True, False, False]


def test_rows_are_cut_to_their_length_in_every_slice():
    n = SLICE_ROWS + 7
    numbers = np.arange(n)
    texts = nullable(np.array([b"x" * (k % 11) for k in range(n)]), numbers % 5 > 0)
    blocks = list(encode_rows([encode(numbers, Type(name="int4")), encode(texts, Type(name="text"))]))
    assert [rows for _, rows in blocks] == [SLICE_ROWS, 7]
    expected = b"".join(
        b"\0\2\0\0\0\4" + k.to_bytes(4) + ((k % 11).to_bytes(4) + b"x" * (k % 11) if k % 5 else b"\xff" * 4)
        for k in range(n)
    )
    assert b"".join(block for block, _ in blocks) == expected


def test_a_column_of_nulls_only_takes_no_space():
    absent = nullable(np.array([b"never", b"never"]), np.zeros(2, dtype=bool))
    (block,) = [block for block, _ in encode_rows([encode(absent, Type(name="text"))])]
    assert block == (b"\0\1" + b"\xff" * 4) * 2
