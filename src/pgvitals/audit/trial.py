"""A rule on trial: it has to fire on its own bad schema, once, and fall silent when that is cured."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from pydantic import ValidationError

from pgvitals.audit.rule import Rule
from pgvitals.audit.run import audit
from pgvitals.errors import AuditError
from pgvitals.lab import Database, guard
from pgvitals.refusal import refusal
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import RuleResult
from pgvitals.system import System

SCHEMA = "rule_test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a rule said, in the order of the trial.

    ``remediated`` is None where the finding's remediation is no SQL. ``alarms`` are findings of any
    rule on the cured schema, as ``KEY001 on object``: the cure must not break another rule.
    """

    rule: Rule
    before: RuleResult
    broken: RuleResult
    remediated: RuleResult | None
    cured: RuleResult
    alarms: tuple[str, ...]

    @property
    def found(self) -> bool:
        """The defect, and nothing else, was found where there was none before."""
        return (
            self.before.outcome is not Outcome.FAIL
            and self.broken.outcome is Outcome.FAIL
            and len(self.broken.findings) == 1
        )

    @property
    def is_remediated(self) -> bool:
        """The finding's own SQL cures it."""
        return self.remediated is None or self.remediated.outcome in (Outcome.PASS, Outcome.NOT_APPLICABLE)


def try_rule(database: Database, rule: Rule, others: Sequence[Rule] = ()) -> Trial:
    """Break and cure a schema of its own in ``database``, and ask ``rule`` each time, and ``others`` at the end.

    The schema is committed, as a real one is, so remediation runs as it is printed, ``CONCURRENTLY``
    and all; it is dropped at the end.

    Raises:
        GuardError: the database is not ours.
        AuditError: the schema ``rule_test`` is there already, or a script of the rule fails.
    """
    system = policy(rule)
    with database.connect() as conn:
        guard.require_ours(conn)
        with _schema(conn):
            before = _ask(database, system, (rule,))[0]
            noise = _alarms(_ask(database, system, others))
            _run(conn, rule.folder / "bad.sql", rule.bad)
            broken = _ask(database, system, (rule,))[0]
            remediated = _remediate(conn, database, system, rule, broken)
        with _schema(conn):
            _run(conn, rule.folder / "bad.sql", rule.bad)
            _run(conn, rule.folder / "good.sql", rule.good)
            cured = _ask(database, system, (rule,))[0]
            alarms = _alarms([cured, *_ask(database, system, others)])
    return Trial(
        rule=rule,
        before=before,
        broken=broken,
        remediated=remediated,
        cured=cured,
        alarms=tuple(sorted(alarms - noise)),
    )


def statements(remediation: str) -> list[str]:
    """The statements of a remediation: each ends its line with a semicolon; comment lines are for people."""
    lines = (line for line in remediation.splitlines() if not line.lstrip().startswith("--"))
    parts = (part.strip().rstrip(";") for part in "\n".join(lines).split(";\n"))
    return [part for part in parts if part]


def policy(rule: Rule) -> System:
    """The system that a rule is tried on: schema ``rule_test``, and what its ``policy.toml`` says."""
    path = rule.folder / "policy.toml"
    plain: dict[str, Any] = {
        "title": rule.title,
        "schema": SCHEMA,
        "tenant": {
            "table": "tenants",
            "column": "tenant_id",
            "setting": "app.current_tenant_id",
            "traffic_table": "clients",
        },
        "roles": {"owner": "rule_test_owner", "app": "rule_test_app"},
    }
    try:
        own = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return System(name=SCHEMA, folder=rule.folder, **{**plain, **own})
    except tomllib.TOMLDecodeError as error:
        raise AuditError(f"{path}: not valid TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise AuditError(f"{path}: {where}: {first['msg']}") from None


@contextmanager
def _schema(conn: psycopg.Connection[Any]) -> Iterator[None]:
    name = sql.Identifier(SCHEMA)
    try:
        conn.execute(sql.SQL("create schema {}").format(name))
    except psycopg.errors.DuplicateSchema:
        raise AuditError(f"schema {SCHEMA!r} is there already; drop it, or use another database") from None
    try:
        yield
    finally:
        with conn.transaction():
            conn.execute("set local client_min_messages = warning")
            conn.execute(sql.SQL("drop schema {} cascade").format(name))


def _run(conn: psycopg.Connection[Any], path: Path, script: str) -> None:
    try:
        conn.execute(script)
    except psycopg.Error as error:
        raise AuditError(f"{path}: {refusal(error)}") from None


def _ask(database: Database, system: System, rules: Sequence[Rule]) -> tuple[RuleResult, ...]:
    return audit(database.connect, [system], rules=rules).results


def _remediate(
    conn: psycopg.Connection[Any], database: Database, system: System, rule: Rule, broken: RuleResult
) -> RuleResult | None:
    cures = [part for finding in broken.findings for part in statements(finding.remediation)]
    if not cures:
        return None
    for cure in cures:
        _run(conn, rule.folder / "remediation", cure)
    return _ask(database, system, (rule,))[0]


def _alarms(results: Iterable[RuleResult]) -> set[str]:
    return {
        f"{result.rule} on {', '.join(finding.objects)}" if finding is not None else f"{result.rule}: {result.evidence}"
        for result in results
        for finding in (result.findings or ((None,) if result.outcome is Outcome.ERROR else ()))
    }
