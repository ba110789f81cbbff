"""`compare`, `history` and `gate --baseline`, as they are typed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of an error."""
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.fixture(scope="module")
def measured_run(copied, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with the lookups of one system."""
    path = tmp_path_factory.mktemp("compared") / "run"
    words = ("run", "--profile", "quick", "--system", "practice", "--only", "bench", "--postgres", "embedded")
    done = copied("pgvitals", *words, "--out", str(path))
    assert done.returncode == 3, done.stderr  # two batches are too few to judge by
    return path


@pytest.fixture
def other(measured_run: Path, tmp_path: Path) -> Path:
    """The same run under another name, on a machine with one core more."""
    path = tmp_path / "other"
    shutil.copytree(measured_run, path, ignore=shutil.ignore_patterns("notebooks"))
    info = json.loads((path / "run.json").read_text())
    info["name"], info["hardware"]["cores"] = "other", info["hardware"]["cores"] + 1
    (path / "run.json").write_text(json.dumps(info))
    return path


def test_a_run_is_compared_query_by_query(measured_run: Path, copied, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(measured_run, again)
    done = copied.typed("compare", str(measured_run), str(again), "--json", "--markdown", str(tmp_path / "c.md"))
    (found,) = json.loads(done.stdout)
    assert done.returncode == {"pass": 0, "inconclusive": 3}[found["outcome"]], done.stderr
    gate = json.loads((measured_run / "latency.json").read_text())
    assert [each["query"] for each in found["queries"]] == [each["query"] for each in gate["queries"]]
    assert {each["p95"]["ratio"] for each in found["queries"]} == {1.0}
    assert {each["verdict"] for each in found["queries"]} <= {"same", "inconclusive"}
    assert found["differences"] == []
    assert (tmp_path / "c.md").read_text().startswith("# `")
    shown = copied.typed("compare", str(measured_run), str(again))
    assert "after / before, below 1 is faster" in shown.stdout


def test_another_machine_is_named_and_decides_nothing(measured_run: Path, other: Path, copied) -> None:
    done = copied.typed("compare", str(measured_run), str(other))
    assert done.returncode == 3, done.stderr
    assert "hardware: " in done.stdout.splitlines()[0]
    assert "(void)" in done.stdout.splitlines()[0]
    assert "nothing could be decided" in done.stdout
    despite = copied.typed("compare", str(measured_run), str(other), "--despite", "hardware", "--json")
    assert "void" not in {each["verdict"] for each in json.loads(despite.stdout)[0]["queries"]}


def test_the_gate_judges_against_a_baseline(measured_run: Path, other: Path, copied, tmp_path: Path) -> None:
    junit, markdown = tmp_path / "j.xml", tmp_path / "g.md"
    command = ("gate", str(other), "--baseline", str(measured_run), "--junit", str(junit), "--markdown", str(markdown))
    done = copied.typed(*command, "--annotations", "github")
    assert done.returncode == 3, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("::")]
    assert lines
    assert lines[0].startswith("::warning file=bench/")
    assert "void%3A another hardware" not in done.stdout  # a colon in a message needs no escape
    assert [line for line in lines if "void: another hardware" in line]
    assert "pgvitals against an earlier run" in junit.read_text()
    assert "**hardware**" in markdown.read_text()
    printed = copied.typed(*command, "--json")
    assert printed.returncode == 3, printed.stderr
    as_json = json.loads(printed.stdout)
    assert as_json["baseline"]["limit"] == 0.1
    assert as_json["budgets"]["outcome"] in ("pass", "inconclusive")


def test_a_github_workflow_gets_annotations_without_asking(measured_run: Path, other: Path, copied) -> None:
    command = ("gate", str(other), "--baseline", str(measured_run))
    github = copied.with_variables(GITHUB_ACTIONS="true", GITHUB_WORKSPACE=str(copied.folder))
    assert "::warning file=bench/" in github.typed(*command).stdout
    assert "::warning" not in github.typed(*command, "--annotations", "none").stdout
    assert "::warning" not in copied.typed(*command).stdout
    json.loads(github.typed(*command, "--json").stdout)


def test_the_history_lists_runs_and_one_lookup(measured_run, copied) -> None:
    runs = copied.folder / "reports" / "runs"
    shutil.copytree(measured_run, runs / measured_run.name)
    try:
        done = copied.typed("history")
        assert done.returncode == 0, done.stderr
        assert measured_run.name in done.stdout
        assert "no change can be told yet: at most 1 runs of equal conditions" in done.stdout
        one = copied.typed("history", "--query", "practice/user_tokens", "--json")
        (series,) = json.loads(one.stdout)["series"]
        assert (series["query"], len(series["points"])) == ("user_tokens", 1)
        assert "no run measured a lookup 'nope'" in refused(copied.typed("history", "--query", "nope"))
    finally:
        shutil.rmtree(copied.folder / "reports", ignore_errors=True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("compare",), "Missing argument"),
        (("compare", "{run}"), "one run cannot be compared"),
        (("compare", "{run}", "{run}"), "named twice; a run does not differ from itself"),
        (("compare", "{run}", "nope"), "nope: not a run directory"),
        (("compare", "{run}", "{bare}"), "no lookup was measured, so there is nothing to compare"),
        (("compare", "{run}", "{other}", "--despite", "weather"), "unknown condition 'weather'; there are: dataset, "),
        (("gate", "{run}", "--baseline", "{run}"), "named twice"),
        (("gate", "{run}", "--baseline", "nope"), "nope: not a run directory"),
        (("gate", "{run}", "--baseline", "{bare}"), "no lookup was measured"),
        (("gate", "{run}", "--regression", "10"), "--regression and --confidence go with --baseline"),
        (("gate", "{run}", "--baseline", "{other}", "--regression", "0"), "--regression: 0 is not above 0"),
        (("gate", "{run}", "--baseline", "{other}", "--regression", "nan"), "--regression: nan is not above 0"),
        (("gate", "{run}", "--baseline", "{other}", "--confidence", "0.99"), "write 99 for 99 per cent"),
        (("gate", "{run}", "--annotations", "gitlab"), "unknown kind 'gitlab'; there are: github, none"),
        (("gate", "{run}", "--annotations", "github", "--json"), "exclude each other"),
        (("history", "--last", "0"), "'--last'"),
        (("history", "--query", "nope"), "no run has measured lookups yet"),
    ],
)
def test_bad_input_is_one_line(
    measured_run, other: Path, copied, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:  # fmt: skip
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(measured_run / "run.json", bare)
    named = {"run": str(measured_run), "other": str(other), "bare": str(bare)}
    assert told in refused(copied.typed(*(word.format(**named) for word in words)))
