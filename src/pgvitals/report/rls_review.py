"""How a report orders and words the price of row-level security."""

from __future__ import annotations

from pgvitals.measure.rls_arms import AS_IS
from pgvitals.report.wording import count, ms, ratio
from pgvitals.results.rls import RlsLookup, RlsPrice

_FIRST = ("slower", "faster", "void", "inconclusive", "same")

LEAD = (
    "Each lookup as the application's role under its policies, beside a role that no policy is for with the tenant's "
    "predicate in the statement: the same rows of one heap, the same parameters, in turns. Ratios are with / without. "
    "A statement that names its tenant anyway is sent as it is."
)


def in_order(price: RlsPrice) -> tuple[RlsLookup, ...]:
    """What has a price first, the dearest first; then what is open, and what costs the same."""
    return tuple(sorted(price.lookups, key=lambda each: (_FIRST.index(each.verdict), -each.typical_ratio, each.query)))


def setting_told(price: RlsPrice) -> str:
    """What the round trip costs that sets the tenant."""
    low, high = price.setting.low, price.setting.high
    return (
        f"Beside that, a request takes {price.setting_us:.0f} µs longer (95 % interval {low:.0f} to {high:.0f}) "
        "for the round trip that sets its tenant."
    )


def rows_told(each: RlsLookup) -> str:
    """What the lookup would show without its policies; empty where it is the same."""
    if each.unprotected_rows == each.policy_rows:
        return ""
    return (
        f"the policies are all that keeps other tenants' rows out: {count(each.policy_rows)} rows with them, "
        f"{count(each.unprotected_rows)} without, over {each.checked} parameter sets"
    )


def unprotected_told(each: RlsLookup) -> str:
    """How long the statement takes as it is, without policy and without the added predicate."""
    if each.unprotected_p50_ms is None or each.unprotected_p95_ms is None:
        return ""
    return f"as it is, without policy: p50 {ms(each.unprotected_p50_ms)} ms, p95 {ms(each.unprotected_p95_ms)} ms"


def words_told(each: RlsLookup) -> str:
    """What the policies do to the plan, and against what they were measured."""
    against = "" if each.against == AS_IS else f"against {each.against}"
    parts = (f"policies add to the plan: {'; '.join(each.words)}", against, unprotected_told(each))
    return "; ".join(part for part in parts if part)


def span(point: float, low: float, high: float) -> str:
    """``1.31 [1.25–1.38]``."""
    return f"{ratio(point)} [{ratio(low)}–{ratio(high)}]"
