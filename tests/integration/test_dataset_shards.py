"""Shards: several machines load into one server, in turn or at the very same moment."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pgvitals.dataset import ledger, parts
from pgvitals.dataset.load import load, load_parts
from pgvitals.dataset.parts import parse_shard
from pgvitals.dataset.stored import recall
from pgvitals.errors import DatasetError
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import upgrade
from pgvitals.profile import Profile
from pgvitals.results.records import Dataset
from pgvitals.suite import Suite

REPOSITORY = Path(__file__).parents[2]
SYSTEMS = ("pazpaz", "practice")
Dump = Callable[[Database], list[str]]


@pytest.fixture(scope="module")
def smoke(suite: Suite) -> Profile:
    return suite.profiles.get("smoke")


@pytest.fixture(scope="module")
def whole(server: Server, suite: Suite, smoke: Profile) -> Iterator[Dataset]:
    """What one process loads."""
    with server.scratch("whole") as database:
        upgrade(suite, database)
        yield load(suite, database, smoke, systems=SYSTEMS, jobs=1)


@pytest.fixture
def migrated(database_at: Callable[[str], Database]) -> Database:
    return database_at("heads")


def test_shards_in_turn_make_the_whole(
    migrated: Database, whole: Dataset, loading: Callable[..., Any], schema_dump: Dump
) -> None:
    before = schema_dump(migrated)
    for shard in ("3/3", "1/3"):
        told = loading(migrated, *SYSTEMS, shard=shard).told()
        assert told["checksum"] is None
        assert set(told["missing"]) == set(SYSTEMS)
        with migrated.connect() as conn:
            assert recall(conn) is None
    assert loading(migrated, *SYSTEMS, shard="2/3").told() == {"checksum": whole.checksum, "missing": {}}
    assert schema_dump(migrated) == before


def test_shards_at_the_same_moment_make_the_whole(
    migrated: Database, whole: Dataset, loading: Callable[..., Any], schema_dump: Dump
) -> None:
    before = schema_dump(migrated)
    at_once = [loading(migrated, *SYSTEMS, shard=f"{number}/3") for number in (1, 2, 3)]
    told = [each.told() for each in at_once]
    assert whole.checksum in [each["checksum"] for each in told]
    assert all(each["checksum"] == whole.checksum or each["missing"] for each in told)
    with migrated.connect() as conn:
        kept = recall(conn)
    assert kept is not None
    assert kept.checksum == whole.checksum
    assert schema_dump(migrated) == before


def test_two_whole_loads_at_the_same_moment_share_the_parts(
    migrated: Database, whole: Dataset, loading: Callable[..., Any]
) -> None:
    both = [loading(migrated, *SYSTEMS, part_rows=500) for _ in range(2)]
    outcomes = []
    for each in both:
        out, err = each.process.communicate(timeout=300)
        outcomes.append((each.process.returncode, out, err))
    # The slower one may come when all is done, and is told so as if it came tomorrow.
    assert [out for code, out, _ in outcomes if code == 0 and whole.checksum in out], outcomes
    assert all(code == 0 or "is already loaded" in err for code, _, err in outcomes), outcomes


def test_a_shard_can_be_missing_and_a_plain_load_takes_its_place(
    suite: Suite, migrated: Database, smoke: Profile, whole: Dataset, loading: Callable[..., Any]
) -> None:
    loading(migrated, *SYSTEMS, shard="1/2").told()
    with migrated.connect() as conn:
        first = {system: ledger.done(conn, system) for system in SYSTEMS}
    parts_before = (parts.PART_ROWS, parts.WIDE_PART_ROWS)
    parts.PART_ROWS = parts.WIDE_PART_ROWS = 1_000
    try:
        found = load_parts(suite, migrated, smoke, systems=SYSTEMS)
    finally:
        parts.PART_ROWS, parts.WIDE_PART_ROWS = parts_before
    assert found.dataset is not None
    assert found.dataset.checksum == whole.checksum
    there = sum(sum(rows.values()) for rows in first.values())
    assert sum(timing.rows for timing in found.timings) == sum(table.rows for table in whole.tables) - there


def test_a_killed_shard_goes_on_beside_the_others(
    migrated: Database, whole: Dataset, loading: Callable[..., Any]
) -> None:
    killed = loading(migrated, *SYSTEMS, shard="2/2", stop_in="rows", stop_at=7)
    killed.until_it_stands()
    other = loading(migrated, *SYSTEMS, shard="1/2")
    killed.kill()
    assert other.told()["checksum"] is None
    assert loading(migrated, *SYSTEMS, shard="2/2").told()["checksum"] == whole.checksum


def test_a_shard_of_other_rows_cannot_join(suite: Suite, migrated: Database, smoke: Profile) -> None:
    shards = [parse_shard("1/2"), parse_shard("2/2")]
    first = load_parts(suite, migrated, smoke, systems=["practice"], shard=shards[0])
    assert first.dataset is None
    with pytest.raises(DatasetError, match=r"'practice' that this shard cannot join: seed 20250106 then, 7 now"):
        load(suite, migrated, smoke, systems=["practice"], seed=7, shard=shards[1])
    with pytest.raises(DatasetError, match="--fresh with --shard would wipe what the other shards have loaded"):
        load(suite, migrated, smoke, systems=["practice"], fresh=True, shard=shards[1])
    with pytest.raises(DatasetError, match="'practice' waits for the parts of other shards"):
        load(suite, migrated, smoke, systems=["practice"], shard=shards[0])
    with migrated.connect() as conn:
        (half,) = ledger.halves(conn)
    assert 0 < half.done < half.parts


def typed(dsn: str, *words: str) -> subprocess.Popen[str]:
    """`pgvitals load` as on a machine of its own, which knows the server by its DSN alone."""
    scripts = sysconfig.get_path("scripts")
    home = tempfile.mkdtemp(dir=os.environ["PGVITALS_HOME"])
    return subprocess.Popen(
        [f"{scripts}/pgvitals", "load", "--profile", "smoke", "--system", "practice", *words],
        cwd=REPOSITORY,
        env={**os.environ, "PGVITALS_DSN": dsn, "PGVITALS_HOME": home},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_machines_that_know_a_dsn_migrate_and_load_at_the_same_moment(database: Database, whole: Dataset) -> None:
    machines = [typed(database.conninfo(), "--shard", f"{number}/2", "--json") for number in (1, 2)]
    ended = [(*each.communicate(timeout=300), each.returncode) for each in machines]
    assert [code for _, _, code in ended] == [0, 0], ended
    waited = [err for out, err, _ in ended if out == "null\n"]
    assert len(waited) <= 1
    for err in waited:
        told = r"practice: shard (\d)/2 is in; \d+ of \d+ parts are missing, of shards (\d)/2"
        found = re.search(told, err)
        assert found is not None
        assert {found[1], found[2]} == {"1", "2"}
    with database.connect() as conn:
        kept = recall(conn)
    assert kept is not None
    assert {table.checksum for table in kept.tables} == {
        table.checksum for table in whole.tables if table.system == "practice"
    }
    later = typed(database.conninfo(), "--shard", "2/2")
    assert "practice holds profile smoke, seed 20250106, already" in later.communicate(timeout=300)[1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--shard", "0/2"), "--shard '0/2': expected k/n with k from 1 to n"),
        (("--shard", "1/2", "--fresh"), "--fresh with --shard would wipe what the other shards have loaded"),
    ],
)
def test_a_shard_that_makes_no_sense_is_refused_in_one_line(
    database: Database, words: tuple[str, ...], told: str
) -> None:
    refused = typed(database.conninfo(), *words)
    err = refused.communicate(timeout=300)[1]
    assert refused.returncode == 2
    assert err.startswith(f"error: {told}")
    assert len(err.splitlines()) == 1
    with database.connect() as conn:
        assert conn.execute("select to_regnamespace('practice')").fetchone() == (None,)
