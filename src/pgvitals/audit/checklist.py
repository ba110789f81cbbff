"""Checklists that others wrote, answered by rules: an audit's own ids, HIPAA safeguards, CIS sections.

A checklist is a TOML file: ``title``, ``cites`` (which key of a rule's header names its items: ``answers``, ``hipaa``
or ``cis``) and ``[[item]]`` tables with ``id``, ``title``, and if need be ``severity``, ``limits``, what of the item no
rule can see, and ``needs``, what it takes to ask its rules. Which rules answer an item stands in their headers alone. A
rule that cites 4.7 answers the item 4 too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pgvitals.audit.declared import SEVERITIES
from pgvitals.errors import ChecklistError
from pgvitals.reading import first_problem, read_toml
from pgvitals.results.audit import Audit, RuleResult
from pgvitals.results.outcome import Outcome, worst

FOLDER = Path(__file__).parent / "checklists"


class Citing(Protocol):
    """A rule, or what came of one: it names the items that it answers."""

    @property
    def severity(self) -> str: ...
    @property
    def answers(self) -> tuple[str, ...]: ...
    @property
    def hipaa(self) -> tuple[str, ...]: ...
    @property
    def cis(self) -> tuple[str, ...]: ...


Cites = TypeVar("Cites", bound=Citing)


class Item(BaseModel):
    """One point of a checklist."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1)
    title: str = Field(min_length=1)
    severity: Literal["", "P0", "P1", "P2", "P3"] = ""
    limits: str = ""
    needs: str = ""


class Checklist(BaseModel):
    """Points to answer, in order; ``name`` is how it is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    cites: Literal["answers", "hipaa", "cis"]
    item: tuple[Item, ...] = Field(min_length=1)

    def cited(self, rule: Citing, item: Item | None = None) -> tuple[str, ...]:
        """What a rule cites of this checklist, or of one of its items."""
        cites: tuple[str, ...] = getattr(rule, self.cites)
        return tuple(each for each in cites if item is None or each == item.id or each.startswith(f"{item.id}."))

    def answering(self, item: Item, rules: Iterable[Cites]) -> tuple[Cites, ...]:
        """Those of ``rules`` that answer an item."""
        return tuple(rule for rule in rules if self.cited(rule, item))

    def asked(self, rules: Iterable[Cites]) -> tuple[Cites, ...]:
        """Those of ``rules`` that answer any of its items."""
        wanted = list(rules)
        return tuple(rule for rule in wanted if any(self.cited(rule, item) for item in self.item))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An item, what its rules said, and what they come to; not applicable where none of them was asked."""

    item: Item
    outcome: Outcome
    results: tuple[RuleResult, ...]

    @property
    def remark(self) -> str:
        """What no rule sees of the item, or what it takes to ask any."""
        return self.item.limits if self.results else self.item.needs or self.item.limits

    @property
    def severity(self) -> str:
        """The checklist's own, or that of the most severe rule."""
        return self.item.severity or min((result.severity for result in self.results), default="")


NAMES = ("db", "hipaa", "cis")
"""The checklists that come along."""


@cache
def all_checklists() -> tuple[Checklist, ...]:
    """The checklists that come along."""
    return tuple(load_checklist(name) for name in NAMES)


def load_checklist(name: str) -> Checklist:
    """A checklist that comes along, by name, or a file of one's own.

    Raises:
        ChecklistError: there is no such checklist, or its file is malformed; the message names the key.
    """
    path = FOLDER / f"{name}.toml" if name in NAMES else Path(name)
    if path.suffix != ".toml":
        raise ChecklistError(f"unknown checklist {name!r}; there are: {', '.join(NAMES)}, or a file.toml")
    raw = read_toml(path, ChecklistError)
    try:
        return Checklist.model_validate({**raw, "name": path.stem})
    except ValidationError as error:
        raise ChecklistError(f"{path}: {first_problem(error)}") from None


def answer(checklist: Checklist, audit: Audit) -> tuple[Answer, ...]:
    """Every item with its rules' results, the loudest first."""
    return tuple(_answer(item, checklist.answering(item, audit.results)) for item in checklist.item)


def _answer(item: Item, results: Sequence[RuleResult]) -> Answer:
    loudest_first = sorted(
        results, key=lambda r: (_LOUDNESS[r.outcome], SEVERITIES.index(r.severity), r.rule, r.system)
    )
    outcome = worst(result.outcome for result in results) if results else Outcome.NOT_APPLICABLE
    return Answer(item=item, outcome=outcome, results=tuple(loudest_first))


_LOUDNESS = {
    Outcome.FAIL: 0,
    Outcome.ERROR: 1,
    Outcome.INCONCLUSIVE: 2,
    Outcome.WAIVED: 3,
    Outcome.PASS: 4,
    Outcome.NOT_APPLICABLE: 5,
}
