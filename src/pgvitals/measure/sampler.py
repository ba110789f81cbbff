"""Interleaved sampling: batches of every query, spread over the whole run, every sample kept.

Method: Kalibera and Jones 2013 (repetition where the variation is). Samples of one burst share the
machine's mood, so a query's samples come in many short batches; each round of batches uses fresh
connections and a new random order of the queries, those that write after those that read.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pgvitals.header import numbered
from pgvitals.lab.database import Database
from pgvitals.measure.noise import NoiseProbe
from pgvitals.measure.prepare import sweep
from pgvitals.measure.runner import Runner
from pgvitals.measure.task import Task, written_tables
from pgvitals.profile import MeasurePlan
from pgvitals.results.rundir import SAMPLE_COLUMNS
from pgvitals.stats.validity import BatchNoise

Progress = Callable[[int, int], None]
"""Called with (batches done, batches in all)."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Samples as in ``samples.parquet`` (column ``valid`` still all true), and the noise of each batch.

    ``noise[i]`` belongs to the i-th (system, query, batch) in ``order``.
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


def sample(
    database: Database,
    tasks: Sequence[Task],
    plan: MeasurePlan,
    *,
    seed: int,
    attempt: int = 1,
    arm: str = "",
    progress: Progress | None = None,
) -> Sampling:
    """Run ``plan.batches`` rounds; in each, one batch of every task in random order on fresh connections.

    Writes come after the lookups of their round, and what they leave is swept up before the next one.
    """
    rng = np.random.default_rng([seed, attempt])
    frames: list[pd.DataFrame] = []
    order: list[tuple[str, str, int]] = []
    noise: list[BatchNoise] = []
    executions = dict.fromkeys((task.query.key for task in tasks), 0)
    choices: dict[str, tuple[int, int]] = {}
    total = plan.batches * len(tasks)
    written: set[tuple[str, str]] = set()
    for task in tasks:
        if task.query.writes:
            written.update(written_tables(database, task))
            executions[task.query.key] += 1
    for batch in range(plan.batches):
        if batch and plan.pause_s:
            time.sleep(plan.pause_s)
        with contextlib.ExitStack() as stack:
            runners: dict[tuple[str, str], Runner] = {}
            probe: NoiseProbe | None = None
            for task in sorted((tasks[i] for i in rng.permutation(len(tasks))), key=lambda task: task.query.writes):
                key = (task.system.name, task.role)
                if key not in runners:
                    runners[key] = stack.enter_context(Runner(database, task.role))
                frame, batch_noise, probe = _batch(runners[key], task, plan, batch, attempt, probe)
                frames.append(frame)
                noise.append(batch_noise)
                order.append((task.system.name, task.query.name, batch))
                executions[task.query.key] += plan.warmup + plan.batch_size
                if progress:
                    progress(len(order), total)
            if batch == plan.batches - 1:
                choices = _choices(runners, tasks)
        sweep(database, sorted(written))
    samples = pd.concat(frames, ignore_index=True)
    samples["arm"], samples["valid"], samples["attempt"] = arm, True, attempt
    return Sampling(
        samples=samples[list(SAMPLE_COLUMNS)].astype(SAMPLE_COLUMNS),
        order=tuple(order),
        noise=tuple(noise),
        executions=executions,
        plan_choices=choices,
    )


def _batch(
    runner: Runner, task: Task, plan: MeasurePlan, batch: int, attempt: int, previous: NoiseProbe | None
) -> tuple[pd.DataFrame, BatchNoise, NoiseProbe]:
    count = len(task.calls)
    for step in range(plan.warmup):
        runner.run(task.calls[(batch + step) % count])
    first = ((attempt - 1) * plan.batches + batch) * plan.batch_size
    chosen = [(first + step) % count for step in range(plan.batch_size)]
    probe = NoiseProbe(previous)
    with quiet_collector():
        timings = [runner.run(task.calls[index]) for index in chosen]
    noise = probe.read()
    columns = np.array(timings, dtype=np.int64).reshape(-1, 4)
    frame = pd.DataFrame(
        {
            "system": task.system.name,
            "query": task.query.name,
            "role": task.role,
            "batch": batch,
            "t_ns": columns[:, 0],
            "latency_ns": columns[:, 1],
            "request_ns": columns[:, 2],
            "rows": columns[:, 3],
            "tenant_rank": pd.array([task.ranks[index] for index in chosen], dtype="Int32"),
        }
    )
    return frame, noise, probe


def _choices(runners: dict[tuple[str, str], Runner], tasks: Sequence[Task]) -> dict[str, tuple[int, int]]:
    """Match the server's prepared statements to queries by their text with $n placeholders."""
    by_runner = {key: runner.plan_choices() for key, runner in runners.items()}
    found = {}
    for task in tasks:
        counts = by_runner[task.system.name, task.role].get(numbered(task.query.sql))
        if counts is not None:
            found[task.query.key] = counts
    return found


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
