"""From samples to verdicts: one record a lookup, and the gate over them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from pgvitals.measure.batch import MEASURED
from pgvitals.measure.sampler import Sampling
from pgvitals.measure.task import Stratum, Task
from pgvitals.profile import MeasurePlan
from pgvitals.results.records import Gate, Latency
from pgvitals.results.server_time import ServerTime
from pgvitals.results.tenants import TenantLatency, tenant_verdicts
from pgvitals.stats.percentile import percentile, summary
from pgvitals.stats.validity import Limits, valid_batches
from pgvitals.stats.verdict import Attempt, GateRules, Verdict, judge, overall, unjudged

__all__ = ["MEASURED", "budgets", "gate", "limits", "mark_valid", "undecided", "verdict"]


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


def budgets(task: Task, overall_budget_ms: float) -> dict[str, float]:
    """Arm -> the budget that the gate judges it by, for each that it judges.

    The traffic's is the stricter of the lookup's own and the overall one. What is promised for one tenant is what
    its line says: the overall budget is about the traffic.
    """
    of_tenants = {stratum.arm: stratum.budget_p95_ms for stratum in task.strata if stratum.budget_p95_ms is not None}
    return {MEASURED: min(task.query.budget_p95_ms, overall_budget_ms), **of_tenants}


def verdict(samples: pd.DataFrame, task: Task, overall_budget_ms: float) -> tuple[Verdict, int]:
    """Judge one lookup by its traffic, from one attempt or two; also the number of attempts."""
    own = samples[(samples["system"] == task.system.name) & (samples["query"] == task.query.name)]
    return _verdict(own[own["arm"] == MEASURED], budgets(task, overall_budget_ms)[MEASURED])


def undecided(samples: pd.DataFrame, tasks: Sequence[Task], overall_budget_ms: float) -> dict[str, frozenset[str]]:
    """``system/query`` -> the arms whose verdict takes a second attempt: time is spent where the verdict is near."""
    rows = _by_arm(samples)
    found = {}
    for task in tasks:
        judged = budgets(task, overall_budget_ms)
        again = frozenset(
            arm
            for arm, budget in judged.items()
            if _verdict(rows[task.system.name, task.query.name, arm], budget)[0].needs_second_attempt
        )
        if again:
            found[task.query.key] = again
    return found


def gate(
    samples: pd.DataFrame,
    tasks: Sequence[Task],
    *,
    budget_p95_ms: float,
    plans: Mapping[str, tuple[str, str]] | None = None,
    executions: Mapping[str, int] | None = None,
    left_out: Mapping[str, str] | None = None,
    settled: Collection[str] = (),
    server: Mapping[str, ServerTime] | None = None,
) -> Gate:
    """The verdict over all lookups: each within its own budget, and all within the overall one.

    Args:
        samples: as in ``samples.parquet``, of the sampler's own arms.
        plans: ``system/query`` -> (shape, fingerprint) of the plan for the largest tenant.
        executions: ``system/query`` -> executions, warm-up included: what its index scans divide by.
        left_out: ``system/query`` -> why it does not run at this revision.
        settled: ``system/query`` of what was sampled no further, as it was so far under its budget.
        server: ``system/query`` -> how long the server was busy with it.

    The percentiles of a record are over the batches that its verdict is on; ``n`` and ``max_ms`` are over all.
    """
    rows = _by_arm(samples)
    records = tuple(
        replace(
            _record(rows, task, budget_p95_ms, is_settled=task.query.key in settled),
            plan=(plans or {}).get(task.query.key, ("", ""))[0],
            plan_hash=(plans or {}).get(task.query.key, ("", ""))[1],
            executions=(executions or {}).get(task.query.key),
            server=(server or {}).get(task.query.key),
        )
        for task in tasks
    )
    outcome, reason = overall(records, tenant_verdicts(records))
    return Gate(
        outcome=outcome, reason=reason, budget_p95_ms=budget_p95_ms, queries=records, left_out=dict(left_out or {})
    )


_Rows = Mapping[tuple[str, str, str], pd.DataFrame]
"""(system, query, arm) -> its samples."""


def _by_arm(samples: pd.DataFrame) -> _Rows:
    return {
        (str(system), str(query), str(arm)): rows
        for (system, query, arm), rows in samples.groupby(["system", "query", "arm"], sort=False)
    }


def _verdict(rows: pd.DataFrame, budget_ms: float | None) -> tuple[Verdict, int]:
    """The verdict on these samples, and the number of attempts; without a budget nothing is promised."""
    attempts = [
        Attempt.from_samples(each["latency_ns"].to_numpy() / 1e6, each["batch"].to_numpy(), each["valid"].to_numpy())
        for _, each in rows.groupby("attempt")
    ]
    if budget_ms is None:
        return unjudged(attempts), len(attempts)
    return judge(attempts[0], attempts[1] if len(attempts) > 1 else None, budget_ms), len(attempts)


def _figures(rows: pd.DataFrame, found: Verdict) -> dict[str, Any]:
    """What records of lookups and of single tenants have in common."""
    judged = _judged(rows, found)
    service = summary(judged["latency_ns"].to_numpy())
    return {
        "n": len(rows),
        "batches": found.batches,
        "valid_batches": found.valid_batches,
        "p50_ms": service.p50_ms,
        "p95_ms": found.p95_ms,
        "p99_ms": service.p99_ms,
        "max_ms": float(rows["latency_ns"].max()) / 1e6,
        "p95_low_ms": found.interval.low if found.interval else None,
        "p95_high_ms": found.interval.high if found.interval else None,
        "confidence": found.interval.confidence if found.interval else GateRules().confidence,
        "rows_median": float(judged["rows"].median()),
        "outcome": found.outcome,
        "under_disturbance": found.under_disturbance,
    }


def _judged(rows: pd.DataFrame, found: Verdict) -> pd.DataFrame:
    """The samples of the batches that the interval is over."""
    return rows if found.under_disturbance else rows[rows["valid"]]


def _record(rows: _Rows, task: Task, overall_budget: float, *, is_settled: bool) -> Latency:
    own, budget = rows[task.system.name, task.query.name, MEASURED], budgets(task, overall_budget)[MEASURED]
    found, attempts = _verdict(own, budget)
    request = _judged(own, found)["request_ns"].to_numpy() / 1e6
    settled = ""
    if is_settled and found.interval:
        settled = f"; settled after {found.batches} batches: {int(budget / found.interval.high)}x under its budget"
    return Latency(
        **_figures(own, found),
        system=task.system.name,
        query=task.query.name,
        title=task.query.title,
        role=task.role,
        ends=task.query.ends,
        request_p50_ms=percentile(request, 0.50),
        request_p95_ms=percentile(request, 0.95),
        budget_p95_ms=budget,
        reason=found.reason + settled,
        attempts=attempts,
        statement=task.query.digest,
        settled=is_settled,
        tenants=tuple(
            _tenant(rows[task.system.name, task.query.name, stratum.arm], stratum) for stratum in task.strata
        ),
    )


def _tenant(rows: pd.DataFrame, stratum: Stratum) -> TenantLatency:
    found, attempts = _verdict(rows, stratum.budget_p95_ms)
    return TenantLatency(
        **_figures(rows, found),
        tenant=stratum.tenant,
        rank=stratum.rank,
        budget_p95_ms=stratum.budget_p95_ms,
        reason=found.reason,
        attempts=attempts,
    )
