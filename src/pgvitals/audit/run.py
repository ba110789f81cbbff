"""Ask every rule about every system, in one session that cannot write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol

import psycopg
from psycopg.rows import dict_row

from pgvitals.audit.declared import Looked
from pgvitals.audit.probes.attempt import uncounted
from pgvitals.audit.rule import OLDEST, Rule, load_rules
from pgvitals.audit.session import SETTINGS, Source, read_only
from pgvitals.audit.statement import Parameters, parameters, server_parameters
from pgvitals.errors import AuditError
from pgvitals.lab import guard
from pgvitals.refusal import refusal
from pgvitals.results.audit import Audit, Finding, RuleResult
from pgvitals.results.outcome import worst
from pgvitals.system import System

SERVER = "server"
"""What stands for a system in the results of a rule that is asked of the server, once."""


class Ask(Protocol):
    """Ask one rule about a system. ``told`` are settings of the server that are taken as told, and not asked."""

    def __call__(self, rule: Rule, system: System, told: Mapping[str, str] | None = None) -> RuleResult:
        """The rule's answer."""


def audit(
    source: Source, systems: Iterable[System], *, rules: Sequence[Rule] | None = None, kind: str = "lab"
) -> Audit:
    """Audit ``systems``; every rule answers for every one of them, also when it passes or cannot tell.

    Rules of the server are asked once, at the end, and answer for ``server``.

    Args:
        source: a connection in autocommit mode (left as it was), or a function that opens one.
        rules: which to ask; all that are installed if None.
        kind: ``lab`` for a database of ours; ``external`` keeps probes from trying anything.

    Raises:
        AuditError: the server is too old, or the connection broke.
    """
    asked = load_rules() if rules is None else rules
    audited = tuple(systems)
    with asking(source, kind=kind) as ask:
        results = tuple(ask(rule, system) for system in audited for rule in asked if not rule.of_server)
        results += tuple(ask(rule, system) for system in audited[:1] for rule in asked if rule.of_server)
    return Audit(outcome=worst(result.outcome for result in results), database_kind=kind, results=results)


@contextmanager
def asking(source: Source, *, kind: str = "lab") -> Iterator[Ask]:
    """A session in which one rule after the other is asked about a system; see :func:`audit`.

    Raises:
        AuditError: the server is too old; or when it is asked, the connection broke.
    """
    with read_only(source) as conn:
        version = conn.info.server_version // 10000
        if version < OLDEST:
            raise AuditError(f"the server is PostgreSQL {version}; the audit needs {OLDEST} or newer")

        @cache
        def is_ours() -> bool:
            return kind == "lab" and guard.is_ours(conn)

        def ask(rule: Rule, system: System, told: Mapping[str, str] | None = None) -> RuleResult:
            started = time.perf_counter()
            looked, problem = Looked(checked=0, not_applicable=_not_asked(conn, rule, kind, is_ours)), ""
            if not looked.not_applicable:
                looked, problem = _try(conn, rule, system, told or {})
            asked_of = SERVER if rule.of_server else system.name
            return rule.answer(looked, system=asked_of, problem=problem, started=started)

        yield ask


def _not_asked(conn: psycopg.Connection[Any], rule: Rule, kind: str, is_ours: Callable[[], bool]) -> str:
    """Why a rule is not asked here at all; empty if it is."""
    if rule.min_version > conn.info.server_version // 10000:
        return f"needs PostgreSQL {rule.min_version} or newer"
    if rule.writes and not is_ours():
        return "the probe writes; it only runs in a lab of ours"
    if rule.reads_rows and not is_ours():
        return "the probe reads rows; it only runs in a lab of ours"
    if not rule.of_lab and kind == "lab":
        return "this server is there to be measured on; ask the one that goes live, with --dsn"
    return ""


def _try(conn: psycopg.Connection[Any], rule: Rule, system: System, told: Mapping[str, str]) -> tuple[Looked, str]:
    """What the rule saw, or the problem that it met."""
    nothing = Looked(checked=0)
    if not rule.of_server and not _has_schema(conn, system):
        return nothing, f"schema {system.schema_name!r} does not exist here; migrate it, or correct its system.toml"
    try:
        return _look(conn, rule, system, told), ""
    except psycopg.errors.InsufficientPrivilege as error:
        if rule.writes:
            return nothing, _why(error)
        return Looked(checked=0, not_applicable=f"this user may not look: {refusal(error)}"), ""
    except psycopg.Error as error:
        if conn.broken or conn.closed:
            raise AuditError(f"the connection broke while {rule.id} looked at {system.name}; run again") from None
        return nothing, _why(error)
    except Exception as error:  # noqa: BLE001  (a probe is code like any other; the others still run)
        return nothing, f"the probe failed with {type(error).__name__}"


def _look(conn: psycopg.Connection[Any], rule: Rule, system: System, told: Mapping[str, str]) -> Looked:
    if rule.probe is not None:
        with conn.transaction(force_rollback=True):
            if rule.writes:
                conn.execute("set transaction read write")
                uncounted(conn)
            return rule.probe(conn, system)
    known = server_parameters(told) if rule.of_server else parameters(system)
    with conn.transaction():
        # How many tables a schema has is a guess to the planner: nested loops over thousands of them take
        # minutes where hash joins take a second.
        conn.execute("set local enable_nestloop = off")
        row = _row(conn, rule.question, known)
    counted = row["counted"] or []
    if len(counted) != 1 or not isinstance(counted[0].get("checked"), int):
        raise psycopg.ProgrammingError("'checked' must return one row with a count in the column checked")
    findings = (
        Finding(objects=(each["object"],), detail=each["detail"], remediation=each["remediation"] or "")
        for each in row["broken"]
    )
    return Looked(
        checked=counted[0]["checked"],
        findings=tuple(sorted(findings, key=lambda finding: finding.objects)),
        note=counted[0].get("note") or "",
        not_applicable=counted[0].get("not_applicable") or "",
    )


def _row(conn: psycopg.Connection[Any], statement: str, known: Parameters) -> dict[str, Any]:
    # Binary results force the extended protocol: a rule is one statement and cannot smuggle in a second.
    with conn.cursor(row_factory=dict_row, binary=True) as cursor:
        row = cursor.execute(statement, known).fetchone()
    if row is None:
        raise psycopg.ProgrammingError("a rule's statement answers with one row")
    return row


def _has_schema(conn: psycopg.Connection[Any], system: System) -> bool:
    row = conn.execute(
        "select pg_catalog.to_regnamespace(quote_ident(%s)) is not null", (system.schema_name,)
    ).fetchone()
    return bool(row and row[0])


def _why(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.QueryCanceled):
        return f"gave up after {SETTINGS['statement_timeout']}, the statement timeout of the audit"
    return refusal(error)
