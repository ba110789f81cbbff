"""ULIDs of datasets: the same everywhere, in order of time and index, and as another implementation writes them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID, base32

from pgvitals.dataset import Unit
from pgvitals.dataset.encode import Type, encode
from pgvitals.dataset.ulids import _base32, ulids
from pgvitals.errors import DatasetError

NOW = np.datetime64("2025-10-01T08:30:00.123456", "us")


def moments(*ms):
    return np.array(ms, dtype=np.int64).astype("datetime64[ms]").astype("datetime64[us]")


def unit(table="visits", tenant=3, rows=4, start=0):
    return Unit(seed=1, system="s", table=table, tenant=tenant, chunk=0, start=start, stop=start + rows)


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**40 - 1), st.integers(0, 2**40 - 1))
def test_the_text_is_what_another_implementation_writes(ms, counter, rest):
    made = _base32(*(np.array([word], dtype=np.uint64) for word in (ms, counter, rest)))
    binary = (ms << 80 | counter << 40 | rest).to_bytes(16, "big")
    assert made.tolist() == [base32.encode(binary).encode()]
    assert ULID.from_str(made[0].decode()).bytes == binary


def test_a_ulid_holds_the_milliseconds_of_its_moment():
    made = ulids((1, 2), np.arange(3), NOW + np.arange(3) * np.timedelta64(1, "D"))
    first = int(NOW.astype("datetime64[ms]").astype(np.int64))
    assert [ULID.from_str(one.decode()).milliseconds - first for one in made] == [0, 86_400_000, 2 * 86_400_000]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**39 - 1)), unique=True, min_size=2))
def test_they_sort_by_time_and_within_a_millisecond_by_index(pairs):
    made = ulids((2**64 - 1, 7), np.array([k for _, k in pairs]), moments(*(ms for ms, _ in pairs)))
    in_order_of_text = [pair for _, pair in sorted(zip(made.tolist(), pairs, strict=True))]
    assert in_order_of_text == sorted(pairs)


def test_a_million_of_one_millisecond_are_distinct():
    made = ulids((11, 12), np.arange(1_000_000), np.full(1_000_000, NOW))
    assert len(np.unique(made)) == 1_000_000


def test_tables_and_tenants_have_ulids_of_their_own():
    at = np.full(1_000, NOW)
    made = [
        unit(rows=1_000).ulids(at),
        unit("tasks", rows=1_000).ulids(at),
        unit(tenant=4, rows=1_000).ulids(at),
        unit(tenant=None, rows=1_000).ulids(at),
    ]
    assert len(np.unique(np.concatenate(made))) == 4_000


def test_a_child_computes_the_ulid_of_its_parent():
    def since(index):
        return NOW - index * np.timedelta64(1, "h")

    parents = unit("patients", tenant=5, rows=100)
    child = unit("visits", tenant=5, rows=3, start=90)
    wanted = np.array([40, 2, 99])
    assert (
        child.ulids_of("patients", wanted, since(wanted)).tolist()
        == parents.ulids(since(parents.index))[wanted].tolist()
    )
    platform = unit("tenants", tenant=None, rows=10)
    assert child.ulid_of("tenants", 5, since(5), tenant=None).tolist() == [platform.ulids(since(platform.index))[5]] * 3


def test_they_are_text_for_every_type_of_text():
    made = unit().ulids(np.full(4, NOW))
    assert made.dtype == "S26"
    for name in ("text", "varchar", "bpchar"):
        field = encode(made, Type(name=name))
        assert field.lengths.tolist() == [26] * 4
        assert field.data.tobytes() == made.tobytes()


@pytest.mark.parametrize(
    ("index", "moment", "said"),
    [
        (np.array([0]), moments(-1), "1970"),
        (np.array([0]), moments(2**48), "10889"),
        (np.array([-1]), moments(1), "index goes from 0"),
        (np.array([2**39]), moments(1), "index goes from 0"),
        (np.array([1, 2]), moments(1), "one moment for each row"),
    ],
)
def test_what_a_ulid_cannot_hold_is_refused(index, moment, said):
    with pytest.raises(DatasetError, match=said):
        ulids((1, 2), index, moment)
