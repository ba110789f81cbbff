"""Rounds of a paired comparison: both arms and a placebo, side by side, on clones that are remade.

Two databases hold the same rows, one at each revision. A round visits clones of both, and a second clone
of the one before (the placebo), forth and back with the same parameters. Clones of one database differ by
a few per cent, so they are remade several times. Rounds in which processes waited for a CPU are dropped
whole, without a look at their latencies.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from pgvitals.lab import Database, Server
from pgvitals.measure.noise import NoiseProbe
from pgvitals.measure.prepare import at_rest
from pgvitals.measure.runner import Runner
from pgvitals.measure.sampler import quiet_collector
from pgvitals.measure.task import Task
from pgvitals.profile import LEAST_ROUNDS, ImpactPlan
from pgvitals.stats.compare import abba_order
from pgvitals.stats.samples import BoolArray, FloatArray, IntArray
from pgvitals.stats.validity import BatchNoise, Limits
from pgvitals.terminal import Bar, Terminal

BEFORE, AFTER, PLACEBO = 0, 1, 2
_WARMUP = 12
_RECONNECT_EVERY = 2


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """Latencies in ms of one query, (rounds, queries) an arm; ``group`` numbers the clones of each round."""

    arms: tuple[FloatArray, FloatArray, FloatArray]
    group: IntArray

    def only(self, kept: BoolArray) -> Rounds:
        """Some of the rounds."""
        before, after, placebo = (arm[kept] for arm in self.arms)
        return Rounds(arms=(before, after, placebo), group=self.group[kept])


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The rounds of each query that count, by ``system/query``, and how many were dropped as disturbed."""

    rounds: dict[str, Rounds]
    dropped: int
    measured: int


def measure_rounds(
    server: Server,
    before: Database,
    after: Database,
    tasks: Sequence[Task],
    plan: ImpactPlan,
    terminal: Terminal,
    seed: int,
) -> Compared:
    """Measure ``plan.rounds`` rounds of every task."""
    if not tasks:
        return Compared(rounds={}, dropped=0, measured=0)
    rng = np.random.default_rng([seed, plan.rounds])
    groups = np.array_split(np.arange(plan.rounds), plan.clones)
    found: dict[str, list[tuple[FloatArray, FloatArray, FloatArray]]] = {task.query.key: [] for task in tasks}
    labels: list[int] = []
    noise: list[BatchNoise] = []
    with terminal.bar(f"compare {len(tasks)} lookups on {plan.clones} sets of clones", unit="rounds") as bar:
        for number, group in enumerate(groups):
            if not len(group):
                continue
            with ExitStack() as stack:
                # Made in a changing order: where a clone lies on disk must not depend on its arm.
                sources = {BEFORE: before, AFTER: after, PLACEBO: before}
                clones: dict[int, Database] = {}
                for arm in rng.permutation(3):
                    clones[int(arm)] = stack.enter_context(server.scratch(f"arm{arm}", sources[int(arm)]))
                for arm in range(3):
                    stack.enter_context(at_rest(clones[arm], [tasks[0].system.schema_name], vacuum=False))
                _group(clones, tasks, plan, rng, len(group), found, noise, bar, len(labels))
            labels += [number] * len(group)
    quiet = _quiet(noise)
    return Compared(
        rounds={
            key: Rounds(
                arms=(
                    np.array([each[BEFORE] for each in rounds]),
                    np.array([each[AFTER] for each in rounds]),
                    np.array([each[PLACEBO] for each in rounds]),
                ),
                group=np.array(labels),
            ).only(quiet)
            for key, rounds in found.items()
        },
        dropped=int((~quiet).sum()),
        measured=len(noise),
    )


def _quiet(noise: Sequence[BatchNoise]) -> BoolArray:
    """Rounds without CPU pressure; all of them where too few are left to say anything.

    Latencies are not looked at. Where noise cannot be avoided, the placebo and the intervals have to tell.
    """
    limit = Limits().cpu_pressure
    kept = np.array([each.cpu_pressure is None or each.cpu_pressure < limit for each in noise], dtype=np.bool_)
    return kept if kept.sum() >= LEAST_ROUNDS else np.ones_like(kept)


def _group(
    clones: dict[int, Database],
    tasks: Sequence[Task],
    plan: ImpactPlan,
    rng: np.random.Generator,
    rounds: int,
    found: dict[str, list[tuple[FloatArray, FloatArray, FloatArray]]],
    noise: list[BatchNoise],
    bar: Bar,
    done: int,
) -> None:
    """Rounds on one set of clones; every connection is remade every second round."""
    order = abba_order(rng, rounds, arms=3)
    runners: dict[tuple[int, str], Runner] = {}
    try:
        for number in range(rounds):
            if number % _RECONNECT_EVERY == 0:
                _close(runners)
                runners = _open(clones, tasks, rng)
            probe = NoiseProbe()
            for position in rng.permutation(len(tasks)):
                task = tasks[position]
                found[task.query.key].append(_round(runners, task, order[number], plan.per_arm, done + number))
            noise.append(probe.read())
            bar.batches(done + number + 1, plan.rounds)
    finally:
        _close(runners)


def _round(
    runners: dict[tuple[int, str], Runner], task: Task, order: IntArray, per_arm: int, number: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """One round of one query: each arm twice, with the same parameters in the same order."""
    count = len(task.calls)
    visits: dict[int, list[float]] = {BEFORE: [], AFTER: [], PLACEBO: []}
    with quiet_collector():
        for arm in order:
            runner = runners[int(arm), task.role]
            half = len(visits[int(arm)])
            for step in range(per_arm):
                call = task.calls[(2 * number * per_arm + half + step) % count]
                visits[int(arm)].append(runner.run(call).service_ns / 1e6)
    return np.array(visits[BEFORE]), np.array(visits[AFTER]), np.array(visits[PLACEBO])


def _open(
    clones: dict[int, Database], tasks: Sequence[Task], rng: np.random.Generator
) -> dict[tuple[int, str], Runner]:
    runners: dict[tuple[int, str], Runner] = {}
    try:
        for arm in rng.permutation(3):
            for role in {task.role for task in tasks}:
                runner = Runner(clones[int(arm)], role)
                runners[int(arm), role] = runner
                for task in tasks:
                    if task.role == role:
                        for step in range(_WARMUP):
                            runner.run(task.calls[step % len(task.calls)])
    except BaseException:
        _close(runners)
        raise
    return runners


def _close(runners: dict[tuple[int, str], Runner]) -> None:
    for runner in runners.values():
        runner.close()
