"""Charts: what they show, and that they can stand in a page."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from xml.etree import ElementTree

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from pgvitals.report import charts
from pgvitals.report.charts.palette import OCHRE, VARIABLES
from pgvitals.results.outcome import Outcome
from pgvitals.results.rundir import index_table

SVG = "{http://www.w3.org/2000/svg}"
WIDTHS = [900.0, 356.0]
NAMES = [
    "latency_bars",
    "latency_distribution",
    "index_usage",
    "load_percentiles",
    "impact_ratios",
    "batches",
    "tenant_sizes",
]
Draw = Callable[[float], charts.Chart]


@pytest.fixture
def draw(made: SimpleNamespace) -> dict[str, Draw]:
    """Every chart, from the records of a complete run."""
    gate = made.gate()
    samples = made.samples(gate.queries)
    tenants = pd.DataFrame({"system": "pazpaz", "table": "appointments", "rows": [900, 400, 300, 1]})
    return {
        "latency_bars": lambda width: charts.latency_bars(gate, width),
        "latency_distribution": lambda width: charts.latency_distribution(samples, gate.queries, width),
        "index_usage": lambda width: charts.index_usage(index_table(made.indexes()), width),
        "load_percentiles": lambda width: charts.load_percentiles(made.load_test(), width),
        "impact_ratios": lambda width: charts.impact_ratios(made.impact(), width),
        "batches": lambda width: charts.batches(samples, "pazpaz", "calendar_week", width=width),
        "tenant_sizes": lambda width: charts.tenant_sizes(tenants, width),
    }


def parsed(chart: charts.Chart) -> ElementTree.Element:
    return ElementTree.fromstring(charts.svg(chart))  # noqa: S314


def texts(root: ElementTree.Element) -> dict[str, ElementTree.Element]:
    return {element.text or "": element for element in root.iter(f"{SVG}text")}


def position(element: ElementTree.Element) -> tuple[float, float]:
    """Where a text is anchored: matplotlib writes x and y, or a translation."""
    if "x" in element.attrib:
        return float(element.attrib["x"]), float(element.attrib["y"])
    found = re.search(r"translate\(([\d.-]+) ([\d.-]+)\)", element.attrib["transform"])
    assert found, element.attrib
    return float(found[1]), float(found[2])


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_a_chart_is_an_element_that_scales_and_speaks(name: str, width: float, draw: dict[str, Draw]) -> None:
    drawn = charts.svg(draw[name](width))
    assert drawn.startswith("<svg ")
    assert "DOCTYPE" not in drawn
    assert "<style" not in drawn, "a style sheet in an inlined chart would restyle the whole page"
    root = ElementTree.fromstring(drawn)  # noqa: S314
    assert root.get("role") == "img"
    assert root.get("width") == "100%"
    assert root.get("viewBox", "").split()[2] == f"{width:g}"
    title = root.find(f"{SVG}title")
    assert title is not None
    assert title.text
    assert root.get("aria-label", "").startswith(f"{title.text}. ")


@pytest.mark.parametrize("name", NAMES)
def test_every_colour_of_a_chart_can_follow_the_theme_of_its_page(name: str, draw: dict[str, Draw]) -> None:
    drawn = charts.svg(draw[name](900))
    bare = re.sub(r"var\(--chart-[a-z-]+, #[0-9a-f]{6}\)", "", drawn)
    assert not re.search(r"(?:fill|stroke): #", bare)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_no_text_begins_or_ends_outside_the_picture(name: str, width: float, draw: dict[str, Draw]) -> None:
    root = parsed(draw[name](width))
    for text, element in texts(root).items():
        x, y = position(element)
        style = element.get("style", "")
        size = float(re.search(r"font-size: ([\d.]+)px", style)[1])  # type: ignore[index]
        span = len(text) * size * 0.53
        anchor = re.search(r"text-anchor: (\w+)", style)
        kind = anchor[1] if anchor else "start"
        left = x - {"start": 0.0, "middle": span / 2, "end": span}[kind]
        if "translate" in element.get("transform", ""):
            continue  # rotated or centred by its measured width
        assert left > -2, text
        assert left + span < width + 2, text
        assert 0 < y < float(root.get("viewBox", "").split()[3]), text


def test_charts_on_one_page_share_no_id(draw: dict[str, Draw]) -> None:
    seen: set[str] = set()
    for name in NAMES:
        drawn = charts.svg(draw[name](900))
        own = re.findall(r'\bid="([^"]+)"', drawn)
        assert len(own) == len(set(own))
        assert seen.isdisjoint(own)
        seen.update(own)
        pointed = set(re.findall(r'(?:href="#|url\(#)([^")]+)', drawn))
        assert pointed <= set(own), "a reference points out of its chart"


def test_drawing_leaves_the_settings_of_matplotlib_alone(draw: dict[str, Draw]) -> None:
    def settings() -> dict[str, object]:
        return {name: mpl.rcParams[name] for name in mpl.rcParams if name != "backend"}  # reading that one sets it

    before = settings()
    charts.svg(draw["latency_bars"](900))
    assert settings() == before


def test_the_same_records_give_the_same_drawing(draw: dict[str, Draw]) -> None:
    assert charts.svg(draw["impact_ratios"](900)) == charts.svg(draw["impact_ratios"](900))


def test_a_chart_shows_itself_in_a_notebook(draw: dict[str, Draw]) -> None:
    chart = draw["latency_bars"](900)
    assert chart._repr_svg_() == charts.svg(chart)


def test_neither_the_reports_nor_the_charts_need_pyplot() -> None:
    program = (
        "import sys, pgvitals.report\n"
        "assert 'matplotlib' not in sys.modules, 'matplotlib is imported before a chart is asked for'\n"
        "import pgvitals.report.charts\n"
        "assert 'matplotlib.pyplot' not in sys.modules, 'pyplot is global state'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_lookup_has_its_row_and_its_p95(made: SimpleNamespace, draw: dict[str, Draw]) -> None:
    shown = texts(parsed(draw["latency_bars"](900)))
    for q in made.gate().queries:
        assert f"{q.system}/{q.query}" in shown
    assert "183 ms" in shown


def test_budgets_far_above_the_p95_stay_inside_the_axis(made: SimpleNamespace) -> None:
    chart = charts.latency_bars(made.gate())
    low, high = chart.axes[0].get_xlim()
    assert chart.axes[0].get_xscale() == "log"
    assert low < min(q.p50_ms for q in made.gate().queries)
    assert high > max(q.p95_high_ms or q.p95_ms for q in made.gate().queries)
    assert high > max(q.budget_p95_ms for q in made.gate().queries)


def test_a_name_with_dollars_is_not_read_as_mathematics(made: SimpleNamespace) -> None:
    q = replace(made.gate().queries[0], query="sum_of_$x$_<b>&\x07")
    shown = texts(parsed(charts.latency_bars(replace(made.gate(), queries=(q,)))))
    assert "sum_of_$x$_<b>&" in shown


def test_a_long_name_is_shortened_in_the_middle(made: SimpleNamespace) -> None:
    q = replace(made.gate().queries[0], query="a" * 100 + "tail")
    shown = texts(parsed(charts.latency_bars(replace(made.gate(), queries=(q,)))))
    assert any(text.startswith("aaa") and "…" in text and text.endswith("tail") for text in shown)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_gate_without_lookups_still_draws(width: float, made: SimpleNamespace) -> None:
    root = parsed(charts.latency_bars(replace(made.gate(), queries=(), outcome=Outcome.INCONCLUSIVE), width))
    assert root.get("role") == "img"


def test_a_distribution_holds_neither_other_arms_nor_disturbed_batches(made: SimpleNamespace) -> None:
    queries = made.gate().queries[:1]
    samples = made.samples(queries)
    limits = charts.latency_distribution(samples, queries).axes[0].get_xlim()
    foreign = samples.head(50).assign(arm="pytest-benchmark", latency_ns=10**12)
    disturbed = samples.head(50).assign(valid=False, latency_ns=10**12)
    mixed = pd.concat([samples, foreign, disturbed], ignore_index=True)
    assert charts.latency_distribution(mixed, queries).axes[0].get_xlim() == limits
    counted = int(samples["valid"].sum())
    assert f"{counted:,}" in texts(parsed(charts.latency_distribution(mixed, queries)))


def test_a_lookup_that_was_never_undisturbed_is_drawn_from_all_it_has(made: SimpleNamespace) -> None:
    queries = made.gate().queries[:2]
    samples = made.samples(queries)
    samples.loc[samples["query"] == "calendar_week", "valid"] = False
    shown = texts(parsed(charts.latency_distribution(samples, queries)))
    assert {"2,200", "2,400"} <= set(shown)


def test_a_lookup_judged_under_disturbance_is_drawn_from_what_its_p95_is_over(made: SimpleNamespace) -> None:
    queries = made.gate().queries[:1]
    samples = made.samples(queries)
    disturbed = [replace(queries[0], under_disturbance=True)]
    assert f"{len(samples):,}" in texts(parsed(charts.latency_distribution(samples, disturbed)))
    assert int(samples["valid"].sum()) < len(samples)


def test_a_lookup_without_samples_has_no_row(made: SimpleNamespace) -> None:
    queries = made.gate().queries[:2]
    samples = made.samples(queries[:1])
    shown = texts(parsed(charts.latency_distribution(samples, queries)))
    assert "appointments_conflict" in shown
    assert not any("calendar_week" in text for text in shown)


def test_batches_that_do_not_count_are_hollow(made: SimpleNamespace) -> None:
    chart = charts.batches(made.samples(made.gate().queries), "pazpaz", "calendar_week")
    _, counted, hollow = chart.axes[0].get_lines()
    assert len(counted.get_xdata()) == 22
    assert len(hollow.get_xdata()) == 2
    assert to_hex(hollow.get_markeredgecolor()) == OCHRE
    assert to_hex(hollow.get_markerfacecolor()) == "#ffffff"
    assert VARIABLES[OCHRE] in charts.svg(chart)


def test_batches_of_two_attempts_follow_each_other(made: SimpleNamespace) -> None:
    first = made.samples(made.gate().queries[:1])
    second = first.assign(attempt=2, t_ns=first["t_ns"] + 10**12)
    chart = charts.batches(pd.concat([first, second], ignore_index=True), "pazpaz", "appointments_conflict")
    line, *_ = chart.axes[0].get_lines()
    times = list(line.get_xdata())
    assert len(times) == 48
    assert times == sorted(times)


@pytest.mark.parametrize("width", WIDTHS)
def test_labels_of_unscanned_indexes_never_meet(width: float, made: SimpleNamespace) -> None:
    root = parsed(charts.index_usage(index_table(made.indexes()), width))
    # a size follows the name of each unscanned index, and each has a lane of its own
    lanes = [position(element)[1] for text, element in texts(root).items() if re.search(r" [\d.]+ (?:kB|MB)$", text)]
    assert len(lanes) == 7
    gaps = [after - before for before, after in zip(sorted(lanes), sorted(lanes)[1:], strict=False)]
    assert min(gaps) > 12


def test_an_index_chart_of_one_empty_index_draws(made: SimpleNamespace) -> None:
    alone = replace(made.indexes()[4], size_bytes=0)
    shown = texts(parsed(charts.index_usage(index_table((alone,)))))
    assert any(alone.index in text for text in shown)


def test_the_margin_within_which_nothing_changed_is_shaded(made: SimpleNamespace) -> None:
    chart = charts.impact_ratios(made.impact())
    bands = [patch for patch in chart.axes[0].patches if patch.get_width() == pytest.approx(0.1)]
    assert len(bands) == len(made.impact().contrasts)
    assert all(band.get_x() == pytest.approx(0.95) for band in bands)


def test_a_ratio_of_three_hundred_stays_inside_the_axis(made: SimpleNamespace) -> None:
    contrast = made.impact().contrasts[0]
    huge = replace(contrast, typical_ratio=350.0, typical=replace(contrast.typical, low=300.0, high=410.0))
    chart = charts.impact_ratios(replace(made.impact(), contrasts=(huge,)))
    assert chart.axes[0].get_xlim()[1] > 410


def test_tenants_are_ranked_whatever_their_order() -> None:
    sizes = pd.DataFrame({"system": "a", "table": "t", "rows": [3, 90, 7]})
    line = charts.tenant_sizes(sizes).axes[0].get_lines()[0]
    assert list(line.get_ydata()) == [90, 7, 3]
    assert "a.t: 3 tenants, the largest holds 90 % of the rows" in texts(parsed(charts.tenant_sizes(sizes)))
