# title: Connection pool without limits
# severity: P2
# why: A pool that may grow without end takes every connection the server has, on the day on which all requests are
#   slow; one that waits without end for a connection hangs instead of failing. Defaults were chosen for nobody in
#   particular: whoever knows how many processes share the server has to give the numbers.
# remediation: Give create_engine pool_size, max_overflow and pool_timeout, so that all processes together stay below
#   the server's max_connections.
# answers: DB-009
# subject: limits of the pool
# promise: each is set and finite
"""Whether the pool is bounded, and whether somebody said how."""

from pgvitals.audit.declared import Looked
from pgvitals.audit.engine.ask import Application
from pgvitals.results.audit import Finding

GIVE = "-- create_engine(url, pool_size=5, max_overflow=10, pool_timeout=30)"


async def probe(application: Application) -> Looked:
    """Look at the pool of the engine."""
    limits = application.pool.limits
    if limits is None:
        kind = type(application.pool.core.pool).__name__
        what = Finding(
            objects=(application.name,), detail=f"its pool is a {kind}, which has no limits", remediation=GIVE
        )
        return Looked(checked=1, findings=(what,))
    given = application.pool.given
    endless = [name for name, value in limits.items() if (value < 0 if name == "max_overflow" else value <= 0)]
    unsaid = [name for name in limits if given is not None and name not in given and name not in endless]
    said = [f"{', '.join(endless)} without an end"] if endless else []
    said += [f"{', '.join(unsaid)} left to the default"] if unsaid else []
    told = ", ".join(f"{name} {value:g}" for name, value in limits.items())
    found = (
        (Finding(objects=(application.name,), detail=f"{'; '.join(said)} ({told})", remediation=GIVE),) if said else ()
    )
    note = told if given is not None else f"{told}; whether they were given or are defaults cannot be told here"
    return Looked(checked=len(limits), findings=found, note=note)
