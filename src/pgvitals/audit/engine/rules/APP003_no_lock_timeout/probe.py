# title: Locks that are waited for without end
# severity: P1
# why: A migration, or one transaction that somebody left open, holds a lock; every request that wants it waits, and
#   every connection of the pool with it. lock_timeout lets the request fail while the others go on.
# remediation: Have every connection start with a lock_timeout that is shorter than its statement_timeout.
# answers: DB-010
# subject: time limits of locks
# promise: nobody waits for a lock for ever
"""What lock_timeout is on a connection of the pool, and whether the wait for a lock that is held ends by it."""

import asyncio
import secrets
import time

import sqlalchemy as sa

from pgvitals.audit.declared import Looked
from pgvitals.audit.engine.ask import Application
from pgvitals.audit.engine.pool import Checkout
from pgvitals.results.audit import Finding

LIMIT = "select setting::bigint / 1000.0 from pg_catalog.pg_settings where name = 'lock_timeout'"
GIVE = '-- create_engine(url, connect_args={"options": "-c lock_timeout=10s"})'
GRACE_S = 1.0


async def probe(application: Application) -> Looked:
    """Ask for the limit; where it comes soon enough, want a lock that another connection holds."""
    async with application.pool.connect() as checkout:
        limit_s = float(await checkout.scalar(LIMIT))
    if limit_s == 0:
        what = Finding(objects=(application.name,), detail="lock_timeout is off", remediation=GIVE)
        return Looked(checked=1, findings=(what,))
    if limit_s > application.patience_s:
        return Looked(
            checked=1, note=f"it is {limit_s:g} s; not waited for, as that is over {application.patience_s:g} s"
        )
    lock = {"key": secrets.randbelow(2**62)}
    async with application.pool.connect() as holder:
        await holder.execute("select pg_catalog.pg_advisory_xact_lock(:key)", lock)
        try:
            async with application.pool.connect() as waiter:
                waited_s = await _wait(holder, waiter, lock, limit_s)
        except sa.exc.TimeoutError:
            return Looked(checked=1, note=f"it is {limit_s:g} s; not tried, as the pool has one connection alone")
    if waited_s is not None:
        return Looked(checked=1, note=f"the wait for a lock was ended after {waited_s:.1f} s")
    detail = f"lock_timeout says {limit_s:g} s, and a lock was still waited for after {limit_s + GRACE_S:g} s"
    return Looked(checked=1, findings=(Finding(objects=(application.name,), detail=detail, remediation=GIVE),))


async def _wait(holder: Checkout, waiter: Checkout, lock: dict[str, int], limit_s: float) -> float | None:
    """After how long the server ended the wait; None if it did not."""
    started = time.monotonic()
    waiting = asyncio.ensure_future(waiter.execute("select pg_catalog.pg_advisory_xact_lock(:key)", lock))
    done, _ = await asyncio.wait({waiting}, timeout=limit_s + GRACE_S)
    waited_s = time.monotonic() - started
    await holder.commit()  # which ends the wait, if nothing else has
    outcome = (await asyncio.gather(waiting, return_exceptions=True))[0]
    return waited_s if done and isinstance(outcome, sa.exc.DBAPIError) else None
