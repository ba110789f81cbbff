# title: One request's writes in several transactions
# severity: P1
# why: A request that dies between its first commit and its second leaves half of what it was to do: a contact without
#   its patient, a charge without its entry in the trail. Nobody finds out but by accident.
# remediation: Put all that a request writes into one transaction, with session.begin() around it.
# answers: DB-008
# hipaa: 164.312(c)(1)
# subject: requests that write
# promise: each commits once
# of_requests: yes
"""In how many transactions each request commits what it writes."""

from pgvitals.audit.declared import Looked
from pgvitals.audit.engine.ask import Application
from pgvitals.audit.engine.watch import watch
from pgvitals.results.audit import Finding

ROWS = 2
BEGIN = "-- async with session.begin(): ...  # around everything that the request writes"


async def probe(application: Application) -> Looked:
    """Make each request and count its commits."""
    findings, writing = [], 0
    for name, request in application.requests.items():
        written = (await watch(application.pool.engine, application.pool.core, request, ROWS)).written
        writing += bool(written)
        if len(written) > 1:
            detail = f"commits {sum(written)} writes in {len(written)} transactions"
            findings.append(Finding(objects=(name,), detail=detail, remediation=BEGIN))
    return Looked(checked=writing, findings=tuple(findings))
