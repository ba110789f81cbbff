"""What is settled while it is measured, and what keeps the pace of the rounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pgvitals.measure.batch import MEASURED, Batch, Visit
from pgvitals.measure.settling import Settling
from pgvitals.measure.task import Task
from pgvitals.query import Query
from pgvitals.stats.validity import BatchNoise, Limits
from pgvitals.suite import find_suite

SYSTEM = find_suite(Path(__file__).parent).system("practice")
QUIET = BatchNoise(cpu_pressure=0.0, steal=0.0, canary_ms=1.0)
PRESSED = BatchNoise(cpu_pressure=0.5, steal=0.0, canary_ms=1.0)
KEY, LARGEST = "practice/a", "largest tenant"


def task(name: str) -> Task:
    query = Query(name=name, system="practice", path=Path("q.sql"), title=name, budget_p95_ms=1, params="", sql="")
    return Task(query=query, system=SYSTEM, parameters=({},), ranks=(None,))


def visit(name: str, number: int, **milliseconds: float) -> Visit:
    """One query's turn; latencies by arm, ``traffic`` for that without a name."""
    rng = np.random.default_rng(number)
    made = task(name)
    batches = []
    for arm, level in milliseconds.items():
        timings = np.ones((20, 4), dtype=np.int64)
        timings[:, 1] = level * 1e6 * rng.uniform(0.9, 1.0, 20)
        where = MEASURED if arm == "traffic" else f"{arm} tenant"
        batches.append(Batch(task=made, arm=where, number=number, timings=timings, ranks=[1] * 20))
    return Visit(task=made, batches=tuple(batches), executions=20)


def after(
    rounds: int, budgets: dict[str, float], *, disturbed: int = 0, **milliseconds: float
) -> tuple[Settling, bool]:
    """What is known after some of thirty rounds of one lookup, and whether its verdict is near."""
    settling = Settling({KEY: budgets}, Limits(), far=10, batches=30)
    for number in range(rounds):
        settling.note([visit("a", number, **milliseconds)], [PRESSED if number < disturbed else QUIET])
    return settling, settling.look([KEY])


def test_a_lookup_far_under_its_budget_is_settled_after_twelve_batches() -> None:
    assert after(11, {MEASURED: 50}, traffic=1.0)[0].settled == set()
    assert after(12, {MEASURED: 50}, traffic=1.0)[0].settled == {KEY}


def test_a_lookup_over_its_budget_is_never_settled() -> None:
    assert after(30, {MEASURED: 0.01}, traffic=1.0)[0].settled == set()


@pytest.mark.parametrize(("budget", "is_near"), [(5, False), (1.8, True), (0.8, True), (0.1, False)])
def test_a_verdict_is_near_within_a_factor_of_two_of_its_budget(budget: float, is_near: bool) -> None:
    settling, near = after(12, {MEASURED: budget}, traffic=1.0)
    assert (settling.settled, near) == (set(), is_near)


def test_before_a_verdict_could_be_given_every_one_is_near() -> None:
    assert after(11, {MEASURED: 50}, traffic=1.0)[1]


def test_disturbed_batches_do_not_settle_while_twelve_quiet_ones_may_still_come() -> None:
    assert after(18, {MEASURED: 50}, disturbed=18, traffic=1.0)[0].settled == set()
    assert after(19, {MEASURED: 50}, disturbed=19, traffic=1.0)[0].settled == {KEY}
    assert after(25, {MEASURED: 50}, disturbed=18, traffic=1.0)[0].settled == set()
    assert after(19, {MEASURED: 5}, disturbed=19, traffic=1.0)[0].settled == set()


def test_a_slow_canary_of_another_lookup_s_best_counts_as_well() -> None:
    budgets = {KEY: {MEASURED: 50.0}, "practice/b": {MEASURED: 50.0}}
    settling = Settling(budgets, Limits(), far=10, batches=30)
    slow = BatchNoise(cpu_pressure=0.0, steal=0.0, canary_ms=1.5)
    for number in range(12):
        settling.note([visit("a", number, traffic=1.0), visit("b", number, traffic=1.0)], [slow, QUIET])
    settling.look([KEY, "practice/b"])
    assert settling.settled == {"practice/b"}


def test_a_tenant_s_budget_keeps_its_lookup_going() -> None:
    budgets = {MEASURED: 50.0, LARGEST: 20.0}
    assert after(12, budgets, traffic=1.0, largest=5.0)[0].settled == set()
    assert after(12, budgets, traffic=1.0, largest=1.0)[0].settled == {KEY}
    assert after(12, {MEASURED: 50.0}, traffic=1.0, largest=5.0)[0].settled == {KEY}
