"""Writes against the audit trail: what is written to a table, and what the trail then holds.

Rows are counted by triggers that go with the transaction: nothing looks at the tables, however large, and the server's
statistics, by which unused indexes are known, stay what the workload made them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from pgvitals.audit.probes.attempt import acting, refused, role_exists, statement
from pgvitals.audit.probes.tables import Table, catalog, recorded
from pgvitals.system import System

_TRAIL = """
select t.oid::bigint as oid, t.qualified, pg_get_userbyid(t.owner_oid)::text as owner, a.quoted as actor,
  (select c.quoted from columns as c where c.table_oid = t.oid and c.name = %(tenant_column)s) as tenant,
  (select c.quoted from columns as c
    where c.table_oid = t.oid and c.base_type ~ '^timestamp.* with time zone$'
    order by c.is_not_null desc, c.attnum limit 1) as moment
from trails as t
left join trail_actors as a on a.table_oid = t.oid
"""
_ACTORS = """
select f.referenced_qualified as table, f.referenced_column_names[1] as key,
  coalesce((select c.quoted || '::text' from columns as c
    where c.table_oid = f.referenced_oid and c.name = %(tenant_column)s), 'null') as tenant
from trail_actors as a
join foreign_keys as f on f.table_oid = a.table_oid and f.attnums = array[a.attnum]
"""
_ROOT = "select qualified, key_quoted from tenant_roots where key_quoted is not null"
_CHANGEABLE = """
select c.table_oid::bigint as table_oid, c.quoted, c.name, c.base_type,
  c.name in (select m.name from marks as m where m.table_oid = c.table_oid and m.is_moment) as is_mark
from recorded as r
join columns as c on c.table_oid = r.oid and not c.is_generated and not c.is_identity
left join primary_keys as k on k.table_oid = c.table_oid
where c.attnum <> all (coalesce(k.attnums, '{}')) and c.name not in (%(tenant_column)s, 'updated_at', 'created_at')
  and not exists (
    select from pg_catalog.pg_constraint as f
    where f.conrelid = c.table_oid and f.contype = 'f' and c.attnum = any (f.conkey))
order by c.table_oid, c.base_type = 'boolean' desc, c.base_type ~ '^(timestamp|text|numeric|integer)' desc, c.attnum
"""
_COUNTER = """
create function pg_temp.pgvitals_count() returns trigger language plpgsql as $$
begin
  perform pg_catalog.set_config(tg_argv[0],
    (coalesce(nullif(pg_catalog.current_setting(tg_argv[0], true), ''), '0')::int + 1)::text, true);
  return null;
end
$$
"""
_CHANGES = {
    "boolean": "not {name}",
    "uuid": "gen_random_uuid()",
    "bytea": "coalesce({name}, '') || '\\x00'::bytea",
    "jsonb": "case when {name} = '{{}}' then '[]'::jsonb else '{{}}' end",
    "date": "coalesce({name}, current_date) + 1",
    "integer": "coalesce({name}, 0) + 1",
    "bigint": "coalesce({name}, 0) + 1",
    "numeric": "coalesce({name}, 0) + 1",
    "timestamp": "coalesce({name}, now()) + interval '1 second'",
    "text": "coalesce({name}, '') || 'x'",
    "character varying": "left(reverse(coalesce({name}, 'x')), -1) || 'z'",
}
"""How a value of a type becomes another one that its column may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """The table of the trail; names are quoted."""

    oid: int
    qualified: str
    owner: str
    actor: str | None
    tenant: str | None
    moment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a write came to: ``changed`` rows of recorded tables and ``recorded`` rows of the trail; by whom."""

    changed: int
    recorded: int
    by_app: bool


class Recorder:
    """Writes to recorded tables, one after the other, within a transaction that is rolled back."""

    def __init__(self, conn: psycopg.Connection[Any], system: System) -> None:
        self.conn, self.system = conn, system
        found = catalog(conn, system, _TRAIL)
        self.trail = Trail(**{key: found[0][key] for key in Trail.__slots__}) if found else None
        self.tables = recorded(conn, system) if found else ()
        self.has_role = role_exists(conn, system.roles.app)
        self.columns = catalog(conn, system, _CHANGEABLE) if found else []
        self._actors = catalog(conn, system, _ACTORS) if found else []
        if self.trail is not None:
            conn.execute(_COUNTER)
            self._count("recorded", "insert", self.trail.qualified)
            for table in self.tables:
                self._count("changed", "insert or update or delete", table.qualified)

    def _count(self, what: str, events: str, table: str) -> None:
        """Let a trigger count the rows of a table that are written."""
        query = "create trigger pgvitals_count after {events} on {table} for each row execute function {function}"
        function = f"pg_temp.pgvitals_count('pgvitals.{what}')"
        self.conn.execute(statement(query, events=events, table=table, function=function))

    def row(self, table: Table) -> tuple[tuple[str, ...], str | None, Any] | None:
        """A row's key, its tenant and all of it; None if there is none. Rows of a tenant before rows of nobody; a row
        that is nobody's is written for some tenant.
        """
        whose = f"t0.{table.key[0]}::text" if table.name == self.system.tenant.table else table.whose()
        query = "select array[{key}], {whose}, to_jsonb(t0) from {table} as t0 {order} limit 1"
        order = f"order by ({table.tenant} is null)" if table.tenant else ""
        row = self.conn.execute(
            statement(query, key=table.key_texts, whose=whose, table=table.qualified, order=order)
        ).fetchone()
        return None if row is None else (tuple(row[0]), row[1] or self._some_tenant(), row[2])

    def _some_tenant(self) -> str | None:
        found = catalog(
            self.conn, self.system, "select qualified, key_quoted from tenant_roots where key_quoted is not null"
        )
        if not found:
            return None
        query = statement(
            "select {key}::text from {table} limit 1", key=found[0]["key_quoted"], table=found[0]["qualified"]
        )
        row = self.conn.execute(query).fetchone()
        return None if row is None else str(row[0])

    def settings(self, tenant: str | None) -> dict[str, str]:
        """Who asks, and who acts, if the policy says how that is told: somebody whom the trail may name."""
        given = {self.system.tenant.setting: tenant or ""}
        if self.system.tenant.actor_setting:
            given[self.system.tenant.actor_setting] = self._actor(tenant) or ""
        return given

    def _actor(self, tenant: str | None) -> str | None:
        """Somebody of the tenant, or anybody if nobody is."""
        query = "select {key}::text from {table} order by {tenant} is distinct from %s::text limit 1"
        for each in self._actors:
            row = self.conn.execute(statement(query, **each), (tenant,)).fetchone()
            if row is not None:
                return str(row[0])
        return None

    def write(
        self,
        settings: dict[str, str],
        do: Callable[[], None],
        *,
        prepare: Callable[[], None] | None = None,
        look: Callable[[], None] | None = None,
    ) -> Written | None:
        """Do something as the application, or if it may not, as this session's user; None if neither may.

        ``prepare`` goes before it and ``look`` after it, as this session's user.
        """
        for role in (self.system.roles.app, None) if self.has_role else (None,):
            try:
                with self.conn.transaction(force_rollback=True):
                    if prepare is not None:
                        prepare()
                    with acting(self.conn, role, settings | {"pgvitals.changed": "", "pgvitals.recorded": ""}):
                        self.conn.execute("set local statement_timeout = '5s'")  # a cascade may be a long one
                        do()
                        self.conn.execute("set constraints all immediate")
                        changed, recorded_rows = self._counted("changed"), self._counted("recorded")
                        if not changed:
                            continue  # row-level security shows it no such row
                        if look is not None:
                            self.conn.execute("set local role none")
                            look()
                        return Written(changed=changed, recorded=recorded_rows, by_app=role is not None)
            except psycopg.Error as error:
                refused(self.conn, error)
        return None

    def _counted(self, what: str) -> int:
        row = self.conn.execute("select pg_catalog.current_setting(%s)", (f"pgvitals.{what}",)).fetchone()
        return int(row[0] or 0) if row else 0

    def changes(self, table: Table) -> Iterator[tuple[str, str]]:
        """Columns that can be changed, the easiest first: (name, the expression of another value)."""
        for column in self.columns:
            kind = next((kind for kind in _CHANGES if column["base_type"].startswith(kind)), None)
            if column["table_oid"] == table.oid and kind is not None and not column["is_mark"]:
                yield column["quoted"], _CHANGES[kind].format(name=f"t0.{column['quoted']}")

    def mark(self, table: Table) -> str | None:
        """The column that marks a deleted row."""
        marks = (each["quoted"] for each in self.columns if each["table_oid"] == table.oid and each["is_mark"])
        return next(marks, None)

    def set(self, table: Table, key: Sequence[str], name: str, value: str) -> None:
        """Set one column of one row."""
        query = "update {table} as t0 set {name} = {value} where {is_row}"
        self.conn.execute(statement(query, table=table.qualified, name=name, value=value, is_row=table.is_row), key)

    def delete(self, table: Table, key: Sequence[str]) -> None:
        """Delete one row."""
        self.conn.execute(
            statement("delete from {table} as t0 where {is_row}", table=table.qualified, is_row=table.is_row), key
        )

    def take_out(self, table: Table, key: Sequence[str]) -> None:
        """Delete one row with no trigger and no foreign key looking, so that the very same can be written again."""
        self.conn.execute("set local session_replication_role = replica")
        self.delete(table, key)
        self.conn.execute("set local session_replication_role = origin")

    def insert(self, table: Table, whole: Any) -> None:
        """Insert a row."""
        query = statement(
            "insert into {table} ({columns}) overriding system value "
            "select {columns} from jsonb_populate_record(null::{table}, %s)",
            table=table.qualified,
            columns=table.column_list,
        )
        self.conn.execute(query, (Jsonb(whole),))

    def texts(self, table: Table, key: Sequence[str]) -> list[str | None]:
        """The values of a row as texts, in the order of its columns."""
        values = ", ".join(f"t0.{name}::text" for name in table.columns)
        query = "select array[{values}] from {table} as t0 where {is_row}"
        row = self.conn.execute(
            statement(query, values=values, table=table.qualified, is_row=table.is_row), key
        ).fetchone()
        return list(row[0]) if row else []

    def copy(self, table: Table, texts: Sequence[str | None]) -> None:
        """COPY a row in."""
        query = statement("copy {table} ({columns}) from stdin", table=table.qualified, columns=table.column_list)
        with self.conn.cursor().copy(query) as into:
            into.write_row(texts)
