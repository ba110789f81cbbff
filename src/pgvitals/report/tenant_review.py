"""Which lookups depend on the tenant's size, and how a report words that."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

from pgvitals.report.wording import budget, count, ms, ms_range, plural
from pgvitals.results.outcome import EXIT_CODES
from pgvitals.results.records import Gate, Latency
from pgvitals.results.tenants import TenantLatency

CLEARLY = 1.5
"""Tenants differ clearly if the p95 of one is that many times another's, and their intervals do not meet."""

LEAD = (
    "The same lookup for one tenant alone: the largest, a middle and the smallest of those that its parameters are "
    "drawn from, in the same rounds as the traffic and on its connections, with fewer samples. It is judged where the "
    "query's file has a budget for it (budget_p95_ms_largest)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantReview:
    """Lookups that were measured for single tenants."""

    shown: tuple[Latency, ...]  # judged by tenant, or clearly different; what is not kept first, then by how much
    alike: tuple[Latency, ...]

    @property
    def alike_told(self) -> str:
        """What is folded away; empty where nothing is."""
        if not self.alike:
            return ""
        return f"{plural(len(self.alike), 'lookup')} whose tenants do not clearly differ"


def review_tenants(gate: Gate) -> TenantReview | None:
    """None where no lookup was measured for single tenants, as in runs of older versions."""
    measured = [each for each in gate.queries if each.tenants]
    if not measured:
        return None
    shown = [each for each in measured if differs(each) or any(t.budget_p95_ms is not None for t in each.tenants)]
    shown.sort(key=lambda each: (not any(EXIT_CODES[t.outcome] for t in each.tenants), -spread(each)))
    return TenantReview(shown=tuple(shown), alike=tuple(each for each in measured if each not in shown))


def dependent_on_tenant(gate: Gate) -> tuple[Latency, ...]:
    """What :func:`review_tenants` shows; empty where no lookup was measured for single tenants."""
    review = review_tenants(gate)
    return review.shown if review else ()


def differs(lookup: Latency) -> bool:
    """Whether one tenant's p95 is clearly above another's."""
    return any(
        slow.p95_low_ms is not None
        and fast.p95_high_ms is not None
        and slow.p95_low_ms > fast.p95_high_ms
        and slow.p95_ms >= CLEARLY * fast.p95_ms
        for slow, fast in permutations(lookup.tenants, 2)
    )


def spread(lookup: Latency) -> float:
    """The slowest tenant's p95 over the fastest one's."""
    found = [tenant.p95_ms for tenant in lookup.tenants]
    return max(found) / min(found)


def tenant_of(lookup: Latency, tenant: str) -> TenantLatency | None:
    """The ``largest``, ``middle`` or ``smallest`` one; None where there is none."""
    return next((each for each in lookup.tenants if each.tenant == tenant), None)


def span_told(of: Latency | TenantLatency | None) -> str:
    """``0.41 [0.39–0.44]``, in milliseconds."""
    if of is None:
        return ms(None)
    return f"{ms(of.p95_ms)} [{ms_range(of.p95_low_ms, of.p95_high_ms)}]"


def tenants_open(lookup: Latency) -> str:
    """What was promised to a tenant and is not kept, and why; empty where all is."""
    loud = [each for each in lookup.tenants if EXIT_CODES[each.outcome]]
    return "; ".join(f"{each.tenant} tenant: {each.reason}" for each in loud)


def numbers_told(of: TenantLatency) -> str:
    """Everything about one tenant that is not in a table's row."""
    promised = "no budget" if of.budget_p95_ms is None else f"budget {budget(of.budget_p95_ms)} ms"
    return (
        f"rank {of.rank}: p50 {ms(of.p50_ms)}, p95 {span_told(of)}, p99 {ms(of.p99_ms)} ms; {promised}; "
        f"{plural(of.n, 'sample')} in {of.valid_batches} of {of.batches} batches; {count(of.rows_median)} rows"
    )
