"""The sentence at the top of every report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from pgvitals.report.verdict import judge_run, tally, worst_first
from pgvitals.results.outcome import Outcome
from pgvitals.results.rundir import Run


def test_a_run_in_which_everything_passes_says_so_for_every_part(passing_run: Run) -> None:
    verdict = judge_run(passing_run)
    assert verdict.outcome is Outcome.PASS
    assert verdict.sentence == (
        "The p95 of each of 9 lookups is under its budget. No audit rule failed; 6 rules passed. "
        "The load test is valid."
    )


def test_a_failing_gate_names_the_lookups_and_the_audit_stands_beside_it(full_run: Run) -> None:
    verdict = judge_run(full_run)
    assert (verdict.outcome, verdict.headline, verdict.subject) == (Outcome.FAIL, "Fail", "latency gate")
    assert "pazpaz/clients_active" in verdict.sentence
    assert "Beside that: 2 audit checks failed and 1 audit check could not be run: AUD002 (P0)" in verdict.sentence


def test_a_passing_gate_does_not_hide_a_failing_audit(build_run: Callable[..., Run], made: SimpleNamespace) -> None:
    verdict = judge_run(build_run(gate=made.passing_gate()))
    assert verdict.outcome is Outcome.PASS
    assert "2 audit checks failed" in verdict.sentence
    assert [part.outcome for part in verdict.parts] == [Outcome.PASS, Outcome.FAIL, Outcome.PASS]


def test_without_a_gate_the_worst_of_audit_and_load_test_decides(
    build_run: Callable[..., Run], made: SimpleNamespace
) -> None:
    void = replace(made.load_test(), outcome=Outcome.INCONCLUSIVE, reason="void: 92 % of the rate was reached")
    verdict = judge_run(build_run(gate=None, audit=made.passing_audit(), load=void))
    assert (verdict.outcome, verdict.subject) == (Outcome.INCONCLUSIVE, "audit and load test")
    assert [part.word for part in verdict.parts] == ["not measured", "Pass", "Void"]
    assert verdict.sentence == "Load test void: 92 % of the rate was reached."


def test_a_run_that_judges_nothing_neither_passes_nor_fails(empty_run: Run) -> None:
    verdict = judge_run(empty_run)
    assert (verdict.outcome, verdict.headline) == (Outcome.NOT_APPLICABLE, "Not judged")
    assert [part.counts for part in verdict.parts] == ["not measured"] * 3


def test_a_phase_that_failed_is_an_error_of_the_run(build_run: Callable[..., Run], made: SimpleNamespace) -> None:
    run = build_run(info=made.info(phases={"bench": "done", "impact": "failed: disk full"}), gate=made.passing_gate())
    verdict = judge_run(run)
    assert verdict.outcome is Outcome.ERROR
    assert "Phase impact failed: disk full." in verdict.sentence


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.INCONCLUSIVE])
def test_a_gate_without_a_reason_still_gets_a_sentence(
    outcome: Outcome, build_run: Callable[..., Run], made: SimpleNamespace
) -> None:
    verdict = judge_run(build_run(gate=replace(made.gate(), outcome=outcome, reason=""), audit=None, load=None))
    assert verdict.sentence == f"Latency: {outcome.value}."


def test_lookups_that_do_not_pass_come_first_and_the_others_keep_their_order(made: SimpleNamespace) -> None:
    outcomes = [q.outcome for q in worst_first(made.gate()).queries]
    assert outcomes == [Outcome.FAIL, Outcome.INCONCLUSIVE] + [Outcome.PASS] * 7
    names = [q.query for q in worst_first(made.gate()).queries][2:]
    assert names == [q.query for q in made.gate().queries if q.outcome is Outcome.PASS]


def test_a_tally_names_only_what_there_is() -> None:
    assert tally([Outcome.PASS, Outcome.NOT_APPLICABLE, Outcome.PASS]) == "2 pass · 1 not applicable"
