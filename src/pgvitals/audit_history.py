"""What the audit says of a system at each of its revisions: the story of its promises, on tables without rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg

from pgvitals.audit.rule import Rule
from pgvitals.audit.run import Ask, asking
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import upgrade
from pgvitals.suite import Suite
from pgvitals.system import System

if TYPE_CHECKING:
    import pandas as pd

FILE = "audit_history.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one rule said of a system at one revision; ``place`` counts the revisions from the first."""

    system: str
    place: int
    revision: str
    rule: str
    title: str
    severity: str
    outcome: str
    violations: int


def audit_history(suite: Suite, server: Server, systems: Sequence[System], rules: Sequence[Rule]) -> pd.DataFrame:
    """Migrate each system through its revisions, in one database, and ask the rules at each of them.

    Only rules that ask the catalog: there are no rows that a probe could try its hand at.

    Returns:
        One row a system, revision and rule; columns as in :class:`Told`.

    Raises:
        MigrationError: a revision does not come up.
    """
    import pandas as pd

    asked = [rule for rule in rules if rule.probe is None and not rule.of_server]
    with server.scratch("revisions") as database, asking(partial(_connect, database)) as ask:
        told = [each for system in systems for each in _story(suite, database, system, asked, ask)]
    return pd.DataFrame([asdict(each) for each in told], columns=list(Told.__dataclass_fields__))


def _story(suite: Suite, database: Database, system: System, rules: Sequence[Rule], ask: Ask) -> Iterator[Told]:
    for place, revision in enumerate(suite.branches.of.get(system.name, ())):
        upgrade(suite, database, revision)
        for rule in rules:
            result = ask(rule, system)
            yield Told(
                system=system.name,
                place=place,
                revision=revision,
                rule=rule.id,
                title=rule.title,
                severity=rule.severity,
                outcome=result.outcome.value,
                violations=len(result.findings),
            )


def _connect(database: Database) -> psycopg.Connection[Any]:
    """A session that plans each statement once: planning is most of the time on tables without rows."""
    conn = database.connect(plan_cache_mode="force_generic_plan")
    conn.prepare_threshold = 0
    conn.prepared_max = None
    return conn
