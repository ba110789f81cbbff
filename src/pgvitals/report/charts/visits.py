"""When visits take place: the week, the months, the clock, and one practitioner's day; hours are local ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from pgvitals.report.charts.canvas import NARROW_BELOW, SMALL_PX, WIDE, Chart, nothing, ticks
from pgvitals.report.charts.palette import BLUE, BLUE_TINT, FAINT, INK, MUTED, OCHRE, VERMILION
from pgvitals.report.wording import count, share

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
STATUSES = (("completed", BLUE), ("no_show", OCHRE), ("cancelled", VERMILION), ("scheduled", BLUE_TINT))
_HEAD = 26.0
_LEFT, _RIGHT = 56.0, 14.0


def week(visits: pd.DataFrame, width: float = WIDE) -> Chart:
    """Share of a system's visits by weekday and local hour of their start, one panel a system.

    Args:
        visits: ``run.picture("visits_by_hour")``: columns ``system``, ``weekday`` (1 is Monday), ``hour``, ``visits``.
        width: in pixels.
    """
    title = "Visits by weekday and hour, local time"
    if visits.empty:
        return nothing(title, width)
    systems = _systems(visits)
    first, last = int(visits["hour"].min()) - 1, int(visits["hour"].max()) + 1
    across = 1 if width < NARROW_BELOW else len(systems)
    panel_px, row_px = width / across, 26.0
    panel_height = _HEAD + 7 * row_px + 40
    chart = Chart(
        width=width,
        height=panel_height * -(-len(systems) // across),
        title=title,
        alt="; ".join(_busiest(name, part) for name, part in systems),
    )
    for number, (name, part) in enumerate(systems):
        left, top = number % across * panel_px, number // across * panel_height
        axes = chart.axes_at(
            left + _LEFT, top + _HEAD, width - left - panel_px + _RIGHT, chart.height_px - top - _HEAD - 7 * row_px
        )
        chart.write(left + 8, top + 12, name, fontweight="bold")
        total, most = part["visits"].sum(), part["visits"].max()
        for day, hour, visits_ in part[["weekday", "hour", "visits"]].itertuples(index=False):
            strength = visits_ / most
            axes.add_patch(Rectangle((hour, -day), 1, 1, facecolor=BLUE, alpha=0.12 + 0.68 * strength, linewidth=0))
            if (panel_px - _LEFT - _RIGHT) / (last + 1 - first) >= 30:
                axes.text(
                    hour + 0.5,
                    0.5 - day,
                    f"{visits_ / total * 100:.1f}",
                    ha="center",
                    va="center",
                    fontsize=10,
                    color=INK,
                )
        axes.set_xlim(first, last + 1)
        axes.set_ylim(-7, 0)
        hours = [hour for hour in range(first, last + 2) if hour % (1 if panel_px > 380 else 2) == 0]
        ticks(axes, "x", [float(hour) for hour in hours], [str(hour) for hour in hours])
        ticks(axes, "y", [0.5 - day for day in range(1, 8)], list(WEEKDAYS), grid=False)
        chart.write(
            left + (panel_px + _LEFT - _RIGHT) / 2,
            top + panel_height - 10,
            "o'clock, local time; numbers are per cent of all visits",
            ha="center",
            fontsize=SMALL_PX,
            color=MUTED,
        )
    return chart


def months(visits: pd.DataFrame, width: float = WIDE) -> Chart:
    """Visits of each month by what became of them, one panel a system, one above the other.

    Args:
        visits: ``run.picture("visits_by_month")``: columns ``system``, ``month``, ``status``, ``visits``.
        width: in pixels.
    """
    title = "Visits by month and status"
    if visits.empty:
        return nothing(title, width)
    systems = _systems(visits)
    panel = 190.0
    chart = Chart(
        width=width,
        height=34 + panel * len(systems),
        title=title,
        alt="; ".join(
            f"{name}: {count(part['visits'].sum())} visits, {share(_cancelled(part))} cancelled"
            for name, part in systems
        ),
    )
    named = dict.fromkeys(status for _, part in systems for status in part["status"])
    known = [(status, colour) for status, colour in STATUSES if status in named]
    known += [(status, FAINT) for status in named if status not in dict(STATUSES)]
    _legend(chart, [(Rectangle((0, 0), 1, 1, facecolor=colour, linewidth=0), status) for status, colour in known])
    for number, (name, part) in enumerate(systems):
        top = 34 + panel * number
        axes = chart.axes_at(_LEFT, top + _HEAD, _RIGHT, chart.height_px - top - panel + 30)
        chart.write(8, top + 12, name, fontweight="bold")
        table = part.pivot_table(index="month", columns="status", values="visits", aggfunc="sum", fill_value=0)
        table.index = pd.PeriodIndex(pd.to_datetime(table.index), freq="M")
        table = table.reindex(pd.period_range(table.index.min(), table.index.max(), freq="M"), fill_value=0)
        below = pd.Series(0, index=table.index)
        for status, colour in known:
            if status in table:
                axes.bar(range(len(table)), table[status], bottom=below, width=0.82, color=colour, linewidth=0)
                below = below + table[status]
        axes.set_xlim(-0.6, len(table) - 0.4)
        _count_axis(axes, float(below.max()))
        step = 1 if len(table) <= 12 else 3 if width >= NARROW_BELOW else 12
        places = [place for place, month in enumerate(table.index) if (month.month - 1) % step == 0]
        labels = [f"{table.index[place]:%b}\n{table.index[place]:%Y}" for place in places]
        ticks(axes, "x", [float(place) for place in places], labels, grid=False)
    return chart


def clock(starts: pd.DataFrame, width: float = WIDE) -> Chart:
    """The first start of each week in one time zone, in local time and in UTC: a clock change is a step in one only.

    Args:
        starts: ``run.picture("clock_by_week")``: columns ``system``, ``week``, ``local_first``, ``utc_first`` (hours).
        width: in pixels.
    """
    title = "First visit of each week, local time and UTC"
    if starts.empty:
        return nothing(title, width)
    systems = _systems(starts)
    panel = 170.0
    chart = Chart(
        width=width,
        height=34 + panel * len(systems),
        title=title,
        alt="; ".join(
            f"{name}: {part['local_first'].min():g} to {part['local_first'].max():g} o'clock local time, "
            f"{part['utc_first'].min():g} to {part['utc_first'].max():g} o'clock UTC"
            for name, part in systems
        ),
    )
    lines = (("local_first", "local time", BLUE), ("utc_first", "UTC", VERMILION))
    _legend(chart, [(Line2D([], [], color=colour), text) for _, text, colour in lines])
    for number, (name, part) in enumerate(systems):
        top = 34 + panel * number
        axes = chart.axes_at(_LEFT, top + _HEAD, _RIGHT, chart.height_px - top - panel + 30)
        chart.write(
            8, top + 12, f"{name}: the time zone with most visits, of those with summer time", fontweight="bold"
        )
        weeks = pd.to_datetime(part["week"])
        days = (weeks - weeks.min()).dt.days
        for column, _, colour in lines:
            axes.step(days, part[column], where="post", color=colour, linewidth=1.8)
        hours = [float(value) for column, *_ in lines for value in part[column]]
        low, high = math.floor(min(hours)), math.ceil(max(hours))
        axes.set_ylim(low - 0.5, high + 0.5)
        places = range(low, high + 1, 1 if high - low < 7 else 3)
        ticks(axes, "y", [float(hour) for hour in places], [f"{hour}:00" for hour in places])
        _month_axis(axes, weeks, width)
    return chart


def day(visits: pd.DataFrame, width: float = WIDE) -> Chart:
    """One day of one practitioner: what takes place on the upper line, what was cancelled below it.

    Args:
        visits: ``run.picture("one_day")``: columns ``system``, ``from_hour``, ``until_hour``, ``status``.
        width: in pixels.
    """
    title = "One day in a practitioner's book"
    if visits.empty:
        return nothing(title, width)
    systems = _systems(visits)
    panel = 132.0
    chart = Chart(
        width=width,
        height=34 + panel * len(systems),
        title=title,
        alt="; ".join(
            f"{name}: {count((part['status'] != 'cancelled').sum())} visits one after the other, "
            f"{count((part['status'] == 'cancelled').sum())} cancelled"
            for name, part in systems
        ),
    )
    named = set(visits["status"])
    known = [(status, colour) for status, colour in STATUSES if status in named]
    _legend(chart, [(Rectangle((0, 0), 1, 1, facecolor=colour, linewidth=0), status) for status, colour in known])
    first, last = min(8.0, visits["from_hour"].min()), max(18.0, visits["until_hour"].max())
    for number, (name, part) in enumerate(systems):
        top = 34 + panel * number
        axes = chart.axes_at(_LEFT + 30, top + _HEAD, _RIGHT + 14, chart.height_px - top - panel + 30)
        chart.write(8, top + 12, name, fontweight="bold")
        for start, end, status in part[["from_hour", "until_hour", "status"]].itertuples(index=False):
            lane = 0 if status == "cancelled" else 1
            corner = (start + 0.02, lane + 0.12)
            colour = dict(STATUSES).get(status, FAINT)
            axes.add_patch(Rectangle(corner, end - start - 0.04, 0.76, facecolor=colour, linewidth=0, zorder=3))
        axes.set_xlim(first, last)
        axes.set_ylim(0, 2)
        hours = range(int(first), int(last) + 1)
        ticks(
            axes, "x", [float(hour) for hour in hours], [f"{hour}:00" if width > 700 else str(hour) for hour in hours]
        )
        ticks(axes, "y", [0.5, 1.5], ["cancelled", "booked"], grid=False)
    return chart


def _systems(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(str(name), part) for name, part in frame.groupby("system", sort=False)]


def _busiest(name: str, part: pd.DataFrame) -> str:
    top = part.nlargest(1, "visits").iloc[0]
    return f"{name}: the busiest hour is {WEEKDAYS[int(top['weekday']) - 1]} {int(top['hour'])}:00"


def _cancelled(part: pd.DataFrame) -> float:
    return float(part.loc[part["status"] == "cancelled", "visits"].sum() / part["visits"].sum())


def _count_axis(axes: Axes, most: float) -> None:
    step = 10.0 ** len(str(int(most))) / 10
    step = next(each for each in (step, step / 2, step / 5, step / 10) if most / each >= 3)
    places = [place * step for place in range(int(most / step) + 1)]
    axes.set_ylim(0, most * 1.04)
    ticks(axes, "y", places, [count(place) for place in places])


def _month_axis(axes: Axes, weeks: pd.Series, width: float) -> None:
    first, last = weeks.min(), weeks.max()
    every = 3 if width >= NARROW_BELOW else 12
    starts = [month for month in pd.date_range(first, last, freq="MS") if (month.month - 1) % every == 0]
    ticks(axes, "x", [float((month - first).days) for month in starts], [f"{month:%b}\n{month:%Y}" for month in starts])
    axes.set_xlim(0, max(1, (last - first).days))


def _legend(chart: Chart, keys: Sequence[tuple[Line2D | Rectangle, str]]) -> None:
    x, y = 8.0, 14.0
    w, h = chart.width_px, chart.height_px
    for key, text in keys:
        if isinstance(key, Rectangle):
            key.set_bounds(x / w, 1 - (y + 5) / h, 18 / w, 10 / h)
        else:
            key.set_data([x / w, (x + 18) / w], [1 - y / h, 1 - y / h])
        key.set_transform(chart.transFigure)
        chart.add_artist(key)
        chart.write(x + 24, y, text.replace("_", " "), fontsize=SMALL_PX, color=MUTED)
        x += 24 + len(text) * 6.6 + 18
