"""Reports as files: all kinds, whole or not at all; and the JSON document."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pgvitals.errors import ReportError, ResultsError
from pgvitals.report import KINDS, render, write_reports, write_whole
from pgvitals.results.rundir import Run


@pytest.fixture
def own_run(build_run: Callable[..., Run]) -> Run:
    """A complete run that a test may write into."""
    return build_run()


FILES = ["report.html", "report.md", "report.json", "junit.xml", "audit.sarif"]


def test_every_kind_is_written_beside_the_run(own_run: Run) -> None:
    written = write_reports(own_run.path)
    assert [path.name for path in written] == FILES
    assert all(path.parent == own_run.path and path.stat().st_size > 500 for path in written)
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in written)


def test_written_twice_the_reports_are_the_same(own_run: Run) -> None:
    first = [path.read_bytes() for path in write_reports(own_run.path)]
    assert [path.read_bytes() for path in write_reports(own_run.path)] == first


def test_chosen_kinds_go_to_a_chosen_folder(own_run: Run, tmp_path: Path) -> None:
    written = write_reports(own_run.path, kinds=["md", "junit"], folder=tmp_path / "a" / "b")
    assert written == (tmp_path / "a" / "b" / "report.md", tmp_path / "a" / "b" / "junit.xml")
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == ["junit.xml", "report.md"]


def test_an_unknown_kind_is_refused_before_anything_is_written(own_run: Run) -> None:
    with pytest.raises(ReportError, match="unknown kind of report 'pdf'; there are: html, md, json, junit, sarif"):
        write_reports(own_run.path, kinds=["md", "pdf"])
    assert not (own_run.path / "report.md").exists()


def test_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="not a run directory"):
        write_reports(tmp_path)


def test_a_report_that_cannot_be_written_whole_leaves_the_old_one_and_no_debris(
    own_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = own_run.path / "report.md"
    old.write_text("old")
    before = sorted(path.name for path in own_run.path.iterdir())

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ReportError, match=r"report\.md: cannot be written \(No space left on device\)"):
        write_reports(own_run.path, kinds=["md"])
    assert old.read_text() == "old"
    assert sorted(path.name for path in own_run.path.iterdir()) == before


def test_a_place_that_is_a_file_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ReportError, match=r"taken/x\.xml: cannot be written"):
        write_whole(tmp_path / "taken" / "x.xml", b"")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not KINDS[kind].of])
def test_every_kind_renders_a_run_that_holds_nothing(kind: str, empty_run: Run) -> None:
    assert render(empty_run, kind)


def test_a_run_without_an_audit_is_not_told_as_one_that_found_nothing(empty_run: Run) -> None:
    with pytest.raises(ReportError, match="holds no audit, so there is nothing to tell as sarif"):
        render(empty_run, "sarif")
    assert [path.name for path in write_reports(empty_run.path)] == FILES[:-1]


@pytest.mark.parametrize("kind", list(KINDS))
def test_no_kind_repeats_a_secret(kind: str, full_run: Run) -> None:
    assert b"hunter2" not in render(full_run, kind)


def document(run: Run) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    loaded: dict[str, Any] = json.loads(render(run, "json"), parse_constant=refuse)
    return loaded


def test_json_holds_every_record_of_the_run(full_run: Run) -> None:
    found = document(full_run)
    assert found["verdict"]["outcome"] == "fail"
    assert found["run"]["dataset"]["checksum"] == "9f2c61d07ab3e845"
    assert {q["query"] for q in found["latency"]["queries"]} >= {"clients_active", "calendar_week"}
    assert len(found["index_usage"]) == 19
    assert found["impact"][0]["contrasts"][0]["typical"]["low"] == 0.17
    assert len(found["audit"]["results"]) == 11
    assert found["load"]["total"]["requests"] == 8010


def test_json_says_null_for_what_was_not_measured(empty_run: Run) -> None:
    found = document(empty_run)
    assert [found[key] for key in ("latency", "index_usage", "load", "audit", "impact")] == [None] * 5


def test_json_never_holds_a_number_that_json_lacks(full_run: Run, made: SimpleNamespace) -> None:
    contrast = replace(made.impact().contrasts[0], p95_ratio=math.inf)
    run = Run(path=full_run.path, info=full_run.info)
    vars(run)["impacts"] = (replace(made.impact(), contrasts=(contrast,)),)
    assert document(run)["impact"][0]["contrasts"][0]["p95_ratio"] is None


def test_the_parts_of_a_run_are_read_once_for_each_report(build_run: Callable[..., Run]) -> None:
    run = build_run(samples=None)
    for kind in KINDS:
        assert render(run, kind) == render(run, kind)
