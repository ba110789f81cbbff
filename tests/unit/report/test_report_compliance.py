"""The audit in a notebook: the heatmap of rules against revisions, and the tables beside it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pandas as pd

from pgvitals.explore_audit import audit_tally, show_checklist, show_findings
from pgvitals.report import charts
from pgvitals.results.outcome import Outcome
from pgvitals.results.rundir import Run

OUTCOMES = {
    "TEN001": ("fail", "fail", "pass"),
    "KEY001": ("pass", "pass", "pass"),
    "AUD001": ("not_applicable", "error", "pass"),
    "IDX003": ("pass", "pass", "fail"),
}
SEVERITIES = {"TEN001": "P0", "KEY001": "P1", "AUD001": "P0", "IDX003": "P3"}


def history() -> pd.DataFrame:
    """Four rules over three revisions."""
    rows: list[dict[str, Any]] = [
        {
            "system": "portal", "place": place, "revision": f"revision_{place}", "rule": rule,
            "title": f"Title of {rule}", "severity": SEVERITIES[rule], "outcome": outcome,
            "violations": 7 * (outcome == "fail"),
        }
        for rule, outcomes in OUTCOMES.items()
        for place, outcome in enumerate(outcomes)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def texts(chart: charts.Chart) -> list[str]:
    """What is written in a chart, in order."""
    return [part.strip() for part in re.findall(r">([^<>]+)<", charts.svg(chart)) if part.strip()]


def test_rules_that_failed_have_a_row_the_most_severe_first_and_the_others_are_counted() -> None:
    written = texts(charts.audit_heatmap(history(), "portal"))
    rows = [text[:9] for text in written if re.match(r"[A-Z]{3}\d{3} P", text)]
    assert rows == ["AUD001 P0", "TEN001 P0", "IDX003 P3"]
    assert [text for text in written if text.startswith("revision_")] == [f"revision_{n}" for n in range(3)]
    assert written.count("7") == 3  # one a cell that fails
    assert "1 more rule never failed" in written


def test_the_heatmap_tells_in_words_how_it_ended() -> None:
    chart = charts.audit_heatmap(history(), "portal")
    assert chart.alt == "3 rules failed at some of 3 revisions, 1 at the last."


def test_a_run_without_the_story_draws_a_sentence() -> None:
    for nothing in (None, history().iloc[:0], history().assign(system="other")):
        assert "no system of this run has rows for this chart" in charts.svg(charts.audit_heatmap(nothing, "portal"))


def test_the_tally_counts_outcomes_system_by_system(full_run: Run) -> None:
    told = audit_tally(full_run).rows.set_index("system")
    assert told.loc["practice", ["pass", "error"]].tolist() == ["1", "1"]
    assert told.loc["pazpaz", "fail"] == "2"


def test_a_checklist_names_what_fails_and_what_nobody_asked(
    build_run: Callable[..., Run], made: SimpleNamespace
) -> None:
    asked = (
        made.rule(rule="TEN001", outcome=Outcome.FAIL, answers=("DB-002",)),
        made.rule(rule="TEN002", answers=("DB-002",)),
    )
    table = show_checklist(build_run(audit=replace(made.audit(), results=asked)), "db").rows.set_index("item")
    assert table.loc["DB-002", ["outcome", "rules"]].tolist() == ["fail", "TEN001 fails, TEN002"]
    assert table.loc["DB-004", "outcome"] == "not asked"


def test_findings_come_by_severity_and_stay_text(full_run: Run) -> None:
    shown = show_findings(full_run)
    assert shown.rows["rule"].tolist() == ["AUD002", "KEY002", "KEY002"]
    assert "<script>" not in shown._repr_html_()


def test_a_run_that_was_not_audited_says_so(build_run: Callable[..., Run]) -> None:
    run = build_run(audit=None)
    for table in (audit_tally(run), show_checklist(run, "db"), show_findings(run)):
        assert table._repr_html_() == "<p>This run was not audited.</p>"
