"""The record of a loaded dataset, kept in the database that holds it: clones carry it along."""

from __future__ import annotations

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from pgvitals.lab import guard
from pgvitals.results.records import Dataset

_TABLE = sql.Identifier(guard.MARKER_SCHEMA, "dataset")


def remember(conn: psycopg.Connection, dataset: Dataset) -> None:
    """Store the record in a database of ours, replacing an earlier one."""
    guard.require_ours(conn)
    with conn.transaction():
        conn.execute(sql.SQL("create table if not exists {} (record jsonb not null)").format(_TABLE))
        conn.execute(sql.SQL("delete from {}").format(_TABLE))
        conn.execute(sql.SQL("insert into {} values (%s)").format(_TABLE), (Jsonb(to_jsonable_python(dataset)),))


def recall(conn: psycopg.Connection) -> Dataset | None:
    """The stored record, or None if nothing was loaded."""
    found = conn.execute("select to_regclass(%s)", (f"{guard.MARKER_SCHEMA}.dataset",)).fetchone()
    if found is None or found[0] is None:
        return None
    row = conn.execute(sql.SQL("select record from {}").format(_TABLE)).fetchone()
    return TypeAdapter(Dataset).validate_python(row[0]) if row else None
