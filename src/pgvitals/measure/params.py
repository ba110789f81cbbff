"""Parameter sets of a query, drawn beforehand from the data that it will meet.

A query's ``params`` SELECT returns one row for each real parameter set, so a draw over its rows is
weighted as the traffic is: a tenant with a fifth of the rows gets a fifth of the draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
_ALL = sql.SQL("")
_NUMBERED = """
    select p, content, row_number() over (partition by content) as copy
    from (select p, hashtextextended(p::text collate "C", {seed}) as content from ({params}) p {only}) given
"""
_DRAW = """
    select (numbered.p).*
    from ({numbered}) numbered
    order by hashint8extended(content, copy), content, copy
    limit {n}
"""
_DRAW_OF_TENANTS = """
    select (ranked.p).*
    from (
        select p, row_number() over (
            partition by (p).{column} order by hashint8extended(content, copy), content, copy
        ) as place
        from ({numbered}) numbered
    ) ranked
    where place <= {n}
    order by place
"""


@contextmanager
def without_indexes(conn: psycopg.Connection) -> Iterator[None]:
    """Our own bookkeeping must not count as use of an index: inside the block tables are read as a whole.

    A statement that runs once does not earn back what compiling it costs, so that JIT is off too.
    """
    with conn.transaction():
        for name in ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan", "jit"):
            conn.execute(sql.SQL("set local {} = off").format(sql.Identifier(name)))
        yield


def draw(conn: psycopg.Connection, query: Query, n: int, seed: int) -> list[dict[str, Any]]:
    """``n`` parameter sets, the same for the same data and seed (with repeats if there are fewer rows).

    Rows are ordered by a hash of their content and the seed, so that the plan of the params statement
    and the physical order of the table do not matter. Equal rows are numbered and each has a hash of its
    own: a set that a thousand rows give is drawn as often as they are, not all of them or none. They are
    told by the hash of their content: comparing and carrying texts took half as long again.

    Raises:
        MeasureError: the params statement fails, returns nothing, or lacks a parameter of the query.
    """
    rows = _rows(conn, query, sql.SQL(_DRAW).format(numbered=_numbered(query, seed), n=sql.Literal(n)))
    if not rows:
        raise MeasureError(
            f"{query.path}: 'params' returns no row; load a dataset first"
            " (`pgvitals load`, or `pgvitals load --fresh` if a downgrade or somebody took its rows)"
        )
    missing = [name for name in query.parameters if name not in rows[0]]
    if missing:
        raise MeasureError(f"{query.path}: 'params' lacks column {missing[0]!r}, which the statement uses")
    return _repeated(rows, n)


def draw_of_tenants(
    conn: psycopg.Connection, query: Query, column: str, tenants: Sequence[Any], n: int, seed: int
) -> dict[Any, list[dict[str, Any]]]:
    """Tenant -> ``n`` parameter sets of that tenant alone, otherwise as :func:`draw`, in one statement.

    ``column`` is the tenant's in what ``params`` returns; ``tenants`` are values that it has.

    Raises:
        MeasureError: the params statement fails.
    """
    name = sql.Identifier(column)
    statement = sql.SQL(_DRAW_OF_TENANTS).format(
        numbered=_numbered(query, seed, sql.SQL("where p.{} = any({})").format(name, sql.Literal(list(tenants)))),
        column=name,
        n=sql.Literal(n),
    )
    found: dict[Any, list[dict[str, Any]]] = {tenant: [] for tenant in tenants}
    for row in _rows(conn, query, statement):
        found[row[column]].append(row)
    return {tenant: _repeated(rows, n) for tenant, rows in found.items()}


def _rows(conn: psycopg.Connection, query: Query, statement: sql.Composed) -> list[dict[str, Any]]:
    try:
        with unfiltered(conn), without_indexes(conn), conn.cursor(row_factory=dict_row) as cursor:
            for name in ("json", "jsonb"):  # as the text that goes back as a parameter
                cursor.adapters.register_loader(name, TextLoader)
            return cursor.execute(statement).fetchall()
    except psycopg.Error as error:
        raise MeasureError(f"{query.path}: 'params' fails with {refusal(error)}") from None


def _numbered(query: Query, seed: int, only: sql.Composable = _ALL) -> sql.Composed:
    return sql.SQL(_NUMBERED).format(params=sql.SQL(query.params), seed=sql.Literal(seed % _STATE_SIZE), only=only)


def _repeated(rows: Sequence[dict[str, Any]], n: int) -> list[dict[str, Any]]:
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
