"""The record of a loaded dataset, kept in the database that holds it: clones carry it along."""

from __future__ import annotations

from dataclasses import replace

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from pgvitals.dataset.checksum import overall_checksum
from pgvitals.lab import guard
from pgvitals.results.records import Dataset

_TABLE = sql.Identifier(guard.MARKER_SCHEMA, "dataset")


def remember(conn: psycopg.Connection, dataset: Dataset) -> Dataset:
    """Store the record in a database of ours, beside what is stored of other systems; returns the whole.

    A record has one profile and one seed: what was loaded by others is forgotten, and has to be loaded again.
    To remember the same once more changes nothing.
    """
    guard.require_ours(conn)
    before = recall(conn)
    if before is not None and (before.profile, before.seed) == (dataset.profile, dataset.seed):
        if set(dataset.tables) <= set(before.tables):
            return before
        loaded = {table.system for table in dataset.tables}
        kept = tuple(table for table in before.tables if table.system not in loaded)
        tables = (*kept, *dataset.tables)
        dataset = replace(
            dataset,
            tables=tables,
            checksum=overall_checksum((each.system, each.table, each.rows, each.checksum) for each in tables),
            load_s=dataset.load_s if not kept else dataset.load_s + before.load_s,
            revisions={**before.revisions, **dataset.revisions},
            shapes={**before.shapes, **dataset.shapes},
            recipes={**before.recipes, **dataset.recipes},
        )
    _store(conn, dataset)
    return dataset


def forget(conn: psycopg.Connection, system: str) -> None:
    """Take one system out of the record: its rows are about to change."""
    before = recall(conn)
    if before is None or all(table.system != system for table in before.tables):
        return
    tables = tuple(table for table in before.tables if table.system != system)
    left = replace(
        before,
        tables=tables,
        checksum=overall_checksum((each.system, each.table, each.rows, each.checksum) for each in tables),
        revisions={name: value for name, value in before.revisions.items() if name != system},
        shapes={name: value for name, value in before.shapes.items() if name != system},
        recipes={name: value for name, value in before.recipes.items() if name != system},
    )
    _store(conn, left if tables else None)


def _store(conn: psycopg.Connection, dataset: Dataset | None) -> None:
    with conn.transaction():
        conn.execute(sql.SQL("create table if not exists {} (record jsonb not null)").format(_TABLE))
        conn.execute(sql.SQL("delete from {}").format(_TABLE))
        if dataset is not None:
            record = Jsonb(to_jsonable_python(dataset))
            conn.execute(sql.SQL("insert into {} values (%s)").format(_TABLE), (record,))


def recall(conn: psycopg.Connection) -> Dataset | None:
    """The stored record, or None if nothing was loaded."""
    found = conn.execute("select to_regclass(%s)", (f"{guard.MARKER_SCHEMA}.dataset",)).fetchone()
    if found is None or found[0] is None:
        return None
    row = conn.execute(sql.SQL("select record from {}").format(_TABLE)).fetchone()
    return TypeAdapter(Dataset).validate_python(row[0]) if row else None
