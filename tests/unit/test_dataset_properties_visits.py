"""Appointments, whatever the zone, the date, the sizes and the seed: hours, overlaps, statuses, and who comes."""

from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgvitals.dataset.bookings import STATUSES, Rates, settle
from pgvitals.dataset.places import places
from pgvitals.dataset.returning import returning
from pgvitals.dataset.slots import Book, book, calendar
from pgvitals.dataset.streams import Stream
from pgvitals.suite import load_module

rows_ = load_module(Path(__file__).with_name("dataset_rows.py"), "dataset_rows")

ZONES = sorted({zone.decode() for zone in places().zone.tolist()})
WITHOUT_DST = ["America/Phoenix", "Pacific/Honolulu"]
ELSEWHERE = ["Europe/Berlin", "Asia/Kolkata", "America/Santiago", "Australia/Lord_Howe", "Africa/Cairo"]
MINUTE, DAY = np.timedelta64(60_000_000, "us"), np.timedelta64(1, "D")
RATES = Rates(cancelled=0.2, cancelled_ahead=0.1, missed=0.1)

quick = settings(deadline=None, max_examples=25, derandomize=True, database=None)
few = settings(deadline=None, max_examples=8, derandomize=True, database=None)
days = st.dates(min_value=np.datetime64("2008-01-01").item(), max_value=np.datetime64("2035-12-31").item())


def local(moments, zone):
    return [moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)) for moment in moments.tolist()]


def outside_working_hours(start, minutes, zone):
    """Visits that are not on Monday to Friday from nine to twelve or from one to five, by the clock on the wall."""
    found = []
    for begins, lasts in zip(local(start, zone), minutes.tolist(), strict=True):
        first = begins.hour * 60 + begins.minute
        inside = any(opens <= first and first + lasts <= closes for opens, closes in ((540, 720), (780, 1_020)))
        if begins.weekday() >= 5 or not inside:
            found.append((begins, lasts))
    return found


def overlaps(start, end, who):
    """Rows that begin before the one before of the same person has ended."""
    order = np.lexsort((start, who))
    same = who[order][1:] == who[order][:-1]
    return int((same & (start[order][1:] < end[order][:-1])).sum())


# Books


@quick
@given(st.sampled_from(ZONES + ELSEWHERE), days, st.integers(60, 900), st.integers(0, 2**62))
def test_visits_are_in_working_hours_by_the_clock_on_the_wall(zone, as_of, age, seed):
    today = np.datetime64(as_of, "D")
    made = book(Stream("hours", seed), calendar(zone, today - age, today), age * 3)
    assert outside_working_hours(made.start, made.minutes, zone) == []
    assert (made.start[1:] >= (made.start + made.minutes * MINUTE)[:-1]).all()


def changes(zone, year):
    """The days of a year on which the clocks have changed since the day before, and by how many minutes."""
    noons = [np.datetime64(f"{year}-01-01T12", "us") + k * DAY for k in range(366)]
    offset = [noon.item().replace(tzinfo=ZoneInfo(zone)).utcoffset() for noon in noons]
    return [
        (noons[k].astype("datetime64[D]"), (offset[k] - offset[k - 1]).total_seconds() / 60)
        for k in range(1, 366)
        if offset[k] != offset[k - 1]
    ]


@pytest.mark.parametrize("zone", [*ZONES, *ELSEWHERE])
def test_the_working_day_begins_at_the_same_hour_before_and_after_the_clocks_change(zone):
    found = changes(zone, 2025)
    assert len(found) == (0 if zone in [*WITHOUT_DST, "Asia/Kolkata"] else 2)
    assert sum(minutes for _, minutes in found) == 0, "once forward and once back"
    days = calendar(zone, np.datetime64("2024-12-02"), np.datetime64("2025-12-31"))
    for day, minutes in found:
        before, after = np.searchsorted(days.days, day - 1, side="right") - 1, np.searchsorted(days.days, day)
        assert days.to_utc_minutes[after] - days.to_utc_minutes[before] == -minutes
        for k in (before, after):
            nine = days.days[k].astype("datetime64[us]") + (9 * 60 + days.to_utc_minutes[k]) * MINUTE
            assert [(at.hour, at.minute, at.date()) for at in local(np.array([nine]), zone)] == [
                (9, 0, days.days[k].item())
            ]


# What becomes of them


def settled(seed, count=400, size=150):
    now = np.datetime64("2025-10-01", "us")
    days = calendar("America/Denver", np.datetime64("2025-01-06"), now.astype("datetime64[D]"))
    books = [book(Stream("book", seed, k), days, size) for k in range(-(-count // size))]
    start, minutes = (np.concatenate([getattr(one, name) for one in books])[:count] for name in ("start", "minutes"))
    first = np.arange(count) % size == 0
    return (
        settle(lambda purpose: Stream(purpose, seed), Book(start, minutes), now, first, RATES),
        np.arange(count) // size,
        now,
    )


@quick
@given(st.integers(0, 2**62))
def test_visits_that_are_not_cancelled_never_overlap_and_cancelled_ones_make_room(seed):
    made, who, _ = settled(seed)
    kept = ~made.cancelled
    assert overlaps(made.start[kept], made.end[kept], who[kept]) == 0
    again = np.flatnonzero(made.again)
    assert (made.start[again] == made.start[again - 1]).all()
    assert (who[again] == who[again - 1]).all()
    assert made.cancelled[again - 1].all()
    assert kept[again].all()
    assert (made.created[again] >= made.changed[again - 1]).all(), "the hour was free when it was booked again"


@quick
@given(st.integers(0, 2**62))
def test_the_status_of_a_visit_goes_with_its_age(seed):
    made, _, now = settled(seed)
    status = STATUSES[made.status]
    assert set(status[made.end > now].tolist()) <= {b"scheduled", b"cancelled"}
    assert set(status[made.end <= now].tolist()) <= {b"completed", b"no_show", b"cancelled"}
    assert ((made.created <= made.changed) & (made.changed <= now)).all()
    assert (made.created <= made.start).all()
    assert (made.changed[made.cancelled] <= made.start[made.cancelled]).all(), "cancelled before it begins"
    assert (made.changed[status == b"completed"] >= np.minimum(made.end, now)[status == b"completed"]).all()


def test_two_in_five_cancelled_visits_are_taken_by_somebody():
    made, *_ = settled(1, count=20_000)
    assert 0.28 < made.again.sum() / made.cancelled.sum() < 0.42


# Who comes


def drawn(seed, clients, among, n=3_000):
    stream = Stream("visits", seed)
    known = stream.integers(n, min(among, clients), clients + 1)
    practitioner = np.sort(stream.integers(n, 0, among))
    week = stream.integers(n, 2_900, 3_000)
    others = np.zeros(n, dtype=bool)
    others[1:] = (practitioner[1:] == practitioner[:-1]) & stream.chance(n - 1, 0.1)
    others[1:] &= ~others[:-1]  # an hour is taken once
    week[1:][others[1:]] = week[:-1][others[1:]]
    return returning(Stream("who", seed), known, practitioner, among, week, others), known, practitioner, week, others


@quick
@given(st.integers(0, 2**62), st.integers(1, 900), st.integers(1, 40))
def test_a_client_is_known_when_the_visit_is_booked(seed, clients, among):
    client, known, *_ = drawn(seed, clients, among)
    assert ((client >= 0) & (client < np.maximum(known, 1))).all()


@quick
@given(st.integers(0, 2**62), st.integers(40, 900), st.integers(1, 40))
def test_nobody_sees_two_practitioners_in_one_week(seed, clients, among):
    client, _, practitioner, week, _ = drawn(seed, clients, among)
    seen = np.unique(np.stack([client, week, practitioner]), axis=1)
    assert np.unique(seen[:2], axis=1).shape == seen[:2].shape


def test_a_client_sees_the_other_practitioner_now_and_then():
    client, _, practitioner, _, _ = drawn(3, clients=900, among=6, n=20_000)
    assert 0.08 < (practitioner != client % 6).mean() < 0.2
    assert set(np.unique((practitioner - client) % 6)) == {0, 1}


def test_somebody_else_takes_a_cancelled_hour():
    client, known, _, _, others = drawn(4, clients=900, among=6, n=20_000)
    others &= known > 2 * 7 * 6  # there is somebody else
    assert others.sum() > 1_000
    assert (client[1:] != client[:-1])[others[1:]].all()


def test_return_visits_have_a_long_tail():
    n = 60_000
    plenty = np.full(n, 6_000)
    client = returning(Stream("tail"), plenty, np.zeros(n, int), 1, np.zeros(n, int), np.zeros(n, bool))
    visits = np.bincount(client, minlength=6_000)
    assert 0.14 < np.sort(visits)[-120:].sum() / n < 0.25, "one client in fifty has a sixth of the visits"
    assert np.median(visits) < n / 6_000


# The recipes' appointments


WHO = {"pazpaz": ("practitioner_id", "client_id"), "portal": ("provider_id", "patient_id")}
VISITS = ("scheduled_start", "scheduled_end", "status")


def zones(rows):
    """The time zone of each appointment's tenant."""
    if rows.system.name == "portal":
        _, parent = rows.parents("appointments", "organization_id", "organizations")
        return rows.one("organizations", "timezone")[parent]
    shared = load_module(rows.system.folder / "rows" / "shared.py", "pazpaz_rows_shared")
    units = rows.units("appointments")
    return np.concatenate([np.repeat(places().zone[[shared.home_of(unit)]], unit.rows) for unit in units])


@pytest.mark.parametrize("system", list(WHO))
@few
@given(st.data())
def test_appointments_do_not_overlap_and_are_in_working_hours_at_their_place(system, data):
    rows = rows_.Rows(system, data.draw(rows_.profiles(system, most=1_500)), data.draw(rows_.seeds()))
    start, end, status = rows.value("appointments", *VISITS)
    who, kept = rows.one("appointments", WHO[system][0]), status != b"cancelled"
    assert overlaps(start[kept], end[kept], who[kept]) == 0
    at, minutes = zones(rows), (end - start) // MINUTE
    for zone in np.unique(at):
        here = at == zone
        assert outside_working_hours(start[here], minutes[here], zone.decode()) == []


LARGE = {
    "pazpaz": {"workspaces": 2, "clients": 1_500, "appointments": 30_000, "sessions": 1, "audit_events": 2},
    "portal": {
        "organizations": 2,
        "patients": 900,
        "appointments": 30_000,
        **dict.fromkeys(("documents", "tasks", "call_logs", "audit_logs"), 2),
    },
}


@pytest.fixture(scope="module", params=list(WHO))
def large(request):
    """Two practices with several practitioners each."""
    rows = rows_.Rows(request.param, rows_.profile_of(request.param, LARGE[request.param]))
    assert len(np.unique(rows.one("appointments", WHO[request.param][0]))) > 6
    return rows


def test_nobody_is_in_two_places_at_once(large):
    start, end, status = large.value("appointments", *VISITS)
    kept = status != b"cancelled"
    assert overlaps(start[kept], end[kept], large.one("appointments", WHO[large.system.name][1])[kept]) == 0


def test_some_cancelled_hours_of_the_past_and_of_the_future_are_taken(large):
    start, _, status = large.value("appointments", *VISITS)
    who, client = large.value("appointments", *WHO[large.system.name])
    free, kept = status == b"cancelled", status != b"cancelled"
    hour = np.strings.add(who, start.astype(np.int64).astype("S20"))
    taken = np.isin(hour[free], hour[kept])
    assert 0.25 < taken.mean() < 0.45
    assert taken[start[free] > np.datetime64(large.profile.as_of, "us")].any()
    same = np.isin(np.strings.add(hour, client)[free][taken], np.strings.add(hour, client)[kept])
    assert same.mean() < 0.1, "by somebody else"


def test_practitioners_of_one_house_work_at_the_same_time_and_each_has_a_room(large):
    start, end, status = large.value("appointments", *VISITS)
    clinic = (large.one("appointments", "location_type") == b"clinic") & (status != b"cancelled")
    house = {"pazpaz": "location_id", "portal": "organization_id"}[large.system.name]
    assert overlaps(start[clinic], end[clinic], large.one("appointments", house)[clinic]) > 100
    if large.system.name == "portal":
        room = np.strings.add(large.one("appointments", house), large.one("appointments", "location"))
        assert overlaps(start[clinic], end[clinic], room[clinic]) == 0
