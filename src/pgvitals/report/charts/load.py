"""The load test: what a request waits for, from its due time and from its start."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pgvitals.report.charts.canvas import WIDE, Chart
from pgvitals.report.charts.latency import query_labels
from pgvitals.report.charts.palette import BLUE, FAINT, MUTED, PAPER
from pgvitals.report.charts.rows import Row, log_axis_ms, row_chart
from pgvitals.report.wording import ms
from pgvitals.results.records import Load, LoadQuery


def load_percentiles(load: Load, width: float = WIDE) -> Chart:
    """One row a query: p50, p95 and p99 of the latency from the due time, and of the service time below it."""
    queries = (load.total, *load.queries)
    labels = ["all requests", *query_labels((q.system, q.query) for q in load.queries)]
    frame = row_chart(
        [
            Row(label=label, value=f"{ms(q.latency_p95_ms)} ms", strong=i == 0)
            for i, (label, q) in enumerate(zip(labels, queries, strict=True))
        ],
        width=width,
        title="Latency under load",
        alt=(
            f"{load.achieved_rate:.0f} requests a second; p95 from the due time {ms(load.total.latency_p95_ms)} ms, "
            f"service time alone {ms(load.total.service_p95_ms)} ms."
        ),
        xlabel="ms, logarithmic; at the right the p95 from the due time",
        legend=[
            (Line2D([], [], color=BLUE, linewidth=2), "latency from the due time"),
            (Line2D([], [], color=FAINT, linewidth=2), "service time"),
            (
                Line2D([], [], linestyle="None", marker="|", color=MUTED, markersize=9, markeredgewidth=1.6),
                "p50",
            ),
            (Line2D([], [], linestyle="None", marker="o", color=MUTED, markersize=6), "p95"),
            (
                Line2D([], [], linestyle="None", marker="o", color=MUTED, markerfacecolor=PAPER, markersize=6),
                "p99",
            ),
        ],
        row_px=32,
    )
    ends = [value for q in queries for value in _times(q) if value > 0]
    log_axis_ms(frame.axes, min(ends, default=0.1), max(ends, default=100.0))
    rows_at = [-i for i in range(len(queries))]
    latency = [(q.latency_p50_ms, q.latency_p95_ms, q.latency_p99_ms) for q in queries]
    service = [(q.service_p50_ms, q.service_p95_ms, q.service_p99_ms) for q in queries]
    _lines(frame.axes, [at + 0.13 * frame.room for at in rows_at], latency, BLUE)
    _lines(frame.axes, [at - 0.17 * frame.room for at in rows_at], service, FAINT)
    return frame.chart


def _times(q: LoadQuery) -> tuple[float, ...]:
    return q.latency_p50_ms, q.latency_p99_ms, q.service_p50_ms, q.service_p99_ms


def _lines(axes: Axes, y: list[float], times: list[tuple[float, float, float]], color: str) -> None:
    p50, p95, p99 = ([max(time, 1e-4) for time in column] for column in zip(*times, strict=True))
    axes.hlines(y, p50, p99, color=color, linewidth=2, zorder=2)
    axes.plot(p50, y, "|", color=color, markersize=9, markeredgewidth=1.8, zorder=3)
    axes.plot(p99, y, "o", color=color, markerfacecolor=PAPER, markersize=5.5, zorder=3)
    axes.plot(p95, y, "o", color=color, markersize=6, zorder=4)
