# title: A query for every row (N+1)
# severity: P1
# why: A page of fifty patients that asks for each one's contacts alone sends 51 statements, each with its way to the
#   server and back: fast on the developer's laptop, with three rows, and slow where it matters.
# remediation: Load what is related together with the rows, with selectinload or joinedload.
# answers: DB-006
# subject: requests
# promise: none sends more statements for more rows
# of_requests: yes
"""Statements of each request for one row and for ten."""

from pgvitals.audit.declared import Looked
from pgvitals.audit.engine.ask import Application
from pgvitals.audit.engine.watch import watch
from pgvitals.results.audit import Finding

FEW, MANY = 1, 10
LOAD = "-- select(Parent).options(selectinload(Parent.children))"


async def probe(application: Application) -> Looked:
    """Make each request twice and compare."""
    findings, told = [], []
    for name, request in application.requests.items():
        few, many = [
            (await watch(application.pool.engine, application.pool.core, request, rows)).statements
            for rows in (FEW, MANY)
        ]
        told.append(f"{name} {few} and {many}")
        if many > few:
            detail = f"sends {few} statements for {FEW} row and {many} for {MANY}"
            findings.append(Finding(objects=(name,), detail=detail, remediation=LOAD))
    note = f"statements for {FEW} row and for {MANY}: {', '.join(told)}"
    return Looked(checked=len(application.requests), findings=tuple(findings), note=note)
