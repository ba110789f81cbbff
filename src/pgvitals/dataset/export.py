"""What a lab database holds, as Parquet files for DuckDB, pandas and everything else that reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import Connection, IsolationLevel, sql
from pydantic_core import to_json

from pgvitals.dataset.arrow import ArrowColumn, arrow_columns
from pgvitals.dataset.folder import appearing
from pgvitals.dataset.parquet import write_table
from pgvitals.dataset.progress import Progress, Step
from pgvitals.dataset.stored import recall
from pgvitals.dataset.unfiltered import unfiltered
from pgvitals.dataset.worker import become_owner
from pgvitals.errors import DatasetError
from pgvitals.lab.database import Database
from pgvitals.lab.guard import require_ours
from pgvitals.refusal import refusal
from pgvitals.results.records import Dataset
from pgvitals.suite import Suite
from pgvitals.system import System

FORMAT_VERSION = 1
RECORD = "dataset.json"

_TABLES = """
select t.relname, greatest(t.reltuples, 0)::bigint
from pg_class t join pg_namespace n on n.oid = t.relnamespace
where n.nspname = %s and t.relkind in ('r', 'p') and not t.relispartition
order by t.relname
"""
_SETTINGS = {  # what the text of a value depends on, where a type leaves as text
    "client_encoding": "UTF8",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "statement_timeout": "0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedColumn:
    """A column, and its type on both sides."""

    name: str
    postgresql: str
    arrow: str
    nullable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedTable:
    """A table that was written; ``file`` is relative to the folder."""

    system: str
    table: str
    file: str
    rows: int
    loaded_rows: int | None  # by the record of the load; None where no recipe fills the table
    size_bytes: int
    columns: tuple[ExportedColumn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """``dataset.json``: what was written, and of which dataset; ``checksum`` is that of the whole load."""

    format_version: int = FORMAT_VERSION
    profile: str
    seed: int
    checksum: str
    revisions: dict[str, str]  # system -> Alembic revision
    exported_utc: str
    export_s: float
    tables: tuple[ExportedTable, ...]


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A table to be written."""

    system: System
    name: str
    columns: tuple[ArrowColumn, ...]
    loaded_rows: int | None
    expected_rows: int  # for the progress


def export(
    suite: Suite,
    database: Database,
    folder: Path,
    *,
    systems: Sequence[str] | None = None,
    tables: Sequence[str] = (),
    progress: Progress | None = None,
) -> Export:
    """Write a loaded lab database to ``folder/<system>/<table>.parquet``, and what it is to ``folder/dataset.json``.

    Every row, whatever row-level security says, all of one snapshot. The folder has its name when all is written.

    Args:
        systems: None takes those that the lab holds.
        tables: only these, as ``system.table`` or, where that is clear, ``table``; empty takes all.

    Raises:
        DatasetError: the folder is taken or cannot be written; the lab does not hold such a system or table; a
            value does not fit its Parquet type.
        GuardError: the database was not made by pgvitals.
    """
    started = datetime.now(UTC)
    with database.connect() as conn, appearing(folder) as half:
        require_ours(conn)
        dataset = recall(conn)
        if dataset is None:
            raise DatasetError("the lab holds no dataset yet; fill it with `pgvitals load`")
        chosen = suite.select(list(systems) if systems is not None else list(dataset.revisions))
        held = [(system, _tables_of(conn, system)) for system in chosen]
        conn.isolation_level = IsolationLevel.REPEATABLE_READ
        with conn.transaction():
            for system, names in held:
                _hold(conn, system, names)
            if recall(conn) != dataset:
                raise DatasetError("the lab is being loaded by another command; export it when that has ended")
            for name, value in _SETTINGS.items():
                conn.execute("select set_config(%s, %s, true)", (name, value))
            sources = _sources(conn, chosen, dataset, tables)
            written = tuple(_write_all(conn, sources, half, progress or (lambda step: None)))
        done = Export(
            profile=dataset.profile,
            seed=dataset.seed,
            checksum=dataset.checksum,
            revisions={system.name: dataset.revisions[system.name] for system in chosen},
            exported_utc=started.isoformat(timespec="seconds"),
            export_s=round((datetime.now(UTC) - started).total_seconds(), 3),
            tables=written,
        )
        (half / RECORD).write_bytes(to_json(done, indent=1))
    return done


def _tables_of(conn: Connection, system: System) -> list[str]:
    return [name for name, _ in conn.execute(_TABLES, (system.schema_name,)).fetchall()]


def _hold(conn: Connection, system: System, tables: Sequence[str]) -> None:
    """Keep everybody from emptying the tables, before the snapshot is taken: a TRUNCATE reaches into older ones."""
    if tables:
        become_owner(conn, system)
        names = sql.SQL(", ").join(sql.Identifier(system.schema_name, name) for name in tables)
        conn.execute(sql.SQL("lock table {} in access share mode").format(names))
        conn.execute("reset role")


def _sources(conn: Connection, systems: Sequence[System], dataset: Dataset, wanted: Sequence[str]) -> list[_Source]:
    loaded = {(table.system, table.table): table.rows for table in dataset.tables}
    found = []
    for system in systems:
        if system.name not in dataset.revisions:
            raise DatasetError(
                f"the lab holds no rows of system {system.name!r}; `pgvitals load --system {system.name}`"
            )
        for name, estimate in conn.execute(_TABLES, (system.schema_name,)).fetchall():
            rows = loaded.get((system.name, name))
            found.append(
                _Source(
                    system=system,
                    name=name,
                    columns=arrow_columns(conn, system.schema_name, name),
                    loaded_rows=rows,
                    expected_rows=int(estimate) if rows is None else rows,
                )
            )
    return [_one_of(found, asked) for asked in dict.fromkeys(wanted)] if wanted else found


def _one_of(found: Sequence[_Source], asked: str) -> _Source:
    fitting = [each for each in found if asked in (each.name, f"{each.system.name}.{each.name}")]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(f"{each.system.name}.{each.name}" for each in fitting or found)
    if fitting:
        raise DatasetError(f"table {asked!r} could be any of: {names}")
    raise DatasetError(f"no table {asked!r} in the lab; there are: {names}")


def _write_all(
    conn: Connection, sources: Sequence[_Source], folder: Path, progress: Progress
) -> Iterator[ExportedTable]:
    total = sum(each.expected_rows for each in sources)
    before = 0
    for each in sources:
        system, schema = each.system.name, each.system.schema_name
        file = Path(system) / f"{each.name}.parquet"
        (folder / file).parent.mkdir(exist_ok=True)
        rows = 0
        with _all_rows(conn, each):
            for rows in write_table(conn, schema, each.name, each.columns, folder / file):
                progress(
                    Step(
                        system=system,
                        phase="export",
                        item=each.name,
                        rows_done=before + rows,
                        rows_total=max(total, before + rows),
                    )
                )
        before += rows
        total += rows - each.expected_rows
        yield ExportedTable(
            system=system,
            table=each.name,
            file=file.as_posix(),
            rows=rows,
            loaded_rows=each.loaded_rows,
            size_bytes=(folder / file).stat().st_size,
            columns=tuple(
                ExportedColumn(
                    name=column.field.name,
                    postgresql=column.type,
                    arrow=str(column.field.type),
                    nullable=column.field.nullable,
                )
                for column in each.columns
            ),
        )


@contextmanager
def _all_rows(conn: Connection, source: _Source) -> Iterator[None]:
    """See every row of a table: as a superuser, or else as the system's owner."""
    where = f"{source.system.schema_name}.{source.name}"
    try:
        with conn.transaction():
            if conn.info.parameter_status("is_superuser") != "on":
                conn.execute(sql.SQL("set local role {}").format(sql.Identifier(source.system.roles.owner)))
            with unfiltered(conn):
                yield
            conn.execute("set local role none")
    except psycopg.Error as error:
        raise DatasetError(f"{where}: cannot be exported: {refusal(error)}") from None
    except DatasetError as error:
        raise DatasetError(f"{where}: {error}") from None
