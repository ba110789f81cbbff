"""Streams and ids: the same for the same name, wherever and in whatever order they are asked for."""

import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgvitals.dataset.streams import Stream, hex_digests, key_of, mix64, uniform_at, uuids

KEY = key_of(1, "system", "id", "table", 7)


def test_the_first_ids_of_a_table_never_change():
    made = [str(uuid.UUID(bytes=row.tobytes())) for row in uuids(KEY, np.arange(2))]
    assert made == ["9e173f1b-723e-8127-be19-282f1f146202", "cb52b58b-4d48-8caf-ab27-97a244e23c2e"]


def test_the_first_numbers_of_a_stream_never_change():
    assert Stream(20250106, "pazpaz", "clients", 0, 0, "age").integers(5, 0, 1_000_000).tolist() == [
        864231,
        980456,
        676652,
        116896,
        586178,
    ]


def test_ids_are_valid_uuids_of_version_8():
    for row in uuids(KEY, np.arange(500)):
        made = uuid.UUID(bytes=row.tobytes())
        assert made.variant == uuid.RFC_4122
        assert made.version == 8


def test_ids_of_neighbouring_tables_tenants_and_seeds_are_all_distinct():
    keys = [key_of(seed, "s", "id", table, tenant) for seed in (1, 2) for table in "ab" for tenant in (None, 0, 1)]
    made = np.concatenate([uuids(key, np.arange(20_000)) for key in keys])
    assert len(np.unique(made, axis=0)) == len(made)


@given(st.permutations(list(range(40))))
def test_an_id_does_not_depend_on_its_neighbours(order):
    assert (uuids(KEY, np.array(order)) == uuids(KEY, np.arange(40))[order]).all()
    assert (uniform_at(KEY, np.array(order)) == uniform_at(KEY, np.arange(40))[order]).all()


@given(st.lists(st.integers(0, 2**64 - 1), unique=True, min_size=1, max_size=50))
def test_the_mixer_never_maps_two_words_to_one(words):
    assert len(set(mix64(np.array(words, dtype=np.uint64)).tolist())) == len(words)


def test_names_are_not_confused_with_their_concatenation():
    assert key_of("ab", "c") != key_of("a", "bc")
    assert key_of(1, 23) != key_of(12, 3)
    assert key_of(None) != key_of("")


def test_streams_of_one_name_agree_and_of_two_names_do_not():
    first, same, other = (Stream("unit", name).raw(100).tolist() for name in ("a", "a", "b"))
    assert first == same
    assert not set(first) & set(other)


@given(st.integers(-1000, 1000), st.integers(1, 1000), st.text(max_size=5))
def test_integers_stay_within_their_bounds(low, span, name):
    drawn = Stream(name).integers(200, low, low + span)
    assert drawn.min() >= low
    assert drawn.max() < low + span


def test_uniform_numbers_fill_the_unit_interval_evenly():
    counts, _ = np.histogram(Stream("u").uniform(100_000), bins=10, range=(0, 1))
    assert counts.sum() == 100_000
    assert counts.min() > 9_500
    assert counts.max() < 10_500


def test_choices_come_in_proportion_to_their_weights():
    drawn = Stream("c").choice(40_000, {"often": 3, "seldom": 1, "never": 0})
    assert 0.74 < (drawn == b"often").mean() < 0.76
    assert not (drawn == b"never").any()


def test_runs_of_heads_are_geometric_up_to_their_limit():
    runs = np.bincount(Stream("g").geometric(40_000, 0.5, most=3), minlength=4) / 40_000
    assert runs == pytest.approx([0.5, 0.25, 0.125, 0.125], abs=0.01)


def test_hex_digests_are_distinct_and_as_long_as_asked():
    made = hex_digests(KEY, np.arange(5_000), 128)
    assert len(set(made.tolist())) == 5_000
    assert all(len(digest) == 128 and set(digest) <= set(b"0123456789abcdef") for digest in made[:50].tolist())
    with pytest.raises(ValueError, match="multiple of 16"):
        hex_digests(KEY, np.arange(1), 20)
