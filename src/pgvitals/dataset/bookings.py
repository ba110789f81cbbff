"""What becomes of the visits in a book: booked ahead, cancelled, offered again, missed, completed.

Visits that are not cancelled never overlap, since those of a book do not. Two in five cancelled ones have
their hour taken by a later booking: the same start, the same practitioner, made after the cancellation. A
missed hour stays empty, because nobody knew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pgvitals.dataset.slots import Book, Times
from pgvitals.dataset.streams import F64, I64, Bool, Stream, Text

STATUSES = np.array([b"scheduled", b"completed", b"no_show", b"cancelled"])
LEAD = np.timedelta64(45, "D").astype("timedelta64[us]")  # nobody books so long before, plus two hours

_SCHEDULED, _COMPLETED, _MISSED, _CANCELLED = range(len(STATUSES))
_OFFERED_AGAIN = 0.4
_MINUTE = np.timedelta64(60_000_000, "us")
_SHORTEST_LEAD = 120 * _MINUTE
_WRITTEN_UP = 20 * _MINUTE
_LATELY = np.timedelta64(15, "D").astype("timedelta64[us]")


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Shares of visits that are cancelled, before today and after it, and of past ones that are missed."""

    cancelled: float
    cancelled_ahead: float
    missed: float


@dataclass(frozen=True, kw_only=True)
class Bookings:
    """Visits in order of time; times in UTC. ``again`` marks those that take the hour of the row before."""

    start: Times
    end: Times
    minutes: I64
    created: Times
    changed: Times
    status: I64
    again: Bool

    @property
    def status_name(self) -> Text:
        """Their status in words."""
        return np.asarray(STATUSES[self.status])

    @property
    def cancelled(self) -> Bool:
        """Which are cancelled; ``changed`` says when."""
        return np.asarray(self.status == _CANCELLED)

    @property
    def completed(self) -> Bool:
        """Which took place."""
        return np.asarray(self.status == _COMPLETED)

    @property
    def week(self) -> I64:
        """A number of each visit's week, which begins on Monday."""
        return np.asarray((self.start.astype("datetime64[D]").astype(np.int64) + 3) // 7)


def settle(stream: Callable[[str], Stream], booked: Book, now: np.datetime64, first: Bool, rates: Rates) -> Bookings:
    """What has become of one or several books by ``now``; ``first`` marks where the book of a practitioner begins."""
    n = len(booked.start)
    start, minutes = booked.start.copy(), booked.minutes.copy()
    past = start + minutes * _MINUTE <= now
    cancelled = stream("cancelled").chance(n, np.where(past, rates.cancelled, rates.cancelled_ahead))
    missed = ~cancelled & past & stream("no_show").chance(n, rates.missed)

    # The cancelled row moves to the hour of the one after it, whose booking then has to wait for it.
    after = 1 + np.flatnonzero(cancelled[:-1] & ~cancelled[1:] & ~first[1:])
    after = after[stream("again").chance(len(after), _OFFERED_AGAIN)]
    start[after - 1], minutes[after - 1] = start[after], minutes[after]

    lead = _SHORTEST_LEAD + _part_of(LEAD, np.square(stream("lead").uniform(n)))
    lately = now - _part_of(_LATELY, stream("lately").uniform(n))
    created = np.where(start - lead < now, start - lead, lately)
    begun = np.minimum(start, now)
    stopped = created + _part_of(begun - created, np.square(stream("cancelled_at").uniform(n)))
    freed = stopped[after - 1]
    created[after] = freed + _part_of(begun[after] - freed, stream("taken_at").uniform(len(after)))

    end = start + minutes * _MINUTE
    changed = np.where(cancelled, stopped, np.where(past, np.minimum(end + _WRITTEN_UP, now), created))
    again = np.zeros(n, dtype=np.bool_)
    again[after] = True
    status = np.where(cancelled, _CANCELLED, np.where(missed, _MISSED, np.where(past, _COMPLETED, _SCHEDULED)))
    return Bookings(start=start, end=end, minutes=minutes, created=created, changed=changed, status=status, again=again)


def _part_of(span: np.timedelta64 | np.ndarray, share: F64) -> np.ndarray:
    return (span.astype(np.int64) * share).astype("timedelta64[us]")
