# title: Connection that remembers its last request
# severity: P0
# why: A connection of a pool serves one tenant after the other. A setting that outlives its request is the tenant that
#   row-level security reads for the next one; a temporary table shows that request's rows; a lock stays with nobody to
#   let it go. Rolling back, which a pool does by itself, undoes none of it.
# remediation: Have the pool execute DISCARD ALL when a connection is returned (SQLAlchemy's reset event), and prepare
#   no statements beside it. Better still, set what belongs to a request with set_config(..., true) alone.
# answers: DB-004
# hipaa: 164.312(a)(1)
# subject: kinds of state left behind
# promise: none is there for the next checkout
"""What one checkout leaves, and whether the next one of the same connection finds it."""

from dataclasses import dataclass

import sqlalchemy as sa

from pgvitals.audit.declared import Looked
from pgvitals.audit.engine.ask import Application
from pgvitals.audit.engine.pool import EnginePool
from pgvitals.refusal import refusal
from pgvitals.results.audit import Finding

RESET = (
    "-- @event.listens_for(engine.sync_engine, 'reset')\n"
    "-- def forget(connection, record, state): connection.rollback(); then DISCARD ALL, outside of a transaction"
)


@dataclass(frozen=True, slots=True)
class State:
    """How one kind of state is left, and the question that only finds it where it is still there."""

    name: str
    leave: str
    find: str


STATES = (
    State(
        "a setting",
        "select set_config('pgvitals.left', 'behind', false)",
        "select nullif(current_setting('pgvitals.left', true), '')",
    ),
    State(
        "a time limit",
        "set statement_timeout = 3456789",
        "select setting from pg_settings where name = 'statement_timeout' and setting = '3456789'",
    ),
    State(
        "a temporary table",
        "create temporary table pgvitals_left (n int)",
        "select to_regclass('pg_temp.pgvitals_left')::text",
    ),
    State(
        "a prepared statement",
        "prepare pgvitals_left as select 1",
        "select name from pg_prepared_statements where name = 'pgvitals_left'",
    ),
    State(
        "an advisory lock",
        "select pg_advisory_lock(7346289)",
        "select mode from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() and objid = 7346289",
    ),
    State(
        "an open cursor",
        "declare pgvitals_left cursor with hold for select 1",
        "select name from pg_cursors where name = 'pgvitals_left'",
    ),
    State("a channel it listens on", "listen pgvitals_left", "select min(c) from pg_listening_channels() as c"),
)


async def probe(application: Application) -> Looked:
    """Leave each state behind, return the connection, and look for it on the next checkout."""
    left, refused, closed = [], [], 0
    for state in STATES:
        try:
            is_left = await _survives(application.pool, state)
        except sa.exc.DBAPIError as error:
            refused.append(f"{state.name} ({refusal(error)})")
            continue
        if is_left is None:
            closed += 1
        elif is_left:
            left.append(state.name)
    notes = [f"not tried: {', '.join(refused)}"] if refused else []
    notes += [f"{closed} times the connection was not given out again"] if closed else []
    findings = tuple(
        Finding(objects=(application.name,), detail=f"the next checkout finds {', '.join(left)}", remediation=RESET)
        for _ in left[:1]
    )
    return Looked(checked=len(STATES) - len(refused), findings=findings, note="; ".join(notes))


async def _survives(pool: EnginePool, state: State) -> bool | None:
    """Whether the state is there again; None if its connection never comes back."""
    async with pool.connect() as first:
        process = await first.process()
        await first.execute(state.leave)
        await first.commit()
    async with pool.again(process) as second:
        if second is None:
            return None
        found = await second.scalar(state.find)
        await second.invalidate()  # nobody else is to find it
    return found is not None
