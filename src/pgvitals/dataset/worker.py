"""Who loads: one connection that fills parts, in this process, in one of several, or on another machine.

All that it needs is in a :class:`Work`, which can be sent anywhere the suite and the database can be reached from.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from types import TracebackType

import psycopg
from psycopg import Connection, sql

from pgvitals.child import dies_with_parent
from pgvitals.dataset import ledger
from pgvitals.dataset.catalog import TableColumn, schema_columns
from pgvitals.dataset.columns import Column
from pgvitals.dataset.copy import copy_rows
from pgvitals.dataset.encode import Field, encode
from pgvitals.dataset.parts import Layout, Part, units_of
from pgvitals.dataset.recipe import Recipe, Table, Unit, load_recipe
from pgvitals.dataset.version import recipe_version
from pgvitals.errors import DatasetError, PgvitalsError, RowsRefusedError
from pgvitals.lab.database import Database
from pgvitals.profile import Profile
from pgvitals.refusal import refusal
from pgvitals.suite import find_suite
from pgvitals.system import System

Advance = Callable[[Part, int], None]
"""Hears of rows of a part as they are sent."""

_REFUSED = ("21", "22", "23", "P0")
"""SQLSTATE classes of rows that the tables do not take: the same load would fail in the same place."""
_REFUSED_FILLING = (*_REFUSED, "42")
"""While rows are sent, also what breaks a policy, or does not exist that a default or a trigger names."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be loaded where; ``loads`` are system -> (id of its load in the ledger, recipe version)."""

    suite: Path
    database: Database
    profile: Profile
    seed: int
    loads: dict[str, tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Target:
    """The tables of one system that a recipe fills, with the columns that the database has."""

    system: System
    recipe: Recipe
    columns: dict[str, tuple[TableColumn, ...]]

    def table(self, name: str) -> Table:
        """A table of the recipe."""
        return next(table for table in self.recipe.tables if table.name == name)

    def fields(self, table: Table, unit: Unit) -> tuple[list[str], list[Field]]:
        """The columns of one unit that the database has: their names, and their values as it stores them.

        Raises:
            RowsRefusedError: they do not fit the table.
        """
        where = f"{self.system.schema_name}.{table.name}"
        try:
            made = self.recipe.make(table, unit)
        except DatasetError as error:
            raise RowsRefusedError(str(error)) from error
        names, fields = [], []
        for column in self.columns[table.name]:
            if column.name not in made:
                self._require_optional(where, column)
            elif not column.generated:
                names.append(column.name)
                fields.append(_encoded(where, column, made[column.name]))
        return names, fields

    def _require_optional(self, where: str, column: TableColumn) -> None:
        if column.required:
            raise RowsRefusedError(
                f"{where}.{column.name} is NOT NULL without a default, and the recipe"
                f" does not make it; add it to {self.system.dataset_path}"
            )


def _encoded(where: str, column: TableColumn, values: Column) -> Field:
    try:
        return encode(values, column.type)
    except DatasetError as error:
        raise RowsRefusedError(f"{where}.{column.name}: {error}") from None


@contextmanager
def refusals_of(system: str, *, filling: bool = False) -> Iterator[None]:
    """What the server refuses becomes one line, without row values."""
    try:
        yield
    except psycopg.Error as error:
        table = f"{error.diag.table_name}: " if error.diag.table_name else ""
        refused = (error.sqlstate or "").startswith(_REFUSED_FILLING if filling else _REFUSED)
        kind = RowsRefusedError if refused else DatasetError
        raise kind(f"loading system {system!r} failed: {table}{refusal(error)}") from None


def become_owner(conn: Connection, system: System, *, local: bool = True) -> None:
    """Be a superuser, or else the system's owner until the transaction ends (or, not ``local``, ``reset role``)."""
    if conn.info.parameter_status("is_superuser") != "on":
        how = sql.SQL("set local role {}") if local else sql.SQL("set role {}")
        conn.execute(how.format(sql.Identifier(system.roles.owner)))


class Filler(AbstractContextManager["Filler"]):
    """A connection that fills parts, one after the other."""

    def __init__(self, work: Work) -> None:
        """Connect and read the recipes.

        Raises:
            DatasetError: a recipe is not the one that the load began with.
        """
        suite = find_suite(work.suite)
        self.work = work
        self.conn = ledger.connect(work.database)
        self._targets: dict[str, Target] = {}
        self._layouts: dict[tuple[str, str], Layout] = {}
        for name, (_, version) in work.loads.items():
            system = suite.system(name)
            if recipe_version(system) != version:
                raise DatasetError(f"the recipe of system {name!r} has changed since this load began; load again")
            self._targets[name] = Target(
                system=system,
                recipe=load_recipe(system, work.profile),
                columns=schema_columns(self.conn, system.schema_name),
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.conn.close()

    def fill(self, part: Part, advance: Advance = lambda part, rows: None, *, wait: bool = False) -> bool:
        """Load one part, in a transaction of its own, unless it is in already.

        Returns:
            False: another process is at it (never if ``wait``: then it is waited for).

        Raises:
            RowsRefusedError: its rows do not fit the table.
            DatasetError: the server failed, or the load is over.
        """
        target = self._targets[part.system]
        with refusals_of(part.system, filling=True), self.conn.transaction():
            claimed = ledger.claim(self.conn, part, self.work.loads[part.system][0], wait=wait)
            if claimed is None:
                return False
            if claimed:
                become_owner(self.conn, target.system)
                self.conn.execute("set local row_security = off")
                self._copy(target, part, advance)
            else:
                advance(part, part.rows)
        return True

    def _copy(self, target: Target, part: Part, advance: Advance) -> None:
        table = target.table(part.table)
        layout = self._layouts.setdefault((part.system, part.table), Layout(table))
        made = (target.fields(table, unit) for unit in units_of(layout, part, self.work.seed))
        first = next(made)
        where = sql.Identifier(target.system.schema_name, part.table)
        copy_rows(
            self.conn,
            where,
            first[0],
            _alike(where.as_string(self.conn), itertools.chain([first], made)),
            freeze=False,
            advance=lambda rows: advance(part, rows),
        )


def _alike(where: str, made: Iterable[tuple[list[str], list[Field]]]) -> Iterator[list[Field]]:
    """The fields of each unit, which all have the same columns."""
    columns: list[str] | None = None
    for names, fields in made:
        if columns is not None and names != columns:
            odd = sorted(set(names) ^ set(columns))[0]
            raise RowsRefusedError(f"{where}.{odd}: the recipe makes it in some units of rows and not in others")
        columns = names
        yield fields


def fill_parts(
    work: Work, parts: Sequence[Part], advance: Advance = lambda part, rows: None, *, wait: bool = False
) -> list[Part]:
    """Load these parts over one connection; what is in already is passed over.

    Returns:
        Those that another process is at (none if ``wait``).
    """
    with Filler(work) as filler:
        return [part for part in parts if not filler.fill(part, advance, wait=wait)]


def main() -> None:
    """A child process: receives a `Work` and then one part at a time, answers each (see `jobs`)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its children
    dies_with_parent()
    with Pipe(int(sys.argv[1])) as parent:
        try:
            work: Work | None = parent.recv()
            if work is None:
                return
            with Filler(work) as filler:
                parent.send(("ready", None, 0.0))
                while (part := parent.recv()) is not None:
                    started = time.perf_counter()
                    answer = "done" if filler.fill(part) else "left"
                    parent.send((answer, part, time.perf_counter() - started))
        except EOFError:  # the parent is gone
            os._exit(1)
        except RowsRefusedError as error:
            parent.send(("refused", str(error), 0.0))
        except PgvitalsError as error:
            parent.send(("failed", str(error), 0.0))
        except Exception as error:  # noqa: BLE001 - it becomes the parent's one line
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__} in {last.filename}, line {last.lineno}"
            parent.send(("failed", f"a worker failed: {where}; `--jobs 1` shows all of it", 0.0))
