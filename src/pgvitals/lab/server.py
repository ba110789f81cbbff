"""A running PostgreSQL and the databases we make on it."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from pgvitals.errors import GuardError, LabError
from pgvitals.lab import guard
from pgvitals.lab.database import Database
from pgvitals.lab.state import Process, State, load_state

CLONE_BY_FILES_FROM_BYTES = 40 * 2**20
"""Clone by file copy from this size on, through the WAL below it (docs/decisions/0004)."""

LABEL_LENGTH = 32
NAME_BYTES = 8
"""Random bytes in a database's name: enough that one of that name can only be the one that we made."""


def one_line(error: BaseException) -> str:
    """The first line of a libpq message: enough to act on, and without a second try's echo."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


@dataclass(kw_only=True)
class Server:
    """A PostgreSQL server; ``stop`` ends it if we started it, and drops what we made if we did not."""

    state: State
    halt: Callable[[State], None] = field(repr=False)

    @property
    def kind(self) -> str:
        """embedded, container or external."""
        return self.state.kind

    @property
    def why(self) -> str:
        """Why this kind was taken."""
        return self.state.why

    def maintenance(self) -> psycopg.Connection:
        """A connection to the server's maintenance database, in autocommit mode."""
        try:
            return psycopg.connect(**self.state.params, autocommit=True)  # type: ignore[arg-type]
        except psycopg.Error as error:
            raise LabError(f"the {self.kind} server does not answer: {one_line(error)}") from None

    def create(self, label: str) -> Database:
        """A new empty database with our marker; ``label`` goes into its name."""
        return self._create(label, template=None)

    def clone(self, source: Database, label: str) -> Database:
        """A copy of one of our databases; nobody may be connected to ``source`` meanwhile."""
        self._require_ours(source)
        return self._create(label, template=source)

    def drop(self, database: Database) -> None:
        """Drop one of our databases, ending the connections to it.

        Raises:
            GuardError: it is not ours.
        """
        self._require_ours(database)
        self._drop(database.name)

    def _require_ours(self, database: Database) -> None:
        # Asked on this server, where the name is going to be used, wherever the given one leads.
        with Database(params=self.state.params, name=database.name).connect() as conn:
            guard.require_ours(conn)

    def _drop(self, name: str) -> None:
        with self.maintenance() as conn:
            conn.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        self._note(name)

    def refresh(self) -> State:
        """Read the state again: other commands on this server note their databases there, too."""
        with contextlib.suppress(LabError):
            self.state = load_state(self.state.path)
        return self.state

    def _note(self, name: str, *, unfinished: bool = False, made: bool = False, maker: Process | None = None) -> None:
        """Note where a database stands (or, by default, that it is gone), and who is to drop it."""
        with self.state.turn():
            self.refresh()
            others = [
                tuple(each for each in names if each != name) for names in (self.state.databases, self.state.unfinished)
            ]
            scratch = {each: process for each, process in self.state.scratch.items() if each != name}
            if maker is not None:
                scratch[name] = maker
            self.state = self.state.with_changes(
                scratch=scratch,
                databases=(*others[0], name) if made else others[0],
                unfinished=(*others[1], name) if unfinished else others[1],
            )

    @contextmanager
    def scratch(self, label: str, source: Database | None = None) -> Iterator[Database]:
        """A database (empty, or a clone of ``source``) that is dropped at the end, if need be by the next command."""
        database = self.provisional(label, source)
        try:
            yield database
        finally:
            self.drop(database)

    def provisional(self, label: str, source: Database | None = None) -> Database:
        """A database that the next command drops if this process ends before :meth:`confirm` or :meth:`drop`."""
        if source:
            self._require_ours(source)
        return self._create(label, template=source, maker=Process.of(os.getpid()))

    def confirm(self, database: Database) -> None:
        """Let a provisional database stay."""
        self._note(database.name, made=True)

    def exchange(self, one: Database, other: Database) -> None:
        """Let two of our databases swap their names, both or neither; nobody may be connected to them.

        Raises:
            LabError: somebody is.
        """
        names = [sql.Identifier(each) for each in (one.name, other.name, f"pgvitals_{secrets.token_hex(NAME_BYTES)}")]
        for database in (one, other):
            self._require_ours(database)
        rename = sql.SQL("alter database {} rename to {}")
        try:
            with self.maintenance() as conn, conn.transaction():
                for old, new in ((0, 2), (1, 0), (2, 1)):
                    conn.execute(rename.format(names[old], names[new]))
        except psycopg.Error as error:
            raise LabError(one_line(error)) from None

    def stop(self) -> None:
        """End the server (or, on an external one, drop the databases that we made)."""
        self.halt(self.refresh())

    def drop_orphans(self) -> list[str]:
        """Drop the scratch databases of commands that were killed; returns their names."""
        orphans = [name for name, maker in self.state.scratch.items() if not maker.alive()]
        for name in orphans:
            if name in self.state.unfinished:  # it got its random name, but no marker yet
                self._drop(name)
            else:
                self.drop(Database(params=self.state.params, name=name))
        return orphans

    def _create(self, label: str, template: Database | None, maker: Process | None = None) -> Database:
        name = f"pgvitals_{label[:LABEL_LENGTH]}_{secrets.token_hex(NAME_BYTES)}"
        parts: list[sql.Composable] = [sql.SQL("create database {}").format(sql.Identifier(name))]
        with self.maintenance() as conn:
            if template is None:
                parts.append(sql.SQL("template template0 encoding 'UTF8'"))
            else:
                parts.append(sql.SQL("template {}").format(sql.Identifier(template.name)))
                if conn.info.server_version >= 150000:
                    parts.append(sql.SQL("strategy {}").format(sql.SQL(clone_strategy(conn, template.name))))
            # Remembered before it exists: a run killed in between is cleaned up either way.
            self._note(name, unfinished=True, maker=maker)
            try:
                conn.execute(sql.SQL(" ").join(parts))
            except psycopg.Error as error:
                if error.sqlstate:  # the server itself says that there is none
                    self._note(name)
                raise LabError(f"cannot create a database on the {self.kind} server: {one_line(error)}") from None
        database = Database(params=self.state.params, name=name, state_path=self.state.path)
        try:
            with database.connect() as conn:
                guard.stamp(conn)
        except BaseException:
            with contextlib.suppress(LabError, psycopg.Error):
                self._drop(name)
            raise
        self._note(name, made=True, maker=maker)
        return database


def clone_strategy(conn: psycopg.Connection, source: str) -> str:
    """``wal_log`` for small databases, ``file_copy`` for large ones (no byte twice through the WAL)."""
    row = conn.execute("select pg_database_size(%s)", (source,)).fetchone()
    if row is None:
        raise GuardError(f"database {source!r} is gone")
    return "file_copy" if int(row[0]) >= CLONE_BY_FILES_FROM_BYTES else "wal_log"
