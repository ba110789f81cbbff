"""The shape shared by most charts: one row a query, a common horizontal axis, labels that stay readable.

Wide charts put the label left of its row and the figure right of it; narrow ones put both above the row.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from pgvitals.report.charts.canvas import NARROW_BELOW, SMALL_PX, Chart, elide, ticks
from pgvitals.report.charts.palette import BAND, MUTED
from pgvitals.report.wording import ms, ratio

_CHAR_PX = 6.9  # a generous mean width of one character at FONT_PX
_LABEL_MOST = 300.0
_LEGEND_ROW = 20.0
_FOOT = 46.0
_QUIET: dict[str, Any] = {"fontsize": SMALL_PX, "color": MUTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: what it is, and the number to print beside it."""

    label: str
    value: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChart:
    """A chart of rows; row ``i`` is drawn around ``y = -i``, within half of ``room`` above and below."""

    chart: Chart
    axes: Axes
    room: float


def row_chart(
    rows: Sequence[Row],
    *,
    width: float,
    title: str,
    alt: str,
    xlabel: str,
    legend: Sequence[tuple[Line2D | Rectangle, str]],
    row_px: float = 26.0,
) -> RowChart:
    """Lay out rows, labels, values and the legend; the caller draws on ``axes`` and sets its x axis."""
    narrow = width < NARROW_BELOW
    plain_px = row_px
    lines = _legend_lines([text for _, text in legend], width)
    below = textwrap.wrap(xlabel, max(20, int(width / _CHAR_PX))) or [""]
    foot = _FOOT + (len(below) - 1) * 14
    top = 8 + len(lines) * _LEGEND_ROW
    label_px = value_px = 0.0
    if narrow:
        row_px += 20
    else:
        label_px = min(_LABEL_MOST, max((len(row.label) for row in rows), default=0) * _CHAR_PX + 14)
        value_px = max((len(row.value) for row in rows), default=0) * (_CHAR_PX - 0.4) + 14
    height = top + max(1, len(rows)) * row_px + foot
    chart = Chart(width=width, height=height, title=title, alt=alt)
    axes = chart.axes_at(12 + label_px, top, (20 if narrow else 12) + value_px, foot)
    lift = 10 / row_px if narrow else 0.0  # narrow rows keep their upper part for the label
    axes.set_ylim(-max(1, len(rows)) + 0.5 + lift, 0.5 + lift)
    axes.set_yticks([])
    axes.set_autoscale_on(False)
    for number, text in enumerate(below):
        chart.write(width / 2, height - 12 - 14 * (len(below) - 1 - number), text, ha="center", **_QUIET)
    for i, row in enumerate(rows):
        upper = top + i * row_px
        if i % 2:
            _band(chart, upper, row_px)
        line = upper + (12 if narrow else row_px / 2)
        room = width - len(row.value) * _CHAR_PX - 24 if narrow else label_px - 10
        weight = "bold" if row.strong else "normal"
        chart.write(8, line, elide(row.label, max(8, int(room / _CHAR_PX))), fontweight=weight)
        chart.write(width - 8, line, row.value, ha="right", fontweight=weight)
    _draw_legend(chart, legend, lines)
    return RowChart(chart=chart, axes=axes, room=plain_px / row_px)


def _band(chart: Chart, upper: float, height: float) -> None:
    corner = (0, 1 - (upper + height) / chart.height_px)
    chart.add_artist(Rectangle(corner, 1, height / chart.height_px, facecolor=BAND, linewidth=0, zorder=-1))


def log_axis_ms(axes: Axes, low: float, high: float) -> None:
    """A logarithmic x axis from ``low`` to ``high`` milliseconds, padded, with plain numbers as ticks."""
    low, high = max(low, 1e-4), max(high, low * 1.5, 2e-4)
    axes.set_xscale("log")
    axes.set_xlim(low / 1.25, high * 1.25)
    places = log_places(low / 1.25, high * 1.25)
    ticks(
        axes,
        "x",
        places,
        [ms(place).rstrip("0").rstrip(".") if place < 1 else f"{place:,.0f}" for place in places],
    )


def log_axis_ratio(axes: Axes, low: float, high: float) -> None:
    """A logarithmic x axis of ratios around 1, with halves and doubles as ticks."""
    low, high = min(low, 0.9), max(high, 1.11)
    axes.set_xscale("log")
    axes.set_xlim(low / 1.08, high * 1.08)
    first, last = math.ceil(math.log2(low / 1.08)), math.floor(math.log2(high * 1.08))
    step = max(1, (last - first) // 6 + 1)
    places = [2.0**power for power in range(first, last + 1) if power % step == 0]
    if last - first < 2:
        places = [place for place in (0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0) if low <= place <= high]
    ticks(axes, "x", places, [f"{place:g}×" if place >= 0.1 else f"{ratio(place)}×" for place in places])


def log_places(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis: 1, 10, 100 over many decades, with 2 and 5 (or 3) between over few."""
    decades = math.log10(high / low)
    within = (1, 2, 5) if decades < 2.2 else (1, 3) if decades < 3.2 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    places = [digit * 10.0**power for power in powers for digit in within]
    return [place for place in places if low <= place <= high]


def _legend_lines(texts: Sequence[str], width: float) -> list[list[int]]:
    lines: list[list[int]] = []
    used = width
    for i, text in enumerate(texts):
        need = _key_px(text)
        if used + need > width - 8:
            lines.append([])
            used = 8
        lines[-1].append(i)
        used += need
    return lines


def _key_px(text: str) -> float:
    return 26 + len(text) * (_CHAR_PX - 0.5) + 14


def _draw_legend(chart: Chart, legend: Sequence[tuple[Line2D | Rectangle, str]], lines: list[list[int]]) -> None:
    w, h = chart.width_px, chart.height_px
    for number, line in enumerate(lines):
        x, y = 8.0, 8 + (number + 0.35) * _LEGEND_ROW
        for i in line:
            key, text = legend[i]
            if isinstance(key, Rectangle):
                key.set_bounds(x / w, 1 - (y + 5) / h, 18 / w, 10 / h)
            elif key.get_linestyle() in ("None", ""):
                key.set_data([(x + 9) / w], [1 - y / h])
            else:
                key.set_data([x / w, (x + 18) / w], [1 - y / h, 1 - y / h])
            key.set_transform(chart.transFigure)
            chart.add_artist(key)
            chart.write(x + 24, y, text, **_QUIET)
            x += _key_px(text)
