"""A schema at a moment: how everything in it is defined, and which tables and columns they are."""

from __future__ import annotations

import hashlib

from psycopg import Connection

_SNAPSHOT = """
select 'constraint ' || c.conrelid::regclass || ' ' || c.conname,
       concat_ws(' | ', c.contype, pg_get_constraintdef(c.oid), c.convalidated, c.condeferrable, c.condeferred,
                 c.conindid::regclass, obj_description(c.oid, 'pg_constraint'))
from pg_constraint c
where c.connamespace = %(schema)s::regnamespace
union all
select 'index ' || i.oid::regclass,
       concat_ws(' | ', pg_get_indexdef(i.oid), x.indisunique, x.indisprimary, x.indisvalid, x.indisready,
                 x.indisclustered, x.indisreplident, x.indimmediate, i.reloptions, i.reltablespace,
                 pg_get_userbyid(i.relowner), obj_description(i.oid, 'pg_class'))
from pg_index x
join pg_class i on i.oid = x.indexrelid
where i.relnamespace = %(schema)s::regnamespace
union all
select 'column ' || a.attrelid::regclass || ' ' || a.attname,
       concat_ws(' | ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef, a.attstattarget)
from pg_attribute a
join pg_class t on t.oid = a.attrelid
where t.relnamespace = %(schema)s::regnamespace and t.relkind = 'r' and a.attnum > 0 and not a.attisdropped
union all
select 'table ' || t.oid::regclass,
       concat_ws(' | ', t.relrowsecurity, t.relforcerowsecurity, t.relreplident, t.reloptions, t.relacl,
                 pg_get_userbyid(t.relowner))
from pg_class t
where t.relnamespace = %(schema)s::regnamespace and t.relkind = 'r'
union all
select 'trigger ' || g.tgrelid::regclass || ' ' || g.tgname, concat_ws(' | ', pg_get_triggerdef(g.oid), g.tgenabled)
from pg_trigger g
join pg_class t on t.oid = g.tgrelid
where t.relnamespace = %(schema)s::regnamespace and not g.tgisinternal
"""

_SHAPE = """
select t.relname, t.oid, a.attname, a.attnum
from pg_class t
join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
where t.relnamespace = to_regnamespace(%(schema)s) and t.relkind = 'r'
order by t.relname, a.attnum
"""

Snapshot = dict[str, str]


def snapshot(conn: Connection, schema: str) -> Snapshot:
    """All constraints, indexes, columns, tables and triggers of a schema: what -> how it is defined."""
    return {str(what): str(how) for what, how in conn.execute(_SNAPSHOT, {"schema": schema})}


def shape(conn: Connection, schema: str) -> str:
    """16 hexadecimal digits over the oids of a schema's tables and the numbers of their columns.

    A table or column that was dropped and made again has lost its content and has another number; a clone of
    the database keeps them all.
    """
    rows = conn.execute(_SHAPE, {"schema": schema}).fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]
