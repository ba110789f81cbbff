"""One query's turn in a round: bursts of executions on one connection, and bursts as rows of ``samples.parquet``."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pgvitals.measure.runner import Call, Runner
from pgvitals.measure.server_time import ServerClock
from pgvitals.measure.task import Task
from pgvitals.profile import MeasurePlan
from pgvitals.results.rundir import SAMPLE_COLUMNS
from pgvitals.stats.percentile import NS_PER_MS
from pgvitals.stats.samples import FloatArray, IntArray

MEASURED = ""
"""The arm of parameters weighted by traffic, in ``samples.parquet``; others name one tenant, or another instrument."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Executions one after the other; ``timings`` has a row each: t_ns, service_ns, request_ns, rows."""

    task: Task
    arm: str
    number: int
    timings: IntArray
    ranks: Sequence[int | None]

    @property
    def latency_ms(self) -> FloatArray:
        """The service times."""
        return self.timings[:, 1] / NS_PER_MS


@dataclass(frozen=True, kw_only=True, eq=False)
class Visit:
    """One query's turn in a round."""

    task: Task
    batches: tuple[Batch, ...]  # at most one an arm
    executions: int


def tenant_batch(plan: MeasurePlan) -> int:
    """Samples in a batch of a single tenant; 0 where the plan has none."""
    return max(1, round(plan.batch_size * plan.tenant_share)) if plan.tenant_share else 0


def warm_up(runner: Runner, task: Task, plan: MeasurePlan, number: int, clock: ServerClock | None = None) -> None:
    """Executions that are thrown away: the connection's first ones plan, and fill its caches.

    Raises:
        MeasureError: the query fails.
    """
    for step in range(plan.warmup):
        call = task.calls[(number + step) % len(task.calls)]
        if clock is None or not clock.learn(runner, task, call):
            runner.run(call)


def visit(
    runner: Runner,
    task: Task,
    plan: MeasurePlan,
    *,
    number: int,
    attempt: int,
    only: Collection[str] | None,
    rng: np.random.Generator,
    clock: ServerClock | None = None,
) -> Visit:
    """A batch of the traffic's parameters, then one of each single tenant, in random order.

    ``only`` names the arms to keep; None keeps all. The traffic's is executed in any case, since the plan that the
    server settles on comes from it. ``clock`` counts the traffic's executions on the server.

    Raises:
        MeasureError: the query fails.
    """
    place = (attempt - 1) * plan.batches + number
    batches, executions = [], 0
    for stratum in (None, *(task.strata[i] for i in rng.permutation(len(task.strata)))):
        arm = MEASURED if stratum is None else stratum.arm
        kept = only is None or arm in only
        if stratum is not None and not kept:
            continue
        calls = task.calls if stratum is None else stratum.calls
        size = plan.batch_size if stratum is None else tenant_batch(plan)
        positions = [(place * size + step) % len(calls) for step in range(size)]
        counting = clock if stratum is None and kept else None
        before = counting.counters() if counting else {}
        timings = _timed(runner, calls, positions)
        if counting:
            counting.count(task, before, counting.counters(), timings[:, 1] / NS_PER_MS)
        executions += size
        if kept:
            ranks = [task.ranks[i] for i in positions] if stratum is None else [stratum.rank] * size
            batches.append(Batch(task=task, arm=arm, number=number, timings=timings, ranks=ranks))
    return Visit(task=task, batches=tuple(batches), executions=executions)


def as_frame(batches: Sequence[Batch], *, arm: str, attempt: int) -> pd.DataFrame:
    """Columns as in ``samples.parquet``, ``valid`` all true; ``arm`` stands where a batch names none."""
    sizes = [len(batch.timings) for batch in batches]
    timings = np.concatenate([batch.timings for batch in batches])
    frame = pd.DataFrame(
        {
            "system": np.repeat([batch.task.system.name for batch in batches], sizes),
            "query": np.repeat([batch.task.query.name for batch in batches], sizes),
            "role": np.repeat([batch.task.role for batch in batches], sizes),
            "arm": np.repeat([batch.arm or arm for batch in batches], sizes),
            "batch": np.repeat([batch.number for batch in batches], sizes),
            "t_ns": timings[:, 0],
            "latency_ns": timings[:, 1],
            "request_ns": timings[:, 2],
            "rows": timings[:, 3],
            "tenant_rank": pd.array([rank for batch in batches for rank in batch.ranks], dtype="Int32"),
            "valid": True,
            "attempt": attempt,
        }
    )
    return frame[list(SAMPLE_COLUMNS)].astype(SAMPLE_COLUMNS)


def _timed(runner: Runner, calls: Sequence[Call], positions: Sequence[int]) -> IntArray:
    with quiet_collector():
        timings = [runner.run(calls[position]) for position in positions]
    return np.array(timings, dtype=np.int64).reshape(-1, 4)


@contextlib.contextmanager
def quiet_collector() -> Iterator[None]:
    """No garbage collection inside a batch: a full one takes as long as many queries."""
    gc.collect(0)
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
