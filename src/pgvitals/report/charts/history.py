"""One lookup over the runs that are kept: its p95 with the interval of each run, and where it changed."""

from __future__ import annotations

import math
from datetime import datetime

from pgvitals.report.charts.canvas import NARROW_BELOW, SMALL_PX, WIDE, Chart, elide, ticks
from pgvitals.report.charts.latency import round_step
from pgvitals.report.charts.palette import BLUE, FAINT, INK, MUTED, PAPER, VERMILION
from pgvitals.report.history import History, Point, Series
from pgvitals.report.wording import plural
from pgvitals.stats.change_points import least_values

_LABEL_PX = 74.0
_CHAR_PX = 6.6


def history(past: History, system: str, query: str, width: float = WIDE) -> Chart:
    """The p95 of one lookup, run by run, oldest first; runs of the newest run's conditions and rows are filled.

    Only among runs of equal conditions is a change looked for; a line marks the first run of a new level. With one
    run the chart says that there is no history yet.
    """
    series = past.of(system, query)
    if series is None or len(series.points) < 2:
        return _too_few(f"{system}/{query}", width)
    points, newest = series.points, series.points[-1]
    alike = [_conditions(point) == _conditions(newest) for point in points]
    narrow = width < NARROW_BELOW
    top_px = 54.0 if narrow else 38.0
    chart = Chart(width=width, height=290 + (top_px - 38), title=f"p95 run by run: {system}/{query}", alt=_alt(series))
    axes = chart.axes_at(60, top_px + 18, 36, 58)
    places = range(len(points))
    ends = [(point.p95_low_ms, point.p95_high_ms) for point in points]
    for place, (low, high) in zip(places, ends, strict=True):
        color = BLUE if alike[place] else FAINT
        if low is not None and high is not None:
            axes.vlines(place, low, high, color=color, linewidth=2, zorder=2)
        face = color if alike[place] else PAPER
        axes.plot(
            [place], [points[place].p95_ms], "o", color=color, markerfacecolor=face, markersize=6, zorder=3
        )  # fmt: skip
    reach = max(
        max(point.p95_ms, min(high or 0.0, 3 * point.p95_ms)) for point, (_, high) in zip(points, ends, strict=True)
    )
    axes.set_ylim(0, reach * 1.12)
    axes.set_xlim(-0.6, len(points) - 0.4)
    for change in series.changes:
        axes.axvline(change.point - 0.5, color=VERMILION, linewidth=1.6, linestyle=(0, (4, 3)), zorder=1)
        axes.annotate(
            f"{change.ratio - 1:+.0%}".replace("%", " %").replace("-", "−"), (change.point - 0.5, reach * 1.12),
            xytext=(0, 4), textcoords="offset points", ha="center", va="bottom", fontsize=SMALL_PX, color=VERMILION,
            annotation_clip=False,
        )  # fmt: skip
    step = round_step(reach / 4)
    heights = [step * k for k in range(int(reach * 1.12 / step) + 1)]
    ticks(axes, "y", heights, [f"{height:g}" for height in heights])
    shown = _thinned(len(points), (width - 96) / _LABEL_PX)
    ticks(axes, "x", [float(place) for place in shown], [_label(points[place]) for place in shown], grid=False)
    chart.write(8, 16, elide(f"{system}/{query}: p95 run by run, ms", int(width / _CHAR_PX)), fontweight="bold")
    note = _note(series, sum(alike))
    chart.write(8 if narrow else width - 8, 36 if narrow else 16, note, ha="left" if narrow else "right",
                fontsize=SMALL_PX, color=MUTED)  # fmt: skip
    axes.axhline(0, color=INK, linewidth=1)
    return chart


def _too_few(name: str, width: float) -> Chart:
    told = "no history yet: it takes two runs that measured it, and ten of equal conditions for a change to show"
    chart = Chart(width=width, height=60, title=f"p95 run by run: {name}", alt=told)
    chart.write(8, 16, elide(f"{name}: p95 run by run", int(width / _CHAR_PX)), fontweight="bold")
    chart.write(8, 40, elide(told, int(width / _CHAR_PX * 1.1)), fontsize=SMALL_PX, color=MUTED)
    return chart


def _conditions(point: Point) -> tuple[str, str]:
    return point.run.conditions, point.dataset


def _note(series: Series, alike: int) -> str:
    told = "filled: as the newest run" if alike < len(series.points) else ""
    found = "dashed: a change of level" if series.changes else "no change of level"
    if not series.enough:
        found = f"{series.most_alike} of {least_values()} runs that a change takes"
    return "; ".join(part for part in (told, found) if part)


def _alt(series: Series) -> str:
    changes = [f"{change.ratio - 1:+.0%} from {change.run.name} on" for change in series.changes]
    said = f"changes: {', '.join(changes)}" if changes else "no change of level was found"
    if not series.enough:
        said = "too few of equal conditions for a change to show"
    return f"{plural(len(series.points), 'run')}, oldest first; {said}."


def _label(point: Point) -> str:
    """The day and hour of a run, and its revision below."""
    try:
        when = datetime.fromisoformat(point.run.started_utc).strftime("%m-%d %H:%M")
    except ValueError:
        when = elide(point.run.name, 11)
    return f"{when}\n{(point.run.git_revision or '–')[:7]}"


def _thinned(count: int, room: float) -> list[int]:
    """Which runs get a label: the newest, and as many before it as there is room for, evenly."""
    step = max(1, math.ceil(count / max(room, 1)))
    return sorted(range(count - 1, -1, -step))
