"""Audit results in the order in which somebody acts on them: by severity, failures first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pgvitals.report.wording import count
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Audit, Finding, RuleResult

SHOWN_MOST = 20  # findings of one rule that a report prints; audit.json has them all

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
class AuditReview:
    """``open``: failed, in error, undecided or waived; ``passed`` and ``not_applicable`` only get a line."""

    open: tuple[SeverityGroup, ...]
    passed: tuple[QuietRule, ...]
    not_applicable: tuple[QuietRule, ...]


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
    )


def remediation(findings: Iterable[Finding]) -> str:
    """All remediations of a rule as one script, each once."""
    return "\n".join(dict.fromkeys(finding.remediation.strip() for finding in findings if finding.remediation.strip()))


def _quiet(
    results: Iterable[RuleResult], outcome: Outcome, remark: Callable[[RuleResult], str]
) -> tuple[QuietRule, ...]:
    rules: dict[tuple[str, str], list[str]] = {}
    for result in sorted(results, key=lambda result: (result.rule, result.system)):
        if result.outcome is outcome:
            rules.setdefault((result.rule, result.title), []).append(remark(result))
    return tuple(QuietRule(rule=rule, title=title, remarks=tuple(remarks)) for (rule, title), remarks in rules.items())
