"""The looks of an impact: every lookup is compared, and those that are still open are measured further."""

from __future__ import annotations

from collections.abc import Sequence

from pgvitals.impact.rounds import AFTER, PLACEBO, Comparison
from pgvitals.lab import Database
from pgvitals.measure.params import tenant_ranks
from pgvitals.measure.task import Task, make_task
from pgvitals.profile import ImpactPlan
from pgvitals.stats.looks import Look, next_look, schedule
from pgvitals.terminal import Terminal

ALPHA = 0.05
"""Chance of any false alarm among all lookups of an impact; every look takes its share of it."""


def measure_looks(
    comparison: Comparison, before: Database, tasks: Sequence[Task], plan: ImpactPlan, terminal: Terminal, seed: int
) -> dict[str, Look]:
    """Measure until everything is settled or every look was taken; the last look of each lookup by its key.

    Args:
        comparison: of clones of ``before``, of the database after, and of ``before`` again; nothing measured yet.
        tasks: with the parameters of the first look; later ones get new ones.

    Raises:
        MeasureError: a query fails.
    """
    looks: dict[str, Look] = {}
    open_tasks, alpha = list(tasks), ALPHA / plan.looks
    for number, total in enumerate(schedule(plan.rounds, plan.looks), start=1):
        if not open_tasks:
            break
        more = total - len(comparison.noise)
        if looks:
            open_tasks = _redrawn(before, open_tasks, 2 * more * plan.per_arm, seed + number)
        with terminal.bar(_title(len(open_tasks), number, plan), unit="rounds") as bar:
            comparison.add(open_tasks, more, done=lambda done, total=total: bar.batches(done, total))  # type: ignore[misc]
        found = {
            task.query.key: (
                comparison.contrast(task.query.key, AFTER, alpha),
                comparison.contrast(task.query.key, PLACEBO, alpha),
            )
            for task in open_tasks
        }
        looks = next_look(looks, found, number=number, alpha=alpha)
        open_tasks = [task for task in open_tasks if looks[task.query.key].open]
    return looks


def _title(lookups: int, number: int, plan: ImpactPlan) -> str:
    on = f"on {plan.clones} sets of clones"
    return f"compare {lookups} lookups {on}" if number == 1 else f"look {number}: {lookups} lookups still open, {on}"


def _redrawn(before: Database, tasks: Sequence[Task], parameter_sets: int, seed: int) -> list[Task]:
    """The same lookups with other parameters, so that the interval knows of their variety."""
    system = tasks[0].system
    with before.connect() as conn:
        ranks = tenant_ranks(conn, system)
        return [make_task(conn, task.query, system, ranks, parameter_sets=parameter_sets, seed=seed) for task in tasks]
