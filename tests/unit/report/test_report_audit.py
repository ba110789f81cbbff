"""Waived and known findings, and the threshold, in every report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from pgvitals.report.audit_review import open_first, remediation, standing, terms
from pgvitals.report.html import render_html
from pgvitals.report.junit import render_junit
from pgvitals.report.markdown import render_markdown
from pgvitals.report.verdict import judge_run
from pgvitals.results.audit import Audit, Finding
from pgvitals.results.outcome import Outcome
from pgvitals.results.rundir import Run

OPEN = Finding(objects=("s.open",), detail="has no index", remediation="create index on s.open (a);")
WAIVED = replace(OPEN, objects=("s.waived",), remediation="drop me;", waiver="until 2030-01-01: soon", is_waived=True)
KNOWN = replace(OPEN, objects=("s.known",), remediation="drop me too;", is_known=True)
EXPIRED = replace(OPEN, objects=("s.expired",), waiver="its waiver expired on 2020-01-01: soon")


@pytest.fixture
def audit(made: SimpleNamespace) -> Audit:
    """A rule with a finding of each standing, under a threshold that it meets and another that fails below it."""
    found = (WAIVED, KNOWN, OPEN, EXPIRED)
    return replace(
        made.audit(),
        results=(
            made.rule(severity="P1", outcome=Outcome.FAIL, findings=found),
            made.rule(rule="KEY009", severity="P3", outcome=Outcome.FAIL, findings=(OPEN,), evidence="violations: 1"),
        ),
        fail_on="P1",
        baseline="the-run-before",
        unused_waivers=("KEY002 on s.gone",),
    )


def test_open_findings_come_first_and_the_rest_keeps_its_order() -> None:
    assert open_first([WAIVED, KNOWN, OPEN, EXPIRED]) == [OPEN, EXPIRED, WAIVED, KNOWN]


def test_a_finding_says_why_it_does_not_fail_or_does_again() -> None:
    assert [standing(each) for each in (OPEN, WAIVED, KNOWN, EXPIRED)] == [
        "",
        "waived until 2030-01-01: soon",
        "known before",
        "its waiver expired on 2020-01-01: soon",
    ]


def test_only_open_findings_have_sql_to_paste() -> None:
    assert remediation([WAIVED, KNOWN, OPEN, EXPIRED]) == "create index on s.open (a);"


def test_what_else_decided_is_said_in_sentences(audit: Audit) -> None:
    assert terms(audit) == [
        "Only P1 and worse decides; 1 less severe check that failed does not.",
        "1 finding was in the baseline the-run-before already.",
        "Unused waiver: KEY002 on s.gone; take it out.",
    ]


def test_an_ordinary_audit_needs_no_such_sentence(made: SimpleNamespace) -> None:
    assert terms(made.audit()) == []


@pytest.mark.parametrize("render", [render_html, render_markdown])
def test_reports_tell_the_standing_of_findings_and_the_terms(
    render: Callable[[Run], str], audit: Audit, build_run: Callable[..., Run]
) -> None:
    page = render(build_run(audit=audit))
    assert "(waived until 2030-01-01: soon)" in page
    assert "(known before)" in page
    assert "(its waiver expired on 2020-01-01: soon)" in page
    assert "drop me" not in page
    assert "Unused waiver: KEY002 on s.gone" in page


@pytest.mark.parametrize("render", [render_html, render_markdown])
def test_reports_answer_the_checklists_of_which_a_rule_was_asked(
    render: Callable[[Run], str], audit: Audit, made: SimpleNamespace, build_run: Callable[..., Run]
) -> None:
    asked = (made.rule(rule="TEN001", outcome=Outcome.FAIL, answers=("DB-002",), severity="P0"),)
    page = render(build_run(audit=replace(audit, results=asked)))
    row = next(part for part in page.replace("</tr>", "\n").splitlines() if "DB-002" in part or "Row-level s" in part)
    assert page.count("Database audit, DB-001 to DB-010") == 1
    assert "no rule was asked" in page
    assert "CIS PostgreSQL 17" not in page
    assert "P0" in row


def test_a_failure_below_the_threshold_is_skipped_and_keeps_its_words(
    audit: Audit, build_run: Callable[..., Run]
) -> None:
    root = ElementTree.fromstring(render_junit(build_run(audit=audit)))  # noqa: S314
    (suite,) = (each for each in root if each.get("name") == "pgvitals audit")
    decides, below = suite
    assert [child.tag for child in decides] == ["failure"]
    assert [(child.tag, child.get("message")) for child in below] == [("skipped", "P3: violations: 1")]
    assert "s.waived: has no index (waived until 2030-01-01: soon)" in (decides[0].text or "")


def test_a_failure_below_the_threshold_is_no_reason_to_fail(audit: Audit, build_run: Callable[..., Run]) -> None:
    quiet = replace(audit, outcome=Outcome.PASS, results=audit.results[1:])
    verdict = judge_run(build_run(gate=None, load=None, audit=quiet))
    assert verdict.outcome is Outcome.PASS
    assert verdict.sentence.startswith("No audit rule of severity P1 or worse failed;")
