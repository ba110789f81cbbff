"""The part of a Markdown report about single tenants."""

from __future__ import annotations

from collections.abc import Iterable

from pgvitals.measure.plan_changes import TENANTS
from pgvitals.report.markdown_parts import MARKS, code, markdown_table, text
from pgvitals.report.tenant_review import LEAD, review_tenants, span_told, spread, tenant_of
from pgvitals.report.wording import ratio
from pgvitals.results.outcome import EXIT_CODES
from pgvitals.results.records import Gate, Latency
from pgvitals.results.tenants import tenant_verdicts


def tenants_section(gate: Gate) -> str:
    """A table of the lookups that depend on the tenant's size, the others folded; empty where none was measured so."""
    review = review_tenants(gate)
    if review is None:
        return ""
    parts = ["### By tenant\n", f"{LEAD}\n"]
    if review.shown:
        parts.append(_table(review.shown))
    if review.alike:
        parts.append(f"<details><summary>{review.alike_told}</summary>\n\n{_table(review.alike)}\n</details>\n")
    return "\n".join(parts)


def tenants_judged(gate: Gate) -> str:
    """What was promised for one tenant and is not kept, a line each."""
    loud = [each for each in tenant_verdicts(gate.queries) if EXIT_CODES[each.outcome]]
    return "".join(f"- {code(f'{each.system}/{each.query}')}: {text(each.tenant.reason)}\n" for each in loud)


def _table(lookups: Iterable[Latency]) -> str:
    head = ("Lookup", "Traffic: p95, ms", *(f"{tenant.capitalize()} tenant" for tenant in TENANTS), "Slowest / fastest")
    rows = [
        (
            code(f"{each.system}/{each.query}"),
            span_told(each),
            *(_cell(each, tenant) for tenant in TENANTS),
            f"{ratio(spread(each))}×",
        )
        for each in lookups
    ]
    return markdown_table(head, "lrrrrr", rows)


def _cell(lookup: Latency, tenant: str) -> str:
    found = tenant_of(lookup, tenant)
    mark = "" if found is None or found.budget_p95_ms is None else f" {MARKS[found.outcome]}"
    return span_told(found) + mark
