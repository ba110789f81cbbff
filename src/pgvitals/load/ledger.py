"""What became of every planned request, in arrays that were made before the clock started.

Writing three numbers is all that a request costs here; histograms are filled when the test is over.
"""

from __future__ import annotations

import numpy as np

from pgvitals.load.plan import Plan


class Ledger:
    """One row a request; times are ``perf_counter_ns``, and 0 means that it has not come to that.

    ``taken_ns`` is when a user was free for the request, ``start_ns`` when it was sent, ``done_ns``
    when its answer (or error) was there.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.taken_ns = np.zeros(len(plan), dtype=np.int64)
        self.start_ns = np.zeros(len(plan), dtype=np.int64)
        self.done_ns = np.zeros(len(plan), dtype=np.int64)
        self.errors: dict[int, str] = {}  # request -> error class and SQLSTATE
        self.clock_ns = 0  # when the plan started
        self.stopped_ns = 0  # when the test was stopped or had its last answer
        self.client_cpu = 0.0  # share of one core that this process used while the clock ran
        self._next = 0
        self._done = 0

    def take(self, now_ns: int) -> int | None:
        """The next request of the plan, or None when there is none left."""
        if self._next == len(self.plan):
            return None
        index = self._next
        self._next += 1
        self.taken_ns[index] = now_ns
        return index

    def finish(self, index: int, done_ns: int, error: str | None = None) -> None:
        """Note that the request has its answer, or its error."""
        self.done_ns[index] = done_ns
        self._done += 1
        if error is not None:
            self.errors[index] = error

    def stop(self, now_ns: int) -> None:
        """Note that nothing is sent from now on; only the first call counts."""
        self.stopped_ns = self.stopped_ns or now_ns

    def due_ns(self, index: int) -> int:
        """When the request is due."""
        return self.clock_ns + int(self.plan.due_ns[index])

    @property
    def complete(self) -> bool:
        """Every planned request has its answer."""
        return self._done == len(self.plan)
