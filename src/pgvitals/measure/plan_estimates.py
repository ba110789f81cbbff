"""Where the planner expected ten times more or fewer rows than there were, and what is known of the cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pgvitals.measure.plan_changes import Captured, Plans, stale, tenants, top
from pgvitals.measure.plan_diff import access
from pgvitals.measure.plan_shape import Plan, normal

FACTOR, LEAST_ROWS = 10.0, 100
"""How far off an estimate has to be to be told: that many times, and that many rows."""

Cause = Literal["stale", "missing", "setting", "unknown"]
_STOPPED_EARLY = ("Limit", "Merge Join")


@dataclass(frozen=True, slots=True, kw_only=True)
class Misestimate:
    """One node of a custom plan whose estimate is far off; rows are those of one execution of the node."""

    query: str  # system/query
    tenant: str
    node: str  # "Index Scan using ix_a on appointments"
    estimated: int
    actual: int
    cause: Cause
    why: str

    @property
    def words(self) -> str:
        """``largest tenant: Seq Scan on a was expected to give 12 rows and gave 3,410 (284x): …``."""
        whose = f"{self.tenant} tenant: " if self.tenant else ""
        factor = max(self.actual, 1) / max(self.estimated, 1)
        factor = max(factor, 1 / factor)
        rows = f"was expected to give {_rows(self.estimated)} and gave {self.actual:,}"
        return f"{whose}{self.node} {rows} ({factor:,.0f}x): {self.why}"


def misestimates(plans: Plans) -> tuple[Misestimate, ...]:
    """The estimates of custom plans that are far off, the deepest node of each branch: those above follow from it.

    A generic plan is made for the average of all tenants and is not asked. Nor is a node that somebody stops early
    (below a LIMIT, a semi-join, an EXISTS): it gives fewer rows than it has.
    """
    return tuple(
        _told(query, tenant, captured, node)
        for query, each in plans.items()
        for tenant, captured in zip(tenants(each), each, strict=True)
        if captured["mode"] == "custom"
        for node in _wrong(top(captured), stopped=False)
    )


def _wrong(node: Plan, *, stopped: bool) -> Iterator[Plan]:
    """Nodes whose estimate is off, without those that have such a one below them."""
    inner_stops = node.get("Join Type") in ("Semi", "Anti")
    below = [
        each
        for child in node.get("Plans", ())
        for each in _wrong(
            child,
            stopped=stopped
            or node["Node Type"] in _STOPPED_EARLY
            or "Subplan Name" in child
            or (inner_stops and child.get("Parent Relationship") == "Inner"),
        )
    ]
    yield from below or ([node] if _is_off(node, stopped=stopped) else [])


def _is_off(node: Plan, *, stopped: bool) -> bool:
    if not node.get("Actual Loops") or node["Node Type"] in ("BitmapAnd", "BitmapOr", "ModifyTable"):
        return False  # never executed; a bitmap's combination does not count its rows
    expected, actual = float(node["Plan Rows"]), float(node["Actual Rows"])
    more, fewer = max(expected, actual), min(expected, actual)
    if stopped and actual < expected:
        return False
    return more >= FACTOR * max(fewer, 1) and (more - fewer) * node["Actual Loops"] >= LEAST_ROWS


def _told(query: str, tenant: str, captured: Captured, node: Plan) -> Misestimate:
    step = normal(node)
    relation = step.relation or _relation_of(step.index, captured)
    cause, why = _cause(node, relation, captured.get("relations", {}).get(relation))
    return Misestimate(
        query=query,
        tenant=tenant,
        node=f"{access(step)} on {relation}" if relation else access(step),
        estimated=round(node["Plan Rows"]),
        actual=round(node["Actual Rows"]),
        cause=cause,
        why=why,
    )


def _relation_of(index: str, captured: Captured) -> str:
    """The relation of an index that a bitmap scan reads, whose node does not say it."""
    relations = captured.get("relations", {}).items()
    return next((str(name) for name, facts in relations if index and index in facts["indexes"]), "")


def _cause(node: Plan, relation: str, facts: Mapping[str, Any] | None) -> tuple[Cause, str]:
    if facts is not None and relation:
        if not facts["has_statistics"]:
            return "missing", f"{relation} has no statistics; ANALYZE it"
        if stale(facts):
            changed, rows = facts["changed_since_analyze"], facts["rows"]
            told = f"{_rows(changed)} of {relation} changed since the last ANALYZE, when it had {rows:,}"
            return "stale", f"stale statistics, {told}; ANALYZE it"
    said = " ".join(str(node.get(key, "")) for key in ("Index Cond", "Filter", "Recheck Cond"))
    if "InitPlan" in said or "$" in said:
        return "setting", "a value comes from a setting or a subquery, so that the planner takes the average one"
    return "unknown", "the statistics are not stale; conditions that depend on each other, or on an expression"


def _rows(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"
