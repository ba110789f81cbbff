"""What a database declares of itself: tables, columns, references, policies, triggers, grants. No row is read.

Each question is one statement for the whole database, however many tables it has; whoever may connect may ask them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import tuple_row

_TABLES = r"""
with tables as (
  select c.oid, n.nspname::text as schema, c.relname::text as name,
    pg_catalog.pg_get_userbyid(c.relowner)::text as owner, greatest(c.reltuples, 0)::bigint as rows
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and not c.relispartition
    and n.nspname not like 'pg\_%%' and n.nspname not in ('information_schema', 'pgvitals')
    and c.relname <> all (%(bookkeeping)s::text[])
    and not exists (
      select from pg_catalog.pg_depend as d
      where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
)
"""
_COLUMNS = """
select t.oid::bigint, t.schema, t.name, t.owner, t.rows, a.attname::text, a.attnotnull,
  case when b.typbasetype <> 0 then pg_catalog.format_type(b.typbasetype, b.typtypmod)
    else pg_catalog.format_type(a.atttypid, a.atttypmod) end
from tables as t
left join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
left join pg_catalog.pg_type as b on b.oid = a.atttypid
order by t.schema, t.name, a.attnum
"""
_KEYS = """
select t.oid::bigint, k.contype::text, nullif(k.confrelid, 0)::bigint, k.confdeltype::text,
  (select pg_catalog.array_agg(a.attname::text order by u.place)
    from unnest(k.conkey) with ordinality as u (number, place)
    join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = u.number)
from tables as t
join pg_catalog.pg_constraint as k on k.conrelid = t.oid and k.contype in ('p', 'f') and k.conparentid = 0
order by t.schema, t.name, k.conname
"""
# A policy's own words, and those of the functions that it calls.
_POLICIES = """
select t.oid::bigint, concat_ws(' ', pg_catalog.pg_get_expr(p.polqual, p.polrelid),
    pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)),
  (select pg_catalog.string_agg(pg_catalog.pg_get_functiondef(f.oid), ' ')
    from pg_catalog.pg_depend as d join pg_catalog.pg_proc as f on f.oid = d.refobjid
    where d.classid = 'pg_catalog.pg_policy'::regclass and d.objid = p.oid
      and d.refclassid = 'pg_catalog.pg_proc'::regclass and f.prokind = 'f')
from tables as t
join pg_catalog.pg_policy as p on p.polrelid = t.oid
order by t.schema, t.name, p.polname
"""
_TRIGGERS = """
select t.oid::bigint, f.prosrc
from tables as t
join pg_catalog.pg_trigger as g on g.tgrelid = t.oid and not g.tgisinternal
join pg_catalog.pg_proc as f on f.oid = g.tgfoid
group by 1, 2
"""
_GRANTS = """
select t.schema, r.rolname::text, pg_catalog.count(distinct t.oid)
from tables as t
join pg_catalog.pg_class as c on c.oid = t.oid
cross join lateral pg_catalog.aclexplode(c.relacl) as g
join pg_catalog.pg_roles as r on r.oid = g.grantee and not r.rolsuper
where g.privilege_type in ('INSERT', 'UPDATE', 'DELETE') and r.oid <> c.relowner
group by 1, 2
"""
BOOKKEEPING = (
    "alembic_version", "django_migrations", "flyway_schema_history", "databasechangelog", "databasechangeloglock",
    "schema_migrations", "ar_internal_metadata", "_prisma_migrations", "knex_migrations", "knex_migrations_lock",
    "goose_db_version",
)  # fmt: skip
"""Tables of migration tools, which rules leave out as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column; ``type`` is the one beneath a domain."""

    name: str
    type: str
    is_not_null: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A foreign key: its columns, and the oid of the table that it refers to."""

    columns: tuple[str, ...]
    target: int
    cascades: bool


@dataclass(slots=True, kw_only=True)
class Table:
    """One table as the catalogs describe it; ``rows`` is the planner's estimate."""

    oid: int
    schema: str
    name: str
    owner: str
    rows: int
    columns: dict[str, Column] = field(default_factory=dict)
    primary_key: tuple[str, ...] = ()
    references: list[Reference] = field(default_factory=list)
    policies: list[str] = field(default_factory=list)
    policy_functions: list[str] = field(default_factory=list)
    triggers: list[str] = field(default_factory=list)
    """Sources of the functions that its triggers call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The tables of a schema by name, and how many of them each role may write that owns none of them."""

    name: str
    tables: dict[str, Table]
    writers: dict[str, int]


def survey(conn: psycopg.Connection[Any]) -> dict[str, Schema]:
    """Every schema that holds tables of somebody's, by name; not what belongs to extensions or to PostgreSQL."""
    tables: dict[int, Table] = {}
    for oid, schema, name, owner, rows, column, is_not_null, type_ in _ask(conn, _COLUMNS):
        table = tables.setdefault(oid, Table(oid=oid, schema=schema, name=name, owner=owner, rows=rows))
        if column is not None:
            table.columns[column] = Column(name=column, type=type_, is_not_null=is_not_null)
    for oid, kind, target, on_delete, columns in _ask(conn, _KEYS):
        if kind == "p":
            tables[oid].primary_key = tuple(columns)
        else:
            tables[oid].references.append(Reference(columns=tuple(columns), target=target, cascades=on_delete == "c"))
    for oid, words, functions in _ask(conn, _POLICIES):
        tables[oid].policies.append(words)
        tables[oid].policy_functions.append(functions or "")
    for oid, source in _ask(conn, _TRIGGERS):
        tables[oid].triggers.append(source)
    writers: dict[str, dict[str, int]] = defaultdict(dict)
    for schema, role, count in _ask(conn, _GRANTS):
        writers[schema][role] = count
    return _by_schema(tables.values(), writers)


def _by_schema(tables: Iterable[Table], writers: dict[str, dict[str, int]]) -> dict[str, Schema]:
    found: dict[str, dict[str, Table]] = defaultdict(dict)
    for table in tables:
        found[table.schema][table.name] = table
    return {
        name: Schema(name=name, tables=inside, writers=writers.get(name, {})) for name, inside in sorted(found.items())
    }


def _ask(conn: psycopg.Connection[Any], statement: str) -> list[tuple[Any, ...]]:
    with conn.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(_TABLES + statement, {"bookkeeping": list(BOOKKEEPING)}).fetchall()
