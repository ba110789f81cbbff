"""Facts in reports: one line where they hold, each by name where they do not; and the charts of the dataset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import pandas as pd
import pytest

from pgvitals.report import charts, judge_run, render_markdown
from pgvitals.report.export import render_json
from pgvitals.report.html import render_html
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Fact
from pgvitals.results.rundir import Run, RunWriter

HOLDS = Fact(
    system="pazpaz", fact="weekends", title="Nobody works on <Sundays>", about="working hours", unit="rows", low=0.0,
    high=0.0, value=0.0, n=12_000, at_least=1, outcome=Outcome.PASS, reason="", duration_ms=1.5,
)  # fmt: skip
FAILS = replace(HOLDS, fact="holidays", value=7.0, outcome=Outcome.FAIL, reason="outside of what is expected")


@pytest.fixture
def with_facts(passing_run: Run) -> Callable[..., Run]:
    """A passing run with these facts."""

    def write(*facts: Fact) -> Run:
        with RunWriter(passing_run.path / "inner") as writer:
            writer.write("facts.json", facts)
            (writer.path / "facts.json").rename(passing_run.path / "facts.json")
        return Run(path=passing_run.path, info=passing_run.info)

    return write


def test_a_run_without_facts_says_nothing_of_them(passing_run: Run) -> None:
    assert [part.name for part in judge_run(passing_run).parts if part.anchor == "dataset"] == []
    assert "facts" not in render_markdown(passing_run)


def test_facts_that_hold_are_one_line(with_facts: Callable[..., Run]) -> None:
    run = with_facts(HOLDS)
    (part,) = (part for part in judge_run(run).parts if part.anchor == "dataset")
    assert (part.outcome, part.counts) == (Outcome.PASS, "1 of 1 facts hold")
    assert "1 of 1 facts hold" in render_markdown(run)
    page = render_html(run)
    assert "1 of 1 facts hold" in page
    assert 'href="facts.json"' in page
    assert "another workload" not in page


def test_a_fact_that_fails_is_told_and_does_not_fail_the_gate(with_facts: Callable[..., Run]) -> None:
    run = with_facts(HOLDS, FAILS)
    verdict = judge_run(run)
    assert verdict.outcome is Outcome.PASS
    assert "not what their recipes claim (pazpaz/holidays)" in verdict.sentence
    assert "another workload" in verdict.sentence
    page, text = render_html(run), render_markdown(run)
    assert "pazpaz/holidays" in page
    assert "&lt;Sundays&gt;" in page
    assert "7 rows, expected = 0" in page
    assert "7 rows, expected = 0" in text
    assert '"fact": "holidays"' in render_json(run)


HOURS = pd.DataFrame(
    [("pazpaz", 1, 9, 30), ("pazpaz", 5, 13, 3), ("portal", 2, 10, 5)], columns=["system", "weekday", "hour", "visits"]
)
MONTHS = pd.DataFrame(
    [
        ("pazpaz", pd.Timestamp("2024-11-01").date(), "completed", 300),
        ("pazpaz", pd.Timestamp("2025-02-01").date(), "cancelled", 40),
        ("portal", pd.Timestamp("2025-02-01").date(), "confirmed", 7),
    ],
    columns=["system", "month", "status", "visits"],
)
CLOCK = pd.DataFrame(
    {
        "system": "pazpaz",
        "week": pd.date_range("2025-01-06", periods=30, freq="7D").date,
        "local_first": 9.0,
        "local_last": 16.5,
        "utc_first": [15.0] * 10 + [14.0] * 20,
        "utc_last": [22.0] * 10 + [21.0] * 20,
    }
)
DAY = pd.DataFrame(
    [("pazpaz", 9.0, 10.0, "cancelled"), ("pazpaz", 9.0, 10.0, "completed"), ("pazpaz", 10.0, 10.5, "no_show")],
    columns=["system", "from_hour", "until_hour", "status"],
)
VISITS = pd.DataFrame({"system": "pazpaz", "visits": [1, 2, 5, 300], "clients": [50, 30, 10, 1]})
CHAINS = pd.DataFrame({"system": "practice", "length": [1, 2, 3], "chains": [5_000, 400, 1]})
CITIES = pd.DataFrame({"system": "practice", "rank": [1, 2, 3], "share": [0.5, 0.3, 0.2]})
DRAWN = {
    charts.week: HOURS, charts.months: MONTHS, charts.clock: CLOCK, charts.day: DAY, charts.returning: VISITS,
    charts.chains: CHAINS, charts.cities: CITIES,
}  # fmt: skip


@pytest.mark.parametrize("draw", DRAWN, ids=lambda draw: draw.__name__)
@pytest.mark.parametrize("width", [356.0, 960.0])
def test_charts_of_the_dataset_are_svg_with_words_for_what_they_show(
    draw: Callable[..., charts.Chart], width: float
) -> None:
    chart = draw(DRAWN[draw], width)
    drawn = charts.svg(chart)
    assert ElementTree.fromstring(drawn).tag.endswith("svg")  # noqa: S314  (our own drawing)
    assert chart.title in drawn
    assert DRAWN[draw]["system"].iloc[0] in chart.alt or "chains" in chart.alt


@pytest.mark.parametrize("draw", DRAWN, ids=lambda draw: draw.__name__)
def test_a_chart_without_rows_says_so(draw: Callable[..., charts.Chart]) -> None:
    assert "no system of this run has rows" in charts.svg(draw(pd.DataFrame(), 960.0))


def test_what_the_charts_say_in_words() -> None:
    assert charts.week(HOURS).alt == "pazpaz: the busiest hour is Mon 9:00; portal: the busiest hour is Tue 10:00"
    assert charts.months(MONTHS).alt.startswith("pazpaz: 340 visits, 12 % cancelled")
    assert charts.clock(CLOCK).alt == "pazpaz: 9 to 9 o'clock local time, 14 to 15 o'clock UTC"
    assert charts.day(DAY).alt == "pazpaz: 2 visits one after the other, 1 cancelled"
    assert charts.returning(VISITS).alt == "pazpaz: half of the clients come at most 1 times, one 300 times"
    assert charts.chains(CHAINS).alt == "5,401 chains; the longest has 3 tokens"
    assert charts.cities(CITIES).alt == "practice: 3 cities, the largest with 50 % of the locations"


def test_tenant_sizes_are_drawn_over_the_line_that_was_promised() -> None:
    sizes = pd.DataFrame({"system": "pazpaz", "table": "appointments", "rows": [60, 30, 20, 15]})
    law = replace(HOLDS, fact="tenant_sizes", about="tenant sizes", unit="exponent", low=0.95, high=1.05, value=1.0)
    (axes,) = charts.tenant_sizes(sizes, facts=(law,)).axes
    line = next(line for line in axes.lines if line.get_linewidth() > 5)
    assert list(line.get_ydata()) == pytest.approx([60, 30, 20, 15])
    (bare,) = charts.tenant_sizes(sizes).axes
    assert len(bare.lines) == len(axes.lines) - 1
