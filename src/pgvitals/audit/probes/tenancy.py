"""Tenants against each other: what the application reaches of somebody else's rows, and of anybody's when it does not
say, or lies about, who asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from pgvitals.audit.declared import Looked
from pgvitals.audit.probes.attempt import Attempt, acting, attempt, role_exists, statement, uncounted
from pgvitals.audit.probes.tables import Table, members
from pgvitals.results.audit import Finding
from pgvitals.system import System


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a table: whose it is, its key as texts, and all of it as JSON; none of these is ever told."""

    tenant: str
    key: tuple[str, ...]
    whole: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A table with a row of one tenant, and one of another, if there is one."""

    table: Table
    mine: Row
    theirs: Row | None


class Tenants:
    """The application's role against the rows of a system, within a transaction that is rolled back."""

    def __init__(self, conn: psycopg.Connection[Any], system: System) -> None:
        self.conn, self.system = conn, system
        self.tables = members(conn, system)
        self.has_role = role_exists(conn, system.roles.app)

    def two(self) -> Iterator[tuple[Table, Row, Row]]:
        """The tables with rows of two tenants. None if there is nobody to try as."""
        for pair in self.any():
            if pair.theirs is not None:
                yield pair.table, pair.mine, pair.theirs

    def any(self) -> Iterator[Pair]:
        """The tables with rows. None if there is nobody to try as."""
        for table in self.tables if self.has_role else ():
            if (mine := self._row(table)) is not None:
                yield Pair(table=table, mine=mine, theirs=self._row(table, but=mine.tenant))

    def _row(self, table: Table, but: str | None = None) -> Row | None:
        """A row, of another tenant than ``but``."""
        query = statement(
            "select {whose}, array[{key}], to_jsonb(t0) from {table} as t0 where {whose} <> coalesce(%s, '') limit 1",
            whose=table.whose(),
            key=table.key_texts,
            table=table.qualified,
        )
        row = self.conn.execute(query, (but,)).fetchone()
        return None if row is None else Row(tenant=row[0], key=tuple(row[1]), whole=row[2])

    def as_app(self, setting: str) -> AbstractContextManager[None]:
        """Act as the application, for whom ``setting`` says."""
        return acting(self.conn, self.system.roles.app, {self.system.tenant.setting: setting})

    def read(self, table: Table, row: Row) -> Attempt:
        """Select one row by its key."""
        query = statement("select from {table} as t0 where {is_row}", table=table.qualified, is_row=table.is_row)
        return attempt(self.conn, query, row.key)

    def read_others(self, table: Table, row: Row) -> Attempt:
        """Select any row that is not of the tenant of ``row``."""
        query = "select from {table} as t0 where {whose} is distinct from %s limit 1"
        return attempt(self.conn, statement(query, table=table.qualified, whose=table.whose()), (row.tenant,))

    def read_any(self, table: Table) -> Attempt:
        """Select any row."""
        return attempt(self.conn, statement("select from {table} limit 1", table=table.qualified))

    def update(self, table: Table, row: Row) -> Attempt:
        """Set a column of a row to itself."""
        name = next((each for each in table.columns if each not in table.key), table.columns[0])
        query = "update {table} as t0 set {name} = t0.{name} where {is_row}"
        return attempt(self.conn, statement(query, table=table.qualified, name=name, is_row=table.is_row), row.key)

    def delete(self, table: Table, row: Row) -> Attempt:
        """Delete a row."""
        query = statement("delete from {table} as t0 where {is_row}", table=table.qualified, is_row=table.is_row)
        return attempt(self.conn, query, row.key)

    def insert(self, table: Table, row: Row) -> Attempt:
        """Insert a row once more: where row-level security lets it pass, its key stops it, or nothing does."""
        query = statement(
            "insert into {table} ({columns}) overriding system value "
            "select {columns} from jsonb_populate_record(null::{table}, %s)",
            table=table.qualified,
            columns=table.column_list,
        )
        return attempt(self.conn, query, (Jsonb(row.whole),))

    def give(self, table: Table, mine: Row, theirs: Row) -> Attempt | None:
        """Make a row the other tenant's; None for what says by nothing of its own whose it is."""
        names = {"tenant": (table.tenant,), "child": table.near}.get(table.kind, ())
        sets = ", ".join(f"{name} = (jsonb_populate_record(t0, %s)).{name}" for name in names)
        if not sets:
            return None
        query = statement(
            "update {table} as t0 set {sets} where {is_row}", table=table.qualified, sets=sets, is_row=table.is_row
        )
        return attempt(self.conn, query, (*[Jsonb(theirs.whole)] * len(names), *mine.key))


@contextmanager
def fresh(conn: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """A connection in which no setting of ours was ever set: where one was, it is empty and no longer unset."""
    with psycopg.connect(**conn.info.get_parameters(), password=conn.info.password) as made:  # type: ignore[arg-type]
        made.read_only = True
        uncounted(made)
        yield made


def looked(tenants: Tenants, tried: Mapping[str, list[str]], *, wanted: str) -> Looked:
    """What a probe of tenants says: ``tried`` maps each table that was tried to what got through."""
    app = tenants.system.roles.app
    if tenants.tables and not tenants.has_role:
        return Looked(checked=0, not_applicable=f"there is no role {app} here to try as")
    if tenants.tables and not tried:
        return Looked(checked=0, not_applicable=f"every table is {wanted}: load some, then ask again")
    untried = [table.name for table in tenants.tables if table.qualified not in tried]
    return Looked(
        checked=len(tried),
        findings=tuple(
            Finding(
                objects=(name,),
                detail=f"as {app}: {', '.join(got)}",
                remediation=f"-- what its policies lack, the other rules of the family TEN say of {name}",
            )
            for name, got in sorted(tried.items())
            if got
        ),
        note=f"not tried, {wanted}: {', '.join(untried)}" if untried else "",
    )


def through(tries: Iterable[tuple[str, Attempt]]) -> list[str]:
    """The names of those that reached a row."""
    return list(dict.fromkeys(name for name, made in tries if made.got_through))
