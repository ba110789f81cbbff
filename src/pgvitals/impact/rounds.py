"""Rounds of a comparison of two databases: both arms and a placebo, side by side, on clones that are remade.

A round visits a clone of each database, and a second clone of the one before (the placebo), forth and back with the
same parameters. Clones of one database differ by a few per cent, so they are remade several times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack

import numpy as np

from pgvitals.lab import Database, Server
from pgvitals.measure.paired import Arm, Rounds, quiet, stacked, visit
from pgvitals.measure.prepare import at_rest
from pgvitals.measure.task import Task
from pgvitals.profile import ImpactPlan
from pgvitals.stats.compare import ContrastVerdict, contrast, p95_log_ratios, typical_log_ratios
from pgvitals.stats.samples import FloatArray
from pgvitals.stats.validity import BatchNoise

BEFORE, AFTER, PLACEBO = 0, 1, 2
"""The arms of an impact, as positions in its sources."""

MARGIN = 0.05
"""Clones of one database differ by up to 4 % on p95; within this, two arms count as the same."""


class Comparison:
    """Rounds of several lookups that grow look by look.

    Args:
        sources: the database that each arm is a clone of; one may be there several times.
        plan: executions a visit, and sets of clones a look.
    """

    def __init__(self, server: Server, sources: Sequence[Database], plan: ImpactPlan, seed: int) -> None:
        self._server = server
        self._sources = tuple(sources)
        self._plan = plan
        self._rng = np.random.default_rng([seed, plan.rounds])
        self._latencies: dict[str, list[dict[int, FloatArray]]] = {}
        self.group: list[int] = []
        self.noise: list[BatchNoise] = []
        self.pinned = True

    def add(
        self,
        tasks: Sequence[Task],
        rounds: int,
        *,
        arms: Mapping[str, Iterable[int]] | None = None,
        done: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Measure ``rounds`` more rounds of these lookups, which have to be among those of the last time.

        Args:
            tasks: with parameters for these rounds.
            arms: by the key of a lookup the positions of the arms that it visits; all by default.
            done: called after each round with the number of rounds in all.
        """
        visited = {task.query.key: sorted(_chosen(task, arms, len(self._sources))) for task in tasks}
        needed = sorted({arm for each in visited.values() for arm in each})
        first = len(self.noise)
        for group in np.array_split(np.arange(rounds), min(rounds, self._plan.clones)):
            with ExitStack() as stack:
                # Made in a changing order: where a clone lies on disk must not depend on its arm.
                clones: dict[int, Database] = {}
                for arm in (needed[position] for position in self._rng.permutation(len(needed))):
                    clones[arm] = stack.enter_context(self._server.scratch(f"arm{arm}", self._sources[arm]))
                for arm in needed:
                    stack.enter_context(at_rest(clones[arm], [tasks[0].system.schema_name], vacuum=False))
                found = visit(
                    {
                        task.query.key: [
                            Arm(database=clones[arm], role=task.role, calls=task.calls)
                            for arm in visited[task.query.key]
                        ]
                        for task in tasks
                    },
                    rounds=len(group),
                    per_arm=self._plan.per_arm,
                    rng=self._rng,
                    first=int(group[0]),
                    done=lambda number: done(first + number),
                )
            for key, latencies in found.latencies.items():
                self._latencies.setdefault(key, []).extend(
                    dict(zip(visited[key], each, strict=True)) for each in latencies
                )
            self.noise += found.noise
            self.pinned &= found.pinned
            self.group += [self.group[-1] + 1 if self.group else 0] * len(group)

    def rounds(self, key: str, arms: Sequence[int], *, first: int | None = None) -> Rounds:
        """The rounds of one lookup that count, of some of its arms: those in which nobody waited for a CPU.

        Only those among the ``first`` that were measured, if given; an arm that was left out later has no more.
        """
        latencies = self._latencies[key][:first]
        taken = [tuple(each[arm] for arm in arms) for each in latencies]
        return stacked(taken, self.group[: len(taken)]).only(quiet(self.noise[: len(taken)]))

    def contrast(self, key: str, arm: int, alpha: float) -> ContrastVerdict:
        """One arm against the one before, over the rounds so far."""
        rounds = self.rounds(key, (BEFORE, arm))
        first, second = rounds.arms
        return contrast(
            typical_log_ratios(first, second),
            p95_log_ratios(first, second),
            margin=MARGIN,
            alpha=alpha,
            restarts=rounds.group,
        )

    def taken(self) -> Iterator[tuple[str, int, FloatArray]]:
        """Every lookup's every arm with all its rounds, dropped ones included: (rounds, executions) in ms."""
        for key, latencies in self._latencies.items():
            for arm in latencies[0]:
                yield key, arm, np.array([each[arm] for each in latencies if arm in each])

    @property
    def dropped(self) -> int:
        """Rounds that do not count."""
        return int((~quiet(self.noise)).sum()) if self.noise else 0


def _chosen(task: Task, arms: Mapping[str, Iterable[int]] | None, count: int) -> Iterable[int]:
    return range(count) if arms is None else arms[task.query.key]
