"""A rule on trial: it has to fire on each of its defects, once, and fall silent when that is cured."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import psycopg
from psycopg import sql
from pydantic import ValidationError

from pgvitals.audit.alarms import alarms
from pgvitals.audit.cases import Case, told_settings
from pgvitals.audit.rule import Rule
from pgvitals.audit.run import Ask, asking
from pgvitals.errors import AuditError
from pgvitals.lab import Database, guard
from pgvitals.refusal import refusal
from pgvitals.results.audit import RuleResult
from pgvitals.results.outcome import Outcome
from pgvitals.system import System

SCHEMA = "rule_test"
"""Where rules are tried; roles that a trial makes begin like this, too."""
OWNER, APP = f"{SCHEMA}_owner", f"{SCHEMA}_app"

_ALTER_SYSTEM = re.compile(r"alter system set (?P<name>[a-z_.]+) = '(?P<value>[^']*)'", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a rule said about one case. Of a defect: ``cured`` is what it said after the printed remediation, or after
    the case's own cure; of a lookalike it is None.
    """

    case: Case
    seen: RuleResult
    cured: RuleResult | None = None

    @property
    def is_found(self) -> bool:
        """The defect was found, and nothing else was."""
        return self.seen.outcome is Outcome.FAIL and len(self.seen.findings) == 1

    @property
    def is_quiet(self) -> bool:
        """Nothing was said."""
        return self.seen.outcome in (Outcome.PASS, Outcome.NOT_APPLICABLE)

    @property
    def is_cured(self) -> bool:
        """The cure silenced the rule."""
        return self.cured is not None and self.cured.outcome in (Outcome.PASS, Outcome.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a rule said, in the order of the trial.

    ``remediated`` is None where the finding's remediation is no SQL. ``alarms`` are findings of any
    rule on the cured schema, as ``KEY001 on object``: the cure must not break another rule.
    ``more`` are the other defects and the lookalikes.
    """

    rule: Rule
    before: RuleResult
    broken: RuleResult
    remediated: RuleResult | None
    cured: RuleResult
    alarms: tuple[str, ...]
    more: tuple[Tried, ...] = ()

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


class Try(Protocol):
    """Try one rule; and ask ``others`` about its cured schema."""

    def __call__(self, rule: Rule, others: Sequence[Rule] = (), *, cases: bool = True) -> Trial:
        """What it said; without ``cases`` of ``bad.sql`` and ``good.sql`` only."""


@contextmanager
def trying(database: Database) -> Iterator[Try]:
    """Break and cure a schema of its own in ``database``, for each rule, and ask it each time.

    The schema is committed, as a real one is, so remediation runs as it is printed, ``CONCURRENTLY``
    and all; it is dropped at the end. Only ``alter system`` is not run: what it sets is told to the rule.

    Raises:
        GuardError: the database is not ours.
        AuditError: when a rule is tried, the schema ``rule_test`` is there already, or a script of the rule fails.
    """
    with database.connect() as conn, asking(database.connect) as ask:
        guard.require_ours(conn)
        conn.execute("set synchronous_commit = off")  # what is lost in a crash is a schema that is about to go

        def attempt(rule: Rule, others: Sequence[Rule] = (), *, cases: bool = True) -> Trial:
            # That a lab's server says nothing of the one that goes live is no reason not to try the rule there.
            return _Bench(conn, ask, replace(rule, of_lab=True)).trial(others, cases=cases)

        yield attempt


def try_rule(database: Database, rule: Rule, others: Sequence[Rule] = ()) -> Trial:
    """Try one rule; see :func:`trying`."""
    with trying(database) as attempt:
        return attempt(rule, others)


class _Bench:
    """Where one rule is tried."""

    def __init__(self, conn: psycopg.Connection[Any], ask: Ask, rule: Rule) -> None:
        self.conn, self.rule, self.system = conn, rule, policy(rule)
        self._ask = ask
        self._told: dict[str, str] = {}

    def trial(self, others: Sequence[Rule], *, cases: bool) -> Trial:
        rule = self.rule
        bad, good = rule.bad, rule.good
        with self._schema(bad + good):
            if rule.of_server:
                self._told = told_settings(good)  # the server that it is tried on need not be a good one
            before = self.ask()
            self.run("bad.sql", bad)
            broken = self.ask()
            remediated = self.remediate(broken)
        with self._schema(bad + good):
            self.run("bad.sql", bad)
            self.run("good.sql", good)
            cured = self.ask()
            heard = alarms(self.conn, self.system, others)
        if heard:  # what is said about the empty schema, too, is not about this one
            with self._schema(bad + good):
                heard -= alarms(self.conn, self.system, others)
        return Trial(
            rule=rule,
            before=before,
            broken=broken,
            remediated=remediated,
            cured=cured,
            alarms=tuple(sorted(heard)),
            more=tuple(self.case(case) for case in rule.cases) if cases else (),
        )

    def case(self, case: Case) -> Tried:
        with self._schema(case.script + case.cure):
            self.run("cases.sql", case.script)
            seen = self.ask()
            if not case.has_defect:
                return Tried(case=case, seen=seen)
            cured = self.remediate(seen)
            if case.cure:
                self.run("cases.sql", case.cure)
                cured = self.ask()
            return Tried(case=case, seen=seen, cured=cured)

    def ask(self) -> RuleResult:
        return self._ask(self.rule, self.system, self._told)

    def run(self, file: str, script: str) -> None:
        self._told |= told_settings(script)
        try:
            self.conn.execute(script)
        except psycopg.Error as error:
            raise AuditError(f"{self.rule.folder / file}: {refusal(error)}") from None

    def remediate(self, broken: RuleResult) -> RuleResult | None:
        """Run what the findings print; None if that is no SQL."""
        cures = [part for finding in broken.findings for part in statements(finding.remediation)]
        for cure in cures:
            if setting := _ALTER_SYSTEM.fullmatch(cure):
                self._told[setting["name"]] = setting["value"]
            else:
                self.run("remediation", cure)
        return self.ask() if cures else None

    @contextmanager
    def _schema(self, scripts: str) -> Iterator[None]:
        self._told = {}
        try:
            self.conn.execute(sql.SQL("create schema {}").format(sql.Identifier(SCHEMA)))
        except psycopg.errors.DuplicateSchema:
            raise AuditError(f"schema {SCHEMA!r} is there already; drop it, or use another database") from None
        with_roles = OWNER in scripts or APP in scripts
        if with_roles:
            owner, app = sql.Identifier(OWNER), sql.Identifier(APP)
            self.conn.execute(sql.SQL("create role {}; create role {}").format(owner, app))
            self.conn.execute(sql.SQL("grant usage on schema {} to {}, {}").format(sql.Identifier(SCHEMA), owner, app))
        try:
            yield
        finally:
            self._clean_up(with_roles=with_roles or "create role" in scripts)

    def _clean_up(self, *, with_roles: bool) -> None:
        with self.conn.transaction():
            self.conn.execute("set local client_min_messages = warning")
            self.conn.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(SCHEMA)))
            if not with_roles:
                return
            names = self.conn.execute(
                "select rolname from pg_catalog.pg_roles where starts_with(rolname::text, %s)", (SCHEMA,)
            ).fetchall()
            roles = sql.SQL(", ").join(sql.Identifier(name) for (name,) in names)
            if names:
                self.conn.execute(sql.SQL("drop owned by {}").format(roles))
                self.conn.execute(sql.SQL("drop role {}").format(roles))


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
        "roles": {"owner": OWNER, "app": APP},
    }
    try:
        own = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        own["tenant"] = plain["tenant"] | own.get("tenant", {})
        return System(name=SCHEMA, folder=rule.folder, **{**plain, **own})
    except tomllib.TOMLDecodeError as error:
        raise AuditError(f"{path}: not valid TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise AuditError(f"{path}: {where}: {first['msg']}") from None
