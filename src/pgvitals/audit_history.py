"""What the audit says of a system at each of its revisions: the story of its promises, on tables without rows."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg

from pgvitals.audit.declared import Looked
from pgvitals.audit.rule import Rule
from pgvitals.audit.run import asking
from pgvitals.audit.session import read_only
from pgvitals.audit.statement import parameters, together
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import upgrade
from pgvitals.results.audit import Finding, RuleResult
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
    with server.scratch("revisions") as database, read_only(partial(_connect, database)) as conn:
        told = [each for system in systems for each in _story(suite, database, system, asked, conn)]
    return pd.DataFrame([asdict(each) for each in told], columns=list(Told.__dataclass_fields__))


def ask_together(conn: psycopg.Connection[Any], system: System, rules: Sequence[Rule]) -> list[RuleResult]:
    """What the rules say, in one statement: on tables without rows, planning is most of the time.

    What does not fit into it (a rule for newer servers, and all of them if one breaks the statement) is asked alone.
    """
    started = time.perf_counter()
    version = conn.info.server_version // 10000
    try:
        looked = _look_together(conn, system, [rule for rule in rules if rule.min_version <= version])
    except psycopg.Error:
        looked = {}
    with asking(conn) as ask:
        return [
            rule.answer(looked[rule.id], system=system.name, problem="", started=started)
            if rule.id in looked
            else ask(rule, system)
            for rule in rules
        ]


def _story(
    suite: Suite, database: Database, system: System, rules: Sequence[Rule], conn: psycopg.Connection[Any]
) -> Iterator[Told]:
    for place, revision in enumerate(suite.branches.of.get(system.name, ())):
        upgrade(suite, database, revision)
        for result in ask_together(conn, system, rules):
            yield Told(
                system=system.name,
                place=place,
                revision=revision,
                rule=result.rule,
                title=result.title,
                severity=result.severity,
                outcome=result.outcome.value,
                violations=len(result.findings),
            )


def _look_together(conn: psycopg.Connection[Any], system: System, rules: Sequence[Rule]) -> Mapping[str, Looked]:
    queries = {rule.id: (rule.sql, rule.terms) for rule in rules}
    counts = {
        f"{rule.id}?": (f"select to_jsonb(counted)::text as object from ({rule.checked}) as counted", rule.terms)  # noqa: S608
        for rule in rules
    }
    told = defaultdict(list)
    for name, text in conn.execute(together({**queries, **counts}), parameters(system)):
        told[name].append(text)
    return {rule.id: _looked(json.loads(told[f"{rule.id}?"][0]), told[rule.id]) for rule in rules}


def _looked(counted: Mapping[str, Any], objects: Sequence[str]) -> Looked:
    return Looked(
        checked=counted["checked"],
        findings=tuple(Finding(objects=(each,), detail="") for each in objects),
        not_applicable=counted.get("not_applicable") or "",
    )


def _connect(database: Database) -> psycopg.Connection[Any]:
    """A session that plans the statement once, as for tables of any size."""
    conn = database.connect(plan_cache_mode="force_generic_plan", enable_nestloop="off")
    conn.prepare_threshold = 0
    return conn
