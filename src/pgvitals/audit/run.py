"""Ask every rule about every system, in one session that cannot write."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row

from pgvitals.audit.rule import OLDEST, Looked, Rule, load_rules
from pgvitals.audit.session import SETTINGS, Source, read_only
from pgvitals.audit.statement import Parameters, checked, parameters, violations
from pgvitals.errors import AuditError
from pgvitals.refusal import refusal
from pgvitals.results.outcome import Outcome, worst
from pgvitals.results.records import Audit, Finding, RuleResult
from pgvitals.system import System


def audit(
    source: Source, systems: Iterable[System], *, rules: Sequence[Rule] | None = None, kind: str = "lab"
) -> Audit:
    """Audit ``systems``; every rule answers for every one of them, also when it passes or cannot tell.

    Args:
        source: a connection in autocommit mode (left as it was), or a function that opens one.
        rules: which to ask; all that are installed if None.
        kind: ``lab`` for a database of ours; ``external`` keeps probes that write from running.

    Raises:
        AuditError: the server is too old, or the connection broke.
    """
    asked = load_rules() if rules is None else rules
    with read_only(source) as conn:
        version = conn.info.server_version // 10000
        if version < OLDEST:
            raise AuditError(f"the server is PostgreSQL {version}; the audit needs {OLDEST} or newer")
        results = tuple(result for system in systems for result in _ask_all(conn, asked, system, kind))
    return Audit(outcome=worst(result.outcome for result in results), database_kind=kind, results=results)


def _ask_all(conn: psycopg.Connection[Any], rules: Sequence[Rule], system: System, kind: str) -> Iterator[RuleResult]:
    exists = _has_schema(conn, system)
    for rule in rules:
        yield _ask(conn, rule, system, kind, exists=exists)


def _ask(conn: psycopg.Connection[Any], rule: Rule, system: System, kind: str, *, exists: bool) -> RuleResult:
    started = time.perf_counter()
    looked = Looked(checked=0)
    problem = ""
    if not exists:
        problem = f"schema {system.schema_name!r} does not exist here; migrate it, or correct its system.toml"
    elif rule.min_version > conn.info.server_version // 10000:
        looked = Looked(checked=0, not_applicable=f"needs PostgreSQL {rule.min_version} or newer")
    elif rule.writes and kind != "lab":
        looked = Looked(checked=0, not_applicable="the probe writes; it only runs in a lab of ours")
    else:
        try:
            looked = _look(conn, rule, system)
        except psycopg.Error as error:
            if conn.broken or conn.closed:
                raise AuditError(f"the connection broke while {rule.id} looked at {system.name}; run again") from None
            problem = _why(error)
        except Exception as error:  # noqa: BLE001  (a probe is code like any other; the others still run)
            problem = f"the probe failed with {type(error).__name__}"
    outcome, evidence = (Outcome.ERROR, problem) if problem else _judge(rule, looked)
    return RuleResult(
        rule=rule.id,
        slug=rule.slug,
        title=rule.title,
        family=rule.family,
        severity=rule.severity,
        system=system.name,
        outcome=outcome,
        checked=looked.checked,
        evidence=evidence,
        findings=looked.findings if outcome is Outcome.FAIL else (),
        why=rule.why,
        references=rule.references,
        answers=rule.answers,
        hipaa=rule.hipaa,
        cis=rule.cis,
        method=rule.method,
        duration_ms=(time.perf_counter() - started) * 1000,
    )


def _look(conn: psycopg.Connection[Any], rule: Rule, system: System) -> Looked:
    if rule.probe is not None:
        with conn.transaction(force_rollback=True):
            if rule.writes:
                conn.execute("set transaction read write")
            return rule.probe(conn, system)
    known = parameters(system)
    with conn.transaction():
        # How many tables a schema has is a guess to the planner: nested loops over thousands of them take
        # minutes where hash joins take a second.
        conn.execute("set local enable_nestloop = off")
        counted = _rows(conn, checked(rule.checked, rule.terms), known)
        broken = _rows(conn, violations(rule.sql, rule.terms), known)
    if len(counted) != 1 or not isinstance(counted[0]["counted"].get("checked"), int):
        raise psycopg.ProgrammingError("'checked' must return one row with a count in the column checked")
    answer = counted[0]["counted"]
    findings = (
        Finding(objects=(row["object"],), detail=row["detail"], remediation=row["remediation"]) for row in broken
    )
    return Looked(
        checked=answer["checked"],
        findings=tuple(sorted(findings, key=lambda finding: finding.objects)),
        note=answer.get("note") or "",
        not_applicable=answer.get("not_applicable") or "",
    )


def _judge(rule: Rule, looked: Looked) -> tuple[Outcome, str]:
    """The outcome and its evidence. Without an object to look at there is no pass."""
    if looked.not_applicable:
        return Outcome.NOT_APPLICABLE, looked.not_applicable
    if not looked.findings and looked.checked == 0:
        return Outcome.NOT_APPLICABLE, f"{rule.subject}: there are none"
    found = len(looked.findings)
    verdict = rule.promise if not found else f"violations: {found}"
    parts = [f"{rule.subject} checked: {looked.checked}", verdict, looked.note]
    return (Outcome.FAIL if found else Outcome.PASS), "; ".join(part for part in parts if part)


def _rows(conn: psycopg.Connection[Any], statement: str, known: Parameters) -> list[dict[str, Any]]:
    # Binary results force the extended protocol: a rule is one statement and cannot smuggle in a second.
    with conn.cursor(row_factory=dict_row, binary=True) as cursor:
        return cursor.execute(statement, known).fetchall()


def _has_schema(conn: psycopg.Connection[Any], system: System) -> bool:
    row = conn.execute(
        "select pg_catalog.to_regnamespace(quote_ident(%s)) is not null", (system.schema_name,)
    ).fetchone()
    return bool(row and row[0])


def _why(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.QueryCanceled):
        return f"gave up after {SETTINGS['statement_timeout']}, the statement timeout of the audit"
    return refusal(error)
