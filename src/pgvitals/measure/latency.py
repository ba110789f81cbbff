"""From samples to verdicts: one record a lookup, and the gate over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from pgvitals.measure.sampler import Sampling
from pgvitals.measure.task import Task
from pgvitals.profile import MeasurePlan
from pgvitals.results.records import Gate, Latency
from pgvitals.stats.percentile import percentile, summary
from pgvitals.stats.validity import Limits, valid_batches
from pgvitals.stats.verdict import Attempt, GateRules, Verdict, judge, overall

MEASURED = ""
"""The arm of the sampler's own samples in ``samples.parquet``; other arms name other instruments."""


def limits(plan: MeasurePlan) -> Limits:
    """The noise that a batch of this plan bears."""
    return Limits(cpu_pressure=plan.cpu_pressure_limit, steal=plan.steal_limit, canary_ratio=plan.canary_limit)


def mark_valid(sampling: Sampling, borne: Limits | None = None, *, best_canary_ms: float | None = None) -> pd.DataFrame:
    """The samples with ``valid`` set batch by batch from the noise beside them."""
    flags = valid_batches(sampling.noise, borne, best_canary_ms=best_canary_ms)
    samples = sampling.samples.copy()
    quiet = pd.Series(np.asarray(flags, dtype=bool), index=pd.MultiIndex.from_tuples(sampling.order))
    keys = pd.MultiIndex.from_frame(samples[["system", "query", "batch"]])
    samples["valid"] = quiet.reindex(keys).to_numpy(dtype=bool)
    return samples


def verdict(samples: pd.DataFrame, task: Task, overall_budget_ms: float) -> tuple[Verdict, int]:
    """Judge one lookup from its samples (one attempt or two); also the number of attempts.

    The stricter of its own budget and the overall one decides.
    """
    own = samples[(samples["system"] == task.system.name) & (samples["query"] == task.query.name)]
    attempts = [
        Attempt.from_samples(rows["latency_ns"].to_numpy() / 1e6, rows["batch"].to_numpy(), rows["valid"].to_numpy())
        for _, rows in own.groupby("attempt")
    ]
    second = attempts[1] if len(attempts) > 1 else None
    return judge(attempts[0], second, _budget(task, overall_budget_ms)), len(attempts)


def _budget(task: Task, overall_budget_ms: float) -> float:
    """The stricter of a query's own budget and the overall one."""
    return min(task.query.budget_p95_ms, overall_budget_ms)


def undecided(samples: pd.DataFrame, tasks: Sequence[Task], overall_budget_ms: float) -> list[Task]:
    """Lookups whose verdict takes a second attempt: time is spent where the verdict is near."""
    return [task for task in tasks if verdict(samples, task, overall_budget_ms)[0].needs_second_attempt]


def gate(
    samples: pd.DataFrame,
    tasks: Sequence[Task],
    *,
    budget_p95_ms: float,
    plans: Mapping[str, tuple[str, str]] | None = None,
    executions: Mapping[str, int] | None = None,
    left_out: Mapping[str, str] | None = None,
) -> Gate:
    """The verdict over all lookups: each within its own budget, and all within the overall one.

    Args:
        samples: as in ``samples.parquet``, of the sampler's own arm.
        plans: ``system/query`` -> (shape, fingerprint) of the plan for the largest tenant.
        executions: ``system/query`` -> executions, warm-up included: what its index scans divide by.
        left_out: ``system/query`` -> why it does not run at this revision.

    The percentiles of a record are over the batches that its verdict is on; ``n`` and ``max_ms`` are over all.
    """
    records = tuple(
        replace(
            _record(samples, task, budget_p95_ms, (plans or {}).get(task.query.key, ("", ""))),
            executions=(executions or {}).get(task.query.key),
        )
        for task in tasks
    )
    outcome, reason = overall(records)
    return Gate(
        outcome=outcome, reason=reason, budget_p95_ms=budget_p95_ms, queries=records, left_out=dict(left_out or {})
    )


def _record(samples: pd.DataFrame, task: Task, overall_budget: float, plan: tuple[str, str]) -> Latency:
    own = samples[(samples["system"] == task.system.name) & (samples["query"] == task.query.name)]
    found, attempts = verdict(samples, task, overall_budget)
    judged = own if found.under_disturbance else own[own["valid"]]  # the batches that the interval is over
    service, request = summary(judged["latency_ns"].to_numpy()), judged["request_ns"].to_numpy() / 1e6
    return Latency(
        system=task.system.name,
        query=task.query.name,
        title=task.query.title,
        role=task.role,
        ends=task.query.ends,
        n=len(own),
        batches=found.batches,
        valid_batches=found.valid_batches,
        p50_ms=service.p50_ms,
        p95_ms=found.p95_ms,
        p99_ms=service.p99_ms,
        max_ms=float(own["latency_ns"].max()) / 1e6,
        p95_low_ms=found.interval.low if found.interval else None,
        p95_high_ms=found.interval.high if found.interval else None,
        confidence=found.interval.confidence if found.interval else GateRules().confidence,
        request_p50_ms=percentile(request, 0.50),
        request_p95_ms=percentile(request, 0.95),
        rows_median=float(judged["rows"].median()),
        budget_p95_ms=_budget(task, overall_budget),
        outcome=found.outcome,
        reason=found.reason,
        attempts=attempts,
        under_disturbance=found.under_disturbance,
        plan=plan[0],
        plan_hash=plan[1],
        statement=task.query.digest,
    )
