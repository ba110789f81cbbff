"""What the database's catalog says of a schema: its tables, their columns, and the objects around them."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import Connection

from pgvitals.dataset.encode import Type

_COLUMNS = """
select t.relname, a.attname, case when b.typtype = 'e' then 'enum' else b.typname end, b.typelem,
       a.attnotnull, a.atthasdef or a.attidentity <> '' as has_default, a.attgenerated <> '' as generated
from pg_class t
join pg_namespace n on n.oid = t.relnamespace
join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
join pg_type y on y.oid = a.atttypid
join pg_type b on b.oid = case when y.typtype = 'd' then y.typbasetype else y.oid end
where n.nspname = %s and t.relkind = 'r'
order by t.relname, a.attnum
"""


@dataclass(frozen=True, kw_only=True)
class TableColumn:
    """One column as it stands in the database."""

    name: str
    type: Type
    required: bool  # NOT NULL and without a default
    generated: bool


def schema_columns(conn: Connection, schema: str) -> dict[str, tuple[TableColumn, ...]]:
    """Every ordinary table of the schema, with its columns in order."""
    found: dict[str, list[TableColumn]] = {}
    for table, name, type_, element, not_null, has_default, generated in conn.execute(_COLUMNS, (schema,)):
        column = TableColumn(
            name=name,
            type=Type(name=type_, element=element),
            required=not_null and not has_default and not generated,
            generated=generated,
        )
        found.setdefault(table, []).append(column)
    return {table: tuple(columns) for table, columns in found.items()}
