# title: Write that is not recorded exactly once
# severity: P0
# why: A trigger that is declared may still record nothing, or twice, or forget the ways round it: COPY, a soft delete,
#   rows that a cascade takes along. Each recorded table is written to, as the application where it may: insert, COPY,
#   update, soft delete, delete; every changed row has to make one row of the trail. Counted by the server's own
#   counters, so one more row than there were changes is told as well.
# remediation: Give the table one trigger, for insert, update and delete of each row; the rules AUD001 to AUD003 say
#   what its triggers lack.
# answers: DB-003
# hipaa: 164.312(b)
# cis: 3.2
# writes: yes
# subject: recorded tables with rows
# promise: each write made one row of the trail for each row that it changed
"""Write to every recorded table in every way, and count what the trail got."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import psycopg

from pgvitals.audit.declared import Looked
from pgvitals.audit.probes.tables import Table
from pgvitals.audit.probes.trail import Recorder, Written
from pgvitals.results.audit import Finding
from pgvitals.system import System


def probe(conn: psycopg.Connection[Any], system: System) -> Looked:
    """Each way once, on one row of each table."""
    recorder = Recorder(conn, system)
    findings: list[Finding] = []
    untried: list[str] = []
    checked = 0
    for table in recorder.tables:
        found = recorder.row(table)
        if found is None:
            untried.append(f"{table.name} (no row)")
            continue
        checked += 1
        wrong = []
        for what, written in writes(recorder, table, *found):
            if written is None:
                untried.append(f"{table.name}: {what}")
            elif written.recorded != written.changed:
                wrong.append(f"{what}: {written.changed} changed, {written.recorded} recorded")
        if wrong:
            findings.append(
                Finding(
                    objects=(table.qualified,),
                    detail="; ".join(wrong),
                    remediation=f"-- what the triggers of {table.qualified} lack, AUD001 to AUD003 say",
                )
            )
    if recorder.tables and not checked:
        return Looked(checked=0, not_applicable="no recorded table has a row: load some, then ask again")
    note = f"not tried: {', '.join(untried)}" if untried else ""
    return Looked(checked=checked, findings=tuple(findings), note=note)


def writes(
    recorder: Recorder, table: Table, key: tuple[str, ...], tenant: str | None, whole: Any
) -> Iterator[tuple[str, Written | None]]:
    """The ways to write, and what came of each; None where it could not be tried."""
    write: Callable[..., Written | None] = partial(recorder.write, recorder.settings(tenant))
    take_out = partial(recorder.take_out, table, key)
    texts = recorder.texts(table, key)
    yield "insert", write(partial(recorder.insert, table, whole), prepare=take_out)
    yield "COPY", write(partial(recorder.copy, table, texts), prepare=take_out)
    updates = (write(partial(recorder.set, table, key, *change)) for change in recorder.changes(table))
    yield "update", next((made for made in updates if made is not None), None)
    if mark := recorder.mark(table):
        yield "soft delete", write(partial(recorder.set, table, key, mark, "clock_timestamp()"))
    if table.name != recorder.system.tenant.table:  # which would take all rows of a tenant along
        yield "delete", write(partial(recorder.delete, table, key))
