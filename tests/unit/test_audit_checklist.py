"""Checklists: items answered by the rules that cite them, and what no rule can see said beside it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pgvitals.audit.checklist import NAMES, Checklist, all_checklists, answer, load_checklist
from pgvitals.audit.coverage import coverage_page, told
from pgvitals.audit.engine import load_engine_rules
from pgvitals.audit.rule import load_rules
from pgvitals.errors import ChecklistError
from pgvitals.report.checklist_markdown import render_checklist
from pgvitals.results.audit import Audit, Finding, RuleResult
from pgvitals.results.outcome import Outcome

RULES = (*load_rules(), *load_engine_rules())
OWN = """
title = "Our own"
cites = "cis"
[[item]]
id = "4"
title = "Access"
[[item]]
id = "6.8"
title = "Encrypted connections"
severity = "P1"
limits = "Clients."
"""


def result(rule: str, outcome: Outcome = Outcome.PASS, **changes: Any) -> RuleResult:
    values: dict[str, Any] = {
        "rule": rule, "slug": "x", "title": f"Title of {rule}", "family": rule[:3], "severity": "P2", "system": "s",
        "outcome": outcome, "checked": 3, "evidence": f"{rule} looked", "findings": (), "why": "", "references": (),
        "duration_ms": 1.0,
    }  # fmt: skip
    return RuleResult(**{**values, **changes})


def audit(*results: RuleResult) -> Audit:
    return Audit(outcome=Outcome.FAIL, database_kind="lab", results=results)


@pytest.fixture
def own(tmp_path: Path) -> Checklist:
    """A checklist of one's own."""
    path = tmp_path / "own.toml"
    path.write_text(OWN, encoding="utf-8")
    return load_checklist(str(path))


def test_a_rule_answers_the_item_that_it_cites_and_the_ones_above(own: Checklist) -> None:
    rules = [result("TEN001", cis=("4.7",)), result("OPS001", cis=("6.8",)), result("OPS002", cis=("46.8", "6"))]
    access, encrypted = own.item
    assert [each.rule for each in own.answering(access, rules)] == ["TEN001"]
    assert [each.rule for each in own.answering(encrypted, rules)] == ["OPS001"]
    assert [each.rule for each in own.asked(rules)] == ["TEN001", "OPS001"]


def test_an_item_is_as_bad_as_the_worst_of_its_rules_and_names_that_first(own: Checklist) -> None:
    found = audit(
        result("TEN001", cis=("4.7",)),
        result("TEN002", Outcome.FAIL, cis=("4.7",)),
        result("TEN003", Outcome.NOT_APPLICABLE, cis=("4.7",), severity="P0"),
    )
    access, encrypted = answer(own, found)
    assert (access.outcome, access.severity) == (Outcome.FAIL, "P0")
    assert [each.rule for each in access.results] == ["TEN002", "TEN001", "TEN003"]
    assert (encrypted.outcome, encrypted.severity, encrypted.results) == (Outcome.NOT_APPLICABLE, "P1", ())


def test_an_item_of_rules_that_could_not_tell_is_no_pass(own: Checklist) -> None:
    (access, _) = answer(own, audit(result("TEN001", Outcome.NOT_APPLICABLE, cis=("4.7",))))
    assert access.outcome is Outcome.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OWN.replace('cites = "cis"', 'cites = "iso"'), "cites: "),
        (OWN.replace('severity = "P1"', 'severity = "P7"'), "item.1.severity"),
        ('title = "x"\ncites = "cis"\n', "item: Field required"),
        (OWN + 'rules = ["KEY001"]\n', "item.1.rules: Extra inputs"),
    ],
)
def test_a_checklist_that_is_wrong_is_named_with_its_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ChecklistError) as refused:
        load_checklist(str(path))
    assert str(refused.value).startswith(f"{path}: {message}")


def test_an_unknown_checklist_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ChecklistError, match=r"unknown checklist 'iso'; there are: db, hipaa, cis, or a file\.toml"):
        load_checklist("iso")


@pytest.mark.parametrize("name", NAMES)
def test_a_checklist_that_comes_along_has_each_item_once(name: str) -> None:
    ids = [item.id for item in load_checklist(name).item]
    assert len(ids) == len(set(ids)) > 7


def test_every_id_that_a_rule_cites_stands_in_its_checklist() -> None:
    missing = {
        f"{rule.id}: {cited}"
        for checklist in all_checklists()
        for rule in RULES
        for cited in checklist.cited(rule)
        if not any(cited in checklist.cited(rule, item) for item in checklist.item)
    }
    assert missing == set()


def test_an_item_that_no_rule_answers_says_why() -> None:
    silent = [
        item.id
        for checklist in all_checklists()
        for item in checklist.item
        if not checklist.answering(item, RULES) and not item.limits
    ]
    assert silent == []


def test_the_matrix_links_catalog_rules_and_probes_apart_and_says_what_they_cite(own: Checklist) -> None:
    rules: list[Any] = [
        SimpleNamespace(id="TEN001", severity="P0", method="catalog", answers=(), hipaa=(), cis=("4.7", "4.3")),
        SimpleNamespace(id="TEN002", severity="P0", method="probe", answers=("DB-002",), hipaa=(), cis=()),
    ]
    page = coverage_page(rules).splitlines()
    assert told(own, rules) == "1 of 2 items are answered by rules"
    assert "| 4 | User access and authorization | [TEN001](TEN001.md) (4.7, 4.3) | – | Roles" in "\n".join(page)
    assert "| DB-002 | Row-level security (P0) | – | [TEN002](TEN002.md) |  |" in page


def test_the_document_has_a_heading_an_item_with_severity_status_evidence_and_remediation(
    own: Checklist, tmp_path: Path
) -> None:
    found = Finding(objects=("s.t",), detail="lets everybody in", remediation="revoke all on s.t from public;")
    told_ = render_checklist(
        own,
        audit(
            result("TEN001", Outcome.FAIL, cis=("4.7",), findings=(found,), severity="P0"),
            result("OPS001", cis=("6.8",)),
        ),
        SimpleNamespace(started_utc="2030-01-15T10:00:00+00:00"),  # type: ignore[arg-type]
    )
    head, access, encrypted = told_.split("\n---\n")
    assert "**Audit date:** 2030-01-15 10:00 UTC" in head
    assert "**Status:** ❌ FAIL\n**Summary:** ✅ 1 PASS | ❌ 1 FAIL" in head
    assert access.strip().splitlines() == [
        "### [4] Access",
        "**Severity:** 🔴 P0",
        "**Status:** FAIL",
        "**Evidence:**",
        "- ❌ `TEN001` s: Title of TEN001; TEN001 looked",
        "  - `s.t`: lets everybody in",
        "**Remediation:**",
        "",
        "```sql",
        "revoke all on s.t from public;",
        "```",
    ]
    assert "**Status:** PASS" in encrypted
    assert "- Not looked at: Clients." in encrypted
    assert "**Remediation:** N/A" in encrypted


def test_an_item_without_rules_says_what_it_takes() -> None:
    page = render_checklist(load_checklist("db"), audit(), SimpleNamespace(started_utc="x"))  # type: ignore[arg-type]
    assert "### [DB-004] Connections that forget (pool cleanup)" in page
    assert "- No rule was asked. It is the application's pool: asked with --engine, or as system.toml names it." in page
    assert "➖ 10 NOT APPLICABLE" in page
