"""Cold-cache mode: what a lookup costs when none of its data is in memory, beside the same right after.

Before every single execution the tables and indexes of its system leave the server's buffers and the operating
system's page cache. Connection, plan and catalogs stay warm: each statement has been executed on its connection
before, so that the data alone is cold. What lies below the operating system (a disk's or a hypervisor's own cache)
is out of reach.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import pandas as pd
import psycopg
from psycopg import sql

from pgvitals.errors import MeasureError
from pgvitals.lab import Database, Server
from pgvitals.measure import noise
from pgvitals.measure.cold_caches import Caches, caches_of, disk_bytes
from pgvitals.measure.noise import NoiseWatch
from pgvitals.measure.pinning import one_core
from pgvitals.measure.prepare import at_rest, sweep
from pgvitals.measure.runner import Call, Runner, failure
from pgvitals.measure.sampler import quiet_collector
from pgvitals.measure.task import Task, make_tasks, written_tables
from pgvitals.results.cold import COLD_COLUMNS, Cold, ColdLookup
from pgvitals.results.records import Interval, Noise
from pgvitals.revisions import queries_at, tell_left_out
from pgvitals.stats.percentile import order_statistic_interval, percentile
from pgvitals.stats.samples import FloatArray
from pgvitals.stats.signed_rank import hodges_lehmann
from pgvitals.stats.validity import BatchNoise
from pgvitals.suite import Suite
from pgvitals.system import System
from pgvitals.terminal import Terminal

ROUNDS = 12
"""The fewest of which the interval of a median leaves out the fastest and the slowest two."""
CONFIDENCE = 0.95
_WARM_UP, _WARM = 12, 5
_BLOCKS = """
    select coalesce(sum(pg_stat_get_xact_blocks_fetched(oid)), 0)::bigint,
        coalesce(sum(pg_stat_get_xact_blocks_hit(oid)), 0)::bigint
    from unnest({}::oid[]) oid
"""


@dataclass(frozen=True, kw_only=True)
class ColdFound:
    """The record, every execution (columns as in ``COLD_COLUMNS``), and the noise beside them."""

    cold: Cold
    samples: pd.DataFrame
    noise: Noise | None


def measure_cold(
    suite: Suite,
    server: Server,
    database: Database,
    systems: Sequence[System],
    terminal: Terminal,
    *,
    seed: int,
    rounds: int = ROUNDS,
    vacuum: bool = True,
) -> ColdFound:
    """Measure every query of ``systems`` cold, once a round with the parameters of that round.

    Args:
        server: the one that ``database`` is on; an embedded one.
        rounds: at least 6, below which there is no interval.
        vacuum: VACUUM and ANALYZE before.

    Raises:
        GuardError: the database is not ours.
        LabError: the caches cannot be emptied.
        MeasureError: a query fails, or there is nothing to draw parameters from.
    """
    chosen = queries_at(suite, database, systems)
    tell_left_out(terminal, chosen.left_out)
    schemas = [system.schema_name for system in systems]
    rng = np.random.default_rng([seed, rounds])
    seen: list[BatchNoise] = []
    found: list[dict[str, object]] = []
    with ExitStack() as stack:
        with terminal.step("vacuum, analyze and prewarm" if vacuum else "prewarm"):
            stack.enter_context(at_rest(database, schemas, vacuum=vacuum))
        by_name = {system.name: system for system in systems}
        tasks = make_tasks(database, chosen.queries, by_name, parameter_sets=rounds + _WARM_UP, seed=seed)
        written = {table for task in tasks if task.query.writes for table in written_tables(database, task)}
        caches = stack.enter_context(caches_of(server, database, schemas))
        with terminal.bar(f"measure {len(tasks)} lookups cold", unit="executions") as bar:
            for number in range(rounds):
                with ExitStack() as connections:
                    runners = _warmed(connections, database, tasks)
                    core = connections.enter_context(one_core(rng))
                    for each in runners.values():
                        core.join(each.connection)
                    watch = NoiseWatch(core)
                    for position in rng.permutation(len(tasks)):
                        task = tasks[position]
                        runner = runners[task.system.name, task.role]
                        found.append(_execution(server, caches[task.system.schema_name], runner, task, number, watch))
                        bar.batches(len(found), rounds * len(tasks))
                    seen += watch.close()
                sweep(database, sorted(written))
        samples = pd.DataFrame(found, columns=list(COLD_COLUMNS)).astype(COLD_COLUMNS)
        cold = _record(samples, tasks, list(caches.values()), rounds, dict(chosen.left_out))
    return ColdFound(cold=cold, samples=samples, noise=noise.summary(seen))


def _warmed(stack: ExitStack, database: Database, tasks: Sequence[Task]) -> dict[tuple[str, str], Runner]:
    """A fresh connection a role; every statement is prepared, planned and known to the catalog caches."""
    runners: dict[tuple[str, str], Runner] = {}
    for task in tasks:
        key = (task.system.name, task.role)
        if key not in runners:
            runners[key] = stack.enter_context(Runner(database, task.role))
        for call in task.calls[-_WARM_UP:]:
            runners[key].run(call)
    return runners


def _execution(
    server: Server, caches: Caches, runner: Runner, task: Task, number: int, watch: NoiseWatch
) -> dict[str, object]:
    """One row of ``cold.parquet``."""
    call = task.calls[number]
    left = caches.empty()
    from_disk = disk_bytes(server)
    with quiet_collector():
        watch.begin()
        cold_ns, rows, fetched, read = _timed(runner, call, caches)
        then = disk_bytes(server)
        warm_ns = np.median([runner.run(call).service_ns for _ in range(_WARM)])
        watch.end()
    return {
        "system": task.system.name,
        "query": task.query.name,
        "round": number,
        "cold_ns": cold_ns,
        "warm_ns": int(warm_ns),
        "rows": rows,
        "blocks": fetched,
        "blocks_read": read,
        "disk_bytes": None if from_disk is None or then is None else then - from_disk,
        "buffers_left": left.buffers,
        "pages_left": left.pages,
        "tenant_rank": task.ranks[number],
    }


def _timed(runner: Runner, call: Call, caches: Caches) -> tuple[int, int, int, int]:
    """One request: service time in ns, rows, blocks that it asked for, and those that were not in the buffers.

    The server counts blocks for each relation; a session sees its own counts before they are sent on.
    """
    counted = sql.SQL(_BLOCKS).format(sql.Literal(list(caches.relations)))
    try:
        runner.begin(call)
        before = runner.ask(counted).fetchone() or (0, 0)
        statement, values = runner.ready(call)
        start = time.perf_counter_ns()
        rows = runner.fetch(statement, values)
        took = time.perf_counter_ns() - start
        after = runner.ask(counted).fetchone() or (0, 0)
        runner.end(call)
    except psycopg.Error as error:
        runner.abandon()
        raise MeasureError(failure(call.query, error)) from None
    fetched, hit = (int(now) - int(then) for now, then in zip(after, before, strict=True))
    return took, rows, fetched, fetched - hit


def _record(
    samples: pd.DataFrame, tasks: Sequence[Task], caches: Sequence[Caches], rounds: int, left_out: dict[str, str]
) -> Cold:
    return Cold(
        rounds=rounds,
        method=caches[0].method,
        relations_bytes=sum(each.size_bytes for each in caches),
        buffers_left=int(samples["buffers_left"].max()),
        pages_left=int(samples["pages_left"].max()),
        pages=sum(each.pages for each in caches),
        lookups=tuple(_lookup(samples, task) for task in tasks),
        left_out=left_out,
    )


def _lookup(samples: pd.DataFrame, task: Task) -> ColdLookup:
    own = samples[(samples["system"] == task.system.name) & (samples["query"] == task.query.name)]
    cold, warm = (own[name].to_numpy(dtype=np.float64) / 1e6 for name in ("cold_ns", "warm_ns"))
    centre, around = hodges_lehmann(np.log(cold / warm), CONFIDENCE)
    disk = own["disk_bytes"].dropna()
    return ColdLookup(
        system=task.system.name,
        query=task.query.name,
        title=task.query.title,
        ends=task.query.ends,
        rounds=len(own),
        cold_ms=percentile(cold, 0.5),
        cold=_around_median(cold),
        cold_min_ms=float(cold.min()),
        cold_max_ms=float(cold.max()),
        warm_ms=percentile(warm, 0.5),
        ratio=float(np.exp(centre)),
        ratio_interval=_exp(around),
        blocks=float(own["blocks"].median()),
        blocks_read=float(own["blocks_read"].median()),
        disk_bytes=float(disk.median()) if len(disk) else None,
    )


def _around_median(values: FloatArray) -> Interval:
    found = order_statistic_interval(values, 0.5, CONFIDENCE)
    if found is None:
        raise MeasureError(f"{len(values)} rounds have no interval; it takes at least 6")
    return found


def _exp(interval: Interval | None) -> Interval:
    assert interval is not None, "there are as many ratios as medians"
    return Interval(low=float(np.exp(interval.low)), high=float(np.exp(interval.high)), confidence=CONFIDENCE)
