"""Headroom: known from quiet batches alone, and only from enough of them."""

from __future__ import annotations

import numpy as np
import pytest

from pgvitals.errors import MeasureError
from pgvitals.stats.attempt import Attempt
from pgvitals.stats.headroom import headroom
from pgvitals.stats.verdict import judge


def attempt(batches: int, size: int = 20, *, disturbed: int = 0, level: float = 1.0) -> Attempt:
    """Batches around a level in milliseconds, the last of them ten times as slow and disturbed."""
    rng = np.random.default_rng(7)
    rows = [level * rng.uniform(0.5, 1.0, size) * (10 if i >= batches - disturbed else 1) for i in range(batches)]
    return Attempt(batches=rows, valid=np.arange(batches) < batches - disturbed)


def test_it_is_how_often_the_upper_bound_goes_into_the_budget() -> None:
    found, verdict = headroom(attempt(20), 50), judge(attempt(20), None, 50)
    assert verdict.interval is not None
    assert found == pytest.approx(50 / verdict.interval.high)
    assert headroom(attempt(20), 500) == pytest.approx(10 * found)


def test_over_its_budget_it_is_below_one() -> None:
    found = headroom(attempt(20), 0.5)
    assert found is not None
    assert found < 1


@pytest.mark.parametrize(
    ("few", "enough"), [(attempt(11), attempt(12)), (attempt(14, disturbed=3), attempt(14, disturbed=2))]
)
def test_it_takes_twelve_quiet_batches(few: Attempt, enough: Attempt) -> None:
    assert headroom(few, 50) is None
    assert headroom(enough, 50) is not None


def test_it_takes_fifty_nine_samples() -> None:
    assert headroom(attempt(14, 4), 50) is None
    assert headroom(attempt(15, 4), 50) is not None


def test_disturbed_batches_do_not_count() -> None:
    quiet = headroom(attempt(20), 50)
    assert quiet is not None
    assert headroom(attempt(20, disturbed=5), 50) == pytest.approx(quiet, rel=0.1)


def test_with_disturbed_batches_there_is_never_more_room_than_they_leave() -> None:
    quiet, every = headroom(attempt(20, disturbed=5), 50), headroom(attempt(20, disturbed=5), 50, disturbed=True)
    assert quiet is not None
    assert every is not None
    assert every < quiet
    assert headroom(attempt(20, disturbed=20), 50) is None
    assert headroom(attempt(20, disturbed=20), 50, disturbed=True) is not None


def test_a_budget_that_is_no_positive_number_is_refused() -> None:
    with pytest.raises(MeasureError, match="budget_ms"):
        headroom(attempt(20), 0)
