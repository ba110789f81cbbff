"""What a loaded dataset looks like, from counts and the planner's statistics: never a value of a row."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from psycopg import sql

from pgvitals.dataset.unfiltered import unfiltered
from pgvitals.lab import Database
from pgvitals.measure.params import without_indexes
from pgvitals.system import System


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
