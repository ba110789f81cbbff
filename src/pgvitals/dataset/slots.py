"""Appointment books: working hours, lunch, weekends, holidays, seasons, and no two visits at once.

Each practitioner's day is packed with back-to-back slots of 30, 45, 60 and 90 minutes, and the book
takes the wanted number of them: no overlap by construction. Which ones is drawn without replacement in
proportion to each day's demand (sequential Poisson sampling; Ohlsson, "Sequential Poisson sampling",
Journal of Official Statistics 14, 1998).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from pgvitals.dataset.streams import F64, I64, Stream
from pgvitals.errors import DatasetError

Days = npt.NDArray[np.datetime64]
Times = npt.NDArray[np.datetime64]

DURATIONS = {30: 0.30, 45: 0.20, 60: 0.38, 90: 0.12}  # minutes -> share
SESSIONS = (
    (9 * 60, 12 * 60, 3),
    (13 * 60, 17 * 60, 4),
)  # from, until (minutes after midnight), fewest visits
FEWEST_A_DAY = sum(fewest for _, _, fewest in SESSIONS)
DAYS_AHEAD = 56

_MONTHS = np.array([1.10, 1.08, 1.06, 1.02, 1.00, 0.95, 0.82, 0.78, 1.02, 1.08, 1.05, 0.74])
_WEEKDAYS = np.array([1.02, 1.08, 1.06, 1.04, 0.80])  # Monday to Friday
_HOLIDAYS = ((1, 1), (7, 4), (11, 11), (12, 24), (12, 25), (12, 31))
_LEAVE_WEEKS = 8  # one week in so many is a practitioner's leave


@dataclass(frozen=True)
class Calendar:
    """Working days of a practice: the days, demand of each (mean near 1), and minutes to add for UTC."""

    days: Days
    demand: F64
    to_utc_minutes: I64


@dataclass(frozen=True)
class Book:
    """Visits in order of time: start (UTC) and minutes."""

    start: Times
    minutes: I64


def working_days(opened: np.datetime64, as_of: np.datetime64) -> int:
    """Monday to Friday from ``opened`` up to, not including, ``as_of``."""
    return int(np.busday_count(opened, as_of))


@lru_cache(maxsize=256)
def calendar(zone: str, opened: np.datetime64, as_of: np.datetime64) -> Calendar:
    """The calendar of a practice in a time zone, from ``opened`` to eight weeks after ``as_of``.

    Demand grows over the years, follows the season and the day of the week, and tapers off after
    ``as_of``: next week is nearly booked, in eight weeks little is.
    """
    days = np.arange(opened, as_of + np.timedelta64(DAYS_AHEAD, "D"), dtype="datetime64[D]")
    days = days[np.is_busday(days)]
    months = days.astype("datetime64[M]").astype(np.int64) % 12
    dates = (days - days.astype("datetime64[M]")).astype(np.int64) + 1
    weekdays = (days.astype(np.int64) + 3) % 7
    age = (days - opened).astype(np.int64) / max(1, int((as_of - opened).astype(np.int64)))
    ahead = (days - as_of).astype(np.int64) / DAYS_AHEAD
    demand = _MONTHS[months] * _WEEKDAYS[weekdays] * (0.7 + 0.5 * np.minimum(age, 1.0))
    demand *= np.where(ahead >= 0, 0.85 * (1 - ahead) ** 2, 1.0)
    for month, date in _HOLIDAYS:
        demand[(months == month - 1) & (dates == date)] = 0.0
    return Calendar(days, demand, _to_utc(zone, days))


def _to_utc(zone: str, days: Days) -> I64:
    """Minutes from local time to UTC on each day; clocks change at night, so one figure a day is exact."""
    local = ZoneInfo(zone)
    noons = (datetime(day.year, day.month, day.day, 12, tzinfo=local) for day in days.tolist())
    ahead = [noon.utcoffset() or timedelta() for noon in noons]
    return np.array([-(offset // timedelta(minutes=1)) for offset in ahead], dtype=np.int64)


def book(stream: Stream, of: Calendar, count: int) -> Book:
    """``count`` visits of one practitioner.

    Raises:
        DatasetError: the calendar has not room for so many.
    """
    demand = _with_leave(stream, of)
    starts, minutes = [], []
    for number, (patterns, lengths, weights) in enumerate(_patterns()):
        chosen = stream.pick(len(of.days), weights)
        starts.append(patterns[chosen] + SESSIONS[number][0])
        minutes.append(lengths[chosen])
    offered = np.concatenate(minutes, axis=1)
    wanted = (offered > 0) & (demand[:, None] > 0)
    if count > int(wanted.sum()):
        raise DatasetError(f"{count} visits do not fit a book of {len(of.days)} working days; add practitioners")
    with np.errstate(divide="ignore"):
        order = stream.uniform(offered.size).reshape(offered.shape) / demand[:, None]
    order[~wanted] = np.inf
    taken = np.sort(np.argpartition(order.ravel(), count - 1)[:count])
    day = taken // offered.shape[1]
    minute = np.concatenate(starts, axis=1).ravel()[taken] + of.to_utc_minutes[day]
    start = of.days[day].astype("datetime64[us]") + minute * np.timedelta64(60_000_000, "us")
    return Book(start, offered.ravel()[taken])


def _with_leave(stream: Stream, of: Calendar) -> F64:
    weeks = (of.days.astype(np.int64) + 3) // 7
    weeks -= weeks[0]
    away = np.zeros(int(weeks[-1]) + 1, dtype=np.bool_)
    first = int(stream.integers(1, 0, _LEAVE_WEEKS)[0])
    away[first::_LEAVE_WEEKS] = True
    return np.where(away[weeks], 0.0, of.demand)


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[I64, I64, F64], ...]:
    """For each session: offsets and lengths of the visits of every way to fill it, and its probability."""
    return tuple(_session_patterns(until - start, fewest) for start, until, fewest in SESSIONS)


def _session_patterns(minutes: int, fewest: int) -> tuple[I64, I64, F64]:
    full: list[tuple[int, ...]] = []

    def fill(visits: tuple[int, ...], left: int) -> None:
        fitting = [length for length in DURATIONS if length <= left]
        for length in fitting:
            fill((*visits, length), left - length)
        if not fitting and len(visits) >= fewest:
            full.append(visits)

    fill((), minutes)
    width = max(map(len, full))
    lengths = np.array([visits + (0,) * (width - len(visits)) for visits in full], dtype=np.int64)
    offsets = np.cumsum(lengths, axis=1) - lengths
    weights = np.array([np.prod([DURATIONS[length] for length in visits]) for visits in full])
    return offsets, lengths, weights / weights.sum()
