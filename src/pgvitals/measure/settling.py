"""Where time is spent: lookups whose verdict is clear by far are sampled no further, and the others keep their pace."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from pgvitals.measure.batch import Visit
from pgvitals.stats.attempt import Attempt
from pgvitals.stats.headroom import headroom
from pgvitals.stats.samples import BoolArray, FloatArray
from pgvitals.stats.validity import BatchNoise, Limits, valid_batches
from pgvitals.stats.verdict import GateRules

NEAR = 2.0
"""Within this factor of its budget, to either side, a verdict is near."""


class Settling:
    """What is known of each lookup's verdict while it is measured.

    A lookup is settled once its intervals lie under budgets ``far`` times smaller. They are taken over quiet batches,
    or over all where so many are disturbed that the quiet ones of a verdict will not come together any more.

    Args:
        budgets_ms: ``system/query`` -> arm -> budget, for everything that the gate judges.
        limits: the noise that a valid batch bears.
        far: how many times smaller.
        batches: that a lookup gets unless it is settled.
    """

    def __init__(
        self, budgets_ms: Mapping[str, Mapping[str, float]], limits: Limits, *, far: float, batches: int
    ) -> None:
        self.far = far
        self.settled: set[str] = set()
        self._budgets = budgets_ms
        self._limits = limits
        self._batches = batches
        self._latencies: defaultdict[tuple[str, str], list[FloatArray]] = defaultdict(list)
        self._noise: defaultdict[str, list[BatchNoise]] = defaultdict(list)
        self._best_canary_ms = float("inf")

    def note(self, visits: Sequence[Visit], noise: Sequence[BatchNoise]) -> None:
        """The visits of one round, and the noise beside each."""
        for visit, beside in zip(visits, noise, strict=True):
            for batch in visit.batches:
                self._latencies[batch.task.query.key, batch.arm].append(batch.latency_ms)
            self._noise[visit.task.query.key].append(beside)
            self._best_canary_ms = min(self._best_canary_ms, beside.canary_ms)

    def look(self, keys: Sequence[str]) -> bool:
        """Settle what can be, of lookups that are still sampled; whether a verdict is near of one that is left."""
        near = False
        for key in keys:
            noise = self._noise[key]
            valid = valid_batches(noise, self._limits, best_canary_ms=self._best_canary_ms)
            room, at_least = self._room(key, valid), self._room(key, valid, disturbed=True)
            hopeless = valid.sum() + self._batches - len(noise) < GateRules().min_batches
            if (room or (at_least if hopeless else None) or 0.0) >= self.far:
                self.settled.add(key)
            else:
                known = room or at_least
                near = near or known is None or 1 / NEAR < known < NEAR
        return near

    def _room(self, key: str, valid: BoolArray, *, disturbed: bool = False) -> float | None:
        """The least headroom of what is judged; None while that of one is not known."""
        found = [
            headroom(Attempt(batches=self._latencies[key, arm], valid=valid), budget, disturbed=disturbed)
            for arm, budget in self._budgets[key].items()
        ]
        known = [room for room in found if room is not None]
        return min(known) if len(known) == len(found) else None
