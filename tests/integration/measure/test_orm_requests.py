"""Requests through the ORM: as whom they run, what is counted, what they leave; and `pytest bench/test_orm.py`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pgvitals.errors import MeasureError
from pgvitals.filling import fill
from pgvitals.lab import Database, Server
from pgvitals.measure.orm import Application, Driver, models
from pgvitals.measure.runner import Call
from pgvitals.measure.task import Task
from pgvitals.suite import Suite
from pgvitals.terminal import Terminal

ITEMS = """
-- title: Items of a kind
-- budget_p95_ms: 100
-- params: select tenant_id, kind from meter.items
select id, name from meter.items where tenant_id = %(tenant_id)s and kind = %(kind)s
"""
WRITES = ITEMS.replace("-- params", "-- ends: rollback\n-- params")


class Base(DeclarativeBase):
    metadata = sa.MetaData(schema="meter")


class Item(Base):
    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    kind: Mapped[int]
    name: Mapped[str]


class Log(Base):
    __tablename__ = "log"

    query: Mapped[str] = mapped_column(primary_key=True)


def every_item(session: Session, p: dict[str, Any]) -> list[tuple[int, str]]:
    """Without a tenant in the predicate: row-level security is what filters."""
    return [(item.id, item.tenant_id) for item in session.scalars(sa.select(Item).order_by(Item.id))]


def write(session: Session, p: dict[str, Any]) -> list[str]:
    """One row in the log."""
    session.add(Log(query="written"))
    session.flush()
    return ["written"]


@pytest.fixture
def read_call(shared: Database, tasks_of: Callable[..., list[Task]]) -> Call:
    """A lookup of some tenant."""
    (task,) = tasks_of(shared, {"items": ITEMS}, sets=1)
    return task.calls[0]


@pytest.fixture
def task(shared: Database, tasks_of: Callable[..., list[Task]]) -> Task:
    """A write, for its call and its system."""
    (made,) = tasks_of(shared, {"items": WRITES}, sets=1)
    return made


@pytest.fixture
def application(shared: Database, task: Task) -> Iterator[Application]:
    """Sessions of the meter's application."""
    with Application(shared, task.system) as made:
        yield made


def asked(application: Application, call: Call, statement: str) -> Any:
    """One value, as a request of its own sees it."""
    return application.send(lambda session, p: session.execute(sa.text(statement)).scalars().all(), call).rows[0]


def test_a_request_runs_as_the_application_and_sees_its_tenant_only(application: Application, read_call: Call) -> None:
    assert asked(application, read_call, "select current_user") == "meter_app"
    seen = application.send(every_item, read_call).rows
    assert {tenant for _, tenant in seen} == {read_call.parameters["tenant_id"]}


def test_the_tenant_is_set_for_one_request_only(
    application: Application, read_call: Call, shared: Database, tasks_of: Callable[..., list[Task]]
) -> None:
    assert application.send(every_item, read_call).rows
    without = ITEMS.replace("select tenant_id, kind", "select kind").replace("tenant_id = %(tenant_id)s and ", "")
    (nobody,) = tasks_of(shared, {"items": without}, sets=1)
    assert nobody.calls[0].settings == ()
    assert application.send(every_item, nobody.calls[0]).rows == []


def test_neither_the_setting_nor_begin_nor_the_end_is_counted(application: Application, read_call: Call) -> None:
    assert application.send(lambda session, p: [], read_call).statements == ()
    (sent,) = application.send(every_item, read_call).statements
    assert "FROM meter.items" in sent.sql


def test_each_lazy_statement_is_counted(application: Application, read_call: Call) -> None:
    def one_by_one(session: Session, p: dict[str, Any]) -> list[Item]:
        ids = session.scalars(sa.select(Item.id).limit(7)).all()
        return [session.get_one(Item, key) for key in (*ids, *ids)]

    assert len(application.send(one_by_one, read_call).statements) == 8


def test_a_request_that_may_only_read_and_writes_ends_with_an_error_that_names_it(
    application: Application, read_call: Call, shared: Database
) -> None:
    with pytest.raises(MeasureError, match=r"items\.sql: items: fails with .*read-only transaction") as caught:
        application.send(write, read_call)
    assert "written" not in str(caught.value)
    assert logged(shared) == 0


def logged(database: Database) -> int:
    with database.connect() as conn:
        return int(conn.execute("select count(*) from meter.log").fetchall()[0][0])


def test_a_write_is_sent_and_undone(application: Application, task: Task, shared: Database) -> None:
    with application.leaves_no_trace():
        assert len(application.send(write, task.calls[0]).statements) == 1
    assert logged(shared) == 0


def test_a_write_that_is_undone_leaves_statements_prepared(application: Application, task: Task) -> None:
    for _ in range(8):  # psycopg prepares what it has seen five times
        application.send(write, task.calls[0])
    prepared = "select count(*) from pg_prepared_statements where statement like '%meter.log%'"
    assert asked(application, task.calls[0], prepared) == 1


def test_after_a_failure_the_next_request_starts_clean(application: Application, task: Task, shared: Database) -> None:
    def fail(session: Session, p: dict[str, Any]) -> list[Any]:
        write(session, p)
        return list(session.execute(sa.text("select 1 / 0")))

    with pytest.raises(MeasureError, match=r"fails with DivisionByZero \(SQLSTATE 22012\)"):
        application.send(fail, task.calls[0])
    assert asked(application, task.calls[0], "select count(*) from meter.log") == 0
    assert logged(shared) == 0


def test_rows_that_a_request_leaves_are_told(metered: Database, task: Task) -> None:
    with (
        Application(metered, task.system) as application,
        pytest.raises(MeasureError, match=r"table meter\.log held 0 rows before and holds 1 afterwards"),
        application.leaves_no_trace(),
        metered.connect() as conn,
    ):
        conn.execute("insert into meter.log values ('left')")


def test_the_tables_that_a_request_writes_are_found_and_it_is_undone(
    application: Application, task: Task, shared: Database
) -> None:
    assert application.written_tables(write, task.calls[0]) == (("meter", "log"),)
    assert logged(shared) == 0


def test_the_driver_repeats_what_was_sent_under_the_same_tenant_and_writes_nothing(
    application: Application, task: Task, read_call: Call, shared: Database
) -> None:
    def own(session: Session, p: dict[str, Any]) -> Sequence[Any]:
        return session.scalars(sa.select(sa.func.count()).select_from(Item).having(sa.func.count() > 0)).all()

    with Driver(shared, task.system) as driver:
        assert driver.time(application.send(own, read_call).statements, read_call) > 0
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            driver.time(application.send(write, task.calls[0]).statements, task.calls[0])
    assert logged(shared) == 0


def test_models_are_those_of_the_file_s_suite_and_loaded_once(suite: Suite) -> None:
    beside = suite.root / "bench" / "test_orm.py"
    loaded = models("practice", beside)
    assert loaded.AuthToken.__table__.schema == "practice"
    assert models("practice", beside) is loaded


ROUNDS = 12
RunPytest = Callable[[Sequence[str], Path, Mapping[str, str]], subprocess.CompletedProcess[str]]
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
BENCHMARK_ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "pytest_benchmark.plugin"}
REQUEST = re.compile(r"^(?P<request>\w+/\w+)(?: \*)? {2,}(?P<loading>\S+(?: \S+)*) {2,}(?P<rest>.*)$", re.MULTILINE)


@dataclass
class Bench:
    """`pytest bench/…` in a copy of the suite, against a loaded database."""

    run_pytest: RunPytest
    root: Path
    database: Database

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        words = ["-W", "error", "-p", "no:cacheprovider", f"--rounds={ROUNDS}", *arguments]
        return self.run_pytest(words, self.root, {"COLUMNS": "200", **BENCHMARK_ALONE, **self.database.environment()})


@pytest.fixture(scope="module")
def bench(
    run_pytest: RunPytest, server: Server, suite: Suite, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    """The smoke profile, and a copy of the suite whose files a test may change."""
    root = tmp_path_factory.mktemp("copy")
    for folder in ("bench", "fixtures"):
        shutil.copytree(suite.root / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(suite.root / "pyproject.toml", root)
    with server.scratch("orm") as made:
        fill(suite, made, suite.profiles.get("smoke"), suite.select(None), Terminal(quiet=True))
        yield Bench(run_pytest, root, made)


def table(output: str) -> dict[tuple[str, str], list[str]]:
    """(request, loading) -> the other cells of its line in the table at the end."""
    section = output.partition("statements and p95 of the requests through the ORM")[2]
    return {(line["request"], line["loading"]): line["rest"].split() for line in REQUEST.finditer(section)}


def counts(database: Database) -> dict[str, int]:
    with database.connect() as conn:
        tables = conn.execute(
            "select schemaname || '.' || tablename from pg_tables where schemaname in ('pazpaz', 'practice', 'portal')"
        ).fetchall()
        return {name: conn.execute(f"select count(*) from {name}").fetchall()[0][0] for (name,) in tables}


@dataclass
class Whole:
    """One run over all requests."""

    output: str
    report: dict[str, Any]  # pytest-benchmark's JSON
    samples: pd.DataFrame
    before: dict[str, int]
    after: dict[str, int]


@pytest.fixture(scope="module")
def whole(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """`pytest bench/test_orm.py bench/test_orm_clients.py`, which ends well: every number of statements is asserted."""
    folder, before = tmp_path_factory.mktemp("samples"), counts(bench.database)
    json_file = folder / "report.json"
    files = ("bench/test_orm.py", "bench/test_orm_clients.py")
    done = bench(*files, f"--samples-to={folder}", f"--benchmark-json={json_file}")
    assert done.returncode == 0, done.stdout + done.stderr
    samples = pd.read_parquet(folder / "pytest_samples.parquet")
    return Whole(done.stdout, json.loads(json_file.read_text()), samples, before, counts(bench.database))


def test_every_request_has_a_line_with_its_statements(whole: Whole) -> None:
    shown = table(whole.output)
    assert len(shown) == len(whole.report["benchmarks"])
    for each in whole.report["benchmarks"]:
        assert each["extra_info"]["statements"]
        assert each["extra_info"]["rows"]
    assert {request for request, _ in shown} >= {
        "pazpaz/calendar_week",
        "pazpaz/client_page",
        "practice/rotate_token",
        "portal/patient_list",
    }
    assert all(cells[0] == str(ROUNDS) for cells in shown.values())


def test_eager_loading_sends_the_same_for_any_number_of_rows_and_lazy_loading_does_not(whole: Whole) -> None:
    shown = table(whole.output)
    for request in ("pazpaz/calendar_week", "portal/patient_list"):
        rows, statements = shown[request, "eager"][1:3]
        assert (".." in rows, statements) == (True, "2")
        assert ".." in shown[request, "lazy"][2]


def test_the_calendar_is_compared_with_the_driver_alone(whole: Whole) -> None:
    compared = {key: float(cells[-1]) for key, cells in table(whole.output).items() if cells[-1] != "–"}
    assert set(compared) == {("pazpaz/calendar_week", "lazy"), ("pazpaz/calendar_week", "eager")}
    assert all(ratio > 0 for ratio in compared.values())


def test_the_requests_leave_every_table_as_it_was(whole: Whole) -> None:
    assert whole.after == whole.before


def test_every_sample_is_kept_apart_from_those_of_the_lookups(whole: Whole) -> None:
    assert {arm.split(" ")[0] for arm in whole.samples["arm"]} == {"orm"}
    assert len(whole.samples) == ROUNDS * len(whole.report["benchmarks"])
    assert (whole.samples["request_ns"] > whole.samples["latency_ns"]).all()


def test_no_row_is_in_what_is_printed_or_kept(whole: Whole) -> None:
    assert UUID.findall(json.dumps(whole.report) + whole.output) == []


@pytest.fixture
def edited(bench: Bench) -> Iterator[Path]:
    """The file of the requests, to be changed."""
    path = bench.root / "bench" / "test_orm.py"
    text = path.read_text()
    yield path
    path.write_text(text)


def test_a_request_that_sends_more_than_it_may_fails_and_says_so(bench: Bench, edited: Path) -> None:
    eager = '{"lazy": [], "eager": [selectinload(Patient.contact_methods)]}'
    assert eager in edited.read_text()
    edited.write_text(edited.read_text().replace(eager, '{"lazy": [], "eager": []}'))
    done = bench("bench/test_orm.py", "-k", "patient_list and eager", "--samples-to=.")
    assert done.returncode == 1
    assert re.search(rf"{edited}: patient_list: sent \d+ statements for \d+ rows, not 2 \(eager\)", done.stdout)
    assert not list(bench.root.glob("*.parquet"))


def test_a_request_that_fails_is_named_without_values(bench: Bench, edited: Path) -> None:
    edited.write_text(
        edited.read_text().replace(
            "Patient.last_name, Patient.first_name", "Patient.last_name.cast(Patient.created_at.type)"
        )
    )
    done = bench("bench/test_orm.py", "-k", "patient_list", "--samples-to=.")
    assert done.returncode == 1
    assert f"{edited}: patient_list: fails with " in done.stdout
    assert "Traceback" not in done.stdout
    assert not re.search(r"\b[0-9A-HJKMNP-TV-Z]{26}\b", done.stdout)


def test_with_benchmarks_disabled_every_request_runs_once(bench: Bench, whole: Whole) -> None:
    done = bench("bench/test_orm.py", "bench/test_orm_clients.py", "--benchmark-disable")
    assert done.returncode == 0, done.stdout
    assert f"{len(whole.report['benchmarks'])} passed" in done.stdout


def test_a_lab_at_another_revision_than_the_models_is_one_clear_line(
    server: Server, suite: Suite, bench: Bench
) -> None:
    from pgvitals.lab.migrate import downgrade

    with server.scratch("older", bench.database) as older:
        downgrade(suite, older, "portal@-1")
        done = Bench(bench.run_pytest, bench.root, older)("bench/test_orm.py", "-k", "patient_list")
    assert done.returncode == 2
    assert (
        "the models of 'portal' are those of revision portal_hardening, the lab stands at ec20df1795df" in done.stdout
    )
