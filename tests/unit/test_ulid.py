"""The application's ULIDs, against the library's own reading of them."""

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from ulid import ULID

from pgvitals.errors import UlidError
from pgvitals.ulid import Ulids, new_ulid

LAST = b"\xff" * 10


def test_a_ulid_names_the_moment_at_which_it_was_made():
    before = datetime.now(UTC).timestamp()
    made = new_ulid()
    assert len(made) == 26
    assert before - 0.001 <= ULID.from_str(made).timestamp <= datetime.now(UTC).timestamp()


def test_ulids_of_one_millisecond_are_in_order():
    ulids = Ulids(clock=lambda: 1_700_000_000_000)
    made = [ulids() for _ in range(1_000)]
    assert made == sorted(set(made))


def test_a_later_millisecond_sorts_after_an_earlier_one_whatever_the_random_part():
    parts = iter([LAST, bytes(10)])
    times = iter([1_000, 1_001])
    ulids = Ulids(clock=lambda: next(times), randomness=lambda _: next(parts))
    first, second = ulids(), ulids()
    assert first < second


def test_a_clock_that_is_set_back_does_not_break_the_order():
    times = iter([5_000, 4_000, 3_999, 5_001, 1])
    ulids = Ulids(clock=lambda: next(times))
    made = [ulids() for _ in range(5)]
    assert made == sorted(set(made))
    assert [ULID.from_str(one).milliseconds for one in made] == [5_000, 5_000, 5_000, 5_001, 5_001]


def test_a_random_part_without_a_successor_is_an_error_and_the_next_millisecond_goes_on():
    times = iter([7, 7, 8])
    parts = iter([LAST, bytes(10)])
    ulids = Ulids(clock=lambda: next(times), randomness=lambda _: next(parts))
    first = ulids()
    with pytest.raises(UlidError, match="no ULID can follow within millisecond 7"):
        ulids()
    assert ulids() > first


def test_threads_that_share_a_generator_each_see_their_own_in_order_and_none_twice():
    times = itertools.cycle([5, 3, 6, 6, 2])
    ulids = Ulids(clock=lambda: next(times))
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: [ulids() for _ in range(2_000)], range(8)))
    assert all(one == sorted(one) for one in made)
    assert len({ulid for one in made for ulid in one}) == 16_000


def test_a_forked_process_does_not_repeat_what_its_parent_makes():
    new_ulid()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"".join(new_ulid().encode() for _ in range(100)))
        os._exit(0)
    mine = {new_ulid() for _ in range(100)}
    os.waitpid(child, 0)
    theirs = os.read(reading, 26 * 100).decode()
    os.close(reading)
    os.close(writing)
    children = {theirs[at : at + 26] for at in range(0, len(theirs), 26)}
    assert len(children) == 100
    assert not mine & children
    # Random parts that count on from one start would share their first characters.
    assert {ulid[10:20] for ulid in mine}.isdisjoint(ulid[10:20] for ulid in children)
