"""Two runs side by side: their shared lookups, the ratio of each, and every reason not to believe it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pgvitals.measure.plan_changes import plan_changes
from pgvitals.report.history import History
from pgvitals.report.run_conditions import canary_ratio, differences, same_speed
from pgvitals.report.run_samples import Key, LookupBatches, lookup_batches
from pgvitals.report.wording import share
from pgvitals.results.comparison import Difference
from pgvitals.results.records import Latency
from pgvitals.results.rundir import Run
from pgvitals.stats.between_runs import RunRatio, Spread, run_ratio, spread_of, stated_spread
from pgvitals.stats.verdict import GateRules

Percentile = Literal["typical", "p95"]
Claim = Literal["slower", "not slower", "same"]

NOISE_MOST = 4.0
"""Changes larger than this are no noise: on machines that were never quiet it made lookups up to 2.5 times as long."""

_QUANTILES: dict[Percentile, float] = {"typical": 0.50, "p95": 0.95}


@dataclass(frozen=True, kw_only=True)
class RunPair:
    """An earlier and a later run of the same lookups.

    Attributes:
        history: earlier runs; those of the same conditions tell how much runs differ.
        despite: conditions that may differ without voiding the comparison: ``dataset``, ``hardware``.
    """

    before: Run
    after: Run
    history: History | None = None
    despite: Collection[str] = ()

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """Every condition that the runs do not share."""
        return differences(self.before.info, self.after.info)

    @cached_property
    def canary(self) -> float | None:
        """The machine's own speed: above 1 it was slower after."""
        return canary_ratio(self.before.info, self.after.info)

    @cached_property
    def sides(self) -> tuple[dict[Key, LookupBatches], dict[Key, LookupBatches]]:
        """The lookups of each run.

        Raises:
            ResultsError: a run has none, or no samples.
        """
        return lookup_batches(self.before), lookup_batches(self.after)

    @cached_property
    def shared(self) -> tuple[Key, ...]:
        """Lookups of both runs, in the order of the later one."""
        return tuple(key for key in self.sides[1] if key in self.sides[0])

    @cached_property
    def alone(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """``system/query`` of the lookups that only one of the runs has: the earlier, the later."""
        old, new = self.sides
        return (
            tuple(f"{system}/{query}" for system, query in old if (system, query) not in new),
            tuple(f"{system}/{query}" for system, query in new if (system, query) not in old),
        )

    @cached_property
    def plans(self) -> dict[str, tuple[str, ...]]:
        """``system/query`` -> what changed in its plans, in words."""
        found: dict[str, tuple[str, ...]] = {}
        for change in plan_changes(self.before.plans, self.after.plans):
            found[change.query] = (*found.get(change.query, ()), change.words)
        return found

    def latencies(self, key: Key) -> tuple[Latency, Latency]:
        """The records of one lookup."""
        return self.sides[0][key].latency, self.sides[1][key].latency

    def void(self, system: str) -> str:
        """Why nothing can be said about the lookups of a system; empty if something can."""
        wrong = [
            each.what
            for each in self.differences
            if each.voids and each.system in ("", system) and each.what.split()[0] not in self.despite
        ]
        return f"void: another {' and another '.join(wrong)}" if wrong else ""

    def ratio(self, key: Key, which: Percentile, confidence: float) -> tuple[RunRatio, Spread]:
        """After / before of one percentile of one lookup, and the spread of runs that its interval knows."""
        old, new = (side[key] for side in self.sides)
        spread = self._known_spread(key, which) or stated_spread(min(old.seconds, new.seconds))
        quantile = _QUANTILES[which]
        return run_ratio(old.value(quantile), new.value(quantile), spread, confidence), spread

    def doubt(self, key: Key, claim: Claim, found: RunRatio, spread: Spread) -> str:
        """Why a claim about one lookup cannot be made although its interval says it; empty if it can.

        The machine has to have kept its speed, and the stated spread holds for a quiet one only. Noise only adds
        time: what is slower has to have been quiet after, what is not slower before, unless the interval lies
        beyond ``NOISE_MOST``. A spread that was estimated from runs of this machine holds the noise that they had.
        """
        if not same_speed(self.canary):
            if self.canary is None:
                return "no canary was recorded, so the machine itself may have changed its speed"
            slower = "slower" if self.canary > 1 else "faster"
            off = share(abs(self.canary - 1))
            return f"the machine itself was {off} {slower} after (canary)"
        needs = () if _beyond_noise(claim, found) else {"slower": (1,), "not slower": (0,), "same": (0, 1)}[claim]
        least = GateRules().min_batches
        for place in (0, 1):
            side, name = self.sides[place][key], (self.before, self.after)[place].info.name
            if side.measured < least:
                return f"only {side.measured} batches in {name}, {least} needed"
            if place in needs and side.disturbed and not spread.runs:
                return f"only {side.quiet} of {side.measured} batches were quiet in {name}, {least} needed"
        return ""

    def _known_spread(self, key: Key, which: Percentile) -> Spread | None:
        """From the other runs under the conditions of either of these two, where there are enough of them."""
        series = self.history.of(*key) if self.history else None
        if series is None:
            return None
        own = {self.before.path.resolve(): 0, self.after.path.resolve(): 1}
        groups = {own[point.run.path.resolve()]: point for point in series.points if point.run.path.resolve() in own}
        for _, here in sorted(groups.items()):
            values = [
                point.p50_ms if which == "typical" else point.p95_ms
                for point in series.points
                if (point.run.conditions, point.dataset) == (here.run.conditions, here.dataset)
                and point.run.path.resolve() not in own
                and same_speed(_quotient(point.run.canary_best_ms, here.run.canary_best_ms))
            ]
            if values and (spread := spread_of(values)) is not None:
                return spread
        return None


def _beyond_noise(claim: Claim, found: RunRatio) -> bool:
    if found.interval is None or claim == "same":
        return False
    return found.interval.low > NOISE_MOST if claim == "slower" else found.interval.high < 1 / NOISE_MOST


def _quotient(one: float | None, other: float | None) -> float | None:
    return one / other if one and other else None
