"""ULIDs for an application: the text sorts as time does, also within a millisecond and when the clock is set back.

python-ulid makes them; it trusts its clock and reads it before it takes its lock, so both are ours here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from threading import Lock

from ulid import ULIDGenerator

from pgvitals.errors import UlidError

_RANDOM_BYTES = 10


class Ulids:
    """A monotonic generator: each ULID is greater than all that it gave before, in whatever thread.

    ``clock`` gives milliseconds since 1970, ``randomness`` so many random bytes.
    """

    def __init__(
        self,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        randomness: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._clock = clock
        self._randomness = randomness
        self.forget()

    def forget(self) -> None:
        """Start anew: a forked process must, or it would go on from where its parent and its siblings do."""
        self._lock = Lock()
        self._latest = 0
        self._generator = ULIDGenerator(randomness=lambda _: self._randomness(_RANDOM_BYTES))

    def __call__(self) -> str:
        """The next one: 26 characters.

        Raises:
            UlidError: the random part has no successor within this millisecond; the next one has.
        """
        with self._lock:
            self._latest = max(self._latest, self._clock())
            try:
                return str(self._generator.generate(self._latest))
            except ValueError as error:
                raise UlidError(f"no ULID can follow within millisecond {self._latest}: {error}; try again") from None


new_ulid = Ulids()
"""The process's generator: a default for SQLAlchemy columns."""

os.register_at_fork(after_in_child=new_ulid.forget)
