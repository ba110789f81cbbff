"""The measurement of all lookups: rest, sample, judge, sample again where it is open, read plans and indexes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pgvitals.indexes import usage
from pgvitals.lab.database import Database
from pgvitals.measure import latency, noise
from pgvitals.measure.plan import capture
from pgvitals.measure.prepare import at_rest
from pgvitals.measure.sampler import Sampling, parameter_sets, sample
from pgvitals.measure.task import make_tasks
from pgvitals.profile import Profile
from pgvitals.results.records import Gate, IndexUse, Noise
from pgvitals.results.rundir import RunWriter, index_table
from pgvitals.revisions import queries_at, tell_left_out
from pgvitals.suite import Suite
from pgvitals.system import System
from pgvitals.terminal import Terminal


@dataclass(frozen=True, kw_only=True)
class Lookups:
    """What one measurement of the lookups found."""

    gate: Gate
    samples: pd.DataFrame
    index_usage: tuple[IndexUse, ...]
    plans: dict[str, list[dict[str, Any]]]  # system/query -> plans, the largest tenant's custom plan first
    noise: Noise | None

    def write(self, writer: RunWriter) -> None:
        """Store it in a run directory."""
        writer.write_table("samples.parquet", self.samples)
        writer.write("latency.json", self.gate)
        writer.write_table("index_usage.parquet", index_table(self.index_usage))
        for key, plans in self.plans.items():
            writer.write_json(f"plans/{key.replace('/', '__')}.json", plans)


def measure(
    suite: Suite, database: Database, profile: Profile, systems: Sequence[System], terminal: Terminal, *, seed: int
) -> Lookups:
    """Measure every query of ``systems`` that runs at the revision where the database stands.

    Raises:
        MeasureError: a query fails, or there is nothing to draw parameters from.
    """
    budget = suite.config.budget_p95_ms
    chosen = queries_at(suite, database, systems)
    tell_left_out(terminal, chosen.left_out)
    by_name = {system.name: system for system in systems}
    with ExitStack() as stack:
        with terminal.step("vacuum, analyze and prewarm"):
            stack.enter_context(at_rest(database, [system.schema_name for system in systems]))
        with terminal.step(f"draw parameters of {len(chosen.queries)} lookups"):
            tasks = make_tasks(
                database, chosen.queries, by_name, parameter_sets=parameter_sets(profile.measure), seed=seed
            )
        usage.forget(database)
        before = usage.read(database)
        with terminal.bar(f"measure {len(tasks)} lookups", unit="batches") as bar:
            first = sample(database, tasks, profile.measure, seed=seed, progress=bar.batches)
        limits = latency.limits(profile.measure)
        samples = latency.mark_valid(first, limits)
        taken: list[Sampling] = [first]
        if again := latency.undecided(samples, tasks, budget):
            names = ", ".join(task.query.key for task in again)
            with terminal.bar(f"second attempt: {names}", unit="batches") as bar:
                second = sample(database, again, profile.measure, seed=seed, attempt=2, progress=bar.batches)
            best = min(each.canary_ms for each in first.noise)
            samples = pd.concat([samples, latency.mark_valid(second, limits, best_canary_ms=best)], ignore_index=True)
            taken.append(second)
        after = usage.read(database)
        with terminal.step("explain"):
            plans = {task.query.key: capture(database, task) for task in tasks}
    for key, choices in first.plan_choices.items():
        for plan in plans[key]:
            plan["server_used"] = {"generic": choices[0], "custom": choices[1]}
    shapes = {key: (found[0]["shape"], found[0]["fingerprint"]) for key, found in plans.items()}
    return Lookups(
        gate=latency.gate(
            samples,
            tasks,
            budget_p95_ms=budget,
            plans=shapes,
            executions=sum((Counter(sampling.executions) for sampling in taken), Counter()),
            left_out=chosen.left_out,
        ),
        samples=samples,
        index_usage=usage.difference(database, systems, before, after),
        plans=plans,
        noise=noise.summary([each for sampling in taken for each in sampling.noise]),
    )
