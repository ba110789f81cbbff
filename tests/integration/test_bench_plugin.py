"""`pytest bench/` as a user runs it: pytest-benchmark's own output beside our percentiles, every sample kept."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pgvitals.filling import fill
from pgvitals.lab import Database, Server
from pgvitals.query import Query
from pgvitals.results.rundir import SAMPLE_COLUMNS, load_run
from pgvitals.revisions import queries_at
from pgvitals.suite import Suite, find_suite
from pgvitals.terminal import Terminal

ROUNDS = 70
RunPytest = Callable[[Sequence[str], Path, Mapping[str, str]], subprocess.CompletedProcess[str]]
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


BENCHMARK_ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "pytest_benchmark.plugin"}
"""Environment that starts pytest a second faster: without the other plugins of this installation."""


@dataclass
class Bench:
    """`pytest bench/` in a copy of the suite, against a database."""

    run_pytest: RunPytest
    suite: Suite
    database: Database | None
    home: Path
    plugins: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it over the query files, with every warning an error."""
        lab = self.database.environment() if self.database else {}
        words = ["bench/test_lookups.py", "-W", "error", "-p", "no:cacheprovider", *arguments]
        variables = {"PGVITALS_HOME": str(self.home), "COLUMNS": "200", **self.plugins, **lab}
        return self.run_pytest(words, self.suite.root, variables)

    def runs(self) -> list[Path]:
        """The run directories, and what else lies there."""
        return sorted((self.suite.root / "reports" / "runs").glob("*"))


@pytest.fixture(scope="module")
def copied(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """A copy of the repository's suite, so that its reports stay as they are."""
    root = tmp_path_factory.mktemp("copy")
    for folder in ("bench", "fixtures"):
        shutil.copytree(suite.root / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(suite.root / "pyproject.toml", root)
    return find_suite(root)


@pytest.fixture(scope="module")
def loaded(server: Server, suite: Suite) -> Iterator[Database]:
    """A database that holds the smoke profile."""
    with server.scratch("bench") as made:
        fill(suite, made, suite.profiles.get("smoke"), suite.select(None), Terminal(quiet=True))
        yield made


@pytest.fixture(scope="module")
def bench(run_pytest: RunPytest, copied: Suite, loaded: Database) -> Bench:
    """Runs against the loaded database."""
    return Bench(run_pytest, copied, loaded, Path(os.environ["PGVITALS_HOME"]), BENCHMARK_ALONE)


@pytest.fixture(scope="module")
def runnable(copied: Suite, loaded: Database) -> tuple[Query, ...]:
    """The queries for the revisions where the database stands."""
    return queries_at(copied, loaded, copied.systems.values()).queries


@dataclass
class Twice:
    """Two runs, the second compared with the first."""

    first: subprocess.CompletedProcess[str]
    second: subprocess.CompletedProcess[str]
    report: dict[str, Any]  # pytest-benchmark's JSON of the first
    run: Path  # of the first


@pytest.fixture(scope="module")
def twice(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Twice:
    """Two runs over every query."""
    folder = tmp_path_factory.mktemp("benchmarks")
    options = (f"--rounds={ROUNDS}", f"--benchmark-storage=file://{folder / 'storage'}")
    bench = replace(bench, plugins={})  # as a user has them
    first = bench(*options, "--benchmark-autosave", f"--benchmark-json={folder / 'report.json'}")
    assert first.returncode == 0, first.stdout + first.stderr
    (run,) = bench.runs()
    second = bench(*options, "--benchmark-compare")
    return Twice(first, second, json.loads((folder / "report.json").read_text()), run)


def in_json(twice: Twice) -> dict[str, list[float]]:
    """Seconds of every round by ``system/query``, as pytest-benchmark has them."""
    return {each["param"]: each["stats"]["data"] for each in twice.report["benchmarks"]}


def test_pytest_benchmark_keeps_its_table(twice: Twice, runnable: tuple[Query, ...]) -> None:
    for system in {query.system for query in runnable}:
        assert f"benchmark '{system}'" in twice.first.stdout
    for query in runnable:
        assert re.search(rf"^test_lookup\[{query.key}\]", twice.first.stdout, re.MULTILINE)
    assert "Median" in twice.first.stdout


def test_every_round_of_every_query_is_in_pytest_benchmark_s_json(twice: Twice, runnable: tuple[Query, ...]) -> None:
    assert {key: len(data) for key, data in in_json(twice).items()} == {query.key: ROUNDS for query in runnable}


def test_our_percentiles_stand_below_with_those_of_the_json(twice: Twice, runnable: tuple[Query, ...]) -> None:
    section = twice.first.stdout.partition("p95 of the lookups")[2].replace(" * ", " ")
    for query in runnable:
        line = next(line.split() for line in section.splitlines() if line.startswith(f"{query.key} "))
        milliseconds = np.array(in_json(twice)[query.key]) * 1e3
        assert int(line[1]) == ROUNDS
        for shown, share in ((line[2], 0.50), (line[3], 0.95), (line[-2], 0.99)):
            assert float(shown) == pytest.approx(np.quantile(milliseconds, share, method="median_unbiased"), abs=6e-4)
        assert float(line[-1]) == query.budget_p95_ms


def test_the_samples_in_the_run_directory_are_those_of_the_json(
    twice: Twice, copied: Suite, runnable: tuple[Query, ...]
) -> None:
    samples = pd.read_parquet(twice.run / "samples.parquet")
    assert list(samples.columns) == list(SAMPLE_COLUMNS)
    assert set(samples["arm"]) == {"pytest-benchmark"}
    for query in runnable:
        own = samples[(samples["system"] == query.system) & (samples["query"] == query.name)]
        assert own["latency_ns"].tolist() == [round(each * 1e9) for each in in_json(twice)[query.key]]
        assert (own["request_ns"] > own["latency_ns"]).all()
        assert own["t_ns"].is_monotonic_increasing
        assert own["rows"].max() > 0
        assert own["role"].unique().tolist() == [copied.system(query.system).roles.app]


def test_the_run_directory_is_whole_and_says_what_it_was_measured_on(twice: Twice, bench: Bench) -> None:
    run = load_run(twice.run)
    assert run.info.dataset is not None
    assert run.info.dataset.profile == "smoke"
    assert run.info.server is not None
    assert run.info.server.kind == "embedded"
    assert run.gate is None
    assert str(twice.run) in twice.first.stdout
    assert (bench.suite.root / "reports" / "latest").resolve() == bench.runs()[-1]
    assert all(path.is_dir() and not path.name.startswith(".") for path in bench.runs())


def test_a_second_run_is_compared_with_the_first(twice: Twice) -> None:
    assert twice.second.returncode == 0, twice.second.stdout + twice.second.stderr
    assert "(NOW)" in twice.second.stdout
    assert "(0001_" in twice.second.stdout


def test_no_row_and_no_host_is_in_pytest_benchmark_s_json(twice: Twice) -> None:
    assert UUID.findall(json.dumps(twice.report)) == []
    assert "node" not in twice.report["machine_info"]


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """What went wrong, which must be told in one line and without a traceback."""
    text = done.stdout + done.stderr
    assert "Traceback" not in text
    (line,) = [line for line in text.splitlines() if "pgvitals: " in line or line.startswith("ERROR: ")]
    return line


def test_without_a_lab_there_is_one_clear_line(run_pytest: RunPytest, copied: Suite, tmp_path: Path) -> None:
    alone = Bench(run_pytest, copied, None, tmp_path / "home", BENCHMARK_ALONE)
    before = alone.runs()
    done = alone()
    assert done.returncode == 2
    assert "no lab server is up; start one with `pgvitals up`" in one_line(done)
    assert alone.runs() == before


def test_a_lab_without_rows_says_how_to_get_them(run_pytest: RunPytest, copied: Suite, database: Database) -> None:
    done = Bench(run_pytest, copied, database, Path(os.environ["PGVITALS_HOME"]), BENCHMARK_ALONE)()
    assert done.returncode == 2
    assert "`pgvitals load` migrates and fills it" in one_line(done)


@pytest.fixture
def edited(copied: Suite) -> Iterator[Path]:
    """A query file that the test may change."""
    path = copied.root / "bench" / "practice" / "user_tokens.sql"
    text = path.read_text()
    yield path
    path.write_text(text)


def test_a_broken_header_is_one_clear_line(bench: Bench, edited: Path) -> None:
    edited.write_text(edited.read_text().replace("-- title:", "-- tilte:"))
    done = bench()
    assert done.returncode == 4
    assert one_line(done).startswith(f"ERROR: {edited}:1: unknown header key 'tilte'; known keys: title,")


def test_a_failing_query_is_named_without_its_parameters_and_nothing_is_kept(bench: Bench, edited: Path) -> None:
    edited.write_text(edited.read_text().replace("and user_id = %(user_id)s", "and 1 = (%(user_id)s)::text::int"))
    before = bench.runs()
    done = bench("--rounds=5", "-k", "practice")
    assert done.returncode == 1
    assert f"{edited}: fails with InvalidTextRepresentation (SQLSTATE 22P02)" in done.stdout
    assert re.search(r"\b1 failed, \d+ passed\b", done.stdout)
    assert UUID.findall(done.stdout + done.stderr) == []
    assert bench.runs() == before


def test_one_system_can_be_measured_where_only_that_is_loaded(
    run_pytest: RunPytest, server: Server, copied: Suite
) -> None:
    with server.scratch("half") as half:
        fill(copied, half, copied.profiles.get("smoke"), copied.select(["practice"]), Terminal(quiet=True))
        only = Bench(run_pytest, copied, half, Path(os.environ["PGVITALS_HOME"]), BENCHMARK_ALONE)
        practice = only("--rounds=5", "-k", "practice").stdout
        assert re.search(r"\b\d+ passed\b", practice)
        assert "failed" not in practice
        everything = only("--rounds=5")
    assert everything.returncode == 2
    assert "system 'pazpaz' is not in the lab yet" in one_line(everything)


def test_a_query_that_is_not_for_the_revision_of_the_lab_is_deselected(bench: Bench, edited: Path) -> None:
    header = "-- until: practice_0001\n"
    edited.write_text(header + edited.read_text())
    done = bench("--rounds=5", "-k", "practice/user_tokens or practice/fhir_by_internal", f"--samples-to={bench.home}")
    assert re.search(r"\b1 passed, \d+ deselected\b", done.stdout)
    assert "practice/user_tokens: not at this revision (until practice_0001)" in done.stdout


def test_a_revision_that_does_not_exist_is_one_clear_line(bench: Bench, edited: Path) -> None:
    edited.write_text("-- since: practice_0815\n" + edited.read_text())
    done = bench()
    assert done.returncode == 4
    assert one_line(done).startswith(f"ERROR: {edited}: 'since' names revision 'practice_0815'; system 'practice' has:")


def test_a_write_leaves_nothing_and_its_price_is_told(bench: Bench, edited: Path, loaded: Database) -> None:
    text = edited.read_text()
    params = text[text.index("-- params") : text.index("select id, token_type")]
    header = f"-- title: t\n-- budget_p95_ms: 20\n-- ends: rollback\n{params}"
    edited.write_text(f"{header}delete from practice.users where id = %(user_id)s and tenant_id = %(tenant_id)s\n")
    with loaded.connect() as conn:
        before = conn.execute("select count(*) from practice.users").fetchone()
        done = bench("--rounds=5", "-k", "practice/user_tokens", f"--samples-to={bench.home}")
        assert done.returncode == 0, done.stdout + done.stderr
        assert conn.execute("select count(*) from practice.users").fetchone() == before
    assert "practice/user_tokens *" in done.stdout
    assert "* A write: rolled back, so without what a COMMIT costs." in done.stdout


def test_with_benchmarks_disabled_every_query_runs_once(
    bench: Bench, copied: Suite, runnable: tuple[Query, ...]
) -> None:
    before = bench.runs()
    done = bench("--benchmark-disable")
    assert done.returncode == 0
    left_out = len(copied.queries) - len(runnable)
    assert re.search(rf"\b{len(runnable)} passed\b", done.stdout)
    assert (f"{left_out} deselected" in done.stdout) == (left_out > 0)
    assert bench.runs() == before


def test_samples_go_where_they_are_asked_to(bench: Bench, tmp_path: Path) -> None:
    before = bench.runs()
    done = bench("--rounds=5", "-k", "calendar_week", f"--samples-to={tmp_path}")
    assert done.returncode == 0
    assert len(pd.read_parquet(tmp_path / "pytest_samples.parquet")) == 5
    assert "too few samples" in done.stdout
    assert bench.runs() == before


def test_samples_that_cannot_be_kept_are_an_error(bench: Bench, tmp_path: Path) -> None:
    done = bench("--rounds=5", "-k", "calendar_week", f"--samples-to={tmp_path / 'missing'}")
    assert done.returncode == 2
    assert "the samples were not kept" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
