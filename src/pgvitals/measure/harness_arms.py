"""The arms of the harness check: the same statement, parameters and rows through pgbench, psycopg and pgvitals.

- ``pgbench``: prepared, each statement a transaction of its own; the latency that it logs.
- ``cursor``: a cursor of psycopg as anybody would write it, prepared, binary: execute with fetchall.
- ``driver``: the calls of psycopg that pgvitals makes, written down one below the other: parameters dumped, sent,
  awaited (that alone is ``execute``), and rows loaded.
- ``pgvitals``: :meth:`~pgvitals.measure.runner.Runner.run`, its service time.
- ``fixture``: the same through pytest-benchmark, as ``pytest bench/`` does it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from psycopg import generators, pq
from psycopg.adapt import PyFormat, Transformer

from pgvitals.errors import MeasureError
from pgvitals.header import numbered
from pgvitals.lab.database import Database
from pgvitals.measure import pgbench
from pgvitals.measure.burst import WARMUP
from pgvitals.measure.pedantic import time_calls
from pgvitals.measure.runner import Call, Runner
from pgvitals.measure.sampler import quiet_collector
from pgvitals.query import Query
from pgvitals.stats.samples import FloatArray

ARMS = ("pgbench", "cursor", "driver", "pgvitals", "fixture")
EXECUTE = "execute"
"""Beside the arms: the part of ``driver`` before the rows are loaded."""

_ROWS, _GROUPS = 100_000, 2_000
_FIRST = 100_000  # beyond int2, so that all parameters are of one type
_TABLE = f"""
create schema harness;
create table harness.visits (
    id int primary key, group_id int not null, title text not null, amount numeric(10, 2) not null,
    starts timestamptz not null, note text
);
insert into harness.visits
    select {_FIRST} + i, {_FIRST} + i / {_ROWS // _GROUPS}, 'visit ' || i, i % 1000 + 0.25,
        timestamptz '2025-01-06 09:00Z' + i * interval '1 minute', case when i % 3 = 0 then 'a note of visit ' || i end
    from generate_series(0, {_ROWS - 1}) i;
create index visits_group on harness.visits (group_id);
"""  # noqa: S608
_COLUMNS = "id, group_id, title, amount, starts, note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One statement with ``:key`` in it, and the keys that exist; each finds ``rows`` rows."""

    name: str
    statement: str
    low: int
    count: int
    rows: int

    def calls(self, seed: int, n: int) -> tuple[Call, ...]:
        """Requests with the parameters that pgbench computes from the same seed; their tenant is set as well."""
        text = self.statement.replace(":key", "%(key)s")
        query = Query(
            name=self.name,
            system="harness",
            path=Path(f"{self.name}.sql"),
            title=self.name,
            budget_p95_ms=150,
            params="",
            sql=text,
        )
        return tuple(
            Call(query=query, sql=text, parameters={"key": key}, settings=("harness.tenant", "1"), writes=False)
            for key in pgbench.sequence(seed, n, self.low, self.count)
        )


WORKLOADS = (
    Workload(
        name="one row",
        statement=f"select {_COLUMNS} from harness.visits where id = :key",  # noqa: S608
        low=_FIRST,
        count=_ROWS,
        rows=1,
    ),
    Workload(
        name="50 rows",
        statement=f"select {_COLUMNS} from harness.visits where group_id = :key",  # noqa: S608
        low=_FIRST,
        count=_GROUPS,
        rows=_ROWS // _GROUPS,
    ),
)


def make_table(database: Database) -> None:
    """The table of both workloads, in a database of ours, at rest and in memory."""
    with database.connect() as conn:
        conn.execute(_TABLE)
        conn.execute("alter table harness.visits set (autovacuum_enabled = off)")
        conn.execute("vacuum (analyze) harness.visits")
        conn.execute("select count(note) from harness.visits")


def visit(database: Database, arm: str, workload: Workload, *, seed: int, n: int) -> Mapping[str, FloatArray]:
    """``n`` latencies in ms of one arm, on a fresh connection and after the warm-up, in the order of the parameters.

    Raises:
        MeasureError: the statement fails, or finds other rows than it should.
    """
    total = WARMUP + n
    if arm == "pgbench":
        written = pgbench.script(workload.statement, workload.low, workload.count)
        return {arm: pgbench.run(database, written, transactions=total, seed=seed)[WARMUP:]}
    calls = workload.calls(seed, total)
    with quiet_collector():
        if arm == "cursor":
            return {arm: _cursor(database, calls, workload.rows)}
        if arm == "driver":
            return _driver(database, calls, workload.rows)
        if arm == "pgvitals":
            return {arm: _pgvitals(database, calls, workload.rows)}
        return {arm: _fixture(database, calls, workload.rows)}


def _role(database: Database) -> str:
    """Whoever the connection is, as the role that a Runner asks for."""
    return database.params["user"]


def _cursor(database: Database, calls: tuple[Call, ...], rows: int) -> FloatArray:
    """What a request sends besides its statement goes through the connection, untimed."""
    clock = time.perf_counter_ns
    fetched = []
    with database.connect(_role(database)) as conn:
        conn.prepare_threshold = 0
        cursor = conn.cursor(binary=True)
        for call in calls:
            conn.execute("begin read only")
            conn.execute("select set_config(%s, %s, true)", call.settings)
            start = clock()
            cursor.execute(call.sql, call.parameters)
            found = len(cursor.fetchall())
            end = clock()
            conn.execute("commit")
            _check(found, rows)
            fetched.append(end - start)
    return _ms(fetched)


def _driver(database: Database, calls: tuple[Call, ...], rows: int) -> Mapping[str, FloatArray]:
    """The least that it takes to send a statement through psycopg and get Python values back."""
    clock = time.perf_counter_ns
    executed, fetched = [], []
    with database.connect(_role(database)) as conn:
        pgconn, transformer = conn.pgconn, Transformer(conn)
        first = calls[0]
        transformer.dump_sequence(list(first.parameters.values()), [PyFormat.AUTO])
        pgconn.send_prepare(b"driver", numbered(first.sql).encode(), param_types=transformer.types)
        conn.wait(generators.execute(pgconn))
        pgconn.prepare(b"setting", b"select set_config($1, $2, true)")
        for call in calls:
            pgconn.exec_(b"begin read only")
            pgconn.exec_prepared(b"setting", [text.encode() for text in call.settings])
            start = clock()
            given = transformer.dump_sequence([call.parameters["key"]], [PyFormat.AUTO])
            pgconn.send_query_prepared(
                b"driver", given, param_formats=transformer.formats, result_format=pq.Format.BINARY
            )
            (result,) = conn.wait(generators.execute(pgconn))
            middle = clock()
            transformer.set_pgresult(result)
            found = len(transformer.load_rows(0, result.ntuples, tuple))
            end = clock()
            pgconn.exec_(b"commit")
            _check(found, rows)
            executed.append(middle - start)
            fetched.append(end - start)
    return {EXECUTE: _ms(executed), "driver": _ms(fetched)}


def _pgvitals(database: Database, calls: tuple[Call, ...], rows: int) -> FloatArray:
    with Runner(database, _role(database)) as runner:
        timings = [runner.run(call) for call in calls]
    _check(max(each.rows for each in timings), rows)
    return _ms([each.service_ns for each in timings])


def _fixture(database: Database, calls: tuple[Call, ...], rows: int) -> FloatArray:
    """pytest-benchmark's own fixture, made by hand: a session of pytest for each visit would take seconds."""
    benchmark = _benchmark()
    with Runner(database, _role(database)) as runner:
        requests = time_calls(benchmark, runner, calls, len(calls) - WARMUP)
    _check(max(each.rows for each in requests), rows)
    return np.array(benchmark.stats.stats.data, dtype=np.float64) * 1e3


def _benchmark() -> Any:
    from pytest_benchmark.fixture import BenchmarkFixture  # an extra: only this check needs it outside of pytest

    return BenchmarkFixture(  # type: ignore[no-untyped-call]
        SimpleNamespace(name="harness", nodeid="harness"),
        disable_gc=True,
        timer=SimpleNamespace(target=time.perf_counter),
        min_rounds=1,
        min_time=0,
        max_time=0,
        precision=None,
        confidence=None,
        warmup=False,
        warmup_iterations=0,
        calibration_precision=10,
        add_stats=lambda _: None,
        logger=logging.getLogger(__name__),
        warner=None,
        disabled=False,
        cprofile=False,
        cprofile_loops=None,
        cprofile_dump=None,
    )


def _check(found: int, rows: int) -> None:
    if found != rows:
        raise MeasureError(f"the harness check found {found} rows where there are {rows}")


def _ms(nanoseconds: list[int]) -> FloatArray:
    return np.array(nanoseconds[WARMUP:], dtype=np.float64) / 1e6
