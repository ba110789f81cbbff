"""Waking at a due time: never early, and without holding up the others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from pgvitals.errors import LoadTestError
from pgvitals.load import pacing
from pgvitals.load.pacing import Alarm


@pytest.fixture(params=["timer", "loop"])
def alarm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Alarm]:
    """With the system's timers, and with the event loop's where the system has none."""
    if request.param == "loop":
        monkeypatch.setattr(pacing, "_libc", object())
    made = Alarm()
    yield made
    made.close()


def test_nobody_wakes_before_the_due_time(alarm: Alarm) -> None:
    for ahead_us in (1, 50, 400, 1_500, 7_300):
        due_ns = time.perf_counter_ns() + ahead_us * 1000
        alarm.wait_until(due_ns)
        assert time.perf_counter_ns() >= due_ns


def test_a_time_in_the_past_is_due_at_once(alarm: Alarm) -> None:
    alarm.wait_until(0)


def test_the_others_run_while_one_waits(alarm: Alarm) -> None:
    order: list[str] = []

    def late() -> None:
        alarm.wait_until(time.perf_counter_ns() + 20_000_000)
        order.append("late")

    def busy() -> None:
        order.append("busy")

    gevent.joinall([gevent.spawn(late), gevent.spawn(busy)], raise_error=True)
    assert order == ["busy", "late"]


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_closed_alarm_has_given_its_timer_back() -> None:
    before = open_files()
    alarms = [Alarm() for _ in range(20)]
    for alarm in alarms:
        alarm.wait_until(time.perf_counter_ns() + 1000)
        alarm.close()
    gevent.sleep(0)
    assert open_files() - before < 20


def test_no_timer_left_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Exhausted:
        @staticmethod
        def timerfd_create(*_: int) -> int:
            return -1

    monkeypatch.setattr(pacing, "_libc", Exhausted())
    with pytest.raises(LoadTestError, match="take fewer users"):
        Alarm()
