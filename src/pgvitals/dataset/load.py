"""Fill the systems of a suite: rows, then indexes and keys, all of a system in one transaction.

Whatever goes wrong, and whenever, a system is either loaded whole or as empty and as indexed as before.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import Connection, sql

from pgvitals.dataset.catalog import TableColumn, schema_columns
from pgvitals.dataset.checksum import overall_checksum, table_checksum
from pgvitals.dataset.columns import Column
from pgvitals.dataset.copy import copy_rows
from pgvitals.dataset.deferred import Deferred
from pgvitals.dataset.encode import Field, encode
from pgvitals.dataset.progress import Log, Progress, Timing
from pgvitals.dataset.recipe import Recipe, Table, load_recipe
from pgvitals.dataset.unfiltered import unfiltered
from pgvitals.errors import DatasetError
from pgvitals.lab.database import Database
from pgvitals.lab.guard import require_ours
from pgvitals.lab.migrate import current
from pgvitals.profile import Profile
from pgvitals.refusal import refusal
from pgvitals.results.records import Dataset, TableRows
from pgvitals.suite import Suite
from pgvitals.system import System


def load(
    suite: Suite,
    database: Database,
    profile: Profile,
    *,
    systems: Sequence[str] | None = None,
    seed: int | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Fill migrated, empty systems from their recipes; see :func:`load_timed`."""
    return load_timed(suite, database, profile, systems=systems, seed=seed, fresh=fresh, progress=progress)[0]


def load_timed(
    suite: Suite,
    database: Database,
    profile: Profile,
    *,
    systems: Sequence[str] | None = None,
    seed: int | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> tuple[Dataset, tuple[Timing, ...]]:
    """Fill migrated, empty systems and say what took how long.

    A system is filled at whatever revision it stands: columns and tables that it does not have yet are
    left out. ``fresh`` empties its tables first. ``load_s`` of the result ends with VACUUM ANALYZE,
    before the checksums are taken.

    Raises:
        DatasetError: a system is not migrated or holds rows already, or its recipe does not fit its tables.
        ProfileError: the profile's sizes do not fit the recipe.
    """
    chosen = suite.select(list(systems) if systems is not None else None)
    recipes = [(system, load_recipe(system, profile)) for system in chosen]
    log = Log(progress or (lambda step: None))
    started = time.perf_counter()
    with database.connect() as conn:
        require_ours(conn)
        plans = [_plan(conn, system, recipe, fresh=fresh) for system, recipe in recipes]
        log.rows_total = sum(table.total for plan in plans for table in plan.tables)
        for plan in plans:
            _fill(conn, plan, profile.seed if seed is None else seed, log)
        load_s = time.perf_counter() - started
        tables = tuple(record for plan in plans for record in _records(conn, plan, log))
    at = current(suite, database)
    dataset = Dataset(
        profile=profile.name,
        seed=profile.seed if seed is None else seed,
        checksum=overall_checksum((table.system, table.table, table.rows, table.checksum) for table in tables),
        tables=tables,
        load_s=load_s,
        revisions={plan.system.name: at[plan.system.name] for plan in plans if plan.system.name in at},
    )
    return dataset, tuple(log.timings)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What a load does to one system: the recipe's tables that exist there, and every table's columns."""

    system: System
    recipe: Recipe
    tables: tuple[Table, ...]
    columns: dict[str, tuple[TableColumn, ...]]
    fresh: bool


def _plan(conn: Connection, system: System, recipe: Recipe, *, fresh: bool) -> _Plan:
    columns = schema_columns(conn, system.schema_name)
    tables = tuple(table for table in recipe.tables if table.name in columns)
    if not tables:
        raise DatasetError(f"system {system.name!r} has no tables in this database; migrate it first")
    plan = _Plan(system=system, recipe=recipe, tables=tables, columns=columns, fresh=fresh)
    with _as_owner(conn, system), unfiltered(conn):
        _require_empty(conn, plan)
    return plan


def _require_empty(conn: Connection, plan: _Plan) -> None:
    for table in () if plan.fresh else plan.columns:
        statement = sql.SQL("select exists (select from {})")
        found = conn.execute(statement.format(sql.Identifier(plan.system.schema_name, table))).fetchone()
        if found is not None and found[0]:
            raise DatasetError(
                f"system {plan.system.name!r} is already loaded: table {table!r} holds rows;"
                " `pgvitals load --fresh` empties it first"
            )


def _fill(conn: Connection, plan: _Plan, seed: int, log: Log) -> None:
    name, schema = plan.system.name, plan.system.schema_name
    everything = sql.SQL(", ").join(sql.Identifier(schema, table) for table in plan.columns)
    with _as_owner(conn, plan.system):
        _fill_at_once(conn, plan, everything, seed, log)
        for table in plan.columns:
            with log.timed(name, "vacuum", table):
                conn.execute(sql.SQL("vacuum (analyze) {}").format(sql.Identifier(schema, table)))


def _fill_at_once(conn: Connection, plan: _Plan, everything: sql.Composed, seed: int, log: Log) -> None:
    name, schema = plan.system.name, plan.system.schema_name
    with conn.transaction():
        conn.execute("set local lock_timeout = '30s'")
        conn.execute("set local row_security = off")
        conn.execute(sql.SQL("lock table {} in access exclusive mode").format(everything))
        with log.timed(name, "indexes", "drop"):
            deferred = Deferred(conn, schema)
        _require_empty(conn, plan)  # somebody may have been faster; and only without FORCE does an owner see rows
        # Also when empty: a table truncated in this transaction takes frozen rows.
        conn.execute(sql.SQL("truncate {}").format(everything))
        for table in plan.tables:
            with log.timed(name, "rows", table.name):
                _fill_table(conn, plan, table, seed, log)
        deferred.restore(lambda built: log.timed(name, "indexes", built.name))


def _fill_table(conn: Connection, plan: _Plan, table: Table, seed: int, log: Log) -> None:
    units = (plan.recipe.make(table, unit) for unit in plan.recipe.units(table, seed))
    first = next(units, None)
    if first is None:
        return
    columns = _columns_to_send(plan, table, first)

    where = f"{plan.system.schema_name}.{table.name}"
    copy_rows(
        conn,
        sql.Identifier(plan.system.schema_name, table.name),
        [column.name for column in columns],
        _encoded(where, columns, first, units),
        freeze=True,
        advance=lambda rows: log.add(plan.system.name, table.name, rows),
    )


def _columns_to_send(plan: _Plan, table: Table, made: dict[str, Column]) -> tuple[TableColumn, ...]:
    there = plan.columns[table.name]
    for column in there:
        if column.required and column.name not in made:
            raise DatasetError(
                f"{plan.system.schema_name}.{table.name}.{column.name} is NOT NULL without a default, and the recipe"
                f" does not make it; add it to {plan.system.dataset_path}"
            )
    return tuple(column for column in there if column.name in made and not column.generated)


def _encoded(
    where: str, columns: Sequence[TableColumn], first: dict[str, Column], rest: Iterable[dict[str, Column]]
) -> Iterator[list[Field]]:
    yield _fields(where, columns, first)
    for made in rest:
        yield _fields(where, columns, made)


def _fields(where: str, columns: Sequence[TableColumn], made: dict[str, Column]) -> list[Field]:
    fields = []
    for column in columns:
        try:
            fields.append(encode(made[column.name], column.type))
        except (DatasetError, KeyError) as error:
            raise DatasetError(f"{where}.{column.name}: {error}") from None
    return fields


def _records(conn: Connection, plan: _Plan, log: Log) -> list[TableRows]:
    name, schema = plan.system.name, plan.system.schema_name
    records = []
    with _as_owner(conn, plan.system), unfiltered(conn):
        for table in (table.name for table in plan.tables):
            with log.timed(name, "checksum", table):
                rows, checksum = table_checksum(conn, schema, table)
            size = conn.execute("select pg_total_relation_size(format('%%I.%%I', %s::text, %s::text))", (schema, table))
            (size_bytes,) = size.fetchone() or (0,)
            records.append(
                TableRows(system=name, table=table, rows=rows, size_bytes=int(size_bytes), checksum=checksum)
            )
    return records


@contextmanager
def _as_owner(conn: Connection, system: System) -> Iterator[None]:
    """Be a superuser, or else the system's owner; a refusal by the server is one line without row values."""
    superuser = conn.info.parameter_status("is_superuser") == "on"
    try:
        if not superuser:
            conn.execute(sql.SQL("set role {}").format(sql.Identifier(system.roles.owner)))
        yield
        conn.execute("reset role")
    except psycopg.Error as error:
        table = f"{error.diag.table_name}: " if error.diag.table_name else ""
        raise DatasetError(f"loading system {system.name!r} failed: {table}{refusal(error)}") from None
