"""Parts as tasks on Dask: the same rows, whatever happens to workers; who would make others is refused."""

from __future__ import annotations

import base64
import logging
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import distributed
import pytest

from pgvitals.dataset import dask_task, on_dask, parts
from pgvitals.dataset.load import load, load_parts
from pgvitals.dataset.on_dask import DaskCrew
from pgvitals.dataset.parts import Part
from pgvitals.dataset.stored import recall
from pgvitals.dataset.worker import Work
from pgvitals.errors import DatasetError, RowsRefusedError
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import upgrade
from pgvitals.profile import Profile
from pgvitals.results.records import Dataset
from pgvitals.suite import Suite

BACKENDS = "select count(*) from pg_stat_activity where datname = %s and pid <> pg_backend_pid()"


@pytest.fixture(scope="module")
def smoke(suite: Suite) -> Profile:
    return suite.profiles.get("smoke")


@pytest.fixture(scope="module")
def whole(server: Server, suite: Suite, smoke: Profile) -> Dataset:
    """What one process loads."""
    with server.scratch("whole") as database:
        upgrade(suite, database, "practice@head")
        return load(suite, database, smoke, systems=["practice"], jobs=1)


@pytest.fixture(scope="module")
def crew() -> Iterator[DaskCrew]:
    """A local cluster of two worker processes."""
    with DaskCrew("local", workers=2) as made:
        yield made


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch, whole: Dataset) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 1_000)
    monkeypatch.setattr(parts, "WIDE_PART_ROWS", 1_000)


@pytest.fixture
def migrated(database_at: Callable[[str], Database]) -> Database:
    return database_at("practice@head")


@contextmanager
def on_workers(crew: DaskCrew, variable: str, value: str) -> Iterator[None]:
    """A variable of the workers' environment, for the time of the block."""
    crew.client.run(lambda: os.environ.update({variable: value}))
    yield
    crew.client.run(lambda: os.environ.pop(variable))


def worker_pids(crew: DaskCrew) -> list[int]:
    return sorted(crew.client.run(os.getpid).values())


def test_two_workers_load_the_same_rows_as_one_process(
    suite: Suite, migrated: Database, smoke: Profile, whole: Dataset, crew: DaskCrew
) -> None:
    assert len(worker_pids(crew)) == 2
    found = load_parts(suite, migrated, smoke, systems=["practice"], fill_with=crew.fill)
    assert found.dataset is not None
    assert found.dataset.checksum == whole.checksum
    assert sum(timing.rows for timing in found.timings) == sum(table.rows for table in whole.tables)


def test_no_worker_stays_connected_to_what_is_loaded(
    server: Server, suite: Suite, migrated: Database, smoke: Profile, crew: DaskCrew
) -> None:
    load_parts(suite, migrated, smoke, systems=["practice"], fill_with=crew.fill)
    with server.maintenance() as conn:
        deadline = time.monotonic() + 10
        while conn.execute(BACKENDS, (migrated.name,)).fetchone() != (0,):
            assert time.monotonic() < deadline, "a backend is left"
            time.sleep(0.05)


def test_a_worker_killed_in_the_middle_costs_no_row(
    suite: Suite, migrated: Database, smoke: Profile, whole: Dataset, crew: DaskCrew
) -> None:
    before = worker_pids(crew)
    killed: list[int] = []

    def kill_one(work: Work, parts_: list[Part], done: Callable[[Part, float], None]) -> list[Part]:
        def hear(part: Part, seconds: float) -> None:
            if not killed:
                killed.append(before[0])
                os.kill(before[0], signal.SIGKILL)
            done(part, seconds)

        return crew.fill(work, parts_, hear)

    found = load_parts(suite, migrated, smoke, systems=["practice"], fill_with=kill_one)
    assert killed
    assert found.dataset is not None
    assert found.dataset.checksum == whole.checksum


def test_what_is_loaded_already_is_no_task(
    suite: Suite, migrated: Database, smoke: Profile, whole: Dataset, crew: DaskCrew
) -> None:
    asked: list[int] = []

    def interrupted(work: Work, parts_: list[Part], done: Callable[[Part, float], None]) -> list[Part]:
        asked.append(len(parts_))
        crew.fill(work, parts_[:5], done)
        raise KeyboardInterrupt

    def rest(work: Work, parts_: list[Part], done: Callable[[Part, float], None]) -> list[Part]:
        asked.append(len(parts_))
        return crew.fill(work, parts_, done)

    with pytest.raises(KeyboardInterrupt):
        load_parts(suite, migrated, smoke, systems=["practice"], fill_with=interrupted)
    found = load_parts(suite, migrated, smoke, systems=["practice"], fill_with=rest)
    assert asked[1] == asked[0] - 5 > 0
    assert found.dataset is not None
    assert found.dataset.checksum == whole.checksum


# Refused


def refused(suite: Suite, database: Database, smoke: Profile, crew: DaskCrew, change: Callable[[Work], Work]) -> str:
    """What a load says whose workers get a changed `Work`."""

    def changed(work: Work, parts_: list[Part], done: Callable[[Part, float], None]) -> list[Part]:
        return crew.fill(change(work), parts_, done)

    with pytest.raises(DatasetError) as refusal:
        load_parts(suite, database, smoke, systems=["practice"], fill_with=changed)
    with database.connect() as conn:
        assert recall(conn) is None
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_a_worker_with_another_recipe_is_refused(
    suite: Suite, migrated: Database, smoke: Profile, crew: DaskCrew
) -> None:
    def other(work: Work) -> Work:
        return replace(work, loads={name: (load_, "0123456789abcdef") for name, (load_, _) in work.loads.items()})

    told = refused(suite, migrated, smoke, crew, other)
    assert re.search(r"Dask worker on \S+: the recipe of system 'practice' is [0-9a-f]{16} there and 0123", told)


def test_a_worker_without_the_suite_is_told_which_variable_names_it(
    suite: Suite, migrated: Database, smoke: Profile, crew: DaskCrew, tmp_path: Path
) -> None:
    told = refused(suite, migrated, smoke, crew, lambda work: replace(work, suite=tmp_path))
    assert told.endswith("set PGVITALS_SUITE there to the folder of the suite")


def test_a_worker_finds_the_suite_where_its_environment_says(
    suite: Suite, migrated: Database, smoke: Profile, whole: Dataset, crew: DaskCrew, tmp_path: Path
) -> None:
    def elsewhere(work: Work, parts_: list[Part], done: Callable[[Part, float], None]) -> list[Part]:
        return crew.fill(replace(work, suite=tmp_path), parts_, done)

    with on_workers(crew, dask_task.SUITE_VARIABLE, str(suite.root)):
        found = load_parts(suite, migrated, smoke, systems=["practice"], fill_with=elsewhere)
    assert found.dataset is not None
    assert found.dataset.checksum == whole.checksum


def test_a_worker_with_another_key_encryption_key_is_refused(
    suite: Suite, migrated: Database, smoke: Profile, crew: DaskCrew
) -> None:
    with on_workers(crew, "PGVITALS_KEK", base64.b64encode(b"another key of 32 bytes for test").decode()):
        told = refused(suite, migrated, smoke, crew, lambda work: work)
    assert "the key-encryption key is " in told


def test_rows_that_a_table_refuses_leave_nothing(
    suite: Suite, migrated: Database, smoke: Profile, crew: DaskCrew
) -> None:
    with migrated.connect() as conn:
        conn.execute("alter table practice.locations add constraint never check (city is null) not valid")
    with pytest.raises(RowsRefusedError, match="practice"):
        load_parts(suite, migrated, smoke, systems=["practice"], fill_with=crew.fill)
    with migrated.connect() as conn:
        assert conn.execute("select count(*) from practice.auth_tokens").fetchone() == (0,)
        assert conn.execute("select to_regclass('pgvitals.loading')").fetchone() == (None,)


# Secrets


def test_a_password_is_in_no_key_name_or_log(
    suite: Suite, migrated: Database, smoke: Profile, crew: DaskCrew, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "hunter2-in-no-log"
    params = {**migrated.params, "password": secret, "host": "127.0.0.1", "port": "1"}

    def unreachable(work: Work, parts_: list[Part], done: Callable[[Part, float], None]) -> list[Part]:
        return crew.fill(replace(work, database=replace(work.database, params=params)), parts_[:2], done)

    with caplog.at_level(logging.DEBUG), pytest.raises(DatasetError, match="cannot connect") as refusal:
        load_parts(suite, migrated, smoke, systems=["practice"], fill_with=unreachable)
    logs = crew.client.get_worker_logs(), crew.client.get_scheduler_logs()
    seen = [str(refusal.value), caplog.text, *map(str, logs), *crew.client.run_on_scheduler(_all_that_it_shows)]
    assert any("Compute Failed" in text for text in seen), "the log of the failure was looked at"
    assert not [text for text in seen if secret in text]


def _all_that_it_shows(dask_scheduler: Any) -> list[str]:
    """Keys, groups, reprs and events, as the dashboard would show them."""
    tasks = [text for task in dask_scheduler.tasks.values() for text in (repr(task), repr(task.run_spec))]
    return [*tasks, *map(str, dask_scheduler.task_groups), str(dask_scheduler.get_events())]


# Addresses


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "remote", ""])
def test_an_address_without_a_scheme_is_refused(address: str) -> None:
    with pytest.raises(DatasetError, match=r"expected local, or a scheduler as in tcp://host:8786"):
        DaskCrew(address)


def test_an_address_where_nothing_listens_is_one_line() -> None:
    with pytest.raises(DatasetError, match=r"--dask tcp://127.0.0.1:1: no Dask scheduler answers there") as refusal:
        DaskCrew("tcp://127.0.0.1:1")
    assert "\n" not in str(refusal.value)


def test_an_address_that_greets_nobody_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_dask, "_CONNECT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(DatasetError, match=r"no Dask scheduler answers there \(no greeting within 1 s\)"):
            DaskCrew(address)


def test_a_scheduler_without_workers_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_dask, "_CONNECT_S", 1)
    with scheduler(workers=0) as address, pytest.raises(DatasetError, match=f"no workers; `dask worker {address}`"):
        DaskCrew(address)


def test_threads_of_a_worker_of_somebodys_scheduler_load_the_same_rows(
    suite: Suite, migrated: Database, smoke: Profile, whole: Dataset
) -> None:
    with scheduler(workers=1, threads=3) as address, DaskCrew(address) as theirs:
        found = load_parts(suite, migrated, smoke, systems=["practice"], fill_with=theirs.fill)
    assert found.dataset is not None
    assert found.dataset.checksum == whole.checksum


@contextmanager
def scheduler(*, workers: int, threads: int = 1) -> Iterator[str]:
    """The address of a scheduler that knows nothing of us."""
    with distributed.LocalCluster(
        n_workers=workers, threads_per_worker=threads, dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL
    ) as cluster:
        yield cluster.scheduler_address


def test_a_server_of_this_machine_alone_is_not_offered_to_another_ones_workers(
    suite: Suite, migrated: Database, smoke: Profile, crew: DaskCrew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "address", "tcp://192.0.2.7:8786")
    with pytest.raises(DatasetError, match=r"workers are on other machines, and the lab's server answers on this one"):
        load_parts(suite, migrated, smoke, systems=["practice"], fill_with=crew.fill)


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(DatasetError, match=re.escape("`pip install 'pgvitals[dask]'`")):
        DaskCrew("local")
