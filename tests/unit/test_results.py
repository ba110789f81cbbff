"""Run directories: there whole or not at all, and read back as they were written."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from pgvitals.errors import ResultsError
from pgvitals.recording import record
from pgvitals.results import audit, cold, records, rls, rundir, server_time
from pgvitals.results.outcome import EXIT_CODES, Outcome, worst
from pgvitals.results.records import FORMAT_VERSION, IndexUse, RunInfo
from pgvitals.results.rundir import SAMPLE_COLUMNS, Run, RunWriter, index_table, load_run, new_run_path
from pgvitals.suite import Suite, SuiteConfig

RECORDS = list(
    dict.fromkeys(
        kind
        for module in (records, audit, cold, rls, server_time)
        for kind in vars(module).values()
        if dataclasses.is_dataclass(kind) and isinstance(kind, type)
    )
)
INFO = RunInfo(
    name="one",
    started_utc="2025-01-06T12:00:00+00:00",
    command="pgvitals run",
    config={"profile": "small", "systems": ["pazpaz"]},
    phases={"bench": "done"},
    durations_s={"bench": 1.5},
    versions={"python": "3.11"},
    git_revision=None,
)
USE = IndexUse(
    system="pazpaz",
    table="clients",
    index="clients_pkey",
    method="btree",
    scans=3,
    tuples_read=2**40,
    tuples_fetched=0,
    size_bytes=8192,
    is_unique=True,
    is_primary=True,
    definition="CREATE UNIQUE INDEX …",
)
STOPPED_INSIDE = """
import os, signal, sys
from pathlib import Path
from pgvitals.results.rundir import RunWriter
with RunWriter(Path(sys.argv[1])) as writer:
    writer.write_bytes("samples/half.bin", b"half")
    os.kill(os.getpid(), int(sys.argv[2]))
    signal.pause()
"""


def write(target: Path, latest: Path | None = None, **changes: Any) -> Path:
    with RunWriter(target, latest) as writer:
        writer.write("run.json", dataclasses.replace(INFO, name=target.name, **changes))
        return writer.commit()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def stopped_by(number: signal.Signals, target: Path) -> None:
    done = subprocess.run([sys.executable, "-c", STOPPED_INSIDE, str(target), str(int(number))], capture_output=True)
    assert done.returncode == -number, done.stderr


@contextmanager
def refused() -> Iterator[pytest.ExceptionInfo[ResultsError]]:
    with pytest.raises(ResultsError) as caught:
        yield caught
    assert "\n" not in str(caught.value)


# Written whole or not at all


def test_a_run_appears_under_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "runs" / "one"
    with RunWriter(target) as writer:
        writer.write("run.json", INFO)
        assert not target.exists()
        assert writer.path.parent == target.parent  # renaming needs the same file system
        assert writer.path.name.startswith(".")
        assert writer.commit() == target
    assert names(target) == ["run.json"]
    assert names(target.parent) == ["one"]


def test_a_run_that_is_never_committed_leaves_nothing(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "one") as writer:
        writer.write("run.json", INFO)
    assert names(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def measure() -> None:
        with RunWriter(tmp_path / "one") as writer:
            writer.write("plans/deep/a.json", INFO)
            raise error

    with pytest.raises(error):
        measure()
    assert names(tmp_path) == []


def test_an_interrupt_at_the_terminal_leaves_nothing(tmp_path: Path) -> None:
    stopped_by(signal.SIGINT, tmp_path / "one")
    assert names(tmp_path) == []


def test_what_a_killed_run_left_is_never_read_as_a_run_and_is_swept_by_the_next(tmp_path: Path) -> None:
    stopped_by(signal.SIGKILL, tmp_path / "one")
    (left,) = names(tmp_path)
    assert left.startswith(".one.")
    with refused():
        load_run(tmp_path / "one")
    write(tmp_path / "two")
    assert names(tmp_path) == ["two"]


def test_sweeping_spares_runs_that_are_being_written_and_what_is_not_ours(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / f".notes.partial-{gone.pid}").mkdir()
    with RunWriter(tmp_path / "one") as first:
        first.write("run.json", INFO)
        write(tmp_path / "two")
        first.commit()
    assert load_run(tmp_path / "one").info == INFO
    assert names(tmp_path) == [f".notes.partial-{gone.pid}", "one", "two"]


def test_a_directory_that_holds_something_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    target = tmp_path / "thesis"
    target.mkdir()
    (target / "chapter1.txt").write_text("mine")
    with refused() as caught:
        RunWriter(target)
    assert f"{target}: exists and is not empty" in str(caught.value)
    assert (target / "chapter1.txt").read_text() == "mine"
    assert names(tmp_path) == ["thesis"]


def test_a_file_in_the_place_of_the_run_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("mine")
    with refused():
        RunWriter(tmp_path / "one")
    assert (tmp_path / "one").read_text() == "mine"


def test_an_empty_directory_gives_way_to_the_run(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    write(tmp_path / "one")
    assert load_run(tmp_path / "one").info.name == "one"


def test_an_empty_directory_outlives_a_run_that_fails(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with pytest.raises(ValueError, match="stop"), RunWriter(tmp_path / "one"):
        raise ValueError("stop")
    assert names(tmp_path) == ["one"]


def test_a_directory_that_filled_up_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    with refused(), RunWriter(tmp_path / "one") as writer:
        writer.write("run.json", INFO)
        (tmp_path / "one").mkdir()
        (tmp_path / "one" / "mine.txt").write_text("mine")
        writer.commit()
    assert names(tmp_path) == ["one"]
    assert names(tmp_path / "one") == ["mine.txt"]


def test_a_link_to_an_empty_directory_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to("disk")
    write(tmp_path / "out")
    assert (tmp_path / "out").is_symlink()
    assert load_run(tmp_path / "out").path == (tmp_path / "disk").resolve()


def test_a_mount_point_is_refused_before_anything_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "volume").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) == str(tmp_path / "volume"))
    with refused() as caught:
        RunWriter(tmp_path / "volume")
    assert "mount point" in str(caught.value)


def test_a_parent_that_is_a_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with refused() as caught:
        RunWriter(tmp_path / "file" / "one")
    assert f"{tmp_path / 'file' / 'one'}: " in str(caught.value)


@pytest.mark.parametrize("name", ["latency.json", "samples.parquet"])
def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    with refused() as caught, RunWriter(tmp_path / "one") as writer:
        (writer.path / name).symlink_to("/dev/full")
        if name.endswith(".parquet"):
            writer.write_table(name, pd.DataFrame({"latency_ns": range(100_000)}))
        else:
            writer.write(name, INFO)
    assert f"{tmp_path / 'one' / name}: cannot be written" in str(caught.value)
    assert os.strerror(errno.ENOSPC) in str(caught.value)
    assert names(tmp_path) == []


# latest


def test_latest_points_at_the_newest_run_by_a_relative_path(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / "runs" / name, tmp_path / "latest")
        assert (tmp_path / "latest").readlink() == Path("runs") / name
    assert load_run("latest", tmp_path).info.name == "two"
    assert names(tmp_path) == ["latest", "runs"]


def test_latest_is_never_missing_while_it_is_replaced(tmp_path: Path) -> None:
    latest = tmp_path / "latest"
    write(tmp_path / "runs" / "first", latest)
    missed: list[OSError] = []
    looked = 0
    done = threading.Event()

    def look() -> None:
        nonlocal looked
        while not done.is_set():
            looked += 1
            try:
                latest.readlink()
            except OSError as error:
                missed.append(error)

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(60):
        write(tmp_path / "runs" / str(number), latest)
    done.set()
    reader.join()
    assert looked > 60
    assert missed == []


def test_a_run_that_fails_leaves_latest_where_it_was(tmp_path: Path) -> None:
    write(tmp_path / "runs" / "one", tmp_path / "latest")
    with pytest.raises(ValueError, match="stop"), RunWriter(tmp_path / "runs" / "two", tmp_path / "latest"):
        raise ValueError("stop")
    assert (tmp_path / "latest").resolve().name == "one"


def test_a_directory_in_the_place_of_latest_is_named_and_the_run_is_kept(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    with refused() as caught:
        write(tmp_path / "runs" / "one", tmp_path / "latest")
    assert str(tmp_path / "latest") in str(caught.value)
    assert load_run(tmp_path / "runs" / "one").info.name == "one"
    assert names(tmp_path) == ["latest", "runs"]


# Names


def test_runs_are_named_by_their_start_in_utc(tmp_path: Path) -> None:
    noon = datetime(2025, 1, 6, 12, 30, 15, tzinfo=UTC)
    assert new_run_path(tmp_path, "small", noon) == tmp_path / "runs" / "20250106T123015Z-small"


def test_runs_that_start_in_the_same_second_get_different_names(tmp_path: Path) -> None:
    noon = datetime(2025, 1, 6, 12, tzinfo=UTC)
    write(new_run_path(tmp_path, "small", noon))
    with RunWriter(new_run_path(tmp_path, "small", noon)):  # not yet whole: its name is taken all the same
        assert new_run_path(tmp_path, "small", noon).name == "20250106T120000Z-small-3"
    assert new_run_path(tmp_path, "small", noon).name == "20250106T120000Z-small-2"


# Reading


def test_a_run_is_found_by_path_by_name_and_as_latest(tmp_path: Path) -> None:
    target = write(tmp_path / "runs" / "one", tmp_path / "latest")
    for named in (target, str(target), "one", "latest"):
        assert load_run(named, tmp_path).path == target


@pytest.mark.parametrize("named", ["nothing", "latest", "/nowhere/at/all"])
def test_a_run_that_is_not_there_is_named(tmp_path: Path, named: str) -> None:
    with refused() as caught:
        load_run(named, tmp_path)
    assert "not a run directory" in str(caught.value)
    assert named in str(caught.value)


def test_a_newer_format_is_refused_and_says_which(tmp_path: Path) -> None:
    target = write(tmp_path / "one", format_version=FORMAT_VERSION + 1)
    with refused() as caught:
        load_run(target)
    assert f"run.json: format version {FORMAT_VERSION + 1}, this pgvitals reads {FORMAT_VERSION}" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "damaged, not JSON"),
        (b'{"format_version": 1, "name": "o', "damaged, not JSON"),
        (b"\xff\xfe", "damaged, not JSON"),
        (b"[1]", "format version None"),
        (b'"run"', "format version None"),
        (b'{"format_version": 1}', "damaged: name: "),
        (b'{"format_version": "1"}', "format version '1'"),
    ],
)
def test_a_damaged_run_json_is_one_clear_line(tmp_path: Path, content: bytes, said: str) -> None:
    target = write(tmp_path / "one")
    (target / "run.json").write_bytes(content)
    with refused() as caught:
        load_run(target)
    assert f"{target / 'run.json'}: {said}" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("latency.json", "gate"),
        ("audit.json", "audit"),
        ("impact.json", "impacts"),
        ("load.json", "load"),
        ("plans/pazpaz__a.json", "plans"),
        ("samples.parquet", "samples"),
        ("index_usage.parquet", "index_usage"),
        ("tenants.parquet", "tenants"),
        ("columns.parquet", "columns"),
    ],
)
def test_a_damaged_part_is_named_when_it_is_read(tmp_path: Path, name: str, part: str) -> None:
    with RunWriter(tmp_path / "one") as writer:
        writer.write("run.json", INFO)
        writer.write_bytes(name, b'{"half": ')
        writer.commit()
    run = load_run(tmp_path / "one")
    with refused() as caught:
        getattr(run, part)
    assert str(tmp_path / "one" / name) in str(caught.value)


def test_a_number_where_a_record_wants_text_is_named_by_its_place(tmp_path: Path) -> None:
    target = write(tmp_path / "one")
    (target / "latency.json").write_text('{"outcome": "splendid", "reason": "", "budget_p95_ms": 5, "queries": []}')
    with refused() as caught:
        _ = load_run(target).gate
    assert "latency.json: damaged: outcome: " in str(caught.value)
    assert "'splendid'" in str(caught.value)


def test_parts_that_were_not_measured_are_none(tmp_path: Path) -> None:
    run = load_run(write(tmp_path / "one"))
    assert (run.samples, run.index_usage, run.tenants, run.columns) == (None, None, None, None)
    assert (run.gate, run.audit, run.load) == (None, None, None)
    assert (run.impacts, run.plans) == ((), {})


# Records

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def any_record(kind: type[Any]) -> st.SearchStrategy[Any]:
    return st.builds(kind, config=st.dictionaries(st.text(), plain)) if kind is RunInfo else st.from_type(kind)


def test_every_kind_of_record_is_tried() -> None:
    assert {kind.__name__ for kind in RECORDS} >= {"RunInfo", "Gate", "Audit", "Impact", "Load", "RlsPrice", "Cold"}


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_record_is_read_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, kind: type[Any], data: DataObject
) -> None:
    wanted = tuple(data.draw(st.lists(any_record(kind), max_size=2)))
    with RunWriter(tmp_path_factory.mktemp("records") / "one") as writer:
        writer.write("deep/record.json", wanted)
        again = rundir._read(writer.path / "deep" / "record.json", tuple[kind, ...])
        json.loads((writer.path / "deep" / "record.json").read_text(encoding="utf-8"))
    assert repr(again) == repr(wanted)  # not ==, for which a NaN differs from itself


def test_records_cannot_be_changed() -> None:
    for kind in RECORDS:
        assert kind.__dataclass_params__.frozen, kind
        assert all(field.kw_only for field in dataclasses.fields(kind)), kind


def test_samples_and_plans_are_read_with_pandas_and_json_alone(tmp_path: Path) -> None:
    row = {"system": "pazpaz", "query": "a", "role": "app", "arm": "", "batch": 1, "t_ns": 2**60, "latency_ns": 5}
    row |= {"request_ns": 6, "rows": 0, "tenant_rank": None, "valid": True, "attempt": 1}
    frame = pd.DataFrame([row]).astype(SAMPLE_COLUMNS)
    with RunWriter(tmp_path / "one") as writer:
        writer.write("run.json", INFO)
        writer.write_table("samples.parquet", frame)
        writer.write_table("index_usage.parquet", index_table((USE,)))
        writer.write_json("plans/pazpaz__a__b.json", [{"Plan": {"Node Type": "Index Scan"}}])
        target = writer.commit()
    samples = pd.read_parquet(target / "samples.parquet")
    assert {name: str(kind) for name, kind in samples.dtypes.items()} == SAMPLE_COLUMNS
    assert samples["t_ns"].tolist() == [2**60]
    usage = pd.read_parquet(target / "index_usage.parquet")
    assert IndexUse(**usage.to_dict("records")[0]) == USE
    assert json.loads((target / "run.json").read_text())["config"]["systems"] == ["pazpaz"]
    run = load_run(target)
    assert isinstance(run, Run)
    assert run.samples is not None
    assert run.samples.equals(samples)
    assert run.plans == {"pazpaz/a__b": [{"Plan": {"Node Type": "Index Scan"}}]}


def test_index_usage_without_indexes_keeps_its_columns() -> None:
    assert list(index_table(()).columns) == [field.name for field in dataclasses.fields(IndexUse)]


# Outcomes


def test_every_outcome_has_an_exit_code_and_a_rank() -> None:
    assert set(EXIT_CODES) == set(Outcome)
    assert [EXIT_CODES[worst([outcome])] for outcome in Outcome] == [EXIT_CODES[outcome] for outcome in Outcome]


@pytest.mark.parametrize(
    ("outcomes", "speaks"),
    [
        ([], Outcome.INCONCLUSIVE),
        ([Outcome.PASS, Outcome.FAIL, Outcome.ERROR], Outcome.FAIL),
        ([Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.ERROR], Outcome.ERROR),
        ([Outcome.PASS, Outcome.INCONCLUSIVE], Outcome.INCONCLUSIVE),
        ([Outcome.NOT_APPLICABLE, Outcome.WAIVED, Outcome.PASS], Outcome.PASS),
        ([Outcome.NOT_APPLICABLE, Outcome.WAIVED], Outcome.WAIVED),
    ],
)
def test_the_worst_outcome_speaks_for_all(outcomes: list[Outcome], speaks: Outcome) -> None:
    assert worst(iter(outcomes)) is speaks


# Recording a command


@pytest.fixture
def empty_suite(tmp_path: Path) -> Suite:
    return Suite(root=tmp_path, config=SuiteConfig())


def test_a_command_leaves_one_run_with_its_phases_and_conditions(empty_suite: Suite) -> None:
    with record(empty_suite, "small", command="pgvitals run", config={"profile": "small"}) as recording:
        with recording.phase("bench"):
            recording.writer.write_json("plans/x__y.json", {})
        recording.skip("load", "asked for with --skip")
        assert not (empty_suite.reports / "latest").exists()
    info = load_run("latest", empty_suite.reports).info
    assert info.phases == {"bench": "done", "load": "skipped: asked for with --skip"}
    assert list(info.durations_s) == ["bench"]
    assert info.started_utc <= info.finished_utc
    assert info.hardware is not None
    assert info.hardware.cores == os.cpu_count()
    assert {"python", "libpq", "psycopg", "pgvitals"} <= set(info.versions)
    assert info.git_revision is None


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_command_that_is_broken_off_leaves_no_run(empty_suite: Suite, error: type[BaseException]) -> None:
    def measure() -> None:
        with record(empty_suite, "small", command="", config={}) as recording, recording.phase("bench"):
            raise error

    with pytest.raises(error):
        measure()
    assert names(empty_suite.reports / "runs") == []
    assert names(empty_suite.reports) == ["runs"]


def test_out_names_the_directory_and_leaves_latest_alone(
    empty_suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with record(empty_suite, "small", command="", config={}, out=Path("../there")):
        pass
    assert load_run(tmp_path / "there").info.name == "there"
    assert not empty_suite.reports.exists()


def test_two_commands_at_once_do_not_meet(empty_suite: Suite) -> None:
    with (
        record(empty_suite, "small", command="first", config={}) as first,
        record(empty_suite, "small", command="second", config={}) as second,
    ):
        pass
    written = {load_run(writer.target).info.command for writer in (first.writer, second.writer)}
    assert written == {"first", "second"}
