"""What is measured at one go: comparisons of eight lookups that share their rounds, or two attempts of the gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from pgvitals.impact.looks import ALPHA
from pgvitals.impact.rounds import BEFORE, PLACEBO, Comparison
from pgvitals.lab import Database, Server
from pgvitals.measure import latency
from pgvitals.measure.sampler import Sampling, parameter_sets, sample
from pgvitals.profile import ImpactPlan, MeasurePlan
from pgvitals.stats.compare import ContrastVerdict, Estimate
from pgvitals.stats.looks import Look, next_look, schedule
from pgvitals.stats.percentile import P95, percentile
from pgvitals.stats.validity import BatchNoise
from pgvitals.truth.lookups import LOOKUPS, SCHEMA, tasks
from pgvitals.truth.state import Side, Trial

NOTHING = ""
"""The effect of an arm that is the same as the one before."""
_SAME = 1  # the position of that arm; 0 and 2 are before and placebo, effects come after them

Done = Callable[[float], None]
"""Called with the share of a sitting that is done, at most 1."""


@dataclass(frozen=True, kw_only=True)
class Sat:
    """What a sitting brought."""

    trials: tuple[Trial, ...] = ()
    ratios: dict[str, dict[str, tuple[float, float]]]
    samples: dict[str, np.ndarray]
    noise: list[BatchNoise]
    dropped: int


@dataclass(kw_only=True)
class _Family:
    """One impact that the product might be asked for: all lookups, of which none or one has changed."""

    effect: str
    arms: dict[str, int]  # lookup -> arm
    asked: tuple[str, ...]  # the lookups whose verdicts are trials
    looks: dict[str, Look]

    @property
    def wanted(self) -> dict[str, int]:
        """Lookup -> arm of what has to be measured further."""
        if not self.looks:
            return self.arms
        if not any(self.looks[key].open for key in self.asked):
            return {}
        return {key: self.arms[key] for key, look in self.looks.items() if look.open}


def compare(
    server: Server, base: Database, changed: Mapping[str, Database], plan: ImpactPlan, *, seed: int, done: Done
) -> Sat:
    """Every lookup of the base against itself and against every effect, as an impact does it.

    The arms of all effects share their rounds, the one before and the placebo. Each trial is judged as if its lookup
    were the only one of the eight that the migration changed, which is what Holm makes hardest.

    Args:
        changed: by effect, the database in which it is.
    """
    arms = {NOTHING: _SAME} | {effect: PLACEBO + number for number, effect in enumerate(changed, start=1)}
    comparison = Comparison(server, (base, base, base, *changed.values()), plan, seed)
    families = [_family(effect, arm) for effect, arm in arms.items() if effect == NOTHING]
    families += [_family(effect, arm, lookup.key) for effect, arm in arms.items() if effect for lookup in LOOKUPS]
    alpha, rounds = ALPHA / plan.looks, schedule(plan.rounds, plan.looks)
    for number, total in enumerate(rounds, start=1):
        wanted: dict[str, set[int]] = {}
        for family in families:
            for key, arm in family.wanted.items():
                wanted.setdefault(key, {BEFORE, PLACEBO}).add(arm)
        if not wanted:
            break
        more = total - len(comparison.noise)
        made = tasks(base, 2 * more * plan.per_arm, seed + number)
        comparison.add(
            [task for task in made if task.query.key in wanted],
            more,
            arms=wanted,
            done=lambda count: done(count / rounds[-1]),
        )
        _look(families, comparison, number, alpha)
    done(1.0)
    return Sat(
        trials=tuple(_trial(family.effect, key, family.looks[key]) for family in families for key in family.asked),
        ratios={effect: _ratios(comparison, arm, plan.rounds) for effect, arm in arms.items()},
        samples=_latencies(comparison),
        noise=comparison.noise,
        dropped=comparison.dropped,
    )


def attempts(base: Database, plan: MeasurePlan, *, seed: int, done: Done) -> Sat:
    """Two attempts of measuring every lookup of the base, as the gate's runner makes them, the second for all."""
    made = tasks(base, parameter_sets(plan), seed)
    noise: list[BatchNoise] = []
    samples: dict[str, np.ndarray] = {}
    best = None
    for attempt in (1, 2):
        progress = partial(_halfway, done, attempt)
        found = sample(base, made, plan, seed=seed, attempt=attempt, progress=progress)
        samples |= _batches(found, plan, f"attempt{attempt}", best)
        best = min(each.canary_ms for each in found.noise)
        noise += found.noise
    dropped = sum(int((~flags).sum()) for name, flags in samples.items() if name.endswith(":valid"))
    return Sat(ratios={}, samples=samples, noise=noise, dropped=dropped)


def probe(base: Database, plan: MeasurePlan, *, seed: int) -> dict[str, np.ndarray]:
    """A few batches of every lookup, taken after every sitting, so that the long-run p95 knows of all of the time."""
    made = tasks(base, parameter_sets(plan), seed)
    return _batches(sample(base, made, plan, seed=seed), plan, "probe", None)


def _batches(found: Sampling, plan: MeasurePlan, name: str, best_canary_ms: float | None) -> dict[str, np.ndarray]:
    """Latencies of every lookup in nanoseconds, a row a batch, and which batches were quiet."""
    marked = latency.mark_valid(found, latency.limits(plan), best_canary_ms=best_canary_ms)
    arrays = {}
    for lookup in LOOKUPS:
        own = marked[marked["query"] == lookup.name]
        arrays[f"{lookup.name}:{name}"] = own["latency_ns"].to_numpy().reshape(plan.batches, -1).astype(np.uint32)
        arrays[f"{lookup.name}:{name}:valid"] = own["valid"].to_numpy().reshape(plan.batches, -1)[:, 0]
    return arrays


def _halfway(done: Done, attempt: int, batches: int, total: int) -> None:
    done((attempt - 1 + batches / total) / 2)


def _family(effect: str, arm: int, changed: str | None = None) -> _Family:
    keys = [lookup.key for lookup in LOOKUPS]
    return _Family(
        effect=effect,
        arms={key: arm if key == changed else _SAME for key in keys},
        asked=tuple(keys) if changed is None else (changed,),
        looks={},
    )


def _look(families: list[_Family], comparison: Comparison, number: int, alpha: float) -> None:
    found: dict[tuple[str, int], ContrastVerdict] = {}

    def contrast(key: str, arm: int) -> ContrastVerdict:
        if (key, arm) not in found:
            found[key, arm] = comparison.contrast(key, arm, alpha)
        return found[key, arm]

    for family in families:
        if wanted := family.wanted:
            pairs = {key: (contrast(key, arm), contrast(key, PLACEBO)) for key, arm in wanted.items()}
            family.looks = next_look(family.looks, pairs, number=number, alpha=alpha)


def _trial(effect: str, key: str, look: Look) -> Trial:
    return Trial(
        lookup=key,
        effect=effect,
        verdict=look.verdict.verdict,
        typical=_side(look.verdict.typical),
        p95=_side(look.verdict.p95),
        look=look.number,
        rounds=look.verdict.rounds,
        reason=look.verdict.reason,
    )


def _side(estimate: Estimate) -> Side:
    low, high = (estimate.interval.low, estimate.interval.high) if estimate.interval else (None, None)
    return Side(verdict=estimate.verdict, ratio=estimate.ratio, low=low, high=high)


def _ratios(comparison: Comparison, arm: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Median and p95 of one arm over those of the one before, all executions of the first look pooled.

    Only the first look is measured whatever it says; to pool what was measured further would favour the undecided.
    """
    found = {}
    for lookup in LOOKUPS:
        before, after = (each.ravel() for each in comparison.rounds(lookup.key, (BEFORE, arm), first=rounds).arms)
        found[lookup.key] = (
            percentile(after, 0.5) / percentile(before, 0.5),
            percentile(after, P95) / percentile(before, P95),
        )
    return found


def _latencies(comparison: Comparison) -> dict[str, np.ndarray]:
    """What was measured, in nanoseconds, for whoever wants to try another rule on it."""
    found: dict[str, np.ndarray] = {}
    for key, arm, latencies in comparison.taken():
        found[f"{key.removeprefix(SCHEMA + '/')}:arm{arm}"] = np.rint(latencies * 1e6).astype(np.uint32)
    found["group"] = np.array(comparison.group)
    found["cpu_pressure"] = np.array([each.cpu_pressure or 0.0 for each in comparison.noise])
    return found
