"""Index usage over exactly one workload: the difference of two readings of pg_stat_user_indexes.

The cumulative statistics views count since an unknown reset and lag behind the backends. Here the
measuring connections are closed (a backend reports what it counted when it ends) before the second
reading, so the difference is the workload and nothing else.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable

import psycopg

from pgvitals.errors import MeasureError
from pgvitals.lab import guard
from pgvitals.lab.database import Database
from pgvitals.results.records import IndexUse
from pgvitals.system import System

Counters = dict[int, tuple[int, int, int]]
"""Index oid -> (scans, tuples read, tuples fetched)."""

_PATIENCE_S = 10.0


def read(database: Database) -> Counters:
    """The counters now, once every other connection to the database has ended and reported.

    Raises:
        MeasureError: somebody stays connected as the workload, so that a reading would be a guess.
    """
    with database.connect() as conn:
        _wait_for_backends(conn)
        conn.execute("select pg_stat_clear_snapshot()")
        rows = conn.execute("select indexrelid, idx_scan, idx_tup_read, idx_tup_fetch from pg_stat_user_indexes")
        return {int(oid): (int(scans), int(read_), int(fetched)) for oid, scans, read_, fetched in rows.fetchall()}


def forget(database: Database) -> None:
    """Reset the statistics of a database of ours, so that loading and earlier work do not count as use.

    The difference of two readings needs none of this; the audit's rule on unused indexes does. On a
    server where we may not reset them they stay as they are.
    """
    with database.connect() as conn:
        guard.require_ours(conn)
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            conn.execute("select pg_stat_reset()")


def difference(
    database: Database, systems: Iterable[System], before: Counters, after: Counters
) -> tuple[IndexUse, ...]:
    """What the workload between two readings did with each index of ``systems``, by scans then size."""
    uses = []
    with database.connect() as conn:
        for system in systems:
            rows = conn.execute(
                """
                select x.indexrelid, t.relname, i.relname, a.amname, pg_relation_size(i.oid),
                       x.indisunique or x.indisexclusion, x.indisprimary, pg_get_indexdef(i.oid)
                from pg_index x
                join pg_class i on i.oid = x.indexrelid
                join pg_class t on t.oid = x.indrelid
                join pg_namespace n on n.oid = t.relnamespace
                join pg_am a on a.oid = i.relam
                where n.nspname = %s
                """,
                (system.schema_name,),
            ).fetchall()
            for oid, table, index, method, size, unique, primary, definition in rows:
                start, end = before.get(oid, (0, 0, 0)), after.get(oid, (0, 0, 0))
                scans, read_, fetched = (late - early for early, late in zip(start, end, strict=True))
                uses.append(
                    IndexUse(
                        system=system.name,
                        table=table,
                        index=index,
                        method=method,
                        scans=scans,
                        tuples_read=read_,
                        tuples_fetched=fetched,
                        size_bytes=int(size),
                        is_unique=bool(unique),
                        is_primary=bool(primary),
                        definition=definition,
                    )
                )
    return tuple(sorted(uses, key=lambda use: (use.system, -use.scans, -use.size_bytes, use.index)))


def _wait_for_backends(conn: psycopg.Connection) -> None:
    """A closed connection's backend may live a moment longer; its counts arrive when it is gone."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        row = conn.execute(
            "select count(*) from pg_stat_activity where datname = current_database() "
            "and pid <> pg_backend_pid() and application_name = 'pgvitals' and backend_type = 'client backend'"
        ).fetchone()
        if row is None or row[0] == 0:
            return
        if time.monotonic() > deadline:
            raise MeasureError(
                f"{row[0]} other pgvitals connection(s) to the lab database stay open; end them, then measure again"
            )
        time.sleep(0.02)
