"""What of a plan is its shape: nodes, relations, indexes, joins and conditions, without costs, rows, times or values.

Two plans of one query have the same shape if they do the same things to the same relations, whatever the
parameters were, whether they were known to the planner (a custom plan) or not (a generic one), and whether
PostgreSQL 15 or 17 wrote them down.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

Plan = dict[str, Any]

_CAST = re.compile(
    r"::(?:(?:timestamp|time)(?:\(\d+\))? with(?:out)? time zone|double precision|(?:character|bit) varying(?:\(\d+\))?"
    r"|interval(?: \w+(?: to \w+)?)?(?:\(\d+\))?|(?:\"[^\"]+\"|\w+)(?:\.(?:\"[^\"]+\"|\w+))?(?:\([\d,]+\))?)(?:\[\])*"
)
_STRING = re.compile(r"'(?:[^']|'')*'")
_NUMBER = re.compile(r"\$\d+|(?<![\w$.\"])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w\"])", re.IGNORECASE)
_INIT_PLAN = re.compile(r"\(InitPlan \S+?\)\.col\d+")
_OF_SUB_PLAN = re.compile(r"\((?:ANY|ALL) \((?:[^()]|\([^()]*\))* \((hashed )?SubPlan \S+?\)\.col\d+\)\)")
_SUB_PLAN = re.compile(r"\((hashed )?SubPlan [^\s()]+\)(?:\.col\d+)?")
"""PostgreSQL 17 writes (ANY (a = (hashed SubPlan 1).col1)) where 15 writes (hashed SubPlan 1)."""
_NUMBERED = re.compile(r"^(InitPlan|SubPlan)\b.*")
_BARE = re.compile(r"(?<![\w\"])\(((?:\w+|\"[^\"]+\")(?:\.(?:\w+|\"[^\"]+\"))?|\?)\)")
_CONSTANT = re.compile(r"(?<![\w\"])\(\? (?:\+|-|\*|/|%|\|\|) \?\)|ARRAY\[\?(?:, \?)*\]|(?<![\w\"])\(- \?\)")

_INDEX = ("Index Cond", "TID Cond")
_FILTER = ("Filter",)
_JOIN = ("Hash Cond", "Merge Cond", "Join Filter")
_GATE = ("One-Time Filter",)
_ORDER = ("Order By",)
_STRATEGIES = {"Sorted": "GroupAggregate", "Hashed": "HashAggregate", "Mixed": "MixedAggregate"}


class Condition(NamedTuple):
    """One conjunct, and where it is checked: ``index``, ``filter``, ``join``, ``gate`` (once) or ``order``."""

    place: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One node of a plan in its normal form."""

    label: str  # as EXPLAIN writes it: Hash Left Join, Index Only Scan Backward, HashAggregate
    relation: str = ""
    index: str = ""
    role: str = ""  # InitPlan, SubPlan or CTE name, for the top of one
    conditions: tuple[Condition, ...] = ()
    below: tuple[Step, ...] = ()

    def __iter__(self) -> Iterator[Step]:
        """The step and everything below it, depth first."""
        yield self
        for step in self.below:
            yield from step

    @property
    def is_gate(self) -> bool:
        """What every plan under row-level security has alike: the setting that is read, and compared once."""
        return self.label == "Result" and (
            self.role == "InitPlan" or any(each.place == "gate" for each in self.conditions)
        )


def normal(node: Plan) -> Step:
    """The normal form of a plan: what two plans are compared by."""
    below = tuple(normal(child) for child in node.get("Plans", ()))
    label = _label(node)
    return Step(
        label=label,
        relation=str(node.get("Relation Name", "")),
        index=str(node.get("Index Name", "")),
        role=_NUMBERED.sub(r"\1", str(node.get("Subplan Name", ""))),
        conditions=tuple(sorted(set(_conditions(node)))),
        below=tuple(sorted(below, key=repr)) if label in ("BitmapAnd", "BitmapOr") else below,
    )


def fingerprint(node: Plan) -> str:
    """A short hash of the plan's normal form: equal when nodes, relations, indexes and conditions are equal."""
    return hashlib.sha256(repr(normal(node)).encode()).hexdigest()[:12]


def shape(node: Plan) -> str:
    """One line: the nodes from top to bottom with the indexes they use.

    Left out is what every plan under row-level security has alike: the reading of the tenant's setting, and
    the gate that compares it once.
    """
    return " > ".join(_short(each) for each in walk(node) if not _is_gate(each)) or _short(node)


def walk(node: Plan) -> Iterator[Plan]:
    """The node and everything below it, depth first."""
    yield node
    for child in node.get("Plans", []):
        yield from walk(child)


def condition(text: str) -> str:
    """A condition without what differs between equal ones: values, casts, numbers of subplans, folded constants."""
    for pattern in (_OF_SUB_PLAN, _SUB_PLAN):
        text = pattern.sub(lambda found: f"({found[1] or ''}SubPlan)", text)
    text = _NUMBER.sub("?", _CAST.sub("", _STRING.sub("?", _INIT_PLAN.sub("?", text))))
    while (shorter := _CONSTANT.sub("?", _BARE.sub(r"\1", text))) != text:
        text = shorter
    return text


def conjuncts(text: str) -> list[str]:
    """The parts of ``((a) AND (b))``, each in its normal form; a condition that is no conjunction is one part."""
    text = condition(text)
    inner = text[1:-1] if _wrapped(text) else text
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(inner):
        depth += (letter == "(") - (letter == ")")
        if not depth and inner.startswith(" AND ", place):
            parts.append(inner[start:place])
            start = place + len(" AND ")
    return [_unwrapped(part) for part in (*parts, inner[start:])]


def _conditions(node: Plan) -> Iterator[Condition]:
    for place, keys in (("index", _INDEX), ("filter", _FILTER), ("join", _JOIN), ("gate", _GATE), ("order", _ORDER)):
        for key in keys:
            if text := node.get(key):
                for part in conjuncts(str(text)):
                    yield Condition(place, part)


def _wrapped(text: str) -> bool:
    """Whether the first parenthesis closes at the end."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if not depth:
            return text.startswith("(") and place == len(text) - 1
    return False


def _unwrapped(text: str) -> str:
    while _wrapped(text):
        text = text[1:-1]
    return text


def _label(node: Plan) -> str:
    """The node as EXPLAIN's text format names it."""
    name = str(node.get("Operation", node["Node Type"]))  # Insert, not ModifyTable
    join = str(node.get("Join Type", "Inner"))
    if name in ("Hash Join", "Merge Join", "Nested Loop") and join != "Inner":
        name = f"{name.removesuffix(' Join')} {join} Join"
    if name == "Aggregate":
        name = _STRATEGIES.get(str(node.get("Strategy")), name)
        name = f"{node['Partial Mode']} {name}" if node.get("Partial Mode", "Simple") != "Simple" else name
    if node.get("Parallel Aware"):
        name = f"Parallel {name}"
    return f"{name} Backward" if node.get("Scan Direction") == "Backward" else name


def _short(node: Plan) -> str:
    name = str(node.get("Operation", node["Node Type"]))
    if index := node.get("Index Name"):
        return f"{name} {index}"
    if relation := node.get("Relation Name"):
        return f"{name} {relation}"
    return name


def _is_gate(node: Plan) -> bool:
    return node.get("Node Type") == "Result" and (
        node.get("Parent Relationship") == "InitPlan" or "One-Time Filter" in node
    )
