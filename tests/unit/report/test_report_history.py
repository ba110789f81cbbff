"""The history of runs: equal conditions only, changes where they are, and a chart that says what it cannot show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from pgvitals import comparison_tables
from pgvitals.errors import ResultsError
from pgvitals.report import charts
from pgvitals.report.charts import svg
from pgvitals.report.history import History, history_beside, read_history
from pgvitals.results.rundir import Run

Timed = Callable[..., Run]
LOOKUP = ("pazpaz", "calendar_week")


def day(number: int) -> str:
    """When a run was started."""
    return f"2026-01-{number + 1:02}T10:00:00+00:00"


@pytest.fixture
def stepped(timed_run: Timed, tmp_path: Path) -> History:
    """Twenty runs of one lookup, a third slower from the eleventh on."""
    for number in range(20):
        timed_run(
            f"r{number:02}", seed=number + 1, scale=1.0 if number < 10 else 1.33, between=0.03, per=20, queries=(1,),
            started_utc=day(number), git_revision=f"rev{number:02}",
        )  # fmt: skip
    return read_history([tmp_path / "runs"])


def test_a_run_is_a_point_and_the_oldest_comes_first(timed_run: Timed, tmp_path: Path) -> None:
    timed_run("late", seed=1, started_utc=day(9))
    timed_run("early", seed=2, started_utc=day(1), queries=(1, 3))
    found = read_history([tmp_path / "runs"])
    assert [run.name for run in found.runs] == ["early", "late"]
    assert [run.lookups for run in found.runs] == [2, 2]
    series = found.of(*LOOKUP)
    assert series is not None
    assert [point.run.name for point in series.points] == ["early", "late"]
    assert all(point.p95_low_ms < point.p95_ms < point.p95_high_ms for point in series.points)
    assert len(found.only("pazpaz/clients_active").runs) == 1
    assert [run.name for run in read_history([tmp_path / "runs"], last=1).runs] == ["late"]


def test_a_change_is_found_where_it_is(stepped: History) -> None:
    (change,) = stepped.changes
    assert (change.system, change.query) == LOOKUP
    assert (change.point, change.run.git_revision, change.last_before.git_revision) == (10, "rev10", "rev09")
    assert change.ratio == pytest.approx(1.33, rel=0.1)
    told = comparison_tables.change_lines(stepped)
    assert told[0].startswith("pazpaz/calendar_week: p95 1.3")
    assert f"from r10 on (rev10; before: rev09; p {change.p_value:.4f})" in told[0]
    assert change.p_value <= 0.01
    assert told[1] == "a lookup without a change shows one in at most 1% of histories"


def test_few_runs_say_nothing_about_a_change(timed_run: Timed, tmp_path: Path) -> None:
    for number in range(9):
        timed_run(f"r{number}", seed=number, scale=1.0 if number < 5 else 9.0, per=20, started_utc=day(number))
    found = read_history([tmp_path / "runs"])
    assert found.changes == ()
    assert comparison_tables.change_lines(found) == [
        "no change can be told yet: at most 9 runs of equal conditions, and it takes 10 of them"
    ]


def test_another_server_is_no_change_of_a_lookup(timed_run: Timed, made: SimpleNamespace, tmp_path: Path) -> None:
    server = made.info().server
    for number in range(20):
        other = replace(server, version="PostgreSQL 18.0") if number >= 10 else server
        timed_run(
            f"r{number:02}", seed=number, scale=1.0 if number < 10 else 2.0, per=20, started_utc=day(number),
            server=other,
        )  # fmt: skip
    found = read_history([tmp_path / "runs"])
    assert {run.conditions for run in found.runs} == {"A", "B"}
    assert found.changes == ()


def test_other_rows_of_another_system_are_no_other_conditions(
    timed_run: Timed, made: SimpleNamespace, tmp_path: Path
) -> None:
    dataset = made.info().dataset
    tables = (*dataset.tables[:2], replace(dataset.tables[2], checksum="other"), dataset.tables[3])
    timed_run("one", seed=1, queries=(1, 5))
    timed_run("two", seed=2, queries=(1, 5), dataset=replace(dataset, checksum="x", tables=tables))
    alike = {series.system: series.most_alike for series in read_history([tmp_path / "runs"]).series}
    assert alike == {"pazpaz": 2, "practice": 1}


def test_a_lookup_that_no_run_measured_is_named(timed_run: Timed, tmp_path: Path) -> None:
    timed_run("one", seed=1)
    with pytest.raises(ResultsError, match="no run measured a lookup 'nope'; a name is system/query, such as pazpaz"):
        read_history([tmp_path / "runs"]).only("nope")


def test_a_run_that_is_being_written_is_part_of_its_history(timed_run: Timed) -> None:
    one = timed_run("one", seed=1)
    two = timed_run("two", seed=2)
    hidden = two.path.rename(two.path.with_name(".two.pgvitals-partial-1"))
    assert [run.name for run in history_beside(replace(two, path=hidden)).runs] == ["one", "two"]
    assert [run.name for run in history_beside(one).runs] == ["one"]


def test_the_chart_marks_a_change(stepped: History) -> None:
    chart = charts.history(stepped, *LOOKUP)
    assert "+3" in chart.alt
    drawn = svg(chart)
    assert "dashed: a change of level" in drawn
    assert "rev19" in drawn


@pytest.mark.parametrize("width", [390, 960])
def test_the_chart_of_a_few_runs_says_what_a_change_takes(timed_run: Timed, tmp_path: Path, width: float) -> None:
    for number in range(3):
        timed_run(f"r{number}", seed=number, started_utc=day(number) if number else "some day")
    drawn = svg(charts.history(read_history([tmp_path / "runs"]), *LOOKUP, width))
    assert "3 of 10 runs that a change takes" in drawn
    assert "dashed" not in drawn


def test_with_one_run_the_chart_is_a_sentence(timed_run: Timed) -> None:
    past = history_beside(timed_run("one", seed=1))
    for query in ("calendar_week", "nowhere"):
        assert "no history yet: it takes two runs" in svg(charts.history(past, "pazpaz", query))
