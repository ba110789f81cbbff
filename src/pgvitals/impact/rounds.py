"""Rounds of a comparison of two revisions: both arms and a placebo, side by side, on clones that are remade.

Two databases hold the same rows, one at each revision. A round visits clones of both, and a second clone
of the one before (the placebo), forth and back with the same parameters. Clones of one database differ by
a few per cent, so they are remade several times.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from pgvitals.lab import Database, Server
from pgvitals.measure.paired import Arm, Rounds, quiet, stacked, visit
from pgvitals.measure.prepare import at_rest
from pgvitals.measure.task import Task
from pgvitals.profile import ImpactPlan
from pgvitals.stats.samples import FloatArray
from pgvitals.stats.validity import BatchNoise
from pgvitals.terminal import Terminal

BEFORE, AFTER, PLACEBO = 0, 1, 2


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
    found: dict[str, list[tuple[FloatArray, ...]]] = {task.query.key: [] for task in tasks}
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
                visited = visit(
                    {task.query.key: _arms(task, clones) for task in tasks},
                    rounds=len(group),
                    per_arm=plan.per_arm,
                    rng=rng,
                    first=len(labels),
                    done=lambda done: bar.batches(done, plan.rounds),
                )
            for key, latencies in visited.latencies.items():
                found[key] += latencies
            noise += visited.noise
            labels += [number] * len(group)
    kept = quiet(noise)
    return Compared(
        rounds={key: stacked(latencies, labels).only(kept) for key, latencies in found.items()},
        dropped=int((~kept).sum()),
        measured=len(noise),
    )


def _arms(task: Task, clones: dict[int, Database]) -> list[Arm]:
    return [Arm(database=clones[arm], role=task.role, calls=task.calls) for arm in (BEFORE, AFTER, PLACEBO)]
