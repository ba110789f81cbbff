"""Sizes of tables and indexes, before and after."""

from __future__ import annotations

from pgvitals.lab import Database
from pgvitals.results.records import Relation

Sizes = dict[tuple[str, str], int]
"""(kind, name) -> bytes of the main fork and, for a table, its TOAST."""


def sizes(database: Database, schema: str) -> Sizes:
    """Every table and index of a schema with its size in bytes."""
    with database.connect() as conn:
        rows = conn.execute(
            "select case c.relkind when 'r' then 'table' else 'index' end, c.relname, "
            "case c.relkind when 'r' then pg_table_size(c.oid) else pg_relation_size(c.oid) end "
            "from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where n.nspname = %s and c.relkind in ('r', 'i')",
            (schema,),
        ).fetchall()
    return {(kind, name): int(size) for kind, name, size in rows}


def compare_sizes(before: Sizes, after: Sizes) -> tuple[Relation, ...]:
    """Both sides of every relation: tables first, then indexes, by name."""
    keys = sorted(before.keys() | after.keys(), key=lambda key: (key[0] != "table", key[1]))
    return tuple(
        Relation(name=name, kind=kind, before_bytes=before.get((kind, name)), after_bytes=after.get((kind, name)))
        for kind, name in keys
    )
