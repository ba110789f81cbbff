"""Index usage: how often each index was scanned against what it weighs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pgvitals.report.charts.canvas import NARROW_BELOW, SMALL_PX, WIDE, Chart, elide, ticks
from pgvitals.report.charts.palette import BLUE, FAINT, INK, MUTED, PAPER, VERMILION
from pgvitals.report.index_review import IndexLine, IndexReview, review_indexes
from pgvitals.report.wording import count, size

_LEFT, _RIGHT, _TOP, _FOOT = 64.0, 14.0, 34.0, 44.0
_SCATTER_PX = 230.0
_LANE_PX = 19.0
_LANES_MOST = 8
_NAMED_MOST = 6
_CHAR_PX = 6.3


@dataclass(frozen=True, slots=True)
class _Box:
    x0: float
    y0: float
    x1: float
    y1: float

    def meets(self, other: _Box) -> bool:
        return self.x0 < other.x1 and other.x0 < self.x1 and self.y0 < other.y1 and other.y0 < self.y1


def index_usage(usage: pd.DataFrame, width: float = WIDE) -> Chart:
    """Scans against size on log axes; never-scanned indexes in a strip of their own, the largest named.

    ``usage`` is ``run.index_usage``. Squares enforce a primary key or uniqueness: they may be unscanned and
    still be needed.
    """
    review = review_indexes(usage)
    named = review.unused[: _LANES_MOST - 1]
    strip_px = (len(named) + 1) * _LANE_PX + 10
    across, up = _limits(review.lines)
    upper, lower = _panels(review, width, strip_px)
    for axes in (upper, lower):
        axes.set_xscale("log")
        axes.set_xlim(*across)
    upper.set_yscale("log")
    upper.set_ylim(*up)
    units = [1024.0**power for power in range(1, 5)]
    places = [digit * unit for unit in units for digit in (1, 10, 100) if across[0] <= digit * unit <= across[1]]
    ticks(lower, "x", places, [size(place) for place in places])
    ticks(upper, "x", places, [""] * len(places))
    scans = [10.0**power for power in range(math.ceil(math.log10(up[1])))]
    scans = scans[:: max(1, len(scans) // 5)]
    ticks(upper, "y", scans, [count(scan) for scan in scans])
    _draw_scanned(upper, [line for line in review.lines if line.scans > 0])
    _draw_strip(lower, review, named, width)
    _name_scanned(upper, review, width, across, up)
    return upper.figure  # type: ignore[return-value]


def _limits(lines: Sequence[IndexLine]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of both axes, with room around the outermost index."""
    low = min((_weight(line) for line in lines), default=8192.0) / 1.6
    high = max((_weight(line) for line in lines), default=8192.0) * 1.8
    most = max((line.scans for line in lines), default=1) * 2.0
    return (low, max(high, low * 20)), (0.7, max(most, 12.0))


def _weight(line: IndexLine) -> float:
    return float(max(line.size_bytes, 1024))  # a logarithmic axis has no place for an index without a page


def _panels(review: IndexReview, width: float, strip_px: float) -> tuple[Axes, Axes]:
    legend_px = 20.0 if width < NARROW_BELOW else 0.0
    top = _TOP + legend_px
    chart = Chart(
        width=width,
        height=top + _SCATTER_PX + 12 + strip_px + _FOOT,
        title="Index scans against index size",
        alt=(
            f"{len(review.lines)} indexes; {len(review.unused)} never scanned and enforcing nothing, "
            f"together {size(review.unused_bytes)}. The table lists them."
        ),
    )
    upper = chart.axes_at(_LEFT, top, _RIGHT, 12 + strip_px + _FOOT)
    lower = chart.axes_at(_LEFT, top + _SCATTER_PX + 12, _RIGHT, _FOOT)
    lower.set_ylim(-strip_px / _LANE_PX + 0.75, 0.75)
    lower.set_yticks([])
    lower.set_facecolor("none")
    upper.spines["bottom"].set_visible(True)
    upper.spines["bottom"].set_color(FAINT)
    lower.set_xlabel("size of the index (logarithmic)", fontsize=SMALL_PX, color=MUTED, labelpad=6)
    middle = top + _SCATTER_PX + 12 + strip_px / 2
    chart.write(_LEFT - 10, middle, "never", ha="right", fontsize=SMALL_PX, color=MUTED, va="bottom")
    chart.write(_LEFT - 10, middle, "scanned", ha="right", fontsize=SMALL_PX, color=MUTED, va="top")
    chart.write(8, 16, "scans", fontsize=SMALL_PX, color=MUTED)
    x, y = _LEFT, 16.0
    for key, text in (
        (("o", BLUE, BLUE), "index"),
        (("s", FAINT, FAINT), "primary key or unique"),
        (("D", VERMILION, PAPER), "never scanned, enforces nothing"),
    ):
        if x + 26 + len(text) * _CHAR_PX > width:
            x, y = _LEFT, y + 20
        chart.add_artist(_marker(key, (x + 6) / width, 1 - y / chart.height_px, chart))
        chart.write(x + 18, y, text, fontsize=SMALL_PX, color=MUTED)
        x += 18 + len(text) * _CHAR_PX + 18
    return upper, lower


def _marker(key: tuple[str, str, str], x: float, y: float, chart: Chart) -> Line2D:
    shape, edge, face = key
    return Line2D(
        [x], [y], linestyle="None", marker=shape, color=edge, markerfacecolor=face, markersize=6.5,
        transform=chart.transFigure,
    )  # fmt: skip


def _draw_scanned(axes: Axes, lines: Sequence[IndexLine]) -> None:
    for enforcing, shape, color in ((True, "s", FAINT), (False, "o", BLUE)):
        of = [line for line in lines if bool(line.enforces) is enforcing]
        axes.plot(
            [_weight(line) for line in of], [line.scans for line in of], shape, color=color, markersize=6.5,
            markeredgecolor=PAPER, markeredgewidth=0.8, zorder=3,
        )  # fmt: skip


def _draw_strip(axes: Axes, review: IndexReview, named: Sequence[IndexLine], width: float) -> None:
    """One lane for each named index, so that no two labels meet; the rest share the lane above them."""
    low, high = axes.get_xlim()
    span = width - _LEFT - _RIGHT
    rest = [line for line in review.lines if line.scans == 0 and line not in named]
    for line in rest:
        shape, color = ("s", FAINT) if line.enforces else ("D", VERMILION)
        axes.plot(_weight(line), 0, shape, color=color, markerfacecolor=PAPER, markersize=6, zorder=3)
    for lane, line in enumerate(named, start=1):
        axes.plot(_weight(line), -lane, "D", color=VERMILION, markerfacecolor=PAPER, markersize=6.5, zorder=3)
        at = math.log(_weight(line) / low) / math.log(high / low) * span
        left = at > span / 2
        room = int(((at if left else span - at) - 16) / _CHAR_PX)
        axes.annotate(
            f"{elide(line.index, max(10, room - 10))}  {size(line.size_bytes)}", (_weight(line), -lane),
            xytext=(-9 if left else 9, 0), textcoords="offset points", ha="right" if left else "left",
            va="center", fontsize=SMALL_PX, color=INK, parse_math=False, annotation_clip=False,
        )  # fmt: skip


def _name_scanned(
    axes: Axes, review: IndexReview, width: float, across: tuple[float, float], up: tuple[float, float]
) -> None:
    """Name the most scanned and the largest where there is free room; a label that would touch is left out."""
    span = width - _LEFT - _RIGHT
    lines = [line for line in review.lines if line.scans > 0]
    at = {line: (_place(_weight(line), across, span), _place(line.scans, up, _SCATTER_PX)) for line in lines}
    taken = [_Box(x - 5, y - 5, x + 5, y + 5) for x, y in at.values()]
    limit = 20 if width < NARROW_BELOW else 44
    wanted = sorted(lines, key=lambda line: -line.scans)[:4] + sorted(lines, key=lambda line: -line.size_bytes)[:4]
    shown = 0
    for line in dict.fromkeys(wanted):
        text = elide(line.index, limit)
        x, y = at[line]
        long = len(text) * _CHAR_PX
        for left, lift in (
            (False, 0.0),
            (True, 0.0),
            (False, 13.0),
            (True, 13.0),
            (False, -13.0),
            (True, -13.0),
        ):
            box = _Box(x - 8 - long, y + lift - 7, x - 7, y + lift + 7) if left else _Box(
                x + 7, y + lift - 7, x + 8 + long, y + lift + 7
            )  # fmt: skip
            inside = box.x0 > 2 and box.x1 < span and box.y0 > 2 and box.y1 < _SCATTER_PX
            if inside and not any(box.meets(other) for other in taken):
                axes.annotate(
                    text, (_weight(line), line.scans), xytext=(-8 if left else 8, lift), color=INK, va="center",
                    textcoords="offset points", ha="right" if left else "left", fontsize=SMALL_PX, parse_math=False,
                )  # fmt: skip
                taken.append(box)
                shown += 1
                break
        if shown == _NAMED_MOST:
            return


def _place(value: float, limits: tuple[float, float], span: float) -> float:
    low, high = limits
    return math.log(value / low) / math.log(high / low) * span
