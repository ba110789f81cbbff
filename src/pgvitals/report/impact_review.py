"""What a migration changed, apart from what it left alone."""

from __future__ import annotations

from dataclasses import dataclass

from pgvitals.results.records import Contrast, Impact, Relation


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpactReview:
    """``relations``: those whose size changed, that came or that went; ``totals``: one for each kind."""

    relations: tuple[Relation, ...]
    totals: tuple[Relation, ...]
    plans: tuple[Contrast, ...]


def review_impact(impact: Impact) -> ImpactReview:
    """Sort out what is worth a line."""
    kinds = dict.fromkeys(relation.kind for relation in impact.relations)
    return ImpactReview(
        relations=tuple(r for r in impact.relations if r.before_bytes != r.after_bytes),
        totals=tuple(_total(kind, [r for r in impact.relations if r.kind == kind]) for kind in kinds),
        plans=tuple(c for c in impact.contrasts if c.before_plan != c.after_plan),
    )


def _total(kind: str, relations: list[Relation]) -> Relation:
    many = f"{kind}es" if kind.endswith("x") else f"{kind}s"
    return Relation(
        name=f"All {len(relations)} {many}" if len(relations) > 1 else f"The only {kind}",
        kind=kind,
        before_bytes=sum(r.before_bytes or 0 for r in relations),
        after_bytes=sum(r.after_bytes or 0 for r in relations),
    )
