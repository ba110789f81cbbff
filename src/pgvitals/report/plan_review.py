"""What the captured plans of a run have to say: alarms first, then what is good to know.

An alarm is a generic plan that costs some tenant much more than its custom one, unless the server never took it, or
an estimate that is far off because statistics are stale or missing. That a large tenant has another plan than a
small one, or that an estimate is off for another reason, is as often right as wrong: a remark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgvitals.measure.plan_changes import (
    Captured,
    PlanChange,
    Plans,
    generic_changes,
    is_much_costlier,
    tenant_changes,
)
from pgvitals.measure.plan_estimates import Misestimate, misestimates
from pgvitals.report.wording import count

_CAUSES = {
    "stale": "Stale statistics",
    "missing": "Missing statistics",
    "setting": "Estimate",
    "unknown": "Estimate",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRemark:
    """One thing that the plans of one query say."""

    query: str  # system/query
    kind: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReview:
    """Everything that the plans of a run say."""

    alarms: tuple[PlanRemark, ...]
    remarks: tuple[PlanRemark, ...]


def review_plans(plans: Plans) -> PlanReview:
    """Read ``run.plans``."""
    alarms: list[PlanRemark] = []
    remarks: list[PlanRemark] = []
    for miss in _one_each(misestimates(plans)):
        listed = alarms if miss.cause in ("stale", "missing") else remarks
        listed.append(PlanRemark(query=miss.query, kind=_CAUSES[miss.cause], words=miss.words))
    for change in generic_changes(plans):
        costlier = is_much_costlier(change)
        kind = "Generic plan, much costlier" if costlier else "Generic plan"
        words = "; ".join(part for part in (change.words, _used(plans[change.query])) if part)
        (alarms if costlier and not _kept_to_custom(plans[change.query]) else remarks).append(
            PlanRemark(query=change.query, kind=kind, words=words)
        )
    remarks += [_of_tenant(change) for change in tenant_changes(plans)]
    return PlanReview(alarms=tuple(alarms), remarks=tuple(sorted(remarks, key=lambda remark: remark.query)))


def _of_tenant(change: PlanChange) -> PlanRemark:
    return PlanRemark(query=change.query, kind="Depends on the tenant", words=change.words)


def _one_each(found: Sequence[Misestimate]) -> list[Misestimate]:
    """The worst tenant's for each node of a query: the others repeat it."""
    worst: dict[tuple[str, str], Misestimate] = {}
    for each in found:
        known = worst.setdefault((each.query, each.node), each)
        if abs(each.actual - each.estimated) > abs(known.actual - known.estimated):
            worst[each.query, each.node] = each
    return list(worst.values())


def _kept_to_custom(captured: Sequence[Captured]) -> bool:
    used = captured[0].get("server_used")
    return used is not None and not used["generic"]


def _used(captured: Sequence[Captured]) -> str:
    """How often the server itself took the generic plan while it was measured, if that was counted."""
    used = captured[0].get("server_used")
    if not used:
        return ""
    executions = used["generic"] + used["custom"]
    if _kept_to_custom(captured):
        return "the server kept to custom plans"
    return f"the server took the generic one for {count(used['generic'])} of {count(executions)} executions"
