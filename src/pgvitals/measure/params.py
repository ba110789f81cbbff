"""Parameter sets of a query, drawn beforehand from the data that it will meet.

A query's ``params`` SELECT returns one row for each real parameter set, so a draw over its rows is
weighted as the traffic is: a tenant with a fifth of the rows gets a fifth of the draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.string import TextLoader

from pgvitals.dataset.unfiltered import unfiltered
from pgvitals.errors import MeasureError
from pgvitals.query import Query
from pgvitals.refusal import refusal
from pgvitals.system import System

_STATE_SIZE = 2**31 - 1
_DRAW = """
    select (numbered.p).*
    from (
        select p, content, row_number() over (partition by content) as copy
        from (select p, p::text collate "C" as content from ({params}) p) given
    ) numbered
    order by hashtextextended(content || ' ' || copy, {seed}), content, copy
    limit {n}
"""


@contextmanager
def without_indexes(conn: psycopg.Connection) -> Iterator[None]:
    """Our own bookkeeping must not count as use of an index: inside the block tables are read as a whole."""
    with conn.transaction():
        for name in ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"):
            conn.execute(sql.SQL("set local {} = off").format(sql.Identifier(name)))
        yield


def draw(conn: psycopg.Connection, query: Query, n: int, seed: int) -> list[dict[str, Any]]:
    """``n`` parameter sets, the same for the same data and seed (with repeats if there are fewer rows).

    Rows are ordered by a hash of their content and the seed, so that the plan of the params statement
    and the physical order of the table do not matter. Equal rows are numbered and each has a hash of its
    own: a set that a thousand rows give is drawn as often as they are, not all of them or none.

    Raises:
        MeasureError: the params statement fails, returns nothing, or lacks a parameter of the query.
    """
    statement = sql.SQL(_DRAW).format(
        params=sql.SQL(query.params), seed=sql.Literal(seed % _STATE_SIZE), n=sql.Literal(n)
    )
    try:
        with unfiltered(conn), without_indexes(conn), conn.cursor(row_factory=dict_row) as cursor:
            for name in ("json", "jsonb"):  # as the text that goes back as a parameter
                cursor.adapters.register_loader(name, TextLoader)
            rows = cursor.execute(statement).fetchall()
    except psycopg.Error as error:
        raise MeasureError(f"{query.path}: 'params' fails with {refusal(error)}") from None
    if not rows:
        raise MeasureError(
            f"{query.path}: 'params' returns no row; load a dataset first"
            " (`pgvitals load`, or `pgvitals load --fresh` if a downgrade or somebody took its rows)"
        )
    missing = [name for name in query.parameters if name not in rows[0]]
    if missing:
        raise MeasureError(f"{query.path}: 'params' lacks column {missing[0]!r}, which the statement uses")
    return [rows[i % len(rows)] for i in range(n)]


def tenant_ranks(conn: psycopg.Connection, system: System) -> dict[Any, int]:
    """Tenant -> rank by rows of the system's traffic table, 1 for the largest.

    Raises:
        MeasureError: the table is not there: the system was not migrated.
    """
    column, table = (
        sql.Identifier(system.tenant.column),
        sql.Identifier(system.schema_name, system.tenant.traffic_table),
    )
    statement = sql.SQL("select {c} from {t} where {c} is not null group by {c} order by count(*) desc, {c}")
    try:
        with unfiltered(conn), without_indexes(conn):
            rows = conn.execute(statement.format(c=column, t=table)).fetchall()
    except psycopg.errors.UndefinedTable:
        raise MeasureError(
            f"system {system.name!r} is not in the lab yet; `pgvitals load` migrates and fills it"
        ) from None
    return {row[0]: rank for rank, row in enumerate(rows, start=1)}


def tenant_of(system: System, parameters: dict[str, Any]) -> Any | None:
    """The tenant that a parameter set belongs to, or None where the query names none."""
    return parameters.get(system.tenant.column)
