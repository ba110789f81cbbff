"""Latency charts: against the budget, as distributions, and batch by batch over the run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from pgvitals.report.charts.canvas import NARROW_BELOW, SMALL_PX, WIDE, Chart, ticks
from pgvitals.report.charts.palette import BLUE, BLUE_TINT, FAINT, GRID, INK, MUTED, OCHRE, PAPER, VERMILION
from pgvitals.report.charts.rows import Row, log_axis_ms, row_chart
from pgvitals.report.wording import ms
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Gate, Latency

_MARKS = {Outcome.PASS: ("o", BLUE, BLUE), Outcome.FAIL: ("D", VERMILION, VERMILION)}
_OPEN = ("o", PAPER, OCHRE)
_BINS_A_DECADE = 40
_FEW = 1000  # fewer samples are drawn in wider bins


def query_labels(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Names of queries; the system stands before them only where there is more than one."""
    keys = list(pairs)
    alone = len({system for system, _ in keys}) <= 1
    return [query if alone else f"{system}/{query}" for system, query in keys]


def latency_bars(gate: Gate, width: float = WIDE) -> Chart:
    """One row a query: p95 with its batch interval, p50, and how far the budget is away (log axis, ms)."""
    queries = gate.queries
    labels = query_labels((q.system, q.query) for q in queries)
    rows = [Row(label=label, value=f"{ms(q.p95_ms)} ms") for label, q in zip(labels, queries, strict=True)]
    over = [label for label, q in zip(labels, queries, strict=True) if q.p95_ms > q.budget_p95_ms]
    frame = row_chart(
        rows,
        width=width,
        title="p95 of every lookup against its budget",
        alt=f"{len(queries)} lookups; p95 over budget: {', '.join(over) or 'none'}. The table has the numbers.",
        xlabel="service time in ms, logarithmic; at the right the p95",
        legend=[
            (_key("|", MUTED, size=11), "p50"),
            (_key("o", BLUE), "p95 and its interval: pass"),
            (_key("D", VERMILION, size=6), "fail"),
            (_key("o", OCHRE, face=PAPER), "undecided"),
            (_key("|", INK, size=15, edge=2.4), "budget"),
        ],
    )
    axes = frame.axes
    log_axis_ms(axes, *_extent(queries))
    rows_at = [-i for i in range(len(queries))]
    reach = [max(q.p95_ms, q.budget_p95_ms) for q in queries]
    axes.hlines(rows_at, [q.p50_ms for q in queries], reach, color=GRID, linewidth=1.5, zorder=1)
    _marks(axes, [q.budget_p95_ms for q in queries], rows_at, _key("|", INK, size=15, edge=2.4))
    _marks(axes, [q.p50_ms for q in queries], rows_at, _key("|", MUTED, size=11))
    for i, q in enumerate(queries):
        marker, face, edge = _MARKS.get(q.outcome, _OPEN)
        if q.p95_low_ms is not None and q.p95_high_ms is not None:
            ends = (q.p95_low_ms, q.p95_high_ms)
            axes.hlines(-i, ends[0], ends[1], color=edge, linewidth=2, zorder=3)
            _marks(axes, ends, [-i, -i], _key("|", edge, size=9, edge=2))
        _marks(axes, [q.p95_ms], [-i], _key(marker, edge, face=face, size=4.5))
    return frame.chart


def latency_distribution(samples: pd.DataFrame, queries: Sequence[Latency], width: float = WIDE) -> Chart:
    """One row a query: the density of its service times on a log axis, p50 and p95 marked, the slowest dotted.

    ``samples`` is ``run.samples``; other arms are left out, and batches marked invalid wherever
    the p95 is without them. Every density has the same height.
    """
    kept = _by_query(samples, queries)
    shown = [q for q in queries if (q.system, q.query) in kept]
    labels = query_labels((q.system, q.query) for q in shown)
    frame = row_chart(
        [Row(label=label, value=f"{len(kept[q.system, q.query]):,}") for label, q in zip(labels, shown, strict=True)],
        width=width,
        title="Distribution of service times",
        alt=f"Density of service times of {len(shown)} lookups on a logarithmic axis, with p50 and p95 marked.",
        xlabel="service time in ms, logarithmic; at the right the number of samples",
        legend=[
            (Rectangle((0, 0), 1, 1, facecolor=BLUE_TINT, edgecolor=BLUE), "density"),
            (_key("|", INK, size=11), "p50"),
            (_key("|", VERMILION, size=11, edge=2.4), "p95"),
            (_key(".", MUTED), "slowest sample"),
        ],
        row_px=38,
    )
    axes = frame.axes
    low = min((values.min() for values in kept.values()), default=0.1)
    high = max((values.max() for values in kept.values()), default=100.0)
    log_axis_ms(axes, low, high)
    for i, q in enumerate(shown):
        values = kept[q.system, q.query]
        x, y = _density(values)
        base = -i - 0.42 * frame.room
        top = base + 0.84 * frame.room
        curve = base + 0.8 * frame.room * y
        axes.fill_between(x, base, curve, facecolor=BLUE_TINT, edgecolor=BLUE, linewidth=1.1, zorder=2)
        axes.vlines(q.p50_ms, base, top, color=INK, linewidth=1.4, zorder=4)
        axes.vlines(q.p95_ms, base, top, color=VERMILION, linewidth=2.2, zorder=4)
        _marks(axes, [values.max()], [base + 0.08], _key(".", MUTED))
    return frame.chart


def batches(
    samples: pd.DataFrame, system: str, query: str, *, budget_p95_ms: float | None = None, width: float = WIDE
) -> Chart:
    """The p95 of each batch of one query over the run; batches that did not count are hollow."""
    own = _own(samples)
    of = own[(own["system"] == system) & (own["query"] == query)]
    grouped = of.groupby(["attempt", "batch"], sort=False)
    p95 = grouped["latency_ns"].quantile(0.95).to_numpy(dtype=float) / 1e6
    start = int(own["t_ns"].min()) if len(own) else 0
    at = (grouped["t_ns"].min().to_numpy(dtype=float) - start) / 1e9
    valid = grouped["valid"].all().to_numpy(dtype=bool)
    low_note = 20.0 if width < NARROW_BELOW else 0.0
    chart = Chart(
        width=width,
        height=260,
        title=f"p95 of each batch: {system}/{query}",
        alt=f"{len(p95)} batches, {int((~valid).sum())} of them not counted, p95 over time.",
    )
    axes = chart.axes_at(60, 34 + low_note, 16, 44)
    axes.plot(at, p95, color=FAINT, linewidth=1, zorder=1)
    axes.plot(at[valid], p95[valid], "o", color=BLUE, markersize=6, zorder=3)
    axes.plot(at[~valid], p95[~valid], "o", color=OCHRE, markerfacecolor=PAPER, markersize=6, zorder=3)
    top = max([*p95, 1e-3])
    if budget_p95_ms is not None and budget_p95_ms < 3 * top:
        axes.axhline(budget_p95_ms, color=INK, linewidth=2)
        top = max(top, budget_p95_ms)
    axes.set_ylim(0, top * 1.12)
    step = round_step(top / 4)
    places = [step * k for k in range(int(top * 1.12 / step) + 1)]
    ticks(axes, "y", places, [f"{place:g}" for place in places])
    axes.set_xlabel("seconds since the first sample", fontsize=SMALL_PX, color=MUTED)
    chart.write(8, 16, f"{system}/{query}: p95 of each batch, ms", fontweight="bold")
    chart.write(width - 8, 16 + low_note, "hollow: not counted", ha="right", fontsize=SMALL_PX, color=MUTED)
    return chart


def _extent(queries: Sequence[Latency]) -> tuple[float, float]:
    """The smallest and the largest time that a row shows."""
    known = [
        time
        for q in queries
        for time in (q.p50_ms, q.p95_ms, q.p95_low_ms, q.p95_high_ms, q.budget_p95_ms)
        if time is not None and time > 0
    ]
    return min(known, default=0.1), max(known, default=100.0)


def _marks(axes: Axes, x: Sequence[float], y: Sequence[float], key: Line2D) -> None:
    """Markers that look like their key in the legend."""
    key.set_data(x, y)
    key.set_zorder(4)
    axes.add_line(key)


def _key(marker: str, color: str, *, face: str | None = None, size: float = 6.5, edge: float = 1.4) -> Line2D:
    return Line2D(
        [], [], linestyle="None", marker=marker, color=color, markerfacecolor=face or color, markersize=size,
        markeredgewidth=edge,
    )  # fmt: skip


def _own(samples: pd.DataFrame) -> pd.DataFrame:
    """The samples that the gate judges: other arms are other instruments, or other schemas."""
    return samples[samples["arm"] == ""]


def _by_query(samples: pd.DataFrame, queries: Sequence[Latency]) -> dict[tuple[str, str], np.ndarray]:
    """The service times that the percentiles are over, in milliseconds: of quiet batches, or of all."""
    found = {(str(key[0]), str(key[1])): group for key, group in _own(samples).groupby(["system", "query"], sort=False)}
    kept = {}
    for q in queries:
        if (group := found.get((q.system, q.query))) is not None:
            quiet = group[group["valid"].astype(bool)]
            judged = quiet if len(quiet) and not q.under_disturbance else group
            kept[q.system, q.query] = judged["latency_ns"].to_numpy(dtype=float) / 1e6
    return kept


def _density(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A histogram over log10 of the values, lightly smoothed, its highest point at 1."""
    logs = np.log10(np.maximum(values, 1e-6))
    low, high = logs.min() - 0.08, logs.max() + 0.08
    each = _BINS_A_DECADE if len(values) >= _FEW else _BINS_A_DECADE // 3
    bins = max(10, min(240, math.ceil((high - low) * each)))
    heights, edges = np.histogram(logs, bins=bins, range=(low, high))
    kernel = np.array([1, 4, 6, 4, 1]) / 16
    smooth = np.convolve(heights, kernel, mode="same")
    return 10 ** ((edges[:-1] + edges[1:]) / 2), smooth / max(smooth.max(), 1e-9)


def round_step(rough: float) -> float:
    """The next of 1, 2, 5 times a power of ten: the distance of ticks."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough)
