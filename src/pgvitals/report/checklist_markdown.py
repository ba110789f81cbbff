"""An audit as answers to a checklist: a heading an item, with severity, status, evidence and remediation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pgvitals.audit.checklist import Answer, Checklist, answer
from pgvitals.report.audit_markdown import finding_line
from pgvitals.report.audit_review import SHOWN_MOST, open_first, remediation
from pgvitals.report.markdown_parts import MARKS, code, fenced, text
from pgvitals.report.wording import moment, plural
from pgvitals.results.audit import Audit, RuleResult
from pgvitals.results.outcome import Outcome, worst
from pgvitals.results.records import RunInfo

STATUS = {
    Outcome.PASS: "PASS",
    Outcome.FAIL: "FAIL",
    Outcome.ERROR: "ERROR",
    Outcome.INCONCLUSIVE: "INCONCLUSIVE",
    Outcome.WAIVED: "WAIVED",
    Outcome.NOT_APPLICABLE: "NOT APPLICABLE",
}
SEVERITY_MARKS = {"P0": "🔴", "P1": "🟠", "P2": "🟡", "P3": "🔵"}


def render_checklist(checklist: Checklist, audit: Audit, info: RunInfo) -> str:
    """The whole document: what it is about, the summary, then every item in its order."""
    answers = answer(checklist, audit)
    systems = ", ".join(dict.fromkeys(result.system for result in audit.results))
    overall = worst(each.outcome for each in answers)
    head = [
        f"# {text(checklist.title)}",
        "",
        f"**Audit date:** {text(moment(info.started_utc))}",
        f"**Systems:** {text(systems) or 'none'}",
        f"**Status:** {MARKS[overall]} {STATUS[overall]}",
        f"**Summary:** {summary(answers)}",
    ]
    return "\n".join([*head, "", *(line for each in answers for line in ("---", "", *_item(each), ""))])


def summary(answers: Sequence[Answer]) -> str:
    """``✅ 7 PASS | ❌ 2 FAIL | ➖ 1 NOT APPLICABLE``: every status there is, the good news first."""
    counted = Counter(each.outcome for each in answers)
    order = (Outcome.PASS, Outcome.FAIL, *(each for each in STATUS if each not in (Outcome.PASS, Outcome.FAIL)))
    return " | ".join(f"{MARKS[each]} {counted[each]} {STATUS[each]}" for each in order if counted[each])


def _item(each: Answer) -> Iterator[str]:
    yield f"### [{text(each.item.id)}] {text(each.item.title)}"
    if each.severity:
        yield f"**Severity:** {SEVERITY_MARKS[each.severity]} {each.severity}"
    yield f"**Status:** {STATUS[each.outcome]}"
    yield "**Evidence:**"
    for result in each.results:
        yield from _evidence(result)
    if not each.results:
        yield f"- No rule was asked. {text(each.remark)}".rstrip()
    elif each.remark:
        yield f"- Not looked at: {text(each.remark)}"
    script = remediation(finding for result in each.results for finding in result.findings)
    yield from ["**Remediation:**", "", fenced(script, "sql")] if script else ["**Remediation:** N/A"]


def _evidence(result: RuleResult) -> Iterator[str]:
    yield f"- {MARKS[result.outcome]} {code(result.rule)} {text(result.system)}: {text(result.title)}; " + text(
        result.evidence
    )
    shown = open_first(result.findings)
    for finding in shown[:SHOWN_MOST]:
        yield f"  {finding_line(finding)}"
    if len(shown) > SHOWN_MOST:
        yield f"  - and {plural(len(shown) - SHOWN_MOST, 'more finding')}, in audit.json"
