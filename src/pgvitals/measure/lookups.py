"""The measurement of all lookups: rest, sample, judge, sample again where it is open, read plans and indexes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pgvitals.errors import MeasureError
from pgvitals.indexes import usage
from pgvitals.lab.database import Database
from pgvitals.measure import latency, noise
from pgvitals.measure.plan import capture, relation_facts
from pgvitals.measure.prepare import at_rest
from pgvitals.measure.sampler import parameter_sets, sample, tenant_sets
from pgvitals.measure.server_time import ServerClock, explained
from pgvitals.measure.settling import Settling
from pgvitals.measure.task import Task, make_tasks
from pgvitals.profile import MeasurePlan, Profile
from pgvitals.results.records import Gate, IndexUse, Noise
from pgvitals.results.rundir import RunWriter, index_table
from pgvitals.results.server_time import ServerTime
from pgvitals.revisions import queries_at, tell_left_out
from pgvitals.stats.validity import BatchNoise
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
    suite: Suite,
    database: Database,
    profile: Profile,
    systems: Sequence[System],
    terminal: Terminal,
    *,
    seed: int,
    vacuum: bool = True,
) -> Lookups:
    """Measure every query of ``systems`` that runs at the revision where the database stands.

    Args:
        vacuum: VACUUM and ANALYZE before; without, dead rows and old statistics are measured as they stand.

    Raises:
        MeasureError: a query fails, there is nothing to draw parameters from, or a budget is for a tenant that is
            not measured.
    """
    budget = suite.config.budget_p95_ms
    chosen = queries_at(suite, database, systems)
    tell_left_out(terminal, chosen.left_out)
    for query in chosen.queries:
        if query.tenant_budgets_ms and not profile.measure.tenant_share:
            raise MeasureError(
                f"{query.path}: has a budget for one tenant, and profile {profile.name!r} measures none"
                " (tenant_share = 0); set tenant_share in profiles.toml, or take the budget out"
            )
    by_name = {system.name: system for system in systems}
    with ExitStack() as stack:
        with terminal.step("vacuum, analyze and prewarm" if vacuum else "prewarm"):
            stack.enter_context(at_rest(database, [system.schema_name for system in systems], vacuum=vacuum))
        with terminal.step(f"draw parameters of {len(chosen.queries)} lookups"):
            tasks = make_tasks(
                database,
                chosen.queries,
                by_name,
                parameter_sets=parameter_sets(profile.measure),
                seed=seed,
                tenant_sets=tenant_sets(profile.measure),
            )
        known = {system.name: relation_facts(database, system.schema_name) for system in systems}
        usage.forget(database)
        before = usage.read(database)
        found = _sampled(database, tasks, profile.measure, budget, terminal, seed=seed)
        after = usage.read(database)
        with terminal.step("explain"):
            plans = {task.query.key: capture(database, task, known[task.system.name]) for task in tasks}
    for key, choices in found.plan_choices.items():
        for captured in plans[key]:
            captured["server_used"] = {"generic": choices[0], "custom": choices[1]}
    shapes = {key: (each[0]["shape"], each[0]["fingerprint"]) for key, each in plans.items()}
    explained_times = {key: explained(each, found.not_counted) for key, each in plans.items()}
    return Lookups(
        gate=latency.gate(
            found.samples,
            tasks,
            budget_p95_ms=budget,
            plans=shapes,
            executions=found.executions,
            left_out=chosen.left_out,
            settled=found.settled,
            server={**{key: each for key, each in explained_times.items() if each}, **found.server},
        ),
        samples=found.samples,
        index_usage=usage.difference(database, systems, before, after),
        plans=plans,
        noise=noise.summary(found.noise),
    )


@dataclass(frozen=True, kw_only=True)
class _Sampled:
    samples: pd.DataFrame
    noise: list[BatchNoise]
    executions: Mapping[str, int]
    plan_choices: Mapping[str, tuple[int, int]]
    settled: Collection[str]
    server: Mapping[str, ServerTime]
    not_counted: str  # why the server's time is not counted, if it is not


def _sampled(
    database: Database, tasks: Sequence[Task], plan: MeasurePlan, budget: float, terminal: Terminal, *, seed: int
) -> _Sampled:
    """Every lookup, and once more those whose verdict is open."""
    limits = latency.limits(plan)
    budgets = {task.query.key: latency.budgets(task, budget) for task in tasks}
    settling = Settling(budgets, limits, far=plan.far, batches=plan.batches)
    with ServerClock(database) as clock:
        with terminal.bar(f"measure {len(tasks)} lookups", unit="batches") as bar:
            first = sample(database, tasks, plan, seed=seed, progress=bar.batches, settling=settling, clock=clock)
        if settling.settled:
            terminal.say(
                f"{len(settling.settled)} of {len(tasks)} settled early, {plan.far:g}x under their budgets or more"
            )
        samples, taken = latency.mark_valid(first, limits), [first]
        if again := latency.undecided(samples, tasks, budget):
            with terminal.bar(f"second attempt: {', '.join(again)}", unit="batches") as bar:
                second = sample(
                    database,
                    [task for task in tasks if task.query.key in again],
                    plan,
                    seed=seed,
                    attempt=2,
                    progress=bar.batches,
                    only=again,
                    clock=clock,
                )
            best = min(each.canary_ms for each in first.noise)
            samples = pd.concat([samples, latency.mark_valid(second, limits, best_canary_ms=best)], ignore_index=True)
            taken.append(second)
        return _Sampled(
            samples=samples,
            noise=[each for sampling in taken for each in sampling.noise],
            executions=sum((Counter(sampling.executions) for sampling in taken), Counter()),
            plan_choices=first.plan_choices,
            settled=settling.settled,
            server=clock.times(),
            not_counted=clock.why,
        )
