"""What the rounds of the harness check come to: ratios and differences with intervals, against their goals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pgvitals.errors import MeasureError
from pgvitals.measure.harness_arms import EXECUTE
from pgvitals.results.outcome import Outcome, worst
from pgvitals.stats.compare import p95_log_ratios, typical_log_ratios
from pgvitals.stats.percentile import order_statistic_interval, percentile, percentiles_by_row
from pgvitals.stats.samples import FloatArray

LEAST_ROUNDS = 20
CONFIDENCE = 0.95

Latencies = Mapping[str, FloatArray]
"""Arm -> (rounds, executions) in ms; columns of two arms have the same parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a figure has to be at most."""

    figure: str  # as in FIGURES
    workload: str
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """The median over rounds of one figure, with its interval, and the goal if it has one."""

    name: str
    workload: str
    unit: str  # x | µs
    value: float
    low: float
    high: float
    rounds: int
    goal: float | None
    outcome: Outcome
    reason: str


GOALS = (
    Goal(figure="p95, pgvitals / pgbench", workload="one row", most=1.6),
    Goal(figure="p95, pgvitals / pgbench", workload="50 rows", most=1.9),
    *(
        Goal(figure=f"{point}, execute − pgbench", workload=workload, most=30.0)
        for point in ("p50", "p95")
        for workload in ("one row", "50 rows")
    ),
    *(
        Goal(figure=f"typical, {arm} / driver", workload=workload, most=1.05)
        for arm in ("pgvitals", "fixture")
        for workload in ("one row", "50 rows")
    ),
)


def figures(workload: str, latencies: Latencies, quiet_rounds: int) -> tuple[Figure, ...]:
    """The figures of one workload from the rounds that count.

    Ratios and differences are taken inside a round; a figure is their median with an order-statistic interval.
    Nothing is judged by fewer than 20 quiet rounds.

    Source of the interval: Le Boudec, Performance Evaluation (2010), theorem 2.1.

    Raises:
        MeasureError: no round counts.
    """
    if not len(latencies["pgbench"]):
        raise MeasureError("harness: no round was measured; ask for at least one")
    rounds = {
        "p95, pgvitals / pgbench": ("x", np.exp(p95_log_ratios(latencies["pgbench"], latencies["pgvitals"]))),
        "p95, cursor / pgbench": ("x", np.exp(p95_log_ratios(latencies["pgbench"], latencies["cursor"]))),
        "p50, execute − pgbench": ("µs", _difference_us(latencies, EXECUTE, 0.50)),
        "p95, execute − pgbench": ("µs", _difference_us(latencies, EXECUTE, 0.95)),
        "typical, pgvitals / driver": ("x", np.exp(typical_log_ratios(latencies["driver"], latencies["pgvitals"]))),
        "typical, fixture / driver": ("x", np.exp(typical_log_ratios(latencies["driver"], latencies["fixture"]))),
    }
    return tuple(_figure(name, workload, unit, values, quiet_rounds) for name, (unit, values) in rounds.items())


def medians_us(latencies: Latencies) -> dict[str, tuple[float, float]]:
    """Arm -> p50 and p95 in microseconds, pooled over the rounds."""
    return {
        arm: (percentile(each.ravel(), 0.50) * 1e3, percentile(each.ravel(), 0.95) * 1e3)
        for arm, each in latencies.items()
    }


def outcome_of(found: Sequence[Figure]) -> Outcome:
    """The outcome of the check: the worst of the figures that have a goal."""
    return worst(figure.outcome for figure in found if figure.goal is not None)


def _difference_us(latencies: Latencies, arm: str, q: float) -> FloatArray:
    return (percentiles_by_row(latencies[arm], q) - percentiles_by_row(latencies["pgbench"], q)) * 1e3


def _figure(name: str, workload: str, unit: str, values: FloatArray, quiet_rounds: int) -> Figure:
    goal = next((each.most for each in GOALS if (each.figure, each.workload) == (name, workload)), None)
    interval = order_statistic_interval(values, 0.5, CONFIDENCE)
    low, high = (interval.low, interval.high) if interval else (float(values.min()), float(values.max()))
    outcome, reason = _judged(goal, low, high, quiet_rounds)
    return Figure(
        name=name,
        workload=workload,
        unit=unit,
        value=percentile(values, 0.5),
        low=low,
        high=high,
        rounds=len(values),
        goal=goal,
        outcome=outcome,
        reason=reason,
    )


def _judged(goal: float | None, low: float, high: float, quiet_rounds: int) -> tuple[Outcome, str]:
    if goal is None:
        return Outcome.NOT_APPLICABLE, "for information"
    if quiet_rounds < LEAST_ROUNDS:
        return Outcome.INCONCLUSIVE, f"{quiet_rounds} quiet rounds; it takes {LEAST_ROUNDS}"
    if high <= goal:
        return Outcome.PASS, "the interval lies within the goal"
    if low > goal:
        return Outcome.FAIL, "the interval lies beyond the goal"
    return Outcome.INCONCLUSIVE, "the goal lies inside the interval"
