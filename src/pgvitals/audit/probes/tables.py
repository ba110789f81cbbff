"""The tables that probes try, as the catalog has them: their keys, their columns, and how a row tells its tenant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from pgvitals.audit.statement import listing, parameters
from pgvitals.system import System

_MEMBERS = """
select m.oid::bigint as oid, m.name, m.qualified, m.kind, m.tenant_quoted, m.parent_oid::bigint as parent_oid,
  p.key, p.key_types, p.writable, r.near, r.far
from (
  select oid, name, qualified, kind, tenant_quoted, parent_oid, foreign_key_oid from tenant_members
  union all
  select oid, name, qualified, 'root', key_quoted, null, null from tenant_roots where key_quoted is not null
) as m
join table_parts as p on p.table_oid = m.oid
left join (
  select oid, column_names as near, referenced_column_names as far from foreign_keys
) as r on r.oid = m.foreign_key_oid
order by m.name
"""
_RECORDED = """
select m.oid::bigint as oid, m.name, m.qualified, 'recorded' as kind, t.quoted as tenant_quoted,
  null::bigint as parent_oid, p.key, p.key_types, p.writable, null::text[] as near, null::text[] as far
from recorded as m
join table_parts as p on p.table_oid = m.oid
left join columns as t on t.table_oid = m.oid and t.name = %(tenant_column)s
order by m.name
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table; names are quoted. In statements about it, its row is ``t0``.

    ``tenant`` is the column that says whose a row is; a child has none, and refers to its ``parent``: its columns
    ``near`` to the parent's columns ``far``.
    """

    oid: int
    name: str
    qualified: str
    kind: str  # tenant | child | root | recorded
    key: tuple[str, ...]
    key_types: tuple[str, ...]
    columns: tuple[str, ...]
    tenant: str | None
    parent: Table | None = None
    near: tuple[str, ...] = ()
    far: tuple[str, ...] = ()

    def whose(self, level: int = 0) -> str:
        """An expression: the tenant of the row ``t<level>``, as text."""
        if self.tenant:
            return f"t{level}.{self.tenant}::text"
        if self.parent is None:
            return "null::text"
        up = level + 1
        joined = " and ".join(f"t{up}.{far} = t{level}.{near}" for near, far in zip(self.near, self.far, strict=True))
        return f"(select {self.parent.whose(up)} from {self.parent.qualified} as t{up} where {joined})"  # noqa: S608

    @property
    def is_row(self) -> str:
        """The condition that it is the row of a key, whose values are given as texts."""
        return " and ".join(f"t0.{name} = %s::{type_}" for name, type_ in zip(self.key, self.key_types, strict=True))

    @property
    def key_texts(self) -> str:
        """The key's values as texts, with commas."""
        return ", ".join(f"t0.{name}::text" for name in self.key)

    @property
    def column_list(self) -> str:
        """The columns that can be written, with commas."""
        return ", ".join(self.columns)


def catalog(conn: psycopg.Connection[Any], system: System, query: str) -> list[dict[str, Any]]:
    """The rows of a query on the rules' vocabulary."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(listing(query), parameters(system)).fetchall()


def members(conn: psycopg.Connection[Any], system: System) -> tuple[Table, ...]:
    """Tenant tables, their children and the table of tenants; those without a primary key or a tenant are left out."""
    found = {row["oid"]: row for row in catalog(conn, system, _MEMBERS)}
    tables = (_table(row, found) for row in found.values())
    return tuple(table for table in tables if table.key and (table.tenant or table.parent))


def recorded(conn: psycopg.Connection[Any], system: System) -> tuple[Table, ...]:
    """Tables whose changes have to be recorded; those without a primary key are left out."""
    tables = (_table(row, {}) for row in catalog(conn, system, _RECORDED))
    return tuple(table for table in tables if table.key)


def _table(row: dict[str, Any], found: dict[int, dict[str, Any]]) -> Table:
    return Table(
        oid=row["oid"],
        name=row["name"],
        qualified=row["qualified"],
        kind=row["kind"],
        key=tuple(row["key"] or ()),
        key_types=tuple(row["key_types"] or ()),
        columns=tuple(row["writable"]),
        tenant=row["tenant_quoted"],
        parent=_table(found[row["parent_oid"]], found) if row["parent_oid"] in found else None,
        near=tuple(row["near"] or ()),
        far=tuple(row["far"] or ()),
    )
