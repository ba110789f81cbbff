"""The figures of the harness check: what is compared with what, and when a goal is met, missed or open."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pgvitals.measure.harness_figures import GOALS, Figure, figures, medians_us, outcome_of
from pgvitals.measure.pgbench import script, sequence
from pgvitals.results.outcome import Outcome


def latencies(rounds: int = 40, **factors: float) -> dict[str, Any]:
    """Rounds in which pgbench takes 50 µs give or take, and every other arm that times its factor."""
    rng = np.random.default_rng(3)
    base = np.exp(rng.normal(np.log(0.05), 0.1, (rounds, 100)))
    given = {"execute": 1.3, "cursor": 1.7, "driver": 1.4, "pgvitals": 1.42, "fixture": 1.43} | factors
    noise = {arm: np.exp(rng.normal(0, 0.01, base.shape)) for arm in given}
    return {"pgbench": base, **{arm: base * factor * noise[arm] for arm, factor in given.items()}}


def by_name(rounds: int = 40, quiet: int = 40, **factors: float) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures("one row", latencies(rounds, **factors), quiet)}


def test_ratios_and_differences_are_of_the_arms_that_they_name() -> None:
    found = by_name()
    assert found["p95, pgvitals / pgbench"].value == pytest.approx(1.42, rel=0.03)
    assert found["p95, cursor / pgbench"].value == pytest.approx(1.70, rel=0.03)
    assert found["p50, execute − pgbench"].value == pytest.approx(15, rel=0.1)
    assert found["typical, pgvitals / driver"].value == pytest.approx(1.42 / 1.40, rel=0.01)
    assert found["typical, fixture / driver"].value == pytest.approx(1.43 / 1.40, rel=0.01)


def test_the_interval_holds_the_median() -> None:
    for figure in by_name().values():
        assert figure.low <= figure.value <= figure.high


@pytest.mark.parametrize(
    ("factor", "outcome"), [(1.42, Outcome.PASS), (1.6, Outcome.INCONCLUSIVE), (1.8, Outcome.FAIL)]
)
def test_a_goal_is_met_missed_or_open_as_its_interval_lies(factor: float, outcome: Outcome) -> None:
    assert by_name(pgvitals=factor)["p95, pgvitals / pgbench"].outcome is outcome


def test_a_machine_that_was_not_quiet_leaves_every_goal_open() -> None:
    found = [figure for figure in by_name(quiet=19).values() if figure.goal is not None]
    assert {figure.outcome for figure in found} == {Outcome.INCONCLUSIVE}
    assert outcome_of(found) is Outcome.INCONCLUSIVE


def test_one_missed_goal_fails_the_check_and_what_has_no_goal_decides_nothing() -> None:
    assert outcome_of(list(by_name(driver=1.41).values())) is Outcome.PASS
    assert outcome_of(list(by_name(fixture=1.8).values())) is Outcome.FAIL


def test_every_goal_is_that_of_a_figure() -> None:
    assert {goal.figure for goal in GOALS} <= set(by_name())


def test_percentiles_are_in_microseconds() -> None:
    p50, p95 = medians_us(latencies())["pgbench"]
    assert 45 < p50 < 55 < p95 < 70


def test_a_sequence_of_parameters_stays_in_its_range_and_varies() -> None:
    keys = sequence(7, 5000, low=100_000, count=2000)
    assert min(keys) >= 100_000
    assert max(keys) < 102_000
    assert len(set(keys)) > 1700
    assert keys[:100] == sequence(7, 100, low=100_000, count=2000) != sequence(8, 100, low=100_000, count=2000)


def test_a_script_computes_the_parameter_and_then_sends_the_statement() -> None:
    lines = script("select :key", low=5, count=9).splitlines()
    assert [line.split()[0] for line in lines] == ["\\set", "\\set", "select"]
    assert lines[-1] == "select :key;"
