"""After the rows: indexes and keys, VACUUM ANALYZE, checksums, and one last transaction that makes a load whole.

Everything before that transaction looks first what is there, so a killed load goes on with what is missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from psycopg import Connection, sql

from pgvitals.dataset import ledger
from pgvitals.dataset.checksum import overall_checksum, table_checksum
from pgvitals.dataset.connections import Piece, do_all
from pgvitals.dataset.deferred import REFERENCES, Built, TakenAway
from pgvitals.dataset.ledger import Loading
from pgvitals.dataset.prepare import Plan
from pgvitals.dataset.progress import Log
from pgvitals.dataset.stored import remember
from pgvitals.dataset.worker import become_owner, refusals_of
from pgvitals.errors import DatasetError, RowsRefusedError
from pgvitals.lab.database import Database
from pgvitals.results.records import Dataset, TableRows


def finish(
    database: Database,
    conn: Connection,
    plans: Sequence[Plan],
    loads: dict[str, Loading],
    *,
    jobs: int,
    log: Log,
    started: float,
) -> Dataset:
    """Make a load whole whose parts are all in; in one's turn.

    Args:
        started: on the clock of `time.perf_counter`.

    Raises:
        RowsRefusedError: a key or foreign key does not hold, or the catalog is not what it was.
    """
    taken = {plan.system.name: ledger.taken_away(conn, loads[plan.system.name]) for plan in plans}
    for pieces in _phases_of_building(plans, taken, log):
        do_all(database, pieces, jobs)
    # VACUUM marks no page as all-visible while the commit of one of its rows is not on disk.
    with conn.transaction():
        conn.execute("set local synchronous_commit = on")
        conn.execute("select pg_current_xact_id()")
    do_all(database, _largest_first(plans, partial(_vacuum, log)), jobs)
    load_s = time.perf_counter() - started
    records: dict[tuple[str, str], TableRows] = {}
    do_all(database, _largest_first(plans, partial(_checksum, log, records), recipes_only=True), jobs)
    tables = tuple(records[plan.system.name, table.name] for plan in plans for table in plan.tables)
    first = plans[0]
    dataset = Dataset(
        profile=first.identity["profile"],
        seed=first.seed,
        checksum=overall_checksum((table.system, table.table, table.rows, table.checksum) for table in tables),
        tables=tables,
        load_s=load_s,
        revisions={plan.system.name: revision for plan in plans if (revision := plan.identity["revision"])},
        shapes={plan.system.name: plan.identity["tables"] for plan in plans},
        recipes={plan.system.name: plan.identity["recipe"] for plan in plans},
    )
    with conn.transaction():
        conn.execute("set local synchronous_commit = on")
        for plan in plans:
            _give_back(conn, plan, taken[plan.system.name])
            ledger.forget(conn, plan.system.name)
        remember(conn, dataset)
    return dataset


def _phases_of_building(plans: Sequence[Plan], taken: dict[str, TakenAway], log: Log) -> list[list[Piece]]:
    """Keys and indexes, a table's keys alone and its indexes together; then foreign keys, one system's in turn."""
    objects: list[tuple[int, Piece]] = []
    references: list[Piece] = []
    for plan in plans:
        rows = {name: table.total for table in plan.tables for name in _names(plan, table.name)}
        for each in taken[plan.system.name].objects:
            do = partial(_build, log, plan, each)
            if each.kind == REFERENCES:
                references.append(Piece(what=plan.system.name, alone=True, do=do))
            else:
                piece = Piece(what=each.table, alone=each.kind != "index", do=do)
                objects.append((rows.get(each.table, 0), piece))
    objects.sort(key=lambda sized: -sized[0])
    return [[piece for _, piece in objects], references]


def _names(plan: Plan, table: str) -> tuple[str, str]:
    """As we write a table, and as the catalog does, which quotes where it has to."""
    return _quoted(plan, table), f"{plan.system.schema_name}.{table}"


def _quoted(plan: Plan, table: str) -> str:
    return sql.Identifier(plan.system.schema_name, table).as_string()


def _build(log: Log, plan: Plan, each: Built, conn: Connection) -> None:
    schema = plan.system.schema_name
    with log.timed(plan.system.name, "indexes", each.name), refusals_of(plan.system.name), conn.transaction():
        become_owner(conn, plan.system)
        # A killed load may still be at it: the server takes a moment to notice.
        conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 1))", (f"{schema} {each.table} {each.name}",))
        if not each.exists(conn, schema):
            each.build(conn, schema)


Tables = Callable[[Plan, str, Connection], None]


def _largest_first(plans: Sequence[Plan], do: Tables, *, recipes_only: bool = False) -> list[Piece]:
    """One piece for each table (``recipes_only``: that the recipe fills), the largest first."""
    pieces: list[tuple[int, Piece]] = []
    for plan in plans:
        rows = {table.name: table.total for table in plan.tables}
        for table in rows if recipes_only else plan.target.columns:
            what = _quoted(plan, table)
            pieces.append((rows.get(table, 0), Piece(what=what, alone=True, do=partial(do, plan, table))))
    return [piece for _, piece in sorted(pieces, key=lambda sized: -sized[0])]


def _vacuum(log: Log, plan: Plan, table: str, conn: Connection) -> None:
    with log.timed(plan.system.name, "vacuum", table), refusals_of(plan.system.name):
        become_owner(conn, plan.system, local=False)
        name = sql.Identifier(plan.system.schema_name, table)
        conn.execute(sql.SQL("vacuum (analyze) {}").format(name))
        conn.execute("reset role")


def _checksum(log: Log, records: dict[tuple[str, str], TableRows], plan: Plan, table: str, conn: Connection) -> None:
    """Rows, checksum and size of one table, whose FORCE is off and hides nothing from the owner."""
    name, schema = plan.system.name, plan.system.schema_name
    with log.timed(name, "checksum", table), refusals_of(name), conn.transaction():
        become_owner(conn, plan.system)
        conn.execute("set local row_security = off")
        rows, checksum = table_checksum(conn, schema, table)
        size = conn.execute("select pg_total_relation_size(format('%%I.%%I', %s::text, %s::text))", (schema, table))
        (size_bytes,) = size.fetchone() or (0,)
    total = next(each.total for each in plan.tables if each.name == table)
    if rows != total:
        raise DatasetError(
            f"{schema}.{table} holds {rows:,} rows, and {total:,} were loaded: somebody changed them meanwhile;"
            " `pgvitals load --fresh` loads them again"
        )
    records[name, table] = TableRows(system=name, table=table, rows=rows, size_bytes=int(size_bytes), checksum=checksum)


def _give_back(conn: Connection, plan: Plan, taken: TakenAway) -> None:
    with refusals_of(plan.system.name):
        become_owner(conn, plan.system)
        taken.switch_on(conn)
        try:
            taken.require_back(conn, plan.system.schema_name)
        except RowsRefusedError as error:  # not the rows' fault: they stay, and so does what was built
            raise DatasetError(
                f"{error}: somebody changed the tables meanwhile; undo that, and `pgvitals load` ends the load"
            ) from None
        conn.execute("reset role")
