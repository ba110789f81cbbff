"""The ledger of a load: what it loads, which parts are in, and what was taken away meanwhile.

It stands in the marker schema of the database that is filled, belongs to whoever logs in, and is gone when the
load is whole. A part's rows and its line here are one transaction, so after any kill the ledger is right.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from pgvitals.dataset.deferred import TakenAway
from pgvitals.dataset.parts import Part
from pgvitals.dataset.snapshot import Snapshot
from pgvitals.errors import DatasetError
from pgvitals.lab.database import Database
from pgvitals.lab.guard import MARKER_SCHEMA

_LOADING = sql.Identifier(MARKER_SCHEMA, "loading")
_PART = sql.Identifier(MARKER_SCHEMA, "loaded_part")
_DEFERRED = sql.Identifier(MARKER_SCHEMA, "deferred")
_TURN, _AT_WORK = 20_250_106, 20_250_107  # the first halves of our advisory locks' keys
_ASK_AGAIN_S = 0.1
_PATIENCE = "10s"  # for backends of a killed load to notice

_TABLES = (
    "create table if not exists {} (system text primary key, id uuid not null default gen_random_uuid(),"
    " identity jsonb not null, before jsonb not null, during jsonb not null, parts int not null,"
    " rows bigint not null, started_at timestamptz not null default now())",
    "create table if not exists {} (system text not null, table_name text not null, part int not null,"
    " rows bigint not null, loaded_at timestamptz not null default clock_timestamp(),"
    " primary key (system, table_name, part))",
    "create table if not exists {} (system text not null, position int not null, kind text not null,"
    " table_name text not null, name text not null, definition text not null, comment text, index_comment text,"
    " primary key (system, position))",
)


@dataclass(frozen=True, kw_only=True)
class Loading:
    """One system that is being loaded; ``before`` and ``during`` are what its catalog was and is meanwhile."""

    system: str
    id: str
    identity: dict[str, Any]
    before: Snapshot
    during: Snapshot
    parts: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class Half:
    """A system that is not loaded whole."""

    system: str
    profile: str
    seed: int
    done: int
    parts: int

    def __str__(self) -> str:
        return f"half a load of {self.system} ({self.done} of {self.parts} parts)"


def connect(database: Database) -> Connection:
    """A connection to load over: a commit does not wait for the disk, and a killed client is noticed at once.

    What a crash of the server loses of a part is lost together with its line in the ledger.
    """
    conn = database.connect(synchronous_commit="off")
    with suppress(psycopg.Error):  # not on every system; there a killed client's statement ends first
        conn.execute("set client_connection_check_interval = '1s'")
    return conn


@contextmanager
def turn(conn: Connection) -> Iterator[None]:
    """One process at a time migrates, prepares and finishes a database; the others wait here.

    They ask again and again: a statement that waited in the server would hold a snapshot, and a migration that
    builds an index concurrently waits for every older snapshot.
    """
    while conn.execute("select pg_try_advisory_lock(%s, 0)", (_TURN,)).fetchone() != (True,):
        time.sleep(_ASK_AGAIN_S)
    try:
        yield
    finally:
        with suppress(psycopg.Error):  # a broken connection has let go of it
            conn.execute("select pg_advisory_unlock(%s, 0)", (_TURN,))


def go_to_work(conn: Connection, systems: Iterable[str]) -> None:
    """Be counted among those who load these systems, until the connection closes."""
    for system in systems:
        conn.execute("select pg_advisory_lock_shared(%s, hashtext(%s))", (_AT_WORK, system))


def leave_work(conn: Connection, systems: Iterable[str]) -> None:
    """Be counted no more."""
    for system in systems:
        conn.execute("select pg_advisory_unlock_shared(%s, hashtext(%s))", (_AT_WORK, system))


def alone(conn: Connection, system: str) -> bool:
    """Whether nobody else loads this system; asked in one's turn, and not while at work oneself."""
    try:
        with conn.transaction():
            conn.execute("select set_config('lock_timeout', %s, true)", (_PATIENCE,))
            conn.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", (_AT_WORK, system))
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def begin(
    conn: Connection,
    system: str,
    identity: dict[str, Any],
    taken: TakenAway,
    parts: Sequence[Part],
) -> None:
    """Note a load that begins; in the transaction that takes away."""
    for table, statement in zip((_LOADING, _PART, _DEFERRED), _TABLES, strict=True):
        conn.execute(sql.SQL(statement).format(table))
    conn.execute(
        sql.SQL(
            "insert into {} (system, identity, before, during, parts, rows) values (%s, %s, %s, %s, %s, %s)"
        ).format(_LOADING),
        (
            system,
            Jsonb(identity),
            Jsonb(taken.before),
            Jsonb(taken.during),
            len(parts),
            sum(part.rows for part in parts),
        ),
    )
    with conn.cursor() as cursor:
        cursor.executemany(
            sql.SQL("insert into {} values (%s, %s, %s, %s, %s, %s, %s, %s)").format(_DEFERRED),
            [(system, position, *line) for position, line in enumerate(taken.lines())],
        )


def find(conn: Connection, system: str) -> Loading | None:
    """The load of a system that has begun and is not whole."""
    if not _there(conn):
        return None
    row = conn.execute(
        sql.SQL("select id::text, identity, before, during, parts, rows from {} where system = %s").format(_LOADING),
        (system,),
    ).fetchone()
    if row is None:
        return None
    identifier, identity, before, during, parts, rows = row
    return Loading(
        system=system, id=identifier, identity=identity, before=before, during=during, parts=parts, rows=rows
    )


def taken_away(conn: Connection, loading: Loading) -> TakenAway:
    """What has to come back when the rows are in."""
    lines = conn.execute(
        sql.SQL(
            "select kind, table_name, name, definition, comment, index_comment from {} where system = %s"
            " order by position"
        ).format(_DEFERRED),
        (loading.system,),
    ).fetchall()
    return TakenAway.of_lines(lines, before=loading.before, during=loading.during)


def done(conn: Connection, system: str) -> dict[tuple[str, int], int]:
    """(table, number) -> rows of the parts that are in."""
    found = conn.execute(sql.SQL("select table_name, part, rows from {} where system = %s").format(_PART), (system,))
    return {(str(table), int(number)): int(rows) for table, number, rows in found}


def claim(conn: Connection, part: Part, loading: str, *, wait: bool) -> bool | None:
    """Take a part on, in the transaction that will hold its rows.

    Returns:
        True: it is ours; False: it is in already; None: somebody else is at it (only unless ``wait``).

    Raises:
        DatasetError: this load is no more: another process began anew.
    """
    key = f"pgvitals part {part.system} {part.table} {part.number}"
    if wait:
        conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (key,))
    else:
        found = conn.execute("select pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (key,)).fetchone()
        if found is None or not found[0]:
            return None
    try:
        taken = conn.execute(
            sql.SQL(
                "insert into {} (system, table_name, part, rows)"
                " select system, %s, %s, %s from (select system from {} where system = %s and id = %s for key share) l"
                " on conflict do nothing returning true"
            ).format(_PART, _LOADING),
            (part.table, part.number, part.rows, part.system, loading),
        ).fetchone()
        if taken is not None:
            return True
        begun = conn.execute(
            sql.SQL("select from {} where system = %s and id = %s").format(_LOADING), (part.system, loading)
        ).fetchone()
    except psycopg.errors.UndefinedTable:
        begun = None
    if begun is None:
        raise DatasetError(
            f"the load of system {part.system!r} that this process took part in is over: another process finished it"
            " or began anew; `pgvitals load` says how it stands"
        )
    return False


def halves(conn: Connection) -> list[Half]:
    """The systems of this database that are not loaded whole."""
    if not _there(conn):
        return []
    found = conn.execute(
        sql.SQL(
            "select system, identity->>'profile', (identity->>'seed')::bigint,"
            " (select count(*) from {} p where p.system = l.system), parts from {} l order by 1"
        ).format(_PART, _LOADING)
    )
    return [
        Half(system=system, profile=profile, seed=seed, done=done, parts=parts)
        for system, profile, seed, done, parts in found
    ]


def forget(conn: Connection, system: str) -> None:
    """The load of a system is whole, or undone: strike it out, and the ledger with its last line."""
    for table in (_LOADING, _PART, _DEFERRED):
        conn.execute(sql.SQL("delete from {} where system = %s").format(table), (system,))
    if conn.execute(sql.SQL("select from {} limit 1").format(_LOADING)).fetchone() is None:
        conn.execute(sql.SQL("drop table {}, {}, {}").format(_LOADING, _PART, _DEFERRED))


def _there(conn: Connection) -> bool:
    row = conn.execute("select to_regclass(%s)", (f"{MARKER_SCHEMA}.loading",)).fetchone()
    return row is not None and row[0] is not None
