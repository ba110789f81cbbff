"""The same lookup for large and small tenants, beside the traffic's p95."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.lines import Line2D

from pgvitals.report.charts.canvas import WIDE, Chart
from pgvitals.report.charts.latency import query_labels
from pgvitals.report.charts.palette import BLUE, GRID, INK, OCHRE, PAPER, VERMILION
from pgvitals.report.charts.rows import Row, log_axis_ms, row_chart
from pgvitals.report.tenant_review import spread
from pgvitals.report.wording import ratio
from pgvitals.results.records import Latency

_MARKS = {
    "largest": ("o", VERMILION, VERMILION, 8.0),
    "middle": ("o", OCHRE, PAPER, 6.0),
    "smallest": ("o", BLUE, BLUE, 4.0),
}
_TRAFFIC = ("|", INK, INK, 14.0)
_ASIDE = {"largest": 0.0, "middle": 0.14, "smallest": -0.14}
"""Of half a row: intervals that overlap stay visible."""


def tenants_p95(lookups: Sequence[Latency], width: float = WIDE) -> Chart:
    """One row a query: p95 of the traffic and of the largest, middle and smallest tenant, with intervals (log, ms)."""
    labels = query_labels((each.system, each.query) for each in lookups)
    frame = row_chart(
        [Row(label=label, value=f"{ratio(spread(each))}×") for label, each in zip(labels, lookups, strict=True)],
        width=width,
        title="p95 by tenant",
        alt=f"p95 of {len(lookups)} lookups for large and small tenants, with intervals. The table has the numbers.",
        xlabel="p95 in ms, logarithmic; at the right the slowest tenant's over the fastest one's",
        legend=[
            *((_key(*mark), f"{tenant} tenant") for tenant, mark in _MARKS.items()),
            (_key(*_TRAFFIC), "weighted by traffic"),
        ],
    )
    axes = frame.axes
    times = [each.p95_ms for each in lookups]
    for of in (tenant for each in lookups for tenant in each.tenants):
        times += [time for time in (of.p95_ms, of.p95_low_ms, of.p95_high_ms) if time is not None]
    log_axis_ms(axes, min(times, default=0.1), max(times, default=100.0))
    for i, each in enumerate(lookups):
        points = [of.p95_ms for of in each.tenants]
        axes.hlines(-i, min(points), max(points), color=GRID, linewidth=1.5, zorder=1)
        for of in each.tenants:
            place = -i + _ASIDE[of.tenant] * frame.room
            marker, edge, face, size = _MARKS[of.tenant]
            if of.p95_low_ms is not None and of.p95_high_ms is not None:
                axes.hlines(place, of.p95_low_ms, of.p95_high_ms, color=edge, linewidth=1.4, zorder=2)
            axes.add_line(_at(of.p95_ms, place, _key(marker, edge, face, size)))
        axes.add_line(_at(each.p95_ms, -i, _key(*_TRAFFIC)))
    return frame.chart


def _at(x: float, y: float, key: Line2D) -> Line2D:
    key.set_data([x], [y])
    key.set_zorder(4)
    return key


def _key(marker: str, edge: str, face: str, size: float) -> Line2D:
    return Line2D(
        [], [], linestyle="None", marker=marker, color=edge, markerfacecolor=face, markersize=size, markeredgewidth=1.6
    )
