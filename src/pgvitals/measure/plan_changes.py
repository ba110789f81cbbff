"""What changed in the plans of a query: between two runs, between tenants, between custom and generic plans.

All functions read what :func:`pgvitals.measure.plan.capture` stored, as ``run.plans`` gives it back, and need no
database. Fingerprints are taken anew from the stored plans, so that runs of older versions compare as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pgvitals.measure.plan_diff import differences
from pgvitals.measure.plan_shape import Plan, normal, walk

Captured = Mapping[str, Any]
Plans = Mapping[str, Sequence[Captured]]
"""``system/query`` -> its captured plans, the largest tenant's first, custom before generic."""

TENANTS = ("largest", "middle", "smallest")
MUCH_COSTLIER, COSTLIER_BLOCKS = 4.0, 500
"""A plan is much costlier if it touches that many times the blocks, and that many blocks more."""
WORSE, WORSE_BLOCKS = 2.0, 50
STALE_FROM = 0.1
"""Share of rows changed since ANALYZE from which autovacuum would have come by (autovacuum_analyze_scale_factor)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChange:
    """One way in which a query's plan differs, and for whom; ``blocks`` are those of the tenant it costs most."""

    query: str  # system/query
    where: str  # "largest tenant", "every tenant, generic plan"
    differences: tuple[str, ...]
    blocks_before: int
    blocks_after: int
    worse: bool  # twice the blocks and at least 50 more

    @property
    def words(self) -> str:
        """``largest tenant: Seq Scan on a instead of Index Scan using ix_a; blocks 12 → 3,410``."""
        where = f"{self.where}: " if self.where else ""
        return f"{where}{'; '.join(self.differences)}; {blocks_words(self.blocks_before, self.blocks_after)}"


def plan_changes(before: Plans, after: Plans) -> tuple[PlanChange, ...]:
    """The plans that two runs do not have in common, query by query; queries that only one of them has are left out.

    The worse ones come first. Tenants with the same differences are told together.
    """
    found = [change for query in before if query in after for change in _changes(query, before[query], after[query])]
    return tuple(sorted(found, key=lambda change: (not change.worse, change.query)))


def tenant_changes(plans: Plans) -> tuple[PlanChange, ...]:
    """Where the largest or the smallest tenant has another custom plan than the middle one (or the smallest)."""
    found = []
    for query, captured in plans.items():
        custom = {tenant: each for (tenant, mode), each in _by_place(captured).items() if mode == "custom"}
        usual = next((custom[tenant] for tenant in ("middle", "smallest") if tenant in custom), None)
        for tenant, each in custom.items():
            if usual is not None and each is not usual and (words := _between(usual, each)):
                found.append(_change(query, f"{tenant} tenant", words, usual, each))
    return tuple(found)


def generic_changes(plans: Plans) -> tuple[PlanChange, ...]:
    """Where the generic plan is not the custom one, tenants with the same differences told together."""
    found = []
    for query, captured in plans.items():
        places = _by_place(captured)
        pairs = {
            tenant: (each, places[tenant, "generic"])
            for (tenant, mode), each in places.items()
            if mode == "custom" and (tenant, "generic") in places
        }
        found += _grouped(query, {(tenant, "generic"): pair for tenant, pair in pairs.items()})
    return tuple(found)


def is_much_costlier(change: PlanChange) -> bool:
    """Whether the second plan touches at least four times the blocks, and 500 more."""
    return change.blocks_after >= max(MUCH_COSTLIER * change.blocks_before, change.blocks_before + COSTLIER_BLOCKS)


def blocks(captured: Captured) -> int:
    """Blocks that an execution touched, in memory or on disk, temporary files included."""
    plan = top(captured)
    keys = (f"{kind} {what} Blocks" for kind in ("Shared", "Local", "Temp") for what in ("Hit", "Read"))
    return sum(int(plan.get(key, 0)) for key in keys) + int(plan.get("Temp Written Blocks", 0))


def blocks_words(before: int, after: int) -> str:
    """``blocks 12 → 3,410``, or ``12 blocks as before``."""
    return f"{before:,} blocks in both" if before == after else f"blocks {before:,} → {after:,}"


def top(captured: Captured) -> Plan:
    """The top node of a captured plan."""
    plan: Plan = captured["plan"]["Plan"]
    return plan


def tenants(captured: Sequence[Captured]) -> list[str]:
    """For each captured plan whose it is: ``largest``, ``middle``, ``smallest``; empty for a query without a tenant."""
    ranks = list(dict.fromkeys(each["tenant_rank"] for each in captured if each["tenant_rank"] is not None))
    names = TENANTS if len(ranks) > 2 else (TENANTS[0], TENANTS[-1]) if len(ranks) == 2 else ("",)
    named = dict(zip(sorted(ranks), names, strict=False))
    return [named.get(each["tenant_rank"], "") for each in captured]


def _by_place(captured: Sequence[Captured]) -> dict[tuple[str, str], Captured]:
    """(tenant, mode) -> plan."""
    return {(tenant, str(each["mode"])): each for tenant, each in zip(tenants(captured), captured, strict=True)}


def _changes(query: str, before: Sequence[Captured], after: Sequence[Captured]) -> list[PlanChange]:
    old, new = _by_place(before), _by_place(after)
    return _grouped(query, {place: (old[place], new[place]) for place in old if place in new})


def _grouped(query: str, pairs: Mapping[tuple[str, str], tuple[Captured, Captured]]) -> list[PlanChange]:
    """One change for all the places (tenant, mode) where the difference is the same."""
    groups: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for place, (old, new) in pairs.items():
        if words := _between(old, new):
            groups.setdefault(words, []).append(place)
    changes = []
    for words, places in groups.items():
        dearest = max((pairs[place] for place in places), key=lambda pair: blocks(pair[1]) - blocks(pair[0]))
        changes.append(_change(query, _where(places, list(pairs)), words, *dearest))
    return changes


def _where(places: Sequence[tuple[str, str]], of: Sequence[tuple[str, str]]) -> str:
    """``every tenant``, ``largest and middle tenant, generic plan``; what is so everywhere is not said."""
    names, all_names = (list(dict.fromkeys(tenant for tenant, _ in each)) for each in (places, of))
    modes, all_modes = (list(dict.fromkeys(mode for _, mode in each)) for each in (places, of))
    tenant = "" if all_names == [""] else "every tenant" if names == all_names else f"{' and '.join(names)} tenant"
    mode = "" if len(modes) == len(all_modes) else f"{modes[0]} plan"
    return ", ".join(part for part in (tenant, mode) if part)


def _change(query: str, where: str, words: tuple[str, ...], before: Captured, after: Captured) -> PlanChange:
    old, new = blocks(before), blocks(after)
    return PlanChange(
        query=query,
        where=where,
        differences=words,
        blocks_before=old,
        blocks_after=new,
        worse=new >= max(WORSE * old, old + WORSE_BLOCKS),
    )


def _between(before: Captured, after: Captured) -> tuple[str, ...]:
    """The differences of two captured plans, with what is known of their causes in front."""
    words = differences(normal(top(before)), normal(top(after)))
    if not words:
        return ()
    return (*_indexes(before, after), *_statistics(before, after), *_settings(before, after), *words)


def _indexes(before: Captured, after: Captured) -> Iterator[str]:
    """Indexes that one of the plans uses and that do not exist for the other."""
    for word, here, there in (("gone", before, after), ("new", after, before)):
        for relation, facts in there.get("relations", {}).items():
            used = {node["Index Name"] for node in walk(top(here)) if "Index Name" in node}
            held = set(here.get("relations", {}).get(relation, {}).get("indexes", ()))
            yield from (f"index {name} is {word}" for name in sorted((used & held) - set(facts["indexes"])))


def _statistics(before: Captured, after: Captured) -> Iterator[str]:
    """Relations whose statistics are stale for one of the plans only."""
    for relation in before.get("relations", {}).keys() & after.get("relations", {}).keys():
        old, new = (stale(each["relations"][relation]) for each in (before, after))
        if old != new:
            yield f"statistics of {relation} are {'stale' if new else 'no longer stale'}"


def stale(facts: Mapping[str, Any]) -> bool:
    """Whether so many rows changed since the last ANALYZE that autovacuum would have come by."""
    changed = facts["changed_since_analyze"]
    return changed is not None and changed > STALE_FROM * max(facts["rows"], 1)


def _settings(before: Captured, after: Captured) -> Iterator[str]:
    """Settings that steer the planner and differ; how the plan was asked for is none of them."""
    old, new = (
        {name: value for name, value in each["plan"].get("Settings", {}).items() if name != "plan_cache_mode"}
        for each in (before, after)
    )
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield f"{name} is {new.get(name, 'its default')} instead of {old.get(name, 'its default')}"
