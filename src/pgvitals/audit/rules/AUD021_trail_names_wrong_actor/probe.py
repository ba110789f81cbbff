# title: Record that does not name who, whose and when
# severity: P1
# why: A trail that says what was done, and not by whom, answers the second question of an investigation only. One row
#   of each recorded table is changed, as the application, with a tenant and an actor told; the row of the trail has to
#   name both, and a time that is not before the change.
# remediation: Let the trigger read the actor and the tenant from the settings that the application makes for its
#   transaction, and the time from the database's clock.
# answers: DB-003
# hipaa: 164.312(b); 164.312(a)(2)(i)
# writes: yes
# subject: recorded tables with rows
# promise: the record of a change named its actor, its tenant and its time
"""Change one row of every recorded table as somebody, and read whom the trail names."""

from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg

from pgvitals.audit.declared import Looked
from pgvitals.audit.probes.attempt import statement
from pgvitals.audit.probes.tables import Table
from pgvitals.audit.probes.trail import Recorder
from pgvitals.results.audit import Finding
from pgvitals.system import System


def probe(conn: psycopg.Connection[Any], system: System) -> Looked:
    """Compare what the trail says with what was told."""
    recorder = Recorder(conn, system)
    trail = recorder.trail
    if trail is None:
        return Looked(checked=0)
    if trail.moment is None:
        return Looked(
            checked=0, not_applicable=f"{trail.qualified} has no time: its rows cannot be told apart (AUD007)"
        )
    findings: list[Finding] = []
    checked = 0
    for table in recorder.tables:
        said = changed(recorder, table)
        checked += said is not None
        if said:
            remediation = f"-- let the trigger of {table.qualified} write what it is told"
            findings.append(Finding(objects=(table.qualified,), detail=", ".join(said), remediation=remediation))
    if recorder.tables and not checked:
        return Looked(checked=0, not_applicable="no recorded table has a row whose change is recorded")
    known = recorder.system.tenant.actor_setting
    note = (
        ""
        if known and trail.actor
        else "the actor is not compared: the policy names no actor_setting, or the trail no actor"
    )
    return Looked(checked=checked, findings=tuple(findings), note=note)


def changed(recorder: Recorder, table: Table) -> list[str] | None:
    """What the record of a change lacks; None if none could be made."""
    found = recorder.row(table)
    if found is None:
        return None
    key, tenant, _ = found
    settings = recorder.settings(tenant)
    said: list[str] = []
    look: Callable[[], None] = partial(compare, recorder, settings, said)
    for change in recorder.changes(table):
        written = recorder.write(settings, partial(recorder.set, table, key, *change), look=look)
        if written is not None:
            return said if written.recorded else None
    return None


def compare(recorder: Recorder, settings: dict[str, str], said: list[str]) -> None:
    """Ask the trail about its rows since this transaction began."""
    trail, tenant = recorder.trail, recorder.system.tenant
    assert trail is not None
    actor = settings.get(tenant.actor_setting or "", "")
    told = {"actor": (trail.actor, actor), "tenant": (trail.tenant, settings[tenant.setting])}
    for what, (column, value) in told.items():
        if column is None or not value:
            continue
        query = "select exists (select from {trail} where {moment} >= now() and {column}::text = %s)"
        row = recorder.conn.execute(
            statement(query, trail=trail.qualified, moment=trail.moment or "", column=column), (value,)
        ).fetchone()
        if not (row and row[0]):
            said.append(f"the record does not name the {what}")
    query = "select exists (select from {trail} where {moment} >= now())"
    row = recorder.conn.execute(statement(query, trail=trail.qualified, moment=trail.moment or "")).fetchone()
    if not (row and row[0]):
        said[:] = ["no record since the change began"]
