"""Which safeguard is answered by which rules, and which a database cannot answer, from the rules' headers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from pgvitals.audit.checklist import Checklist, Citing, Item, all_checklists

_OPENING = """\
# What the rules answer

Which points of three checklists the audit's rules answer, taken from the rules' headers. A rule that *asks the
catalog* looks at what is declared; one that *tries* does what must not be possible, or looks at rows, pages or an
engine. What no rule can see stands beside it. Rules that pass are evidence for a safeguard, and do not make an
organization compliant.
"""


class Described(Citing, Protocol):
    """A rule as its header describes it."""

    @property
    def id(self) -> str: ...
    @property
    def method(self) -> str: ...


def coverage_page(rules: Sequence[Described]) -> str:
    """The page ``coverage.md``: a table a checklist, every item with its rules and its limits."""
    return "\n".join([_OPENING, *(line for each in all_checklists() for line in _table(each, rules))])


def told(checklist: Checklist, rules: Sequence[Described]) -> str:
    """``8 of 10 items are answered by rules``."""
    answered = sum(bool(checklist.answering(item, rules)) for item in checklist.item)
    return f"{answered} of {len(checklist.item)} items are answered by rules"


def _table(checklist: Checklist, rules: Sequence[Described]) -> Iterator[str]:
    yield f"## {checklist.title}"
    yield ""
    yield f"{told(checklist, rules)}. `pgvitals audit --as {checklist.name}` asks these rules alone."
    yield ""
    yield "| item | | asks the catalog | tries | what no rule sees |"
    yield "|---|---|---|---|---|"
    for item in checklist.item:
        asks, tries = (_named(checklist, item, rules, tries=tries) for tries in (False, True))
        name = item.title + (f" ({item.severity})" if item.severity else "")
        yield f"| {item.id} | {name} | {asks or '–'} | {tries or '–'} | {item.limits or item.needs} |"
    yield ""


def _named(checklist: Checklist, item: Item, rules: Sequence[Described], *, tries: bool) -> str:
    """Links to the rules, each with what it cites below the item."""
    chosen = [rule for rule in checklist.answering(item, rules) if (rule.method != "catalog") == tries]
    return ", ".join(f"[{rule.id}]({rule.id}.md){_below(checklist, item, rule)}" for rule in chosen)


def _below(checklist: Checklist, item: Item, rule: Described) -> str:
    below = [each for each in checklist.cited(rule, item) if each != item.id]
    return f" ({', '.join(below)})" if below else ""
