"""JUnit XML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from pgvitals.report.junit import render_junit
from pgvitals.results.outcome import Outcome
from pgvitals.results.rundir import Run


def read(run: Run) -> ElementTree.Element:
    return ElementTree.fromstring(render_junit(run))  # noqa: S314


def suite(root: ElementTree.Element, name: str) -> ElementTree.Element:
    return next(each for each in root if each.get("name") == name)


@pytest.fixture
def root(full_run: Run) -> ElementTree.Element:
    return read(full_run)


def test_the_structure_is_suites_of_cases_that_end_in_one_way_at_most(root: ElementTree.Element) -> None:
    assert root.tag == "testsuites"
    for each in root:
        assert each.tag == "testsuite"
        assert each.get("name")
        for case in each:
            assert case.tag == "testcase"
            assert case.get("classname")
            assert case.get("name")
            assert float(case.get("time", "")) >= 0
            assert [child.tag for child in case] in ([], ["failure"], ["error"], ["skipped"])
            assert all(child.get("message") for child in case)


def test_the_counts_are_those_of_the_cases(root: ElementTree.Element) -> None:
    for each in (*root, root):
        for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"), ("tests", "testcase")):
            assert int(each.get(key, "")) == len(list(each.iter(tag))), (each.get("name"), key)


def test_there_is_one_suite_for_the_gate_and_one_for_the_rules(root: ElementTree.Element) -> None:
    gate, audit = suite(root, "pgvitals latency gate"), suite(root, "pgvitals audit")
    assert (gate.get("tests"), gate.get("failures"), gate.get("skipped")) == ("9", "1", "1")
    assert (audit.get("tests"), audit.get("failures"), audit.get("errors"), audit.get("skipped")) == (
        "11",
        "2",
        "1",
        "2",
    )


def test_a_lookup_over_budget_is_a_failure_with_its_numbers(root: ElementTree.Element) -> None:
    failure = suite(root, "pgvitals latency gate").find(".//failure")
    assert failure is not None
    assert "over the budget of 150 ms" in failure.get("message", "")
    assert "p95 183 ms [171–197, 99 % batch interval]" in (failure.text or "")


def test_the_time_of_a_lookup_is_its_p95_in_seconds(root: ElementTree.Element) -> None:
    case = suite(root, "pgvitals latency gate").find("testcase[@name='clients_active']")
    assert case is not None
    assert float(case.get("time", "")) == pytest.approx(0.1832)


@pytest.mark.parametrize(
    ("outcome", "tag"),
    [
        (Outcome.PASS, None),
        (Outcome.FAIL, "failure"),
        (Outcome.ERROR, "error"),
        (Outcome.INCONCLUSIVE, "skipped"),
        (Outcome.WAIVED, "skipped"),
        (Outcome.NOT_APPLICABLE, "skipped"),
    ],
)
def test_every_outcome_has_its_element(
    outcome: Outcome, tag: str | None, build_run: Callable[..., Run], made: SimpleNamespace
) -> None:
    run = build_run(audit=replace(made.audit(), results=(made.rule(outcome=outcome, evidence=""),)))
    (case,) = suite(read(run), "pgvitals audit")
    assert [child.tag for child in case] == ([tag] if tag else [])


def test_nasty_text_is_escaped_and_what_xml_forbids_is_dropped(
    build_run: Callable[..., Run], made: SimpleNamespace
) -> None:
    loud = made.rule(outcome=Outcome.FAIL, title="a\x00b\x1b", evidence=made.NASTY + "\x0b", findings=())
    run = build_run(audit=replace(made.audit(), results=(loud,)))
    (case,) = suite(read(run), "pgvitals audit")
    assert case.get("name") == "KEY001 ab"
    assert case[0].get("message") == f"P1: {made.NASTY}"


def test_a_phase_that_failed_is_an_error(build_run: Callable[..., Run], made: SimpleNamespace) -> None:
    phases = {"bench": "done", "claims": "skipped: not asked for", "impact": "failed: disk full"}
    cases = {
        case.get("name"): case for case in suite(read(build_run(info=made.info(phases=phases))), "pgvitals phases")
    }
    assert [child.tag for child in cases["bench"]] == []
    assert [child.tag for child in cases["claims"]] == ["skipped"]
    assert [(child.tag, child.get("message")) for child in cases["impact"]] == [("error", "failed: disk full")]


def test_a_run_without_results_is_a_document_without_cases(empty_run: Run) -> None:
    root = read(empty_run)
    assert (root.get("tests"), len(root)) == ("0", 0)
