"""The table that commands print of single tenants."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from pgvitals.measure.plan_changes import TENANTS
from pgvitals.report.tenant_review import review_tenants, span_told, spread, tenant_of
from pgvitals.report.wording import ratio
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Gate, Latency
from pgvitals.terminal import outcome_text, table


def tenant_table(gate: Gate) -> Table | str | None:
    """Lookups whose p95 depends on the tenant, or that promise something to one; None if none was measured so."""
    review = review_tenants(gate)
    if review is None:
        return None
    if not review.shown:
        return f"[dim]p95 by tenant: {review.alike_told}[/]"
    columns = [
        ("lookup", "left"),
        ("traffic p95 ms", "right"),
        *((f"{tenant} tenant", "right") for tenant in TENANTS),
        ("slowest / fastest", "right"),
        ("budgets of tenants", "left"),
    ]
    rows = [
        (
            escape(f"{each.system}/{each.query}"),
            escape(span_told(each)),
            *(escape(span_told(tenant_of(each, tenant))) for tenant in TENANTS),
            f"{ratio(spread(each))}×",
            _verdicts(each),
        )
        for each in review.shown
    ]
    made = table("p95 by tenant, where it differs", columns, rows)
    if review.alike:
        made.caption, made.caption_justify = review.alike_told, "left"
    return made


def _verdicts(lookup: Latency) -> str:
    judged = [each for each in lookup.tenants if each.budget_p95_ms is not None]
    return "; ".join(
        f"{each.tenant} {outcome_text(each.outcome)}"
        + ("" if each.outcome is Outcome.PASS else f" [dim]{escape(each.reason)}[/]")
        for each in judged
    )
