"""What a migration changed, apart from what it left alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pgvitals.results.records import Contrast, Impact, Relation

OPEN = ("inconclusive", "void")
_ORDINALS = ("first", "second", "third")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpactReview:
    """``relations``: those whose size changed, that came or that went; ``totals``: one for each kind.

    ``looks``: a sentence about how long the lookups were compared; empty where each had one look.
    """

    looks: str
    relations: tuple[Relation, ...]
    totals: tuple[Relation, ...]
    plans: tuple[Contrast, ...]


def review_impact(impact: Impact) -> ImpactReview:
    """Sort out what is worth a line."""
    kinds = dict.fromkeys(relation.kind for relation in impact.relations)
    return ImpactReview(
        looks=looks_told(impact),
        relations=tuple(r for r in impact.relations if r.before_bytes != r.after_bytes),
        totals=tuple(_total(kind, [r for r in impact.relations if r.kind == kind]) for kind in kinds),
        plans=tuple(c for c in impact.contrasts if c.before_plan != c.after_plan),
    )


def looks_told(impact: Impact) -> str:
    """How many lookups were settled at which look, in a sentence."""
    if impact.looks < 2 or not impact.contrasts:
        return ""
    settled = Counter(each.look for each in impact.contrasts if each.verdict not in OPEN)
    parts = [f"{count} at the {_ordinal(look)}" for look, count in sorted(settled.items())]
    told = f"settled: {', '.join(parts)} look" if parts else "none was settled"
    still = sum(each.verdict in OPEN for each in impact.contrasts)
    more = f"; {still} still open after the {_ordinal(impact.looks)}" if still else ""
    return f"What was open was measured further, for up to {impact.looks} looks; {told}{more}."


def _ordinal(number: int) -> str:
    return _ORDINALS[number - 1] if number <= len(_ORDINALS) else f"{number}th"


def _total(kind: str, relations: list[Relation]) -> Relation:
    many = f"{kind}es" if kind.endswith("x") else f"{kind}s"
    return Relation(
        name=f"All {len(relations)} {many}" if len(relations) > 1 else f"The only {kind}",
        kind=kind,
        before_bytes=sum(r.before_bytes or 0 for r in relations),
        after_bytes=sum(r.after_bytes or 0 for r in relations),
    )
