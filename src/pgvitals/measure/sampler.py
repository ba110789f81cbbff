"""Interleaved sampling: batches of every query, spread over the whole run, every sample kept.

Method: Kalibera and Jones 2013 (repetition where the variation is). Samples of one burst share the
machine's mood, so a query's samples come in many short batches; each round of batches uses fresh
connections and a new random order of the queries, those that write after those that read.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pgvitals.header import numbered
from pgvitals.lab.database import Database
from pgvitals.measure.batch import (
    MEASURED,
    Batch,
    Visit,
    as_frame,
    quiet_collector,
    tenant_batch,
    visit,
    warm_up,
)
from pgvitals.measure.noise import NoiseWatch
from pgvitals.measure.pinning import one_core
from pgvitals.measure.prepare import sweep
from pgvitals.measure.runner import Runner
from pgvitals.measure.server_time import ServerClock
from pgvitals.measure.settling import Settling
from pgvitals.measure.task import Task, written_tables
from pgvitals.profile import MeasurePlan
from pgvitals.stats.validity import BatchNoise

__all__ = ["Progress", "Sampling", "parameter_sets", "quiet_collector", "sample", "tenant_sets"]

Progress = Callable[[int, int], None]
"""Called with (batches done, batches in all)."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Samples as in ``samples.parquet`` (column ``valid`` still all true), and the noise of each batch.

    ``noise[i]`` belongs to the i-th (system, query, batch) in ``order``, all arms of it.
    """

    samples: pd.DataFrame
    order: tuple[tuple[str, str, int], ...]
    noise: tuple[BatchNoise, ...]
    executions: dict[str, int]  # system/query -> executions, warm-up included
    plan_choices: dict[str, tuple[int, int]]  # system/query -> (generic, custom) in the last batch


def parameter_sets(plan: MeasurePlan) -> int:
    """How many a lookup takes: every sample of two attempts has its own.

    An interval from reused ones would know how the machine varies and not how the parameters do.
    """
    return 2 * plan.batches * plan.batch_size


def tenant_sets(plan: MeasurePlan) -> int:
    """How many each single tenant of a lookup takes."""
    return 2 * plan.batches * tenant_batch(plan)


def sample(
    database: Database,
    tasks: Sequence[Task],
    plan: MeasurePlan,
    *,
    seed: int,
    attempt: int = 1,
    arm: str = MEASURED,
    progress: Progress | None = None,
    settling: Settling | None = None,
    only: Mapping[str, Collection[str]] | None = None,
    clock: ServerClock | None = None,
) -> Sampling:
    """Run ``plan.batches`` rounds; in each, one batch of every task in random order on fresh connections.

    Writes come after the lookups of their round, and what they leave is swept up before the next one. The batches
    of single tenants follow that of the traffic on its connection, with the plans that the traffic led to.

    Args:
        arm: what the samples that are weighted by traffic get in place of none.
        settling: is told of every batch; what it settles is left out of the rounds that follow. While a verdict is
            near, they begin no sooner after each other than before, so that its batches stay spread over the run.
        only: ``system/query`` -> the arms to keep; all where it is not named.
        clock: counts on the server what is measured with the traffic's parameters.

    Raises:
        MeasureError: a query fails.
    """
    rng = np.random.default_rng([seed, attempt])
    batches: list[Batch] = []
    order: list[tuple[str, str, int]] = []
    noise: list[BatchNoise] = []
    executions = dict.fromkeys((task.query.key for task in tasks), 0)
    choices: dict[str, tuple[int, int]] = {}
    written: set[tuple[str, str]] = set()
    for task in tasks:
        if task.query.writes:
            written.update(written_tables(database, task))
            executions[task.query.key] += 1
    left, pace = list(tasks), _Pace(plan.pause_s)
    for number in range(plan.batches):
        pace.begin()
        bar = _Bar(progress, done=len(order), total=len(order) + len(left) * (plan.batches - number))
        found = _round(database, left, plan, number, attempt, rng, only or {}, clock, bar)
        sweep(database, sorted(written))
        for each in found.visits:
            batches += each.batches
            order.append((each.task.system.name, each.task.query.name, number))
            executions[each.task.query.key] += plan.warmup + each.executions
        noise += found.noise
        choices.update(found.choices)
        near = False
        if settling is not None and number + 1 < plan.batches:
            settling.note(found.visits, found.noise)
            near = settling.look([task.query.key for task in left])
            left = [task for task in left if task.query.key not in settling.settled]
        if not left:
            break
        pace.end(whole=len(left) == len(tasks), near=near)
    return Sampling(
        samples=as_frame(batches, arm=arm, attempt=attempt),
        order=tuple(order),
        noise=tuple(noise),
        executions=executions,
        plan_choices=choices,
    )


class _Pace:
    """When rounds begin: a pause after each other; while a verdict is near, as far apart as rounds of everything."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._is_whole = True
        self._whole_s = 0.0
        self._next = 0.0
        self._began = 0.0

    def begin(self) -> None:
        """Wait until a round may begin."""
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._began = time.monotonic()

    def end(self, *, whole: bool, near: bool) -> None:
        """A round has ended, and another one will follow; ``whole``: nothing will be left out of that."""
        now = time.monotonic()
        if self._is_whole:
            self._whole_s = now - self._began
        self._is_whole = whole
        self._next = (max(now, self._began + self._whole_s) if near else now) + self._pause_s


@dataclass(frozen=True)
class _Bar:
    progress: Progress | None
    done: int
    total: int

    def tell(self, more: int) -> None:
        if self.progress:
            self.progress(self.done + more, self.total)


@dataclass(frozen=True, kw_only=True)
class _Round:
    visits: list[Visit]
    noise: list[BatchNoise]  # one a visit
    choices: dict[str, tuple[int, int]]


def _round(
    database: Database,
    tasks: Sequence[Task],
    plan: MeasurePlan,
    number: int,
    attempt: int,
    rng: np.random.Generator,
    only: Mapping[str, Collection[str]],
    clock: ServerClock | None,
    bar: _Bar,
) -> _Round:
    visits: list[Visit] = []
    with contextlib.ExitStack() as stack:
        runners: dict[tuple[str, str], Runner] = {}
        core = stack.enter_context(one_core(rng))
        watch = NoiseWatch(core)
        for task in sorted((tasks[i] for i in rng.permutation(len(tasks))), key=lambda task: task.query.writes):
            key = (task.system.name, task.role)
            if key not in runners:
                runners[key] = stack.enter_context(Runner(database, task.role))
                core.join(runners[key].connection)
            warm_up(runners[key], task, plan, number, clock)
            kept = only.get(task.query.key)
            watch.begin()
            visits.append(
                visit(runners[key], task, plan, number=number, attempt=attempt, only=kept, rng=rng, clock=clock)
            )
            watch.end()
            bar.tell(len(visits))
        return _Round(visits=visits, noise=watch.close(), choices=_choices(runners, tasks))


def _choices(runners: Mapping[tuple[str, str], Runner], tasks: Sequence[Task]) -> dict[str, tuple[int, int]]:
    """Match the server's prepared statements to queries by their text with $n placeholders."""
    by_runner = {key: runner.plan_choices() for key, runner in runners.items()}
    found = {}
    for task in tasks:
        counts = by_runner[task.system.name, task.role].get(numbered(task.query.sql))
        if counts is not None:
            found[task.query.key] = counts
    return found
