"""Bring one of our databases to rest before it is measured."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence

import psycopg
from psycopg import sql

from pgvitals.errors import LabError
from pgvitals.lab import guard
from pgvitals.lab.database import Database


@contextlib.contextmanager
def at_rest(database: Database, schemas: Sequence[str], *, vacuum: bool = True) -> Iterator[None]:
    """VACUUM ANALYZE and prewarm the tables of ``schemas``; autovacuum keeps off them inside the block.

    Raises:
        GuardError: the database is not ours.
    """
    with database.connect() as conn:
        guard.require_ours(conn)
        tables = _tables(conn, schemas)
    try:
        with database.connect() as conn:
            for table in tables:
                conn.execute(sql.SQL("alter table {} set (autovacuum_enabled = off)").format(table))
            if vacuum:
                for table in tables:
                    conn.execute(sql.SQL("vacuum (analyze) {}").format(table))
            _prewarm(conn, schemas)
        yield
    finally:
        # The server may be gone already when the block ends with an interrupt.
        with contextlib.suppress(psycopg.Error, LabError), database.connect() as conn:
            for table in tables:
                conn.execute(sql.SQL("alter table {} reset (autovacuum_enabled)").format(table))


def sweep(database: Database, tables: Iterable[tuple[str, str]]) -> None:
    """VACUUM (schema, table): rows that were rolled back slow down whoever reads the table after them.

    Measured on 500,000 appointments with three writes among the lookups: at the end of a run a count from an
    index alone took 1.2 times as long (its p95 1.9 times), a conflict check 1.04 times; swept after every
    round, both took what they take without writes.
    """
    with database.connect() as conn:
        for schema, table in tables:
            conn.execute(sql.SQL("vacuum (truncate false) {}").format(sql.Identifier(schema, table)))


def _tables(conn: psycopg.Connection, schemas: Sequence[str]) -> list[sql.Identifier]:
    rows = conn.execute(
        "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where n.nspname = any(%s) and c.relkind = 'r' order by 1, 2",
        (list(schemas),),
    ).fetchall()
    return [sql.Identifier(schema, table) for schema, table in rows]


def _prewarm(conn: psycopg.Connection, schemas: Sequence[str]) -> None:
    """Read tables and indexes into memory, as far as pg_prewarm is there; the warm-up does the rest."""
    with contextlib.suppress(
        psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile, psycopg.errors.InsufficientPrivilege
    ):
        conn.execute(
            sql.SQL("create extension if not exists pg_prewarm schema {}").format(sql.Identifier(guard.MARKER_SCHEMA))
        )
        conn.execute(
            "select pgvitals.pg_prewarm(c.oid::regclass) from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where n.nspname = any(%s) and c.relkind in ('r', 'i') "
            "order by c.relkind desc, c.relpages",
            (list(schemas),),
        )
