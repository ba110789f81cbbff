"""Loading in parts: one process or several, the same rows; and what goes wrong in one of them is one line."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import psutil
import pytest

from pgvitals.dataset import parts
from pgvitals.dataset.crew import Crew, default_jobs
from pgvitals.dataset.ledger import halves
from pgvitals.dataset.load import load, load_parts
from pgvitals.dataset.progress import Step
from pgvitals.dataset.stored import recall
from pgvitals.dataset.worker import fill_parts
from pgvitals.errors import DatasetError, RowsRefusedError
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import upgrade
from pgvitals.profile import Profile
from pgvitals.results.records import Dataset
from pgvitals.suite import Suite

Dump = Callable[[Database], list[str]]


@pytest.fixture(scope="module")
def smoke(suite: Suite) -> Profile:
    return suite.profiles.get("smoke")


@pytest.fixture(scope="module")
def by_one(server: Server, suite: Suite, smoke: Profile) -> Iterator[Dataset]:
    """What one process loads, in parts as large as usual."""
    with server.scratch("one") as database:
        upgrade(suite, database)
        yield load(suite, database, smoke, jobs=1)


@pytest.fixture
def migrated(database_at: Callable[[str], Database]) -> Database:
    return database_at("heads")


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch, by_one: Dataset) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 1_000)
    monkeypatch.setattr(parts, "WIDE_PART_ROWS", 1_000)


def checksums(dataset: Dataset) -> dict[str, str]:
    """Table of practice -> its checksum."""
    return {table.table: table.checksum for table in dataset.tables if table.system == "practice"}


def workers() -> list[psutil.Process]:
    """Children of this process that load."""

    def loads(child: psutil.Process) -> bool:
        try:
            return "worker" in " ".join(child.cmdline())
        except psutil.NoSuchProcess:  # ended meanwhile, or not yet waited for
            return False

    return [each for each in psutil.Process().children() if loads(each)]


def test_two_processes_load_what_one_does(
    suite: Suite, migrated: Database, smoke: Profile, by_one: Dataset, schema_dump: Dump
) -> None:
    before = schema_dump(migrated)
    seen: set[int] = set()
    loaded = load(suite, migrated, smoke, jobs=2, progress=lambda step: seen.add(len(workers())))
    assert loaded.checksum == by_one.checksum
    assert [(table.table, table.rows) for table in loaded.tables] == [(t.table, t.rows) for t in by_one.tables]
    assert schema_dump(migrated) == before
    assert seen == {2}
    assert workers() == []


def test_a_load_that_is_whole_leaves_its_record_and_no_ledger(
    suite: Suite, migrated: Database, smoke: Profile, by_one: Dataset
) -> None:
    loaded = load(suite, migrated, smoke, systems=["practice"], jobs=1)
    with migrated.connect() as conn:
        kept = recall(conn)
        tables = conn.execute("select tablename from pg_tables where schemaname = 'pgvitals' order by 1").fetchall()
    assert kept == loaded
    assert checksums(kept) == checksums(by_one)
    assert set(kept.shapes) == set(kept.recipes) == {"practice"}
    assert tables == [("dataset",), ("marker",)]


def test_progress_counts_the_rows_of_all_processes(suite: Suite, migrated: Database, smoke: Profile) -> None:
    steps: list[Step] = []
    loaded = load(suite, migrated, smoke, systems=["practice"], jobs=2, progress=steps.append)
    done = [step.rows_done for step in steps]
    assert done == sorted(done)
    assert {step.rows_total for step in steps} == {sum(table.rows for table in loaded.tables)} == {done[-1]}
    phases = [step.phase for step in steps]
    assert [phase for k, phase in enumerate(phases) if phase not in phases[:k]] == [
        "prepare", "rows", "indexes", "vacuum", "checksum",
    ]  # fmt: skip


def test_systems_are_loaded_together(suite: Suite, migrated: Database, smoke: Profile) -> None:
    steps: list[Step] = []
    load(suite, migrated, smoke, jobs=1, progress=steps.append)
    systems = [step.system for step in steps if step.phase == "rows"]
    first = {name: systems.index(name) for name in suite.systems}
    last = {name: len(systems) - systems[::-1].index(name) for name in suite.systems}
    assert max(first.values()) < min(last.values())


def test_what_the_server_refuses_in_a_child_is_one_line_and_leaves_nothing(
    suite: Suite, migrated: Database, smoke: Profile, schema_dump: Dump
) -> None:
    with migrated.connect() as conn:
        conn.execute("alter table practice.locations add constraint never check (not is_primary)")
    before = schema_dump(migrated)
    with pytest.raises(
        RowsRefusedError, match=r'^loading system \'practice\' failed: locations: .* "never" \(\S+ \d+\)$'
    ):
        load(suite, migrated, smoke, systems=["practice"], jobs=2)
    assert schema_dump(migrated) == before
    with migrated.connect() as conn:
        assert conn.execute("select count(*) from practice.locations").fetchone() == (0,)
        assert halves(conn) == []
    assert workers() == []


def test_a_key_that_does_not_hold_is_one_line_and_leaves_nothing(
    suite: Suite, migrated: Database, smoke: Profile, by_one: Dataset, schema_dump: Dump
) -> None:
    with migrated.connect() as conn:
        conn.execute("alter table practice.users add constraint odd foreign key (id) references practice.tenants (id)")
    before = schema_dump(migrated)
    with pytest.raises(RowsRefusedError, match=r"'practice' failed: users: ForeignKeyViolation of constraint \"odd\""):
        load(suite, migrated, smoke, systems=["practice"], jobs=2)
    assert schema_dump(migrated) == before
    with migrated.connect() as conn:
        assert conn.execute("select count(*) from practice.users").fetchone() == (0,)
        conn.execute("alter table practice.users drop constraint odd")
    mended = load(suite, migrated, smoke, systems=["practice"])
    assert mended.tables == tuple(table for table in by_one.tables if table.system == "practice") or {
        table.checksum for table in mended.tables
    } == {table.checksum for table in by_one.tables if table.system == "practice"}


def test_a_child_that_is_killed_is_told_and_the_load_goes_on(
    suite: Suite, migrated: Database, smoke: Profile, by_one: Dataset
) -> None:
    def kill_one(step: Step) -> None:
        if step.phase == "rows" and len(at_work := workers()) == 2:
            os.kill(at_work[0].pid, signal.SIGKILL)

    with pytest.raises(DatasetError, match="has ended with status -9; `pgvitals load` goes on"):
        load(suite, migrated, smoke, systems=["practice"], jobs=2, progress=kill_one)
    assert workers() == []
    with migrated.connect() as conn:
        assert [half.system for half in halves(conn)] == ["practice"]
    assert checksums(load(suite, migrated, smoke, systems=["practice"], jobs=2)) == checksums(by_one)


def test_children_of_an_interrupted_load_are_gone(suite: Suite, migrated: Database, smoke: Profile) -> None:
    def interrupt(step: Step) -> None:
        if step.phase == "rows":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(suite, migrated, smoke, systems=["practice"], jobs=2, progress=interrupt)
    assert workers() == []


def test_a_crew_without_work_goes_home() -> None:
    with Crew(2):
        assert len(workers()) == 2
    assert workers() == []


def test_few_rows_are_loaded_by_one_process_and_many_by_one_for_each_core() -> None:
    cores = min(8, len(os.sched_getaffinity(0)))
    assert [default_jobs(rows) for rows in (0, 299_999, 300_000, 10**9)] == [1, 1, cores, cores]


def test_parts_can_be_loaded_by_others(suite: Suite, migrated: Database, smoke: Profile, by_one: Dataset) -> None:
    """As a cluster's scheduler does: whatever it loads is not loaded again, and whatever it leaves is."""
    given: list[int] = []

    def elsewhere(work, chosen, done):  # type: ignore[no-untyped-def]
        given.append(len(chosen))
        mine = chosen[: len(chosen) // 2]
        assert fill_parts(work, mine) == []
        for part in mine:
            done(part, 0.1)
        return [*mine[:3], *chosen[len(mine) :]]

    found = load_parts(suite, migrated, smoke, systems=["practice"], fill_with=elsewhere)
    assert found.dataset is not None
    assert checksums(found.dataset) == checksums(by_one)
    assert given[0] > 12
