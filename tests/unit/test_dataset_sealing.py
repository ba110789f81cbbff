"""Sealed columns: ciphertext where the type is bytea, plain where it is not, the same bytes every time."""

import uuid
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgvitals.dataset import Unit, blob, in_order, inet, nullable, sealed, uuid_texts
from pgvitals.dataset.encode import Type, encode
from pgvitals.dataset.sealing import nonces
from pgvitals.encryption import Context, seal, unseal
from pgvitals.errors import BrokenSealError, DatasetError

TENANT = "6a0c4b5e-0000-8000-8000-000000000000"
BYTEA = Type(name="bytea")
NAMES = np.array([name.encode() for name in ("Ana", "Łukasz", "", "trailing ")])
UNIT = Unit(seed=7, system="s", table="clients", tenant=2, chunk=0, start=10, stop=14)
KEY = UNIT.secret("data key", 2)


def bytes_of(column, type_=BYTEA):
    field = encode(column, type_)
    lengths = np.full(len(field.data), field.data.shape[1]) if field.lengths is None else field.lengths
    return [None if n < 0 else row[:n].tobytes() for row, n in zip(field.data, lengths, strict=True)]


def opened(column, unit=UNIT, name="first_name", places=slice(None)):
    rows = [str(uuid.UUID(bytes=raw.tobytes())) for raw in unit.ids()[places]]
    return [
        value and unseal(lambda version: {1: KEY}[version], value, Context(TENANT, "clients", name, row))
        for value, row in zip(bytes_of(column), rows, strict=True)
    ]


def test_a_sealed_text_opens_in_its_own_place():
    column = sealed(NAMES, UNIT.seal("first_name", KEY, TENANT))
    assert opened(column) == ["Ana", "Łukasz", "", "trailing "]
    with pytest.raises(BrokenSealError):
        opened(column, name="last_name")
    with pytest.raises(BrokenSealError):
        opened(column, places=slice(None, None, -1))


def test_a_sealed_date_holds_iso_text():
    days = np.array(["1931-02-03", "2020-02-29", "1999-12-31", "2000-01-01"], dtype="datetime64[D]")
    assert opened(sealed(days, UNIT.seal("first_name", KEY, TENANT))) == [str(day) for day in days]


@pytest.mark.parametrize("nest", [lambda v, s, g: nullable(sealed(v, s), g), lambda v, s, g: sealed(nullable(v, g), s)])
def test_what_is_not_given_is_null_and_not_sealed(nest):
    column = nest(NAMES, UNIT.seal("first_name", KEY, TENANT), np.array([True, False, False, True]))
    assert opened(column) == ["Ana", None, None, "trailing "]
    assert bytes_of(column, Type(name="varchar")) == [b"Ana", None, None, b"trailing "]


def test_where_the_column_is_not_yet_encrypted_the_values_are_plain():
    seal = UNIT.seal("first_name", KEY, TENANT)
    days = np.array(["2000-01-02"] * 4, dtype="datetime64[D]")
    assert bytes_of(sealed(NAMES, seal), Type(name="text")) == [name.rstrip(b"\0") for name in NAMES.tolist()]
    assert bytes_of(sealed(days, seal), Type(name="date")) == [b"\0\0\0\1"] * 4


def test_rows_that_are_sorted_take_their_places_along():
    order = np.array([3, 1, 0, 2])
    column = sealed(NAMES, UNIT.seal("first_name", KEY, TENANT)).take(order)
    assert opened(column, places=order) == ["trailing ", "Łukasz", "Ana", ""]
    by_time = in_order({"name": sealed(NAMES, UNIT.seal("first_name", KEY, TENANT))}, np.array([2, 1, 3, 0]))
    assert opened(by_time["name"], places=order) == ["trailing ", "Łukasz", "Ana", ""]


def test_the_same_seed_seals_the_same_bytes_and_another_others():
    again = Unit(seed=7, system="s", table="clients", tenant=2, chunk=5, start=10, stop=14)
    other = Unit(seed=8, system="s", table="clients", tenant=2, chunk=0, start=10, stop=14)
    made = bytes_of(sealed(NAMES, UNIT.seal("first_name", KEY, TENANT)))
    assert bytes_of(sealed(NAMES, again.seal("first_name", KEY, TENANT))) == made
    assert not set(bytes_of(sealed(NAMES, other.seal("first_name", KEY, TENANT)))) & set(made)
    assert other.secret("data key", 2) != KEY


def test_no_nonce_comes_twice_in_a_column_nor_in_two():
    index = np.arange(200_000)
    drawn = [nonces(UNIT.key("nonce", "clients", name, tenant), index) for name in ("a", "b") for tenant in (0, 1)]
    assert len(np.unique(np.concatenate(drawn).view("V12"))) == 4 * len(index)


@settings(deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60), min_size=1, max_size=8
    ),
    st.randoms(),
)
def test_a_column_is_sealed_as_each_text_would_be_by_itself(texts, random):
    unit = replace(UNIT, stop=UNIT.start + len(texts))
    places = unit.seal("first_name", KEY, TENANT)
    plain = np.array([text.encode() for text in texts])
    given_ = np.array([random.random() < 0.7 for _ in texts])
    rows = [str(uuid.UUID(bytes=row.tobytes())) for row in places.rows]
    one_by_one = [
        seal(KEY, 1, text, Context(TENANT, "clients", "first_name", row), nonce.tobytes())
        for text, row, nonce in zip(texts, rows, places.nonces, strict=True)
    ]
    assert bytes_of(sealed(plain, places)) == one_by_one
    assert bytes_of(sealed(nullable(plain, given_), places)) == [
        value if is_given else None for value, is_given in zip(one_by_one, given_, strict=True)
    ]


def test_bytes_that_are_no_text_are_not_sealed():
    broken = np.array([b"fine", "né".encode()[:2], b"", b"fine"])
    with pytest.raises(DatasetError, match="a text to seal is not UTF-8"):
        encode(sealed(broken, UNIT.seal("first_name", KEY, TENANT)), BYTEA)


def test_only_text_and_dates_are_sealed():
    with pytest.raises(DatasetError, match="only text and dates are sealed, not values of kind 'integer'"):
        encode(sealed(np.arange(4), UNIT.seal("first_name", KEY, TENANT)), BYTEA)


def test_a_seal_does_not_show_its_key():
    assert repr(KEY) not in repr(UNIT.seal("first_name", KEY, TENANT))


def test_uuids_are_written_as_python_writes_them():
    ids = UNIT.ids_of("anything", np.arange(1_000))
    assert uuid_texts(ids).tolist() == [str(uuid.UUID(bytes=raw.tobytes())).encode() for raw in ids]


def test_blobs_keep_every_byte_also_zeros_at_the_end():
    values = [b"\0\0", b"", b"a\0b\0", bytes(range(256))]
    assert bytes_of(blob(values)) == values
    assert bytes_of(blob(np.zeros((2, 3), dtype=np.uint8))) == [bytes(3)] * 2
    assert bytes_of(nullable(blob(values), np.array([True, False, True, False])).take(np.array([3, 2, 0]))) == [
        None,
        b"a\0b\0",
        b"\0\0",
    ]
    assert bytes_of(blob([])) == []


def test_plain_text_is_not_taken_for_ciphertext():
    with pytest.raises(DatasetError, match="values of kind 'text' do not fit type 'bytea'"):
        encode(NAMES, BYTEA)


def test_addresses_tell_their_family():
    six = np.array([[0x20, 0x01] + [0] * 13 + [1], [0] * 10 + [255, 255, 192, 0, 2, 1]], dtype=np.uint8)
    assert bytes_of(inet(six), Type(name="inet")) == [
        b"\x03\x80\x00\x10" + six[0].tobytes(),
        b"\x02\x20\x00\x04\xc0\x00\x02\x01",
    ]
    four = np.array([[10, 0, 0, 1]], dtype=np.uint8)
    assert bytes_of(nullable(inet(four), np.array([True])), Type(name="inet")) == [b"\x02\x20\x00\x04\x0a\x00\x00\x01"]
