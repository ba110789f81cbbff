"""Waking at a due time, without holding up the other greenlets.

The event loop under gevent sleeps in whole milliseconds and so wakes up to one too late: longer than
many a lookup takes. A timer that is a file descriptor (Linux) wakes the same loop in about 50 µs.
"""

from __future__ import annotations

import ctypes
import os
import time

import gevent
from gevent.hub import get_hub

from pgvitals.errors import LoadTestError

_MONOTONIC = 1  # CLOCK_MONOTONIC, which is what perf_counter_ns reads on Linux
_ABSOLUTE = 1  # TFD_TIMER_ABSTIME
_READ = 1


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


_libc = ctypes.CDLL(None, use_errno=True)


class Alarm:
    """One timer, for one greenlet at a time. ``close`` it when done.

    Raises:
        LoadTestError: the process may open no more files.
    """

    def __init__(self) -> None:
        self._fd = -1
        if not hasattr(_libc, "timerfd_create"):
            return
        self._fd = _libc.timerfd_create(_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            why = os.strerror(ctypes.get_errno())
            raise LoadTestError(f"load test: no timer for another user ({why}); take fewer users or raise ulimit -n")
        self._spec = _TimerSpec()
        self._hub = get_hub()
        self._watcher = self._hub.loop.io(self._fd, _READ)

    def wait_until(self, due_ns: int) -> None:
        """Return at ``due_ns`` (``perf_counter_ns``) or as soon after as can be; at once if it is past."""
        while (left_ns := due_ns - time.perf_counter_ns()) > 0:
            if self._fd < 0:
                gevent.sleep(left_ns / 1e9)
                continue
            self._spec.value.seconds, self._spec.value.nanoseconds = divmod(due_ns, 1_000_000_000)
            _libc.timerfd_settime(self._fd, _ABSOLUTE, ctypes.byref(self._spec), None)
            self._hub.wait(self._watcher)
            os.read(self._fd, 8)

    def close(self) -> None:
        """Give the timer back."""
        if self._fd >= 0:
            self._watcher.close()
            os.close(self._fd)
            self._fd = -1
