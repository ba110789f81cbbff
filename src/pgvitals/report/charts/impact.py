"""The impact of a migration: a forest plot of after / before."""

from __future__ import annotations

from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from pgvitals.report.charts.canvas import WIDE, Chart
from pgvitals.report.charts.latency import query_labels
from pgvitals.report.charts.palette import BLUE, BLUE_TINT, FAINT, INK, MUTED, OCHRE, PAPER, VERMILION
from pgvitals.report.charts.rows import Row, log_axis_ratio, row_chart
from pgvitals.report.wording import ratio
from pgvitals.results.records import Contrast, Impact

_COLOURS = {"faster": BLUE, "slower": VERMILION, "same": MUTED, "inconclusive": OCHRE, "void": FAINT}


def impact_ratios(impact: Impact, width: float = WIDE) -> Chart:
    """One row a query: ratio of the typical latency and of the p95 with their intervals; 1 is unchanged."""
    contrasts = impact.contrasts
    labels = query_labels((c.system, c.query) for c in contrasts)
    tally = [f"{sum(c.verdict == word for c in contrasts)} {word}" for word in _COLOURS]
    frame = row_chart(
        [Row(label=label, value=_verdict(c)) for label, c in zip(labels, contrasts, strict=True)],
        width=width,
        title=f"After {impact.to_revision} against before it",
        alt=f"Ratio of latency after and before, {len(contrasts)} lookups: {', '.join(tally)}.",
        xlabel="after / before, logarithmic: left of 1 is faster; at the right the typical ratio",
        legend=[
            (Line2D([], [], linestyle="None", marker="s", color=MUTED, markersize=6.5), "typical latency"),
            (
                Line2D([], [], linestyle="None", marker="o", color=MUTED, markerfacecolor=PAPER, markersize=6.5),
                "p95",
            ),
            (Line2D([], [], color=MUTED, linewidth=2), "interval"),
            (
                Rectangle((0, 0), 1, 1, facecolor=BLUE_TINT, linewidth=0),
                f"within ±{impact.margin * 100:g} %: the same",
            ),
        ],
        row_px=34,
    )
    axes = frame.axes
    ends = [v for c in contrasts for v in (c.typical.low, c.typical.high, c.p95.low, c.p95.high) if v > 0]
    log_axis_ratio(axes, min(ends, default=1.0), max(ends, default=1.0))
    for i, c in enumerate(contrasts):
        color = _COLOURS.get(c.verdict, FAINT)
        foot = -i - frame.room / 2
        same = Rectangle((1 - impact.margin, foot), 2 * impact.margin, frame.room, facecolor=BLUE_TINT, linewidth=0)
        axes.add_patch(same)
        axes.vlines(1.0, foot, foot + frame.room, color=INK, linewidth=1.4, zorder=2)
        for y, value, interval, marker, face in (
            (-i + 0.16 * frame.room, c.typical_ratio, c.typical, "s", color),
            (-i - 0.18 * frame.room, c.p95_ratio, c.p95, "o", PAPER),
        ):
            axes.hlines(y, interval.low, interval.high, color=color, linewidth=2, zorder=3)
            axes.plot(value, y, marker=marker, color=color, markerfacecolor=face, markersize=6.5, zorder=4)
    return frame.chart


def _verdict(contrast: Contrast) -> str:
    return f"{contrast.verdict} {ratio(contrast.typical_ratio)}×"
