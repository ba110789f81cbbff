"""What `pgvitals audit` prints beside its findings."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from pgvitals.audit.checklist import Answer, Checklist, answer
from pgvitals.report.audit_review import terms
from pgvitals.report.wording import plural
from pgvitals.results.audit import Audit
from pgvitals.results.outcome import Outcome
from pgvitals.terminal import outcome_text, table

__all__ = ["checklist_table", "terms"]


def checklist_table(checklist: Checklist, audit: Audit) -> Table:
    """Every item of a checklist, with its severity, its status and what its rules say."""
    rows = [
        (
            escape(each.item.id),
            each.severity,
            escape(each.item.title),
            outcome_text(each.outcome) if each.results else "[dim]not asked[/]",
            _evidence(each),
        )
        for each in answer(checklist, audit)
    ]
    columns = [("item", "left"), ("sev.", "left"), ("title", "left"), ("status", "left"), ("evidence", "left")]
    return table(checklist.title, columns, rows)


def _evidence(each: Answer) -> str:
    """The loudest rule's evidence, and how many more there are; why there is none."""
    if not each.results:
        return f"[dim]{escape(each.remark)}[/]"
    first, *rest = each.results
    told = f"{first.rule} ({first.system}): {first.evidence}"
    passed = sum(result.outcome is Outcome.PASS for result in rest)
    more = f" [dim]and {plural(len(rest), 'more check')}, {passed} of them pass[/]" if rest else ""
    return escape(told) + more
