"""Indexes and keys are built after the rows: they are dropped before loading and come back exactly.

Loading into five foreign keys and four indexes takes six times as long as building them afterwards.
What cannot be rebuilt from its definition alone stays in place, and :meth:`Deferred.restore` compares
the catalog with what it was; a difference is an error, and the caller's transaction undoes everything.

CHECK constraints stay: testing each row as it arrives costs no more than validating the table later.
Triggers are disabled meanwhile, or an audit trail would record the loading itself. So is FORCE ROW LEVEL
SECURITY: it would hide rows from their owner, and COPY is refused to whom it applies.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from psycopg import Connection, sql

from pgvitals.errors import DatasetError

# An index goes only if it is valid, and nothing but its definition describes it: no storage parameters,
# tablespace, clustering, replica identity, column statistics targets, parent index or extension.
_PLAIN_INDEX = """
    x.indisvalid and x.indisready and not x.indisclustered and not x.indisreplident
    and i.reloptions is null and i.reltablespace = 0 and not i.relispartition
    and not exists (select from pg_attribute a where a.attrelid = i.oid and coalesce(a.attstattarget, -1) >= 0)
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = i.oid
                    and d.deptype in ('e', 'x'))
"""

_OBJECTS = f"""
select 'foreign key', c.conrelid::regclass::text, c.conname, pg_get_constraintdef(c.oid),
       obj_description(c.oid, 'pg_constraint'), null
from pg_constraint c
join pg_class t on t.oid = c.conrelid
where c.connamespace = %(schema)s::regnamespace and c.contype = 'f' and t.relkind = 'r' and c.conparentid = 0
union all
select * from (
    select 'constraint', c.conrelid::regclass::text, c.conname, pg_get_constraintdef(c.oid),
           obj_description(c.oid, 'pg_constraint'), obj_description(i.oid, 'pg_class')
    from pg_constraint c
    join pg_class t on t.oid = c.conrelid
    join pg_index x on x.indexrelid = c.conindid
    join pg_class i on i.oid = x.indexrelid
    where c.connamespace = %(schema)s::regnamespace and c.contype in ('p', 'u', 'x') and t.relkind = 'r'
      and {_PLAIN_INDEX}
      and not exists (
        select from pg_depend d
        where d.refclassid = 'pg_constraint'::regclass and d.refobjid = c.oid and d.deptype = 'n'
          and d.classid <> 'pg_constraint'::regclass)
      and not exists (
        select from pg_constraint f
        where f.contype = 'f' and f.conindid = i.oid and f.connamespace <> c.connamespace)
    order by c.oid
) as keys
union all
select * from (
    select 'index', x.indrelid::regclass::text, i.relname, pg_get_indexdef(i.oid), null,
           obj_description(i.oid, 'pg_class')
    from pg_index x
    join pg_class i on i.oid = x.indexrelid
    join pg_class t on t.oid = x.indrelid
    where t.relnamespace = %(schema)s::regnamespace and t.relkind = 'r' and {_PLAIN_INDEX}
      and not exists (select from pg_constraint c where c.conindid = i.oid)
    order by i.oid
) as indexes
"""  # noqa: S608 - the condition is a constant of this module

_TRIGGERS = """
select g.tgrelid::regclass::text, g.tgname, g.tgenabled::text
from pg_trigger g
join pg_class t on t.oid = g.tgrelid
where t.relnamespace = %(schema)s::regnamespace and t.relkind = 'r' and not g.tgisinternal and g.tgenabled <> 'D'
"""

_FORCED = """
select t.oid::regclass::text from pg_class t
where t.relnamespace = %(schema)s::regnamespace and t.relkind = 'r' and t.relforcerowsecurity
"""

_ENABLE = {"O": sql.SQL("enable"), "R": sql.SQL("enable replica"), "A": sql.SQL("enable always")}

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

Snapshot = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An object that is built after the rows; ``table`` is quoted and qualified as SQL needs it."""

    kind: str  # foreign key | constraint | index
    table: str
    name: str
    definition: str
    comment: str | None
    index_comment: str | None


def snapshot(conn: Connection, schema: str) -> Snapshot:
    """All constraints, indexes, columns, tables and triggers of a schema: what -> how it is defined."""
    return {str(what): str(how) for what, how in conn.execute(_SNAPSHOT, {"schema": schema})}


class Deferred:
    """The foreign keys, keys, indexes, triggers and FORCE of a schema, taken away now and to be restored.

    Use inside a transaction: if it is rolled back, they were never gone.
    """

    def __init__(self, conn: Connection, schema: str) -> None:
        self.conn = conn
        self.schema = schema
        self._before = snapshot(conn, schema)
        self.objects = tuple(
            Built(
                kind=kind,
                table=table,
                name=name,
                definition=definition,
                comment=said,
                index_comment=index_said,
            )
            for kind, table, name, definition, said, index_said in conn.execute(_OBJECTS, {"schema": schema})
        )
        self._triggers = conn.execute(_TRIGGERS, {"schema": schema}).fetchall()
        self._forced = [table for (table,) in conn.execute(_FORCED, {"schema": schema})]
        for table in self._forced:
            conn.execute(sql.SQL("alter table {} no force row level security").format(sql.SQL(table)))
        for built in self.objects:
            self._drop(built)
        for table, name, _ in self._triggers:
            self._switch(sql.SQL("disable"), table, name)

    def restore(self, around: Callable[[Built], AbstractContextManager[object]] = nullcontext) -> None:
        """Build them again: keys, then indexes, then foreign keys, each inside the context that ``around`` gives.

        Raises:
            DatasetError: the catalog is not what it was.
        """
        for kind in ("constraint", "index", "foreign key"):
            for built in self.objects:
                if built.kind == kind:
                    with around(built):
                        self._build(built)
        for table, name, enabled in self._triggers:
            self._switch(_ENABLE[enabled], table, name)
        for table in self._forced:
            self.conn.execute(sql.SQL("alter table {} force row level security").format(sql.SQL(table)))
        after = snapshot(self.conn, self.schema)
        changed = sorted(key for key in self._before.keys() | after.keys() if self._before.get(key) != after.get(key))
        if changed:
            raise DatasetError(
                f"schema {self.schema!r}: {changed[0]} would not be after loading what it was before"
                f" ({self._before.get(changed[0])!r}, {after.get(changed[0])!r}); nothing was loaded"
            )

    def _switch(self, how: sql.SQL, table: str, name: str) -> None:
        statement = sql.SQL("alter table {} {} trigger {}")
        self.conn.execute(statement.format(sql.SQL(table), how, sql.Identifier(name)))

    def _drop(self, built: Built) -> None:
        table, name = sql.SQL(built.table), sql.Identifier(built.name)
        if built.kind == "index":
            self.conn.execute(sql.SQL("drop index {}").format(sql.Identifier(self.schema, built.name)))
        else:
            self.conn.execute(sql.SQL("alter table {} drop constraint {}").format(table, name))

    def _build(self, built: Built) -> None:
        table, name, definition = sql.SQL(built.table), sql.Identifier(built.name), sql.SQL(built.definition)
        if built.kind == "index":
            self.conn.execute(definition)
        else:
            self.conn.execute(sql.SQL("alter table {} add constraint {} {}").format(table, name, definition))
        index = sql.Identifier(self.schema, built.name)
        if built.comment is not None:
            target = sql.SQL("constraint {} on {}").format(name, table)
            self._comment(target, built.comment)
        if built.index_comment is not None:
            self._comment(sql.SQL("index {}").format(index), built.index_comment)

    def _comment(self, target: sql.Composable, text: str) -> None:
        self.conn.execute(sql.SQL("comment on {} is {}").format(target, sql.Literal(text)))
