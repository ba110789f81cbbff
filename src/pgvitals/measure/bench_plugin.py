"""The suite's queries through pytest-benchmark's own fixture: hooks and fixtures for ``bench/conftest.py``.

pytest-benchmark keeps its table, its JSON and its ``--benchmark-compare``. It has no percentiles, so
every sample is read from ``benchmark.stats.stats.data``, stored, and summarised with an interval.

pytest-benchmark runs one query after the other, each in one burst, and an interval from one burst knows
nothing of how the machine drifts between bursts. So the gate judges the interleaved samples of
``pgvitals bench``; these stand beside them as a second instrument.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest

from pgvitals.dataset.stored import recall
from pgvitals.errors import PgvitalsError
from pgvitals.filling import require_whole
from pgvitals.lab import Database, attach
from pgvitals.lab.attach import kind_of
from pgvitals.measure.burst import SAMPLES_FILE, WARMUP, Request, interval, samples_of
from pgvitals.measure.params import tenant_ranks
from pgvitals.measure.pedantic import time_calls
from pgvitals.measure.prepare import at_rest, sweep
from pgvitals.measure.runner import Runner, failure
from pgvitals.measure.task import Task, make_task, written_tables
from pgvitals.query import Query
from pgvitals.recording import record
from pgvitals.revisions import queries_at
from pgvitals.stats.percentile import summary
from pgvitals.suite import Suite, find_suite

ARM = "pytest-benchmark"

Lookup = Callable[[Any, Query], None]


@dataclass
class BenchSession:
    """What one pytest session has measured so far."""

    suite: Suite
    frames: list[pd.DataFrame] = field(default_factory=list)
    through_orm: list[pd.DataFrame] = field(default_factory=list)
    ranks: dict[str, dict[Any, int]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    written: Path | None = None

    def task(self, database: Database, query: Query, parameter_sets: int, seed: int) -> Task:
        """A query with its parameters; the tenants of a system are ranked once."""
        system = self.suite.system(query.system)
        with database.connect() as conn:
            if query.system not in self.ranks:
                self.ranks[query.system] = tenant_ranks(conn, system)
            return make_task(conn, query, system, self.ranks[query.system], parameter_sets=parameter_sets, seed=seed)


SESSION = pytest.StashKey[BenchSession]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of ``pytest bench/``; everything of pytest-benchmark works beside them."""
    group = parser.getgroup("pgvitals")
    group.addoption(
        "--rounds", type=int, default=500, help="samples a query (default: %(default)s; an interval takes 400)"
    )
    group.addoption("--seed", type=int, default=1, help="seed of the parameter draw (default: %(default)s)")
    group.addoption(
        "--samples-to", metavar="DIR", type=Path, help="write the samples there instead of a run directory of their own"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Find the suite, so that a broken query file is one clear line."""
    try:
        suite = find_suite(config.rootpath)
        config.stash[SESSION] = BenchSession(suite=suite)
        _ = suite.queries
    except PgvitalsError as error:
        raise pytest.UsageError(str(error)) from None
    if config.getoption("--rounds") < 1:
        raise pytest.UsageError("--rounds must be at least 1")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes ``query`` runs once for each query file."""
    if "query" in metafunc.fixturenames:
        queries = metafunc.config.stash[SESSION].suite.queries
        # By name: pytest-benchmark's JSON repeats what a test is parametrized with.
        metafunc.parametrize("query", [query.key for query in queries], indirect=True)


@pytest.hookimpl(trylast=True)  # after -k
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the queries that are not for the revision where the lab stands; without a lab, none."""
    state = config.stash[SESSION]
    try:
        left_out = queries_at(state.suite, attach(state.suite), state.suite.systems.values()).left_out
    except PgvitalsError:
        return  # whoever needs the lab says what is wrong with it
    state.left_out = {key: why for key, why in left_out.items() if any(_query_of(item) == key for item in items)}
    config.hook.pytest_deselected(items=[item for item in items if _query_of(item) in left_out])
    items[:] = [item for item in items if _query_of(item) not in left_out]


def _query_of(item: pytest.Item) -> str | None:
    """``system/name`` of the query that a test is parametrized with."""
    given = getattr(item, "callspec", None)
    return given.params.get("query") if given is not None else None


@pytest.fixture(scope="session")
def lab_database(pytestconfig: pytest.Config) -> Iterator[Database]:
    """The lab database that ``pgvitals up`` left, at rest for the session."""
    suite = pytestconfig.stash[SESSION].suite
    try:
        database = attach(suite)
        require_whole(suite, database, suite.systems.values())
        with at_rest(database, [system.schema_name for system in suite.systems.values()]):
            yield database
    except PgvitalsError as error:
        pytest.exit(f"pgvitals: {error}", returncode=2)


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """The machine's name is nobody's business."""
    machine_info.pop("node", None)


@pytest.fixture
def query(request: pytest.FixtureRequest) -> Query:
    """The query that a test is about."""
    suite = request.config.stash[SESSION].suite
    return next(each for each in suite.queries if each.key == request.param)


@pytest.fixture
def lookup(request: pytest.FixtureRequest, lab_database: Database) -> Lookup:
    """``lookup(benchmark, query)``: time execute and fetch of a query, as its role, in a transaction each.

    Parameters are drawn when a query's turn comes: a selection (``-k``) needs only its own systems loaded.
    """
    rounds = request.config.getoption("--rounds")
    session = request.config.stash[SESSION]

    def measure(benchmark: Any, query: Query) -> None:
        seed = request.config.getoption("--seed")
        try:
            task = session.task(lab_database, query, rounds + WARMUP, seed)
        except PgvitalsError as error:
            benchmark.skipped = True  # pytest-benchmark would warn that nothing was measured with it
            pytest.exit(f"pgvitals: {error}", returncode=2)
        benchmark.group = query.system
        benchmark.extra_info.update(title=query.title, budget_p95_ms=query.budget_p95_ms, role=task.role)
        requests: list[Request] = []
        wrong = ""
        try:
            with Runner(lab_database, task.role) as runner:
                requests = time_calls(benchmark, runner, task.calls, rounds)
        except psycopg.Error as error:
            wrong = failure(query, error)
        except PgvitalsError as error:
            wrong = str(error)
        if query.writes and not wrong:
            sweep(lab_database, written_tables(lab_database, task))
        if wrong:  # told out here: pytest shows the error that another one follows, and arguments, with row values
            pytest.fail(wrong, pytrace=False)
        if benchmark.stats is not None:  # None with --benchmark-disable
            session.frames.append(samples_of(task, ARM, benchmark.stats.stats.data, requests[WARMUP:]))

    return measure


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep every sample of a session without failures: in a run directory of its own, or as ``--samples-to`` says."""
    state = session.config.stash.get(SESSION, None)
    if state is None or exitstatus != pytest.ExitCode.OK or not (frames := [*state.frames, *state.through_orm]):
        return
    samples = pd.concat(frames, ignore_index=True)
    try:
        if folder := session.config.getoption("--samples-to"):
            state.written = Path(folder) / SAMPLES_FILE
            samples.to_parquet(state.written, index=False)
            return
        with record(state.suite, "pytest", command=shlex.join(["pytest", *session.config.args]), config={}) as run:
            database = attach(state.suite)
            with database.connect() as conn:
                run.conditions(database, kind_of(database), "the lab that is up", recall(conn))
            run.note(phases={ARM: "done"})
            run.writer.write_table("samples.parquet", samples)
            state.written = run.writer.target
    except (PgvitalsError, OSError) as error:
        pytest.exit(f"pgvitals: the samples were not kept: {error}", returncode=2)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Percentiles with an interval, below pytest-benchmark's own table."""
    state = config.stash.get(SESSION, None)
    if state is None or not state.frames:
        return
    terminalreporter.section("p95 of the lookups")
    heading = (
        f"{'lookup':<34} {'n':>6} {'p50 ms':>9} {'p95 ms':>9} {'99 % interval of p95':>22} {'p99 ms':>9} {'budget':>8}"
    )
    terminalreporter.write_line(heading, bold=True)
    queries = {query.key: query for query in state.suite.queries}
    for frame in state.frames:
        key = _key(frame)
        stats, known = summary(frame["latency_ns"].to_numpy()), interval(frame)
        span = f"{known.low:.3f} – {known.high:.3f}" if known else "too few samples"
        terminalreporter.write_line(
            f"{key + ' *' * queries[key].writes:<34} {stats.n:>6} {stats.p50_ms:>9.3f} {stats.p95_ms:>9.3f} {span:>22} "
            f"{stats.p99_ms:>9.3f} {queries[key].budget_p95_ms:>8g}"
        )
    terminalreporter.write_line(
        "The interval is that of one burst; `pgvitals bench` spreads its samples and judges them."
    )
    if any(queries[_key(frame)].writes for frame in state.frames):
        terminalreporter.write_line("* A write: rolled back, so without what a COMMIT costs.")
    for key, why in state.left_out.items():
        terminalreporter.write_line(f"{key}: not at this revision ({why})")
    if state.written is not None:
        terminalreporter.write_line(f"every sample: {state.written}")


def _key(frame: pd.DataFrame) -> str:
    """``system/name`` of the query whose samples these are."""
    return f"{frame['system'].iloc[0]}/{frame['query'].iloc[0]}"
