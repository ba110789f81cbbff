"""Indexes and keys are built after the rows: they are taken away before loading and come back exactly.

Loading into five foreign keys and four indexes takes six times as long as building them afterwards.
What cannot be rebuilt from its definition alone stays in place. Before anything is kept away, all of it is built
once on the emptied tables and the catalog compared with what it was; a difference is an error.

CHECK constraints stay: testing each row as it arrives costs no more than validating the table later.
Triggers are disabled meanwhile, or an audit trail would record the loading itself. So is FORCE ROW LEVEL
SECURITY: it would hide rows from their owner, and COPY is refused to whom it applies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import Connection, sql

from pgvitals.dataset.snapshot import Snapshot, snapshot
from pgvitals.errors import DatasetError, RowsRefusedError

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

KEYS, INDEXES, REFERENCES = "constraint", "index", "foreign key"
_TRIGGER, _FORCE = "trigger", "force"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An object that is built after the rows; ``table`` is quoted and qualified as SQL needs it."""

    kind: str  # foreign key | constraint | index
    table: str
    name: str
    definition: str
    comment: str | None
    index_comment: str | None

    def exists(self, conn: Connection, schema: str) -> bool:
        """Whether it is there."""
        if self.kind == INDEXES:
            return _regclass(conn, sql.Identifier(schema, self.name).as_string(conn))
        found = conn.execute(
            "select from pg_constraint where conrelid = to_regclass(%s) and conname = %s", (self.table, self.name)
        )
        return found.fetchone() is not None

    def drop(self, conn: Connection, schema: str) -> None:
        """Take it away."""
        if self.kind == INDEXES:
            conn.execute(sql.SQL("drop index {}").format(sql.Identifier(schema, self.name)))
        else:
            statement = sql.SQL("alter table {} drop constraint {}")
            conn.execute(statement.format(sql.SQL(self.table), sql.Identifier(self.name)))

    def build(self, conn: Connection, schema: str) -> None:
        """Build it, with its comments; in a transaction."""
        table, name, definition = sql.SQL(self.table), sql.Identifier(self.name), sql.SQL(self.definition)
        if self.kind == INDEXES:
            conn.execute(definition)
        else:
            conn.execute(sql.SQL("alter table {} add constraint {} {}").format(table, name, definition))
        if self.comment is not None:
            _comment(conn, sql.SQL("constraint {} on {}").format(name, table), self.comment)
        if self.index_comment is not None:
            _comment(conn, sql.SQL("index {}").format(sql.Identifier(schema, self.name)), self.index_comment)


Line = tuple[str, str, str, str, str | None, str | None]


@dataclass(frozen=True, kw_only=True)
class TakenAway:
    """What a load takes away from a schema: objects to build again, triggers and FORCE to switch on again.

    ``before`` and ``during`` are the catalog with it and without it.
    """

    before: Snapshot
    during: Snapshot
    objects: tuple[Built, ...]
    triggers: tuple[tuple[str, str, str], ...]  # table, name, pg_trigger.tgenabled
    forced: tuple[str, ...]

    @classmethod
    def of_lines(cls, lines: Sequence[Line], *, before: Snapshot, during: Snapshot) -> TakenAway:
        """From :meth:`lines`."""
        return cls(
            before=before,
            during=during,
            objects=tuple(
                Built(kind=kind, table=table, name=name, definition=how, comment=said, index_comment=index_said)
                for kind, table, name, how, said, index_said in lines
                if kind not in (_TRIGGER, _FORCE)
            ),
            triggers=tuple((table, name, how) for kind, table, name, how, *_ in lines if kind == _TRIGGER),
            forced=tuple(table for kind, table, *_ in lines if kind == _FORCE),
        )

    def lines(self) -> list[Line]:
        """All of it but the snapshots, to be stored: in the order in which it is built."""
        ordered = [each for kind in (KEYS, INDEXES, REFERENCES) for each in self.objects if each.kind == kind]
        return [
            *((b.kind, b.table, b.name, b.definition, b.comment, b.index_comment) for b in ordered),
            *((_TRIGGER, table, name, how, None, None) for table, name, how in self.triggers),
            *((_FORCE, table, "", "", None, None) for table in self.forced),
        ]

    def switch_on(self, conn: Connection) -> None:
        """Triggers and FORCE, as they were; those of tables that are gone meanwhile are left out."""
        for table, name, enabled in self.triggers:
            if _regclass(conn, table):
                _switch(conn, _ENABLE[enabled], table, name)
        for table in self.forced:
            if _regclass(conn, table):
                conn.execute(sql.SQL("alter table {} force row level security").format(sql.SQL(table)))

    def build_missing(self, conn: Connection, schema: str) -> None:
        """All objects of the tables that are there; in a transaction, on few or no rows."""
        for each in self.objects:
            if _regclass(conn, each.table) and not each.exists(conn, schema):
                each.build(conn, schema)

    def still_away(self, conn: Connection, schema: str) -> bool:
        """Whether all in the catalog is as this load left it, or built again already."""
        now = snapshot(conn, schema)
        return all(
            now.get(key) in (self.during.get(key), self.before.get(key)) for key in now.keys() | self.during.keys()
        )

    def require_back(self, conn: Connection, schema: str) -> None:
        """Compare the catalog with what it was.

        Raises:
            RowsRefusedError: something differs.
        """
        now = snapshot(conn, schema)
        changed = sorted(key for key in self.before.keys() | now.keys() if self.before.get(key) != now.get(key))
        if changed:
            raise RowsRefusedError(
                f"schema {schema!r}: {changed[0]} would not be after loading what it was before"
                f" ({self.before.get(changed[0])!r}, {now.get(changed[0])!r})"
            )


def take_away(conn: Connection, schema: str, tables: Sequence[str]) -> TakenAway:
    """Empty ``tables`` and take foreign keys, keys, indexes, triggers and FORCE of the schema away.

    In a transaction. All of it is built again once, on the empty tables, and taken away again.

    Raises:
        RowsRefusedError: it would not come back as it was.
    """
    before = snapshot(conn, schema)
    taken = TakenAway(
        before=before,
        during={},
        objects=tuple(
            Built(kind=kind, table=table, name=name, definition=definition, comment=said, index_comment=index_said)
            for kind, table, name, definition, said, index_said in conn.execute(_OBJECTS, {"schema": schema})
        ),
        triggers=tuple(conn.execute(_TRIGGERS, {"schema": schema}).fetchall()),
        forced=tuple(table for (table,) in conn.execute(_FORCED, {"schema": schema})),
    )
    for table in taken.forced:
        conn.execute(sql.SQL("alter table {} no force row level security").format(sql.SQL(table)))
    for each in taken.objects:
        each.drop(conn, schema)
    for table, name, _ in taken.triggers:
        _switch(conn, sql.SQL("disable"), table, name)
    empty(conn, schema, tables)
    during = snapshot(conn, schema)
    taken = TakenAway.of_lines(taken.lines(), before=before, during=during)
    with conn.transaction(force_rollback=True):
        taken.build_missing(conn, schema)
        taken.switch_on(conn)
        taken.require_back(conn, schema)
    return taken


def give_back(conn: Connection, schema: str, tables: Sequence[str], taken: TakenAway) -> None:
    """Undo a load: empty ``tables``, build what is missing, switch on what was on; in a transaction.

    Raises:
        DatasetError: the tables have become others, and what was taken away does not fit them.
    """
    as_left = taken.still_away(conn, schema)
    for table, name, _ in conn.execute(_TRIGGERS, {"schema": schema}).fetchall():
        _switch(conn, sql.SQL("disable"), table, name)
    empty(conn, schema, tables)
    try:
        taken.build_missing(conn, schema)
        taken.switch_on(conn)
    except psycopg.Error as error:
        raise DatasetError(
            f"schema {schema!r} was changed after a load of it was interrupted, and what that load took away does not"
            f" fit any more (SQLSTATE {error.sqlstate}); `pgvitals down` and `pgvitals up` make a new lab"
        ) from None
    if as_left:
        taken.require_back(conn, schema)


def empty(conn: Connection, schema: str, tables: Sequence[str]) -> None:
    """Truncate tables of a schema, all at once."""
    names = sql.SQL(", ").join(sql.Identifier(schema, table) for table in tables)
    if tables:
        conn.execute(sql.SQL("truncate {}").format(names))


def _switch(conn: Connection, how: sql.SQL, table: str, name: str) -> None:
    statement = sql.SQL("alter table {} {} trigger {}")
    conn.execute(statement.format(sql.SQL(table), how, sql.Identifier(name)))


def _comment(conn: Connection, target: sql.Composable, text: str) -> None:
    conn.execute(sql.SQL("comment on {} is {}").format(target, sql.Literal(text)))


def _regclass(conn: Connection, name: str) -> bool:
    row = conn.execute("select to_regclass(%s)", (name,)).fetchone()
    return row is not None and row[0] is not None
