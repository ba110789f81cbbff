# title: Audit trail that copies health data
# severity: P1
# why: A trail that keeps old and new rows is a second copy of every diagnosis: readable by who reads the trail, never
#   deleted, encrypted nowhere. Each column of health data is given a value made for this, and the trail is asked
#   whether it holds that value afterwards.
# remediation: Record the names of the columns that changed; copy values of columns only that a list names as safe.
# answers: DB-003
# hipaa: 164.312(a)(2)(iv); 164.312(b)
# writes: yes
# subject: columns of health data in recorded tables
# promise: the trail copied no value of them
"""Write a value that is nobody's into each column of health data, and look for it in the trail."""

import secrets
from functools import partial
from typing import Any

import psycopg

from pgvitals.audit.declared import Looked
from pgvitals.audit.probes.attempt import statement
from pgvitals.audit.probes.tables import Table, catalog
from pgvitals.audit.probes.trail import Recorder
from pgvitals.results.audit import Finding
from pgvitals.system import System

_COLUMNS = """
select h.table_oid::bigint as table_oid, h.quoted, h.qualified, h.base_type = 'bytea' as is_bytes
from health_columns as h
where not h.is_generated and h.base_type ~ '^(text|character varying|bytea)' and h.base_type !~ '\\((.|1[01])\\)'
order by h.qualified
"""


def probe(conn: psycopg.Connection[Any], system: System) -> Looked:
    """One column after the other, as this session's user."""
    recorder = Recorder(conn, system)
    trail = recorder.trail
    if trail is None or trail.moment is None:
        return Looked(checked=0)
    tables = {table.oid: table for table in recorder.tables}
    findings: list[Finding] = []
    checked = 0
    for column in catalog(conn, system, _COLUMNS):
        table = tables.get(column["table_oid"])
        copied = None if table is None else is_copied(recorder, table, column)
        checked += copied is not None
        if copied:
            remediation = (
                f"-- keep {column['quoted']} out of what the trigger of {table.qualified if table else ''} copies"
            )
            detail = f"its value stands in {trail.qualified}"
            findings.append(Finding(objects=(column["qualified"],), detail=detail, remediation=remediation))
    if tables and not checked:
        return Looked(checked=0, not_applicable="no recorded table with health data has a row that could be changed")
    return Looked(checked=checked, findings=tuple(findings))


def is_copied(recorder: Recorder, table: Table, column: dict[str, Any]) -> bool | None:
    """Whether the trail holds what was written; None if it could not be written."""
    found = recorder.row(table)
    if found is None:
        return None
    key, tenant, _ = found
    canary = secrets.token_hex(6)
    written = f"'\\x{canary.encode().hex()}'::bytea" if column["is_bytes"] else f"'{canary}'"
    seen: list[bool] = []
    done = recorder.write(
        recorder.settings(tenant),
        partial(recorder.set, table, key, column["quoted"], written),
        look=partial(look, recorder, canary, seen),
    )
    return None if done is None else any(seen)


def look(recorder: Recorder, canary: str, seen: list[bool]) -> None:
    """Search the rows of the trail since this transaction began: for the text, and for its bytes in hexadecimal."""
    trail = recorder.trail
    assert trail is not None
    query = "select exists (select from {trail} as t where {moment} >= now() and t::text ~ %s)"
    pattern = f"{canary}|{canary.encode().hex()}"
    row = recorder.conn.execute(
        statement(query, trail=trail.qualified, moment=f"t.{trail.moment}"), (pattern,)
    ).fetchone()
    seen.append(bool(row and row[0]))
