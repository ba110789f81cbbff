"""What a run holds of single tenants: the p95 of a large one is its own, whatever the traffic's is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgvitals.results.outcome import Outcome

if TYPE_CHECKING:
    from pgvitals.results.records import Latency


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantLatency:
    """Service time of one query for one tenant alone, sampled beside what is weighted by traffic."""

    tenant: str  # largest | middle | smallest, of those that the query's parameters are drawn from
    rank: int  # by rows, 1 for the largest of all
    n: int
    batches: int
    valid_batches: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    p95_low_ms: float | None
    p95_high_ms: float | None
    confidence: float
    rows_median: float
    budget_p95_ms: float | None  # None: shown, and not judged
    outcome: Outcome  # not_applicable without a budget
    reason: str
    attempts: int
    under_disturbance: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantVerdict:
    """What the gate says of one query for one tenant: ``query`` names both."""

    system: str
    query: str  # calendar_week for the largest tenant
    title: str
    lookup: Latency
    tenant: TenantLatency

    @property
    def outcome(self) -> Outcome:
        """The tenant's, not the traffic's."""
        return self.tenant.outcome


def tenant_verdicts(lookups: Iterable[Latency]) -> tuple[TenantVerdict, ...]:
    """Everything that was judged for one tenant alone."""
    return tuple(
        TenantVerdict(
            system=lookup.system,
            query=f"{lookup.query} for the {each.tenant} tenant",
            title=lookup.title,
            lookup=lookup,
            tenant=each,
        )
        for lookup in lookups
        for each in lookup.tenants
        if each.budget_p95_ms is not None
    )
