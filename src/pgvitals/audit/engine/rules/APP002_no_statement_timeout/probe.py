# title: Statements without a time limit
# severity: P1
# why: One forgotten predicate reads a whole table for minutes, and does so again with every retry, until the pool is
#   empty. statement_timeout ends it on the server, which no timeout of a client does.
# remediation: Have every connection start with a statement_timeout, for example by the options of the URL.
# answers: DB-010
# subject: time limits of statements
# promise: statements end
"""What statement_timeout is on a connection of the pool, and whether pg_sleep is ended by it."""

import time

import sqlalchemy as sa

from pgvitals.audit.declared import Looked
from pgvitals.audit.engine.ask import Application
from pgvitals.results.audit import Finding

LIMIT = "select setting::bigint / 1000.0 from pg_catalog.pg_settings where name = 'statement_timeout'"
GIVE = '-- create_engine(url, connect_args={"options": "-c statement_timeout=30s"})'


async def probe(application: Application) -> Looked:
    """Ask for the limit; where it comes soon enough, sleep past it."""
    async with application.pool.connect() as checkout:
        limit_s = float(await checkout.scalar(LIMIT))
    if limit_s == 0:
        what = Finding(objects=(application.name,), detail="statement_timeout is off", remediation=GIVE)
        return Looked(checked=1, findings=(what,))
    if limit_s > application.patience_s:
        return Looked(
            checked=1, note=f"it is {limit_s:g} s; not waited for, as that is over {application.patience_s:g} s"
        )
    started = time.monotonic()
    try:
        async with application.pool.connect() as checkout:
            await checkout.execute("select pg_catalog.pg_sleep(:seconds)", {"seconds": limit_s + 1})
    except sa.exc.DBAPIError:
        return Looked(checked=1, note=f"pg_sleep was ended after {time.monotonic() - started:.1f} s")
    detail = f"statement_timeout says {limit_s:g} s, and a statement of {limit_s + 1:g} s came to its end"
    return Looked(checked=1, findings=(Finding(objects=(application.name,), detail=detail, remediation=GIVE),))
