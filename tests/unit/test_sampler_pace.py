"""When rounds begin: after a pause, and while a verdict is near no sooner than rounds of everything would."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pgvitals.measure import sampler


class Clock:
    """A clock that only moves when somebody sleeps or works."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(sampler, "time", SimpleNamespace(monotonic=lambda: made.now, sleep=made.sleep))
    return made


def slept(clock: Clock, pause_s: float, rounds: list[tuple[float, bool, bool]]) -> list[float]:
    """How long is waited before each round; a round is how long it takes, if the next is whole, if one is near."""
    pace = sampler._Pace(pause_s)
    for seconds, whole, near in rounds:
        pace.begin()
        clock.now += seconds
        pace.end(whole=whole, near=near)
    pace.begin()
    return clock.slept


def test_whole_rounds_follow_each_other_after_a_pause(clock: Clock) -> None:
    assert slept(clock, 0.5, [(4, True, True), (4, True, True)]) == [0, 0.5, 0.5]


def test_small_rounds_wait_for_what_a_whole_one_would_take_while_a_verdict_is_near(clock: Clock) -> None:
    assert slept(clock, 0.5, [(4, False, True), (1, False, True), (1, False, False)]) == [0, 0.5, 3.5, 0.5]


def test_without_a_pause_they_are_as_far_apart_as_before(clock: Clock) -> None:
    assert slept(clock, 0, [(4, True, True), (6, False, True), (2, False, True), (7, False, True)]) == [0, 0, 0, 4, 0]
