"""Audit results in the order in which somebody acts on them: by severity, failures first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pgvitals.audit.checklist import Answer, Checklist, all_checklists, answer
from pgvitals.report.wording import count
from pgvitals.results.audit import Audit, Finding, RuleResult
from pgvitals.results.outcome import Outcome, worst

SHOWN_MOST = 20  # findings of one rule that a report prints; audit.json has them all
LOUD = (Outcome.FAIL, Outcome.ERROR)
_LEAST = "P3"

_ORDER = {
    Outcome.FAIL: 0,
    Outcome.ERROR: 1,
    Outcome.INCONCLUSIVE: 2,
    Outcome.WAIVED: 3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeverityGroup:
    """What needs attention at one severity."""

    severity: str
    results: tuple[RuleResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietRule:
    """A rule with nothing to do, and what is said of it system by system."""

    rule: str
    title: str
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredItem:
    """An item of a checklist; ``rules`` are those that answer it, each with its worst outcome over the systems."""

    answer: Answer
    rules: tuple[tuple[str, Outcome], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredChecklist:
    """A checklist and what became of its items."""

    checklist: Checklist
    items: tuple[AnsweredItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReview:
    """``open``: failed, in error, undecided or waived; ``passed`` and ``not_applicable`` only get a line.

    ``terms``: what else decided, as sentences: the threshold, the baseline, waivers that nobody needs.
    ``checklists``: those of which some rule was asked.
    """

    open: tuple[SeverityGroup, ...]
    passed: tuple[QuietRule, ...]
    not_applicable: tuple[QuietRule, ...]
    terms: tuple[str, ...]
    checklists: tuple[AnsweredChecklist, ...]


def review_audit(audit: Audit) -> AuditReview:
    """Sort and group the results."""
    results = sorted(audit.results, key=lambda r: (r.severity, _ORDER.get(r.outcome, 9), r.rule, r.system))
    waiting = [result for result in results if result.outcome in _ORDER]
    return AuditReview(
        open=tuple(
            SeverityGroup(severity=severity, results=tuple(r for r in waiting if r.severity == severity))
            for severity in dict.fromkeys(result.severity for result in waiting)
        ),
        passed=_quiet(results, Outcome.PASS, lambda result: f"{result.system}: {count(result.checked)} checked"),
        not_applicable=_quiet(
            results, Outcome.NOT_APPLICABLE, lambda result: f"{result.system}: {result.evidence or 'nothing to check'}"
        ),
        terms=tuple(terms(audit)),
        checklists=tuple(_answered(each, audit) for each in all_checklists() if each.asked(audit.results)),
    )


def remediation(findings: Iterable[Finding]) -> str:
    """All remediations of a rule's open findings as one script, each once."""
    scripts = (finding.remediation.strip() for finding in findings if finding.is_open)
    return "\n".join(dict.fromkeys(script for script in scripts if script))


def open_first(findings: Iterable[Finding]) -> list[Finding]:
    """Findings that fail their rule, then those that are waived or known."""
    return sorted(findings, key=lambda finding: not finding.is_open)


def standing(finding: Finding) -> str:
    """Why a finding does not fail its rule, or why it does again: ``waived until …``; empty of an ordinary one."""
    if finding.is_waived:
        return f"waived {finding.waiver}"
    return finding.waiver or ("known before" if finding.is_known else "")


def terms(audit: Audit) -> list[str]:
    """Sentences about what decided beside the rules."""
    said = []
    if audit.fail_on != _LEAST:
        below = sum(result.outcome in LOUD and not audit.decides(result) for result in audit.results)
        said.append(f"Only {audit.fail_on} and worse decides; {count(below)} less severe {_checks(below)} not.")
    if audit.baseline:
        known = sum(finding.is_known for result in audit.results for finding in result.findings)
        found = "No finding was" if not known else "1 finding was" if known == 1 else f"{count(known)} findings were"
        said.append(f"{found} in the baseline {audit.baseline} already.")
    said += [f"Unused waiver: {name}; take it out." for name in audit.unused_waivers]
    return said


def _answered(checklist: Checklist, audit: Audit) -> AnsweredChecklist:
    return AnsweredChecklist(
        checklist=checklist,
        items=tuple(AnsweredItem(answer=each, rules=_worst_by_rule(each.results)) for each in answer(checklist, audit)),
    )


def _worst_by_rule(results: Iterable[RuleResult]) -> tuple[tuple[str, Outcome], ...]:
    by_rule: dict[str, list[Outcome]] = {}
    for result in results:
        by_rule.setdefault(result.rule, []).append(result.outcome)
    return tuple((rule, worst(outcomes)) for rule, outcomes in by_rule.items())


def _checks(number: int) -> str:
    return "check that failed does" if number == 1 else "checks that failed do"


def _quiet(
    results: Iterable[RuleResult], outcome: Outcome, remark: Callable[[RuleResult], str]
) -> tuple[QuietRule, ...]:
    rules: dict[tuple[str, str], list[str]] = {}
    for result in sorted(results, key=lambda result: (result.rule, result.system)):
        if result.outcome is outcome:
            rules.setdefault((result.rule, result.title), []).append(remark(result))
    return tuple(QuietRule(rule=rule, title=title, remarks=tuple(remarks)) for (rule, title), remarks in rules.items())
