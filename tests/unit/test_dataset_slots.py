"""Appointment books: exact counts, office hours, and never two visits at once."""

from datetime import UTC
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgvitals.dataset.slots import DAYS_AHEAD, DURATIONS, FEWEST_A_DAY, book, calendar
from pgvitals.dataset.streams import Stream
from pgvitals.errors import DatasetError

OPENED, AS_OF = np.datetime64("2023-10-02"), np.datetime64("2025-10-01")
MINUTE = np.timedelta64(60_000_000, "us")
ZONES = ["America/New_York", "America/Los_Angeles", "America/Phoenix", "Europe/Berlin", "Asia/Kolkata"]


def local_starts(made, zone):
    return [start.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)) for start in made.start.tolist()]


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(ZONES), st.integers(1, 3_000), st.integers(0, 10**6))
def test_a_book_has_the_asked_visits_and_no_two_overlap(zone, count, seed):
    made = book(Stream("book", seed), calendar(zone, OPENED, AS_OF), count)
    assert len(made.start) == len(made.minutes) == count
    assert (made.start[1:] >= (made.start + made.minutes * MINUTE)[:-1]).all()
    assert set(made.minutes.tolist()) <= set(DURATIONS)


@pytest.mark.parametrize("zone", ZONES)
def test_visits_are_in_office_hours_of_the_place_in_summer_and_in_winter(zone):
    made = book(Stream("hours"), calendar(zone, OPENED, AS_OF), 3_000)
    starts = local_starts(made, zone)
    assert {start.month for start in starts} == set(range(1, 13))
    for start, minutes in zip(starts, made.minutes.tolist(), strict=True):
        begins = start.hour * 60 + start.minute
        assert start.weekday() < 5
        assert begins >= 9 * 60
        assert begins + minutes <= 17 * 60
        assert begins + minutes <= 12 * 60 or begins >= 13 * 60, "nobody works through lunch"


def test_nobody_works_on_a_holiday():
    starts = local_starts(book(Stream("h"), calendar(ZONES[0], OPENED, AS_OF), 3_000), ZONES[0])
    assert not {(start.month, start.day) for start in starts} & {(1, 1), (7, 4), (12, 25)}


def test_a_practitioner_goes_on_leave():
    starts = book(Stream("leave"), calendar(ZONES[0], OPENED, AS_OF), 3_000).start
    weeks = np.unique((starts.astype("datetime64[D]").astype(int) + 3) // 7)
    assert (np.diff(weeks) > 1).sum() >= 8


def test_bookings_taper_off_after_today():
    starts = book(Stream("ahead"), calendar(ZONES[0], OPENED, AS_OF), 3_000).start
    ahead = starts[starts >= AS_OF]
    middle = AS_OF + np.timedelta64(DAYS_AHEAD // 2, "D")
    assert len(ahead) > 20
    assert (ahead < middle).sum() > 3 * (ahead >= middle).sum()


def test_december_is_quieter_than_march():
    months = book(Stream("season"), calendar(ZONES[0], OPENED, AS_OF), 3_000).start.astype("datetime64[M]").astype(int)
    by_month = np.bincount(months % 12, minlength=12)
    assert by_month[11] < 0.85 * by_month[2]


def test_a_full_book_says_so():
    days = calendar(ZONES[0], OPENED, AS_OF)
    room = len(days.days) * 12
    with pytest.raises(DatasetError, match=f"{room} visits do not fit"):
        book(Stream("full"), days, room)


def test_every_working_day_offers_at_least_the_promised_visits():
    days = calendar(ZONES[0], OPENED, AS_OF)
    working = int((days.demand > 0).sum()) * 6 // 7  # one week in eight is leave, and weeks are cut at the ends
    assert len(book(Stream("most"), days, working * FEWEST_A_DAY).start) == working * FEWEST_A_DAY
