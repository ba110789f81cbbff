"""The section of a Markdown report about the audit."""

from __future__ import annotations

from pgvitals.report.audit_review import (
    SHOWN_MOST,
    AnsweredChecklist,
    open_first,
    remediation,
    review_audit,
    standing,
)
from pgvitals.report.markdown_parts import MARKS, code, fenced, markdown_table, text
from pgvitals.report.verdict import headline
from pgvitals.results.audit import Audit, Finding, RuleResult
from pgvitals.results.outcome import Outcome


def audit_section(audit: Audit) -> str:
    """What needs a look, the most severe first, each with its SQL; then the names of what passed."""
    review = review_audit(audit)
    parts = [f"{' '.join(map(text, review.terms))}\n"] if review.terms else []
    for group in review.open:
        parts.append(f"### {group.severity}\n")
        parts += [_rule(result) for result in group.results]
    for name, rules in (("Passed", review.passed), ("Not applicable", review.not_applicable)):
        if rules:
            parts.append(f"{name}: {', '.join(code(rule.rule) for rule in rules)}.\n")
    parts += [_checklist(each) for each in review.checklists]
    return "\n".join(parts)


def audit_summary(audit: Audit) -> str:
    """A line for each check that failed, is in error or undecided."""
    open_ = [result for group in review_audit(audit).open for result in group.results]
    loud = [result for result in open_ if result.outcome is not Outcome.WAIVED]
    return "".join(f"- {_line(result)}\n" for result in loud) or "No audit rule failed.\n"


def _checklist(answered: AnsweredChecklist) -> str:
    """Folded away: an item a line, with its rules and what came of each."""
    rows = [
        (
            text(item.answer.item.id),
            text(item.answer.item.title) + (f" ({item.answer.severity})" if item.answer.severity else ""),
            f"{MARKS[item.answer.outcome]} {headline(item.answer.outcome)}" if item.rules else "no rule was asked",
            " ".join(f"{MARKS[outcome]} {code(rule)}" for rule, outcome in item.rules),
        )
        for item in answered.items
    ]
    table = markdown_table(("Item", "", "Status", "Rules"), "llll", rows)
    return f"<details><summary>{text(answered.checklist.title)}</summary>\n\n{table}\n</details>\n"


def _line(result: RuleResult) -> str:
    return (
        f"{MARKS[result.outcome]} **{text(result.rule)}** ({result.severity}, {text(result.system)}) "
        f"{text(result.title)}: {text(result.evidence)}"
    )


def _rule(result: RuleResult) -> str:
    lines = [_line(result)]
    if result.findings:
        lines.append("")
    lines += map(finding_line, open_first(result.findings)[:SHOWN_MOST])
    if len(result.findings) > SHOWN_MOST:
        lines.append(f"- and {len(result.findings) - SHOWN_MOST} more, in audit.json")
    if script := remediation(result.findings):
        lines += [
            "",
            "<details><summary>Remediation SQL</summary>",
            "",
            fenced(script, "sql"),
            "",
            "</details>",
        ]
    return "\n".join(lines) + "\n"


def finding_line(finding: Finding) -> str:
    """``- `object`: what is wrong with it (waived until …)``."""
    why = standing(finding)
    return f"- {', '.join(map(code, finding.objects))}: {text(finding.detail)}" + (f" ({text(why)})" if why else "")
