"""How a report lists many lookups: what needs a look first, then system by system; and what a write's times lack."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pgvitals.report.verdict import tally, worst_first
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Gate, Latency

MANY = 20
"""More lookups than this, and what passes is folded away where a page offers it."""

ROLLED_BACK = "Rolled back"
WRITES_NOTE = (
    "A write is rolled back, so that the lab stays as it was: its times are without what a COMMIT costs "
    "(the flush of the write-ahead log, and checks that are deferred to it)."
)


class Ended(Protocol):
    """Any record of a query that says how its transactions end."""

    @property
    def ends(self) -> str: ...


_Record = TypeVar("_Record", bound=Ended)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupGroup:
    """Lookups under one heading; ``counts`` as in ``17 pass``."""

    title: str
    counts: str
    lookups: tuple[Latency, ...]


def lookup_groups(gate: Gate) -> tuple[LookupGroup, ...]:
    """Those that are not a pass, worst first, whatever their system; then the passes of each system."""
    loud = [q for q in worst_first(gate).queries if q.outcome is not Outcome.PASS]
    quiet = [q for q in gate.queries if q.outcome is Outcome.PASS]
    groups = [("Needs a look", loud)] if loud else []
    groups += [(system, [q for q in quiet if q.system == system]) for system in dict.fromkeys(q.system for q in quiet)]
    return tuple(
        LookupGroup(title=title, counts=tally(q.outcome for q in lookups), lookups=tuple(lookups))
        for title, lookups in groups
    )


def writes(records: Iterable[_Record]) -> tuple[_Record, ...]:
    """Those of the records that are about a write."""
    return tuple(record for record in records if record.ends == "rollback")


def left_out(reasons: dict[str, str]) -> str:
    """``pazpaz/client_by_email (until a2341bb8aa45), …``."""
    return ", ".join(f"{name} ({why})" for name, why in reasons.items())
