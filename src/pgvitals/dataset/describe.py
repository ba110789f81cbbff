"""What a loaded dataset looks like, from facts, counts and the planner's statistics: never a value of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from psycopg import sql

from pgvitals.dataset import facts as facts_
from pgvitals.dataset.unfiltered import unfiltered
from pgvitals.lab import Database
from pgvitals.measure.params import without_indexes
from pgvitals.profile import Profile
from pgvitals.results.records import Fact
from pgvitals.results.rundir import RunWriter
from pgvitals.suite import Suite
from pgvitals.system import System


@dataclass(frozen=True, kw_only=True)
class Description:
    """A dataset in numbers: the facts, and tables for charts (see :func:`tenants`, :func:`columns`)."""

    facts: tuple[Fact, ...]
    pictures: dict[str, pd.DataFrame]
    tenants: pd.DataFrame
    columns: pd.DataFrame

    def plain(self) -> dict[str, Any]:
        """The same for JSON, tables as lists of rows."""
        return {
            "facts": self.facts,
            "tenants": _rows(self.tenants),
            "pictures": {name: _rows(frame) for name, frame in self.pictures.items()},
            "columns": _rows(self.columns),
        }

    def write(self, writer: RunWriter) -> None:
        """Into a run directory: ``facts.json``, ``tenants``, ``columns`` and ``pictures/*`` as Parquet."""
        writer.write("facts.json", self.facts)
        writer.write_table("tenants.parquet", self.tenants)
        writer.write_table("columns.parquet", self.columns)
        for name, frame in self.pictures.items():
            writer.write_table(f"pictures/{name}.parquet", frame)


def describe(
    suite: Suite,
    database: Database,
    profile: Profile,
    systems: Sequence[System],
    *,
    seed: int | None = None,
    progress: facts_.Progress | None = None,
) -> Description:
    """Ask a database of ours that holds ``profile`` what its rows look like.

    Raises:
        FactError: a file of facts or pictures cannot be used.
        GuardError: the database is not ours.
    """
    return Description(
        facts=facts_.check(suite, database, profile, systems, seed=seed, progress=progress),
        pictures=facts_.pictures(suite, database, profile, systems, seed=seed),
        tenants=tenants(database, systems),
        columns=columns(database, systems),
    )


def tenants(database: Database, systems: Sequence[System]) -> pd.DataFrame:
    """Rows of each tenant in its system's traffic table: columns system, table, tenant_rank, rows."""
    frames = []
    with database.connect() as conn:
        for system in systems:
            column = sql.Identifier(system.tenant.column)
            table = sql.Identifier(system.schema_name, system.tenant.traffic_table)
            counts = sql.SQL("select count(*) from {t} where {c} is not null group by {c} order by 1 desc")
            with unfiltered(conn), without_indexes(conn):
                rows = conn.execute(counts.format(t=table, c=column)).fetchall()
            frames.append(
                pd.DataFrame(
                    {
                        "system": system.name,
                        "table": system.tenant.traffic_table,
                        "tenant_rank": range(1, len(rows) + 1),
                        "rows": [int(row[0]) for row in rows],
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def columns(database: Database, systems: Sequence[System]) -> pd.DataFrame:
    """The planner's view of each column (pg_stats after ANALYZE).

    Columns: system, table, column, type, null_share (0 to 1), distinct (estimated count of distinct
    values), width_bytes, correlation (physical against logical order, -1 to 1).
    """
    with database.connect() as conn, unfiltered(conn):  # pg_stats hides what a policy would filter
        rows = conn.execute(
            """
            select n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), s.null_frac,
                   case when s.n_distinct < 0 then -s.n_distinct * greatest(c.reltuples, 0) else s.n_distinct end,
                   s.avg_width, s.correlation
            from pg_attribute a
            join pg_class c on c.oid = a.attrelid and c.relkind = 'r'
            join pg_namespace n on n.oid = c.relnamespace
            left join pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname and s.attname = a.attname
            where n.nspname = any(%s) and a.attnum > 0 and not a.attisdropped
            order by n.nspname, c.relname, a.attnum
            """,
            ([system.schema_name for system in systems],),
        ).fetchall()
    names = {system.schema_name: system.name for system in systems}
    frame = pd.DataFrame(
        rows, columns=["system", "table", "column", "type", "null_share", "distinct", "width_bytes", "correlation"]
    )
    frame["system"] = frame["system"].map(names)
    return frame


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table; what is missing is None."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")  # type: ignore[return-value]
