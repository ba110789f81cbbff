"""What an audit's findings come to: some are waived, some were known before, and some do not weigh enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from pgvitals.audit.declared import SEVERITIES
from pgvitals.audit.waivers import Waiver, waive
from pgvitals.errors import AuditError
from pgvitals.results.audit import Audit, Finding, RuleResult
from pgvitals.results.outcome import Outcome, worst

if TYPE_CHECKING:
    from pgvitals.results.rundir import Run

Identity = tuple[str, str, tuple[str, ...]]
"""By what a finding is known again: rule, system and objects. What it says of them may change, as a count does."""


def settle(
    audit: Audit,
    *,
    waivers: Sequence[Waiver] = (),
    baseline: Run | None = None,
    fail_on: str = SEVERITIES[-1],
    today: date,
) -> Audit:
    """The audit with the verdict that its waivers, its baseline and its threshold make.

    A result fails by its open findings: neither waived nor found by ``baseline`` already. Without any it is waived.
    The audit's outcome is that of the results whose severity is ``fail_on`` or worse.

    Raises:
        AuditError: the baseline holds no audit, or ``fail_on`` is no severity.
    """
    require_severity(fail_on)
    known = _known(baseline) if baseline else frozenset()
    marked = waive(audit, waivers, today)
    results = tuple(_judged(_recognized(result, known)) for result in marked.results)
    named = baseline.info.name if baseline else ""
    settled = replace(marked, results=results, fail_on=fail_on, baseline=named)
    return replace(settled, outcome=worst(each.outcome for each in results if settled.decides(each)))


def require_severity(name: str) -> None:
    """Make sure that a threshold is one.

    Raises:
        AuditError: it is no severity.
    """
    if name not in SEVERITIES:
        raise AuditError(f"--fail-on: unknown severity {name!r}; there are: {', '.join(SEVERITIES)}")


def _known(baseline: Run) -> frozenset[Identity]:
    if baseline.audit is None:
        raise AuditError(f"{baseline.path}: holds no audit to compare with; `pgvitals audit` makes one")
    return frozenset(
        _identity(result, finding)
        for result in baseline.audit.results
        for finding in result.findings
        if not finding.is_waived  # what was waived then is no longer known when its waiver is over
    )


def _identity(result: RuleResult, finding: Finding) -> Identity:
    return result.rule, result.system, finding.objects


def _recognized(result: RuleResult, known: frozenset[Identity]) -> RuleResult:
    """The result with those findings marked that are in the baseline, unless they are waived anyway."""
    findings = tuple(
        replace(each, is_known=not each.is_waived and _identity(result, each) in known) for each in result.findings
    )
    return replace(result, findings=findings)


def _judged(result: RuleResult) -> RuleResult:
    waived = sum(each.is_waived for each in result.findings)
    expired = sum(bool(each.waiver) and not each.is_waived for each in result.findings)
    known = sum(each.is_known for each in result.findings)
    said = [f"{number} {what}" for number, what in ((waived, "waived"), (known, "known before")) if number]
    said += [f"{expired} of which the waiver has expired"] if expired else []
    if not said:
        return result
    is_open = any(each.is_open for each in result.findings)
    return replace(
        result,
        outcome=Outcome.FAIL if is_open else Outcome.WAIVED,
        evidence=f"{result.evidence}; {', '.join(said)}",
    )
