"""Effects of known size: how many steps of work a row has to get for its lookup to be slower by a tenth.

A long run of the base tells what a step and everything else costs each lookup. The typical effect adds a tenth of the
median to every row. The effects on the p95 touch the slow tenth of the rows alone, each in proportion to its own time;
their factor is solved for on the latencies of that run, so that their p95 moves by as much as it should.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from pgvitals.errors import MeasureError
from pgvitals.lab import Database
from pgvitals.measure.sampler import Progress, sample
from pgvitals.profile import MeasurePlan
from pgvitals.stats.percentile import P95, percentile
from pgvitals.stats.samples import FloatArray, IntArray
from pgvitals.truth.lookups import LOOKUPS, SCHEMA, SLOW_SHARE, base_steps, shares, tasks

_BINS = 20
_PROBE_STEPS = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A change that is really there."""

    name: str
    typical: float = 0.0  # ratio - 1 of the median
    p95: float = 0.0  # ratio - 1 of the p95, by the slow tenth alone

    @property
    def title(self) -> str:
        """As tables call it."""
        return f"+{self.typical:.0%} typical" if self.typical else f"+{self.p95:.0%} p95"


EFFECTS = (
    Effect(name="typical_10", typical=0.10),
    Effect(name="p95_10", p95=0.10),
    Effect(name="p95_25", p95=0.25),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one lookup of the base takes, and what its effects add."""

    p50_ms: float
    p95_ms: float
    fixed_us: float  # without any step
    step_ns: float
    added_steps: float  # to every row, for each 1 of a typical effect
    factors: dict[str, float]  # effect -> how much longer the slow rows take, for it to move the p95 as it should


def steps_per_us(database: Database) -> float:
    """How many steps the server does in a microsecond, roughly; the schema of the lookups is left behind."""
    took = []
    with database.connect() as conn:
        for _ in range(20):
            start = time.perf_counter_ns()
            conn.execute(f"select {SCHEMA}.spin({_PROBE_STEPS})")
            took.append((time.perf_counter_ns() - start) / 1e3)
    return _PROBE_STEPS / float(np.median(took))


def calibrate(
    base: Database, speed: float, plan: MeasurePlan, seed: int, progress: Progress | None = None
) -> dict[str, Cost]:
    """Measure the base for long and find each effect's steps, by the lookup's name.

    Args:
        base: filled with :func:`~pgvitals.truth.lookups.base_steps` at ``speed``.
        speed: as :func:`steps_per_us` says.
    """
    made = tasks(base, plan.batches * plan.batch_size, seed)
    found = sample(base, made, plan, seed=seed, progress=progress).samples
    costs = {}
    for lookup, task in zip(LOOKUPS, made, strict=True):
        latency_us = found.loc[found["query"] == lookup.name, "latency_ns"].to_numpy() / 1e3
        rows = np.array([parameters["id"] for parameters in task.parameters])
        costs[lookup.name] = cost_of(latency_us, base_steps(lookup, speed)[rows], shares()[rows])
    return costs


def cost_of(latency_us: FloatArray, steps: IntArray, share: FloatArray) -> Cost:
    """The cost of one lookup from its executions: what each took, its steps, and its place in the order of work.

    Raises:
        MeasureError: more steps did not take longer.
    """
    fixed_us, step_us = _line(latency_us, steps)
    if step_us <= 0 or fixed_us <= 0:
        raise MeasureError("calibration: more work did not take longer; run it on a quieter machine")
    slow = share >= 1 - SLOW_SHARE
    own_us = np.where(slow, fixed_us + step_us * steps, 0.0)
    p50, p95 = percentile(latency_us, 0.50), percentile(latency_us, P95)

    def moved(factor: float, ratio: float) -> float:
        return percentile(latency_us + factor * own_us, P95) / p95 - ratio

    factors = {
        effect.name: float(optimize.brentq(moved, 0.0, 10.0, args=(1 + effect.p95,)))
        for effect in EFFECTS
        if effect.p95
    }
    return Cost(
        p50_ms=p50 / 1e3,
        p95_ms=p95 / 1e3,
        fixed_us=fixed_us,
        step_ns=step_us * 1e3,
        added_steps=p50 / step_us,
        factors=factors,
    )


def steps_with(effect: Effect | None, costs: Mapping[str, Cost], speed: float) -> dict[str, IntArray]:
    """Steps of every row of every lookup, in the base or in a database with an effect."""
    found = {}
    for lookup in LOOKUPS:
        steps = base_steps(lookup, speed)
        if effect is not None:
            cost = costs[lookup.name]
            added = np.full(steps.shape, effect.typical * cost.added_steps)
            if effect.p95:
                own = cost.fixed_us * 1e3 / cost.step_ns + steps
                added = np.where(shares() >= 1 - SLOW_SHARE, cost.factors[effect.name] * own, 0.0)
            steps = steps + np.rint(added).astype(np.int64)
        found[lookup.name] = steps
    return found


def _line(latency_us: FloatArray, steps: IntArray) -> tuple[float, float]:
    """Fixed time and time a step, by least squares through the medians of bins of equally many executions."""
    order = np.argsort(steps, kind="stable")
    bins = np.array_split(order, min(_BINS, len(order)))
    middle = [float(np.median(steps[each])) for each in bins]
    median = [float(np.median(latency_us[each])) for each in bins]
    step_us, fixed_us = np.polyfit(middle, median, 1, w=1 / np.array(median))
    return float(fixed_us), float(step_us)
