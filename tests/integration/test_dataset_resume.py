"""A load that was killed or interrupted goes on where it was, or begins anew if it would be of other rows."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pgvitals import filling, workbench
from pgvitals.dataset import ledger, parts, prepare, worker
from pgvitals.dataset.load import load, load_parts
from pgvitals.dataset.progress import Step
from pgvitals.dataset.stored import recall
from pgvitals.errors import DatasetError
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import current, downgrade, upgrade
from pgvitals.profile import Profile
from pgvitals.results.records import Dataset
from pgvitals.suite import Suite
from pgvitals.terminal import Terminal

REPOSITORY = Path(__file__).parents[2]
DONE = "select table_name, part, loaded_at from pgvitals.loaded_part order by 1, 2"
Dump = Callable[[Database], list[str]]


@pytest.fixture(scope="module")
def smoke(suite: Suite) -> Profile:
    return suite.profiles.get("smoke")


@pytest.fixture(scope="module")
def whole(server: Server, suite: Suite, smoke: Profile) -> Iterator[Dataset]:
    """What a load that nothing happens to comes to."""
    with server.scratch("whole") as database:
        upgrade(suite, database, "practice@head")
        yield load(suite, database, smoke, systems=["practice"], jobs=1)


@pytest.fixture
def migrated(database_at: Callable[[str], Database]) -> Database:
    return database_at("practice@head")


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch, whole: Dataset) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 1_000)
    monkeypatch.setattr(parts, "WIDE_PART_ROWS", 1_000)


def interrupted(
    suite: Suite, database: Database, profile: Profile, *, phase: str = "rows", at: int = 6, **how: Any
) -> None:
    """Load practice and interrupt it."""
    seen = []

    def stop(step: Step) -> None:
        if step.phase == phase and step.rows_done:
            seen.append(step)
            if len(seen) == at:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(suite, database, profile, systems=["practice"], jobs=1, progress=stop)


def held(database: Database) -> list[Any]:
    """The ledger's lines."""
    with database.connect() as conn:
        return conn.execute(DONE).fetchall()


def resumed(suite: Suite, database: Database, profile: Profile, **how: Any) -> tuple[Dataset, list[Any]]:
    """Load practice; returns the ledger, too, as it was when all parts were in."""
    lines: list[Any] = []

    def look(step: Step) -> None:
        if step.phase == "indexes" and not lines:
            lines.extend(held(database))

    return load(suite, database, profile, systems=["practice"], progress=look, **how), lines


# Killed


@pytest.mark.parametrize(("phase", "at"), [("rows", 8), ("indexes", 9), ("vacuum", 3), ("checksum", 4)])
def test_a_killed_load_goes_on_with_what_is_missing(
    suite: Suite,
    migrated: Database,
    smoke: Profile,
    whole: Dataset,
    loading: Callable[..., Any],
    schema_dump: Dump,
    phase: str,
    at: int,
) -> None:
    before = schema_dump(migrated)
    killed = loading(migrated, "practice", jobs=2, stop_in=phase, stop_at=at)
    killed.until_it_stands()
    killed.kill()
    with migrated.connect() as conn:
        assert recall(conn) is None, "never taken for whole"
        (half,) = ledger.halves(conn)
    first = held(migrated)
    assert half.done == len(first) >= 7
    assert (half.done < half.parts) == (phase == "rows")
    loaded, lines = resumed(suite, migrated, smoke)
    assert loaded.checksum == whole.checksum
    assert schema_dump(migrated) == before
    assert len(lines) == half.parts
    assert [line for line in lines if line in first] == first, "what was in was not loaded again"


def test_a_killed_load_can_be_killed_again(
    suite: Suite, migrated: Database, smoke: Profile, whole: Dataset, loading: Callable[..., Any]
) -> None:
    for phase, at in (("rows", 2), ("rows", 5), ("indexes", 3), ("indexes", 20)):
        killed = loading(migrated, "practice", stop_in=phase, stop_at=at)
        killed.until_it_stands()
        killed.kill()
    assert load(suite, migrated, smoke, systems=["practice"]).checksum == whole.checksum


def test_progress_of_a_load_that_goes_on_begins_with_what_is_there(
    suite: Suite, migrated: Database, smoke: Profile
) -> None:
    interrupted(suite, migrated, smoke, at=10)
    with migrated.connect() as conn:
        there = sum(ledger.done(conn, "practice").values())
    steps: list[Step] = []
    found = load_parts(suite, migrated, smoke, systems=["practice"], progress=steps.append)
    assert found.dataset is not None
    total = sum(table.rows for table in found.dataset.tables)
    assert min(step.rows_done for step in steps if step.phase == "rows") > there > 0
    assert steps[-1].rows_done == steps[-1].rows_total == total
    assert sum(timing.rows for timing in found.timings) == total - there


# Interrupted


def test_ctrl_c_leaves_no_process_and_says_how_to_go_on(suite: Suite, migrated: Database) -> None:
    scripts = sysconfig.get_path("scripts")
    running = subprocess.Popen(
        [f"{scripts}/pgvitals", "load", "--profile", "small", "--system", "practice", "--jobs", "2"],
        cwd=REPOSITORY,
        env={**os.environ, **migrated.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with migrated.connect() as conn:
        while (
            conn.execute("select to_regclass('pgvitals.loaded_part')").fetchone() == (None,) or len(held(migrated)) < 2
        ):
            assert running.poll() is None, running.communicate()[1]
            time.sleep(0.01)
    family = psutil.Process(running.pid).children(recursive=True)
    assert len(family) == 2
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert out == ""
    assert re.fullmatch(
        r"error: interrupted; the lab holds half a load of practice \(\d+ of \d+ parts\);"
        r" `pgvitals load --profile small` goes on",
        err.splitlines()[-1],
    )
    assert "Traceback" not in err
    assert psutil.wait_procs(family, timeout=10)[1] == []


@pytest.mark.parametrize("phase", ["rows", "indexes", "vacuum", "checksum"])
def test_an_interrupted_load_is_not_taken_for_whole(
    suite: Suite, migrated: Database, smoke: Profile, whole: Dataset, schema_dump: Dump, phase: str
) -> None:
    before = schema_dump(migrated)
    interrupted(suite, migrated, smoke, phase=phase)
    with migrated.connect() as conn:
        (half,) = ledger.halves(conn)
    told = rf"the lab holds half a load of practice \({half.done} of {half.parts} parts\); `pgvitals load .*` goes on"
    with (
        pytest.raises(DatasetError, match=told),
        workbench.workbench(suite, migrated.conninfo(), None, suite.select(["practice"]), Terminal(quiet=True), None),
    ):
        pass
    assert load(suite, migrated, smoke, systems=["practice"]).checksum == whole.checksum
    assert schema_dump(migrated) == before


def test_the_interrupted_threads_that_build_indexes_end(suite: Suite, migrated: Database, smoke: Profile) -> None:
    interrupted(suite, migrated, smoke, phase="indexes")
    seen = []

    def stop(step: Step) -> None:
        seen.append(step)
        if step.phase == "indexes" and len(seen) > 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(suite, migrated, smoke, systems=["practice"], jobs=2, progress=stop)
    with migrated.connect() as conn:
        left = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        deadline = time.monotonic() + 20
        while conn.execute(left).fetchone() != (0,):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_second_load_says_what_the_lab_holds(
    suite: Suite, migrated: Database, smoke: Profile, whole: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    practice = suite.select(["practice"])
    first = filling.fill(suite, migrated, smoke, practice, Terminal(quiet=True))
    capsys.readouterr()
    second = filling.fill(suite, migrated, smoke, practice, Terminal(quiet=True))
    assert first == second
    assert first.checksum == whole.checksum
    assert "practice holds profile smoke, seed 20250106, already; --fresh loads it again" in capsys.readouterr().err


# Other rows


CHANGES = {
    "seed": r"seed 20250106 then, 7 now",
    "profile": r"profile smoke then, other now",
    "sizes": r"the profile's sizes have changed",
    "as_of": r"as_of 2025-10-01 then, 2025-10-02 now",
    "recipe": r"the recipe has changed",
    "key": r"key-encryption key lab then, local:[0-9a-f]{16} now",
    "tables": r"its tables were altered",
}


@pytest.mark.parametrize("what", CHANGES)
def test_half_a_load_of_other_rows_is_emptied_and_begun_anew(
    suite: Suite, migrated: Database, smoke: Profile, whole: Dataset, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    interrupted(suite, migrated, smoke)
    seed, profile = None, smoke
    sizes = smoke.sizes | {"practice": smoke.sizes["practice"] | {"users": 250}}
    if what == "seed":
        seed = 7
    elif what == "profile":
        profile = smoke.model_copy(update={"name": "other"})
    elif what == "sizes":
        profile = smoke.model_copy(update={"sizes": sizes})
    elif what == "as_of":
        profile = smoke.model_copy(update={"as_of": "2025-10-02"})
    elif what == "recipe":
        for module in (prepare, worker):
            monkeypatch.setattr(module, "recipe_version", lambda system: "another")
    elif what == "key":
        monkeypatch.setenv("PGVITALS_KEK", "A" * 43 + "=")
    else:
        with migrated.connect() as conn:
            conn.execute("create index by_hand on practice.locations (created_at)")
    first = held(migrated)
    sent: list[Any] = []

    def look(step: Step) -> None:
        if step.phase == "indexes" and not sent:
            sent.extend(held(migrated))

    found = load_parts(suite, migrated, profile, systems=["practice"], seed=seed, progress=look)
    assert found.dataset is not None
    assert len(found.news) == 1
    assert re.fullmatch(rf"practice: half a load was there and is begun anew: {CHANGES[what]}", found.news[0])
    assert [line for line in sent if line in first] == []
    rows = {table.table: table.rows for table in found.dataset.tables}
    assert rows == {table.table: table.rows for table in whole.tables} | ({"users": 250} if what == "sizes" else {})
    same = what in ("profile", "recipe", "key", "tables")  # practice seals nothing
    assert (found.dataset.checksum == whole.checksum) == same


def test_fresh_begins_anew(suite: Suite, migrated: Database, smoke: Profile, whole: Dataset) -> None:
    interrupted(suite, migrated, smoke)
    first = held(migrated)
    loaded, lines = resumed(suite, migrated, smoke, fresh=True)
    assert loaded.checksum == whole.checksum
    assert [line for line in lines if line in first] == []


def test_half_a_load_at_an_older_revision_gives_way_to_the_migration(
    suite: Suite, database: Database, smoke: Profile, whole: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    upgrade(suite, database, "practice_0001")
    interrupted(suite, database, smoke)
    filled = filling.fill(suite, database, smoke, suite.select(["practice"]), Terminal(quiet=True))
    assert filled.checksum == whole.checksum
    assert filled.revisions == whole.revisions
    told = "half a load of system 'practice' was begun at revision practice_0001 and was undone"
    assert told in capsys.readouterr().err


def test_tables_that_were_made_anew_by_hand_are_filled_anew(
    suite: Suite, migrated: Database, smoke: Profile, whole: Dataset, schema_dump: Dump
) -> None:
    interrupted(suite, migrated, smoke)
    downgrade(suite, migrated, "practice@base")
    upgrade(suite, migrated, "practice@head")
    before = schema_dump(migrated)
    found = load_parts(suite, migrated, smoke, systems=["practice"])
    assert found.dataset is not None
    assert found.dataset.checksum == whole.checksum
    assert found.news == ("practice: half a load was there and is begun anew: its tables were altered",)
    assert schema_dump(migrated) == before


def test_another_load_at_work_is_not_wiped(
    suite: Suite,
    migrated: Database,
    smoke: Profile,
    loading: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledger, "_PATIENCE", "100ms")
    at_work = loading(migrated, "practice", stop_in="rows", stop_at=4)
    at_work.until_it_stands()
    first = held(migrated)
    for how in ({"seed": 7}, {"fresh": True}):
        with pytest.raises(DatasetError, match="another process is loading system 'practice' into this database"):
            load(suite, migrated, smoke, systems=["practice"], **how)
    assert held(migrated) == first


# Rows that are not there any more


def test_columns_that_were_dropped_and_made_again_are_noticed(suite: Suite, migrated: Database, smoke: Profile) -> None:
    practice = suite.select(["practice"])
    filling.fill(suite, migrated, smoke, practice, Terminal(quiet=True))
    head = current(suite, migrated)["practice"]
    downgrade(suite, migrated, "practice@base")
    upgrade(suite, migrated, "practice@head")
    assert current(suite, migrated)["practice"] == head
    with pytest.raises(DatasetError, match=r"of system 'practice' were made anew since they were filled.*--fresh"):
        filling.fill(suite, migrated, smoke, practice, Terminal(quiet=True))
    again = filling.fill(suite, migrated, smoke, practice, Terminal(quiet=True), fresh=True)
    assert again == filling.fill(suite, migrated, smoke, practice, Terminal(quiet=True))


def test_a_clone_holds_what_its_source_does(
    suite: Suite, server: Server, migrated: Database, smoke: Profile, capsys: pytest.CaptureFixture[str]
) -> None:
    practice = suite.select(["practice"])
    first = filling.fill(suite, migrated, smoke, practice, Terminal(quiet=True))
    with server.scratch("clone", migrated) as clone:
        assert filling.fill(suite, clone, smoke, practice, Terminal(quiet=True)) == first
    assert "practice holds profile smoke" in capsys.readouterr().err
