"""``rls.json``: what row-level security costs the lookups of a system."""

from __future__ import annotations

from dataclasses import dataclass

from pgvitals.results.records import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class RlsLookup:
    """One lookup under its policies against the same without: ratios are with / without, above 1 is dearer.

    ``without`` is sent by a role that no policy is for, with the tenant's predicate in the statement; ``against``
    says what that is. ``unprotected`` is the statement as it is, from that role, where that is not the same.
    """

    system: str
    query: str
    title: str
    tables: tuple[str, ...]  # isolated ones that it reads
    against: str
    policy_p50_ms: float
    without_p50_ms: float
    policy_p95_ms: float
    without_p95_ms: float
    unprotected_p50_ms: float | None
    unprotected_p95_ms: float | None
    typical_ratio: float
    typical: Interval
    p95_ratio: float
    p95: Interval
    rounds: int
    verdict: str  # slower | faster | same | inconclusive | void
    reason: str
    checked: int  # parameter sets whose rows were counted
    policy_rows: int  # over these
    unprotected_rows: int  # of the statement as it is, from a role that no policy is for
    words: tuple[str, ...]  # what the policy does to the plan of the largest tenant
    policy_plan: str
    without_plan: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RlsPrice:
    """``rls.json``, one a system: what row-level security costs its lookups."""

    system: str
    margin: float  # ratios within 1 ± margin count as the same
    setting_us: float  # of a request's time, for the round trip that sets its tenant
    setting: Interval  # its interval in microseconds
    placebo_alarms: int
    rounds_measured: int
    rounds_dropped: int  # because processes waited for a CPU
    lookups: tuple[RlsLookup, ...]
    left_out: dict[str, str]  # lookup -> why it has no price
