"""The difference between two plans of one query, in words that a reader of EXPLAIN knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeVar

from pgvitals.measure.plan_shape import Condition, Step

_NAMED_MOST = 3
T = TypeVar("T")

_BITMAPS = ("Bitmap Index Scan", "BitmapAnd", "BitmapOr")
_READS = ("Scan", "Backward")


def differences(before: Step, after: Step) -> tuple[str, ...]:
    """What ``after`` does that ``before`` does not, and the other way round; empty if their normal forms are equal.

    Each is a phrase: ``Seq Scan on appointments instead of Index Scan using ix_a``.
    """
    if before == after:
        return ()
    found = [*_accesses(before, after), *_nodes(before, after), *_conditions(before, after)]
    if found:
        return tuple(dict.fromkeys(found))
    orders = [[step.relation for step in plan if step.relation] for plan in (before, after)]
    if orders[0] != orders[1]:
        return (f"reads {', '.join(orders[1])} in this order instead of {', '.join(orders[0])}",)
    return ("the same nodes, put together differently",)


def access(step: Step) -> str:
    """How a node reads its relation: ``Index Scan using ix_a``, ``Bitmap Heap Scan using ix_a and ix_b``."""
    indexes = [step.index] if step.index else _bitmap_indexes(step)
    return f"{step.label} using {' and '.join(indexes)}" if indexes else step.label


def _bitmap_indexes(step: Step) -> list[str]:
    """The indexes below a bitmap heap scan, in the order of their names: which comes first means nothing."""
    if "Bitmap Heap Scan" not in step.label:
        return []
    return sorted(each.index for each in step if each.label == "Bitmap Index Scan")


def _reads(plan: Step) -> dict[str, list[str]]:
    """Relation -> how it is read, once for each time that it is."""
    found: dict[str, list[str]] = {}
    for step in plan:
        if step.relation and any(word in step.label for word in _READS):
            found.setdefault(step.relation, []).append(access(step))
    return found


def _accesses(before: Step, after: Step) -> Iterator[str]:
    old, new = _reads(before), _reads(after)
    for relation in dict.fromkeys((*new, *old)):
        gone, come = _apart(old.get(relation, ()), new.get(relation, ()))
        for left, right in zip(gone, come, strict=False):
            yield f"{_on(right, relation)} instead of {left}"
        for word, rest in (("also", come[len(gone) :]), ("no", gone[len(come) :])):
            for how, count in Counter(rest).items():
                yield f"{word} {_on(how, relation)}" + (f", {count} times" if count > 1 else "")


def _on(how: str, relation: str) -> str:
    """``Index Scan using ix_a on appointments``."""
    return f"{how} on {relation}"


def _nodes(before: Step, after: Step) -> Iterator[str]:
    """Joins, sorts and whatever else reads no relation; the gates of row-level security are told as such."""
    for kind in (_is_join, _is_aggregate):
        gone, come = _apart(*([step.label for step in plan if kind(step)] for plan in (before, after)))
        yield from (f"{right} instead of {left}" for left, right in zip(gone, come, strict=False))
        yield from _counted("also", come[len(gone) :])
        yield from _counted("no", gone[len(come) :])
    gone, come = _apart(_others(before), _others(after))
    yield from _counted("also", come)
    yield from _counted("no", gone)


def _counted(word: str, names: Iterable[str]) -> Iterator[str]:
    """``also a Sort``, ``no Sort``, ``also 2 x Sort``."""
    for name, count in Counter(names).items():
        one = f"{'an' if name[0] in 'AEIOU' else 'a'} {name}" if word == "also" else name
        yield f"{word} {one}" if count == 1 else f"{word} {count} x {name}"


def _is_aggregate(step: Step) -> bool:
    return step.label.endswith("Aggregate")


def _is_join(step: Step) -> bool:
    return step.label.startswith("Nested Loop") or step.label.endswith("Join")


def _others(plan: Step) -> Iterator[str]:
    for step in plan:
        if step.is_gate:
            yield "InitPlan" if step.role == "InitPlan" else "One-Time Filter"
            continue
        if step.role in ("SubPlan", "InitPlan"):
            yield step.role
        if not (step.relation or _is_join(step) or _is_aggregate(step)) and step.label not in (*_BITMAPS, "Hash"):
            yield step.label


def _conditions(before: Step, after: Step) -> Iterator[str]:
    """Conditions that are checked elsewhere than before; new and lost ones where the same way of reading has them.

    Beside a Seq Scan every condition is checked row by row, which the node says.
    """
    old, new = _reads(before), _reads(after)
    for relation in new:
        if any("Seq Scan" in each for each in (*old.get(relation, ()), *new[relation])):
            continue
        gone, come = _apart(_conditions_on(before, relation), _conditions_on(after, relation))
        moved = [(left, right) for left in gone for right in come if left.text == right.text]
        yield from _few(f"({to.text}) {_PLACES[to.place]} instead of {_PLACES[at.place]}" for at, to in moved)
        if old.get(relation) == new[relation]:
            told = {each for pair in moved for each in pair}
            yield from _few(f"({each.text}) {_PLACES[each.place]}, too" for each in come if each not in told)
            yield from _few(f"no ({each.text}) {_PLACES[each.place]}" for each in gone if each not in told)


_PLACES = {
    "index": "in the index",
    "filter": "checked row by row",
    "join": "in the join",
    "gate": "checked once",
    "order": "by distance",
}


def _conditions_on(plan: Step, relation: str) -> list[Condition]:
    """What is asked of one relation where it is read; of a bitmap, what its indexes are asked."""
    found: list[Condition] = []
    for step in plan:
        if step.relation == relation:
            found += step.conditions
            found += [each for part in step if part.label in _BITMAPS for each in part.conditions]
    return found


def _few(phrases: Iterable[str]) -> list[str]:
    """The first different phrases, and how many more there are."""
    found = list(dict.fromkeys(phrases))
    more = len(found) - _NAMED_MOST
    return found if more <= 0 else [*found[:_NAMED_MOST], f"{more} more conditions that differ"]


def _apart(old: Iterable[T], new: Iterable[T]) -> tuple[list[T], list[T]]:
    """What only the first has, and what only the second has, each as often as it has it more."""
    first, second = Counter(old), Counter(new)
    return list((first - second).elements()), list((second - first).elements())
