# title: Audit trail that takes a change, or swallows it
# severity: P0
# why: The trail has to refuse UPDATE, DELETE and TRUNCATE with an error, whoever tries: the application, the owner of
#   the table, and whoever the audit runs as in the lab. A statement that does nothing in silence counts as one that
#   went through: nobody learns that it was tried.
# remediation: Refuse all three by a trigger that raises an error, and take the application's rights away; drop rules
#   that do nothing instead.
# answers: DB-003
# hipaa: 164.312(b); 164.312(c)(1)
# cis: 4.6
# writes: yes
# subject: audit trails with rows
# promise: UPDATE, DELETE and TRUNCATE were refused with an error, whoever tried
"""Update, delete and truncate the trail, as everybody."""

from typing import Any

import psycopg

from pgvitals.audit.declared import Looked
from pgvitals.audit.probes.attempt import acting, attempt, statement
from pgvitals.audit.probes.trail import Recorder, Trail
from pgvitals.results.audit import Finding
from pgvitals.system import System


def probe(conn: psycopg.Connection[Any], system: System) -> Looked:
    """Try each as each."""
    recorder = Recorder(conn, system)
    trail = recorder.trail
    if trail is None:
        return Looked(checked=0)
    query = "select ctid::text, {tenant}::text from {trail} order by {tenant} is null limit 1"
    row = conn.execute(statement(query, trail=trail.qualified, tenant=trail.tenant or "null")).fetchone()
    if row is None:
        return Looked(
            checked=0, not_applicable=f"{trail.qualified} has no row to try on: write to a recorded table first"
        )
    setting = {system.tenant.setting: row[1] or ""}
    said = []
    for who, role in {
        "the application": system.roles.app,
        "its owner": trail.owner,
        "this session's user": None,
    }.items():
        if role == system.roles.app and not recorder.has_role:
            continue
        with acting(conn, role, setting):
            said += [f"{who}: {told}" for told in tries(conn, trail, row[0])]
    return Looked(checked=1, findings=(finding(trail, said),) if said else ())


def tries(conn: psycopg.Connection[Any], trail: Trail, ctid: str) -> list[str]:
    """What there is to say of the three commands, each on one row if it can be: nothing of one that met an error."""
    column = trail.moment or "ctid"
    names = {"trail": trail.qualified, "column": column}
    update = statement("update {trail} set {column} = {column} where ctid = %s::tid", **names)
    delete = statement("delete from {trail} where ctid = %s::tid", trail=trail.qualified)
    made = {"UPDATE": attempt(conn, update, (ctid,)), "DELETE": attempt(conn, delete, (ctid,))}
    said = [
        f"{what} goes through" if each.rows else f"{what} does nothing, without an error"
        for what, each in made.items()
        if not each.is_refused
    ]
    truncate = attempt(conn, statement("truncate {trail}", trail=trail.qualified))
    return said if truncate.is_refused else [*said, "TRUNCATE goes through"]


def finding(trail: Trail, said: list[str]) -> Finding:
    """All of it, as one."""
    remediation = f"-- what guards {trail.qualified} lacks, AUD004 to AUD006 say"
    return Finding(objects=(trail.qualified,), detail="; ".join(said), remediation=remediation)
