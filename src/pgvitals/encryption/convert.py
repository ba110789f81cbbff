"""Turn columns of a filled table into sealed ones, and back: the data part of a migration, in its transaction.

Rows are read through a server-side cursor, a batch at a time, and go by COPY into a temporary table; from there one
UPDATE brings them into a column of their own, and one ALTER TABLE puts them where they belong. That rewrites the table:
its file holds no copy of what the columns held before, the columns keep their places, and memory stays the same however
many rows there are. Whoever converts has to see all rows: take row-level security off first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import sqlalchemy as sa
from alembic.util import CommandError
from psycopg import sql
from psycopg.rows import tuple_row

from pgvitals.encryption.blind import blind_index, normalised
from pgvitals.encryption.cipher import random_key, seal, unseal
from pgvitals.encryption.context import Context
from pgvitals.encryption.keys import HOW_TO_SET, KeyProvider, from_settings, key_context, lab_provider
from pgvitals.encryption.ring import DATA, KeyRing
from pgvitals.encryption.stored import fetch_from
from pgvitals.errors import EncryptionError, KeyProviderError, MigrationError
from pgvitals.lab import guard
from pgvitals.refusal import refusal

BATCH_ROWS = 2_000
_MADE = sql.Identifier("pgvitals_made")
_MADE_KEYS = """
insert into {keys} ({tenant_column}, purpose, version, kek_id, wrapped_key) values (%s, %s, %s, %s, %s)
"""
_TENANTS_WITHOUT_KEY = """
select t.id, coalesce(max(k.version), 0) + 1
from {tenants} t left join {keys} k on k.{tenant_column} = t.id and k.purpose = %s
group by t.id
having count(k.version) filter (where k.retired_at is null) = 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """``column`` gets the type ``type`` and what ``make`` gives for a value of ``source``; null stays null.

    ``make`` takes the source's place and value: text if ``as_text``, bytes otherwise. It gives the value of a bytea,
    and of any other type its text in UTF-8.
    """

    column: str
    source: str
    type: str
    make: Callable[[Context, Any], bytes | None]
    as_text: bool

    def expression(self, position: int) -> sql.Composed:
        """The new value, from its position (from 1) among the values that were made."""
        made = sql.SQL("{}[{}]").format(_MADE, sql.Literal(position))
        if self.type == "bytea":
            return made
        # To the type without its length: the assignment to the column then refuses what is too long.
        return sql.SQL("convert_from({}, 'UTF8')::{}").format(made, sql.SQL(self.type.partition("(")[0]))


class Conversion:
    """Converts tables of one schema over the connection of a migration."""

    def __init__(
        self,
        bind: sa.Connection | None,
        *,
        keys: str,
        tenants: str,
        tenant_column: str,
        provider: KeyProvider | None = None,
    ) -> None:
        """``bind`` is what ``op.get_bind()`` gives; ``keys`` and ``tenants`` are "schema.table".

        Raises:
            CommandError: the migration is written as a script (``--sql``), which has no rows to convert.
            KeyProviderError: there is no usable key-encryption key. The published one will do only for a database that
                pgvitals made.
        """
        driver = bind.connection.driver_connection if isinstance(bind, sa.Connection) else None
        if not isinstance(driver, psycopg.Connection):
            raise CommandError(
                "a revision that seals or opens rows cannot be written as a script: run it on a database"
            )
        self._conn: psycopg.Connection[Any] = driver
        self._names = {"keys": _name(keys), "tenants": _name(tenants), "tenant_column": sql.Identifier(tenant_column)}
        self._provider = provider or _provider(driver)
        self._ring = KeyRing(self._provider, fetch_from(driver, keys), max_age_s=math.inf)

    def make_missing_keys(self, purpose: str = DATA) -> None:
        """A key for every tenant that has no live one; until the transaction ends nobody else changes keys or tenants.

        A tenant that was made meanwhile, with rows, would have none. Who makes a tenant makes its keys next: the locks
        come in the same order.
        """
        statement = sql.SQL(_MADE_KEYS).format(**self._names)
        with self._told("making keys"):
            self._execute("lock table {tenants}, {keys} in share row exclusive mode", **self._names)
            for batch in self._batches(sql.SQL(_TENANTS_WITHOUT_KEY).format(**self._names), (purpose,)):
                with self._conn.cursor() as cursor:
                    cursor.executemany(statement, [self._new_key(str(id_), purpose, version) for id_, version in batch])

    def _new_key(self, tenant: str, purpose: str, version: int) -> tuple[str, str, int, str, bytes]:
        wrapped = self._provider.wrap(random_key(), key_context(tenant, purpose, version))
        return tenant, purpose, version, self._provider.kek_id, wrapped

    def sealed(self, column: str) -> Change:
        """A column of text, or of what has a text form, becomes sealed."""

        def make(context: Context, text: str) -> bytes:
            version, key = self._ring.data_key(context.tenant)
            return seal(key, version, text, context)

        return Change(column=column, source=column, type="bytea", make=make, as_text=True)

    def opened(self, column: str, type_: str) -> Change:
        """A sealed column becomes what it was: ``type_`` as SQL has it, such as ``varchar(255)``."""
        match = re.fullmatch(r"varchar\((\d+)\)", type_)
        most = int(match[1]) if match else None

        def make(context: Context, sealed: bytes) -> bytes:
            text = unseal(self._ring.opener(context.tenant), sealed, context)
            if most is not None and len(text) > most:
                raise MigrationError(f"{context.place} has {len(text)} characters, and {type_} no room; shorten it")
            if "\0" in text:
                raise MigrationError(f"{context.place} holds a null character, and {type_} cannot; take it out")
            return text.encode()

        return Change(column=column, source=column, type=type_, make=make, as_text=False)

    def indexed(self, column: str, *, source: str) -> Change:
        """An empty column becomes the blind index of a sealed one; a blank text has none."""

        def make(context: Context, sealed: bytes) -> bytes | None:
            text = unseal(self._ring.opener(context.tenant), sealed, context)
            return blind_index(self._ring.index_key(context.tenant), text) if normalised(text) else None

        return Change(column=column, source=source, type="bytea", make=make, as_text=False)

    def run(self, table: str, changes: Sequence[Change]) -> None:
        """Make all ``changes`` to ``table`` ("schema.table"), in one pass over its rows.

        Raises:
            MigrationError: a value does not open, or does not fit, and in which row; or a statement fails.
        """
        name = _name(table)
        with self._told(f"converting {table}"):
            self._execute("lock table {table} in access exclusive mode", table=name)
            self._execute("set local row_security = off")  # an error rather than some of the rows
            self._execute("set local datestyle = 'ISO, YMD'")
            self._execute(
                "create temporary table {made} (id uuid primary key, made bytea[]) on commit drop", made=_MADE
            )
            self._make(table, changes)
            self._execute("analyze {made}", made=_MADE)
            self._execute("alter table {table} add column {made} bytea[]", table=name, made=_MADE)
            self._execute(
                "update {table} t set {made} = m.made from {made} m where m.id = t.id", table=name, made=_MADE
            )
            self._execute(
                "alter table {table} {types}, alter column {made} type boolean using null",
                table=name,
                made=_MADE,
                types=sql.SQL(", ").join(
                    sql.SQL("alter column {} type {} using {}").format(
                        sql.Identifier(change.column), sql.SQL(change.type), change.expression(position)
                    )
                    for position, change in enumerate(changes, start=1)
                ),
            )
            self._execute("alter table {table} drop column {made}", table=name, made=_MADE)
            self._execute("drop table {made}", made=_MADE)

    def _make(self, table: str, changes: Sequence[Change]) -> None:
        """Fill the temporary table; rows come tenant by tenant, so one tenant's keys are in memory at a time."""
        bare = table.rpartition(".")[2]
        sources = [sql.Identifier(change.source) for change in changes]
        statement = sql.SQL("select id, {tenant_column}, {values} from {table} where {any} order by {tenant_column}")
        rows = statement.format(
            **self._names,
            table=_name(table),
            values=sql.SQL(", ").join(
                source + sql.SQL("::text") if change.as_text else source
                for change, source in zip(changes, sources, strict=True)
            ),
            any=sql.SQL(" or ").join(sql.SQL("{} is not null").format(source) for source in sources),
        )
        copy_in = sql.SQL("copy {} (id, made) from stdin (format binary)").format(_MADE)
        tenant = ""
        for batch in self._batches(rows):
            made = []
            for id_, owner, *values in batch:
                if str(owner) != tenant:
                    self._ring.forget(tenant)
                    tenant = str(owner)
                made.append((id_, _made(changes, tenant, bare, str(id_), values)))
            with self._conn.cursor() as cursor, cursor.copy(copy_in) as copy:
                copy.set_types(["uuid", "bytea[]"])
                for row in made:
                    copy.write_row(row)

    def _batches(self, query: sql.Composed, parameters: Sequence[Any] = ()) -> Iterator[list[tuple[Any, ...]]]:
        with self._conn.cursor("pgvitals_rows", binary=True, row_factory=tuple_row) as cursor:
            cursor.execute(query, parameters)
            while batch := cursor.fetchmany(BATCH_ROWS):
                yield batch

    def _execute(self, statement: str, **parts: sql.Composable) -> None:
        self._conn.execute(sql.SQL(statement).format(**parts))

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """What the server refuses is told on one line, without the values of rows."""
        try:
            yield
        except psycopg.Error as error:
            raise MigrationError(f"{what} failed: {refusal(error)}") from None


def _provider(conn: psycopg.Connection[Any]) -> KeyProvider:
    """The settings' key; without one the published lab key, but only for a database that we made."""
    given = from_settings()
    if given is not None:
        return given
    with conn.transaction() as here:
        conn.execute("set local role none")  # the owner of a system does not read the marker
        ours = guard.is_ours(conn)
        raise psycopg.Rollback(here)
    if not ours:
        raise KeyProviderError(
            f"database {conn.info.dbname!r} was not made by pgvitals: the published lab key seals nothing in it; "
            f"{HOW_TO_SET}"
        )
    return lab_provider()


def _made(changes: Sequence[Change], tenant: str, table: str, row: str, values: Sequence[Any]) -> list[bytes | None]:
    try:
        return [
            None if value is None else change.make(Context(tenant, table, change.source, row), value)
            for change, value in zip(changes, values, strict=True)
        ]
    except (EncryptionError, MigrationError) as error:
        raise MigrationError(f"row {row} of {table}: {error}") from None


def _name(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split("."))
