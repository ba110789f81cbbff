"""Pictures of three traps: a point without its interval, one after the other, tenants that all count alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pgvitals.report.charts.canvas import SMALL_PX, WIDE, Chart, elide, ticks
from pgvitals.report.charts.latency import round_step
from pgvitals.report.charts.palette import BLUE, BLUE_TINT, FAINT, GRID, INK, MUTED, VERMILION
from pgvitals.report.charts.rows import log_axis_ratio, log_places
from pgvitals.report.traps import Bursts, Tenants, Twice
from pgvitals.report.wording import count, ms, share

_CHAR_PX = 6.9
_SMALL: dict[str, Any] = {"fontsize": SMALL_PX, "color": MUTED}


def point_or_interval(found: Bursts | None, width: float = WIDE) -> Chart:
    """Left the p95 of single bursts, right a few measurements of the same samples with their intervals."""
    if found is None:
        return _too_little("Point or interval", width)
    points = np.array(found.points_ms)
    low, high = points.min(), points.max()
    said = f"{len(points)} bursts said {ms(low)} to {ms(high)} ms"
    overlap = max(each.low for _, each in found.spread) <= min(each.high for _, each in found.spread)
    spread = f"{len(found.spread)} intervals {'overlap' if overlap else 'do not all overlap'}"
    name = f"{found.system}/{found.query}"
    chart = Chart(width=width, height=300, title=f"Point or interval: {name}", alt=f"{said}; {spread}.")
    chart.write(8, 16, elide(f"{name}: p95 in ms, measured again and again", int(width / _CHAR_PX)), fontweight="bold")
    top = 1.1 * max(high, max(each.high for _, each in found.spread))
    step = round_step(top / 4)
    heights = [step * k for k in range(int(top / step) + 1)]
    split = 0.6 * width
    left = chart.axes_at(60, 62, width - split + 12, 30)
    right = chart.axes_at(split + 24, 62, 16, 30)
    for axes in (left, right):
        axes.set_ylim(0, top)
        ticks(axes, "y", heights, [f"{height:g}" for height in heights])
        axes.set_xticks([])
    right.set_yticklabels([])
    order = np.arange(len(points))
    left.plot(order, points, color=FAINT, linewidth=1, zorder=1)
    left.plot(order, points, "o", color=VERMILION, markersize=7, zorder=3)
    left.set_xlim(-0.7, len(points) - 0.3)
    for place, above in ((int(points.argmin()), False), (int(points.argmax()), True)):
        left.annotate(
            ms(points[place]), (place, points[place]), xytext=(0, 9 if above else -9), textcoords="offset points",
            ha="center", va="bottom" if above else "top", color=VERMILION, fontweight="bold",
        )  # fmt: skip
    for place, (p95, interval) in enumerate(found.spread):
        right.vlines(place, interval.low, interval.high, color=BLUE, linewidth=9, alpha=0.35, zorder=2)
        right.plot([place], [p95], "o", color=BLUE, markersize=7, zorder=3)
    right.set_xlim(-0.7, len(found.spread) - 0.3)
    chart.write(60, 42, elide(f"one burst each: {said}", int((split - 60) / 6)), fontsize=SMALL_PX, color=VERMILION)
    chart.write(split + 24, 42, elide(f"spread over the run: {spread}", int((width - split - 24) / 6)),
                fontsize=SMALL_PX, color=BLUE)  # fmt: skip
    chart.write(60, 286, f"{count(found.size)} executions each", **_SMALL)
    chart.write(split + 24, 286, "the same samples, with 95 % intervals", **_SMALL)
    return chart


def after_or_in_turns(found: Sequence[Twice], width: float = WIDE) -> Chart:
    """Every lookup against itself: a dot each, filled where a test says "changed"."""
    if not found:
        return _too_little("One after the other or in turns", width)
    rows = (
        ("one after the other", [(each.after, each.after_changed) for each in found]),
        ("in turns", [(each.in_turns, each.in_turns_changed) for each in found]),
    )
    told = [f"{sum(changed for _, changed in dots)} of {len(dots)} look changed" for _, dots in rows]
    alt = "; ".join(f"{name}: {words}" for (name, _), words in zip(rows, told, strict=True))
    chart = Chart(width=width, height=260, title="The same lookup twice: A against A", alt=f"{alt}.")
    heading = "The same lookup against itself: nothing has changed"
    chart.write(8, 16, elide(heading, int(width / _CHAR_PX)), fontweight="bold")
    axes = chart.axes_at(162, 30, 182, 58)
    axes.set_yticks([])
    axes.set_ylim(-1.5, 0.5)
    ratios = [ratio for _, dots in rows for ratio, _ in dots]
    log_axis_ratio(axes, min(ratios), max(ratios))
    axes.axvline(1, color=INK, linewidth=1.2, zorder=1)
    axes.axhline(-0.5, color=GRID, linewidth=1)
    scatter = np.random.default_rng(1)
    for row, (name, dots) in enumerate(rows):
        lifted = scatter.uniform(-0.26, 0.26, len(dots)) - row
        for (ratio, changed), y in zip(dots, lifted, strict=True):
            face = VERMILION if changed else BLUE_TINT
            axes.plot([ratio], [y], "o", color=VERMILION if changed else BLUE, markerfacecolor=face, markersize=6,
                      markeredgewidth=1, zorder=3 if changed else 2)  # fmt: skip
        line = 30 + (260 - 88) * (row + 0.5) / 2
        chart.write(8, line, name, fontweight="bold")
        chart.write(width - 8, line, told[row], ha="right", color=(VERMILION, BLUE)[row], fontweight="bold")
    chart.write(width / 2, 228, "median of the second against the first", ha="center", **_SMALL)
    foot = f'filled: a test at 5 % says "changed"; by chance that is {len(found) * 0.05:.0f} of {len(found)}'
    chart.write(width / 2, 246, foot, ha="center", **_SMALL)
    return chart


def alike_or_weighted(lookups: Sequence[Tenants], width: float = WIDE) -> Chart:
    """Of the first lookup: a dot a tenant, as large as its traffic; a line for each of the two p95."""
    if not lookups:
        return _too_little("Tenants alike or as the traffic is", width)
    found = lookups[0]
    name = f"{found.system}/{found.query}"
    alt = f"p95 {ms(found.alike_ms)} ms with all tenants alike, {ms(found.traffic_ms)} ms as the traffic is."
    chart = Chart(width=width, height=320, title=f"Tenants alike or as the traffic is: {name}", alt=alt)
    heading = f"{name}: every tenant's median, and two answers for the p95"
    chart.write(8, 16, elide(heading, int(width / _CHAR_PX)), fontweight="bold")
    axes = chart.axes_at(64, 36, 16, 52)
    axes.set_xscale("log")
    axes.set_yscale("log")
    medians = np.array(found.medians_ms)
    axes.scatter(found.ranks, medians, s=[max(18.0, 1800 * part) for part in found.shares], color=BLUE_TINT,
                 edgecolor=BLUE, linewidth=1.2, zorder=2)  # fmt: skip
    low = min(medians.min(), found.alike_ms, found.traffic_ms)
    high = max(medians.max(), found.alike_ms, found.traffic_ms)
    axes.set_ylim(low / 1.5, high * 1.7)
    axes.set_xlim(0.75, max(found.ranks) * 1.35)
    _lines(axes, found)
    ticks(axes, "y", places := log_places(low / 1.5, high * 1.7), [f"{place:g}" for place in places])
    ranks = log_places(1, max(2.0, max(found.ranks) * 1.1))
    ticks(axes, "x", ranks, [count(rank) for rank in ranks], grid=False)
    largest = f"the largest makes {share(found.shares[0])} of the requests"
    foot = f"tenant by size, the largest first; a dot is as large as the tenant's traffic ({largest})"
    chart.write(width / 2, 304, elide(foot, int(width / 6)), ha="center", **_SMALL)
    return chart


def _too_little(title: str, width: float) -> Chart:
    told = "this run has too few samples for it; `pgvitals bench --profile smoke` takes a minute and has enough"
    chart = Chart(width=width, height=40, title=title, alt=told)
    chart.write(8, 20, elide(f"{title}: {told}", int(width / 6)), **_SMALL)
    return chart


def _lines(axes: Axes, found: Tenants) -> None:
    """Both p95, each with its words on the side where the other is not."""
    upper = found.traffic_ms >= found.alike_ms
    for value, words, color, above in (
        (found.alike_ms, f"p95, every tenant alike: {ms(found.alike_ms)} ms", VERMILION, not upper),
        (found.traffic_ms, f"p95, as the traffic is: {ms(found.traffic_ms)} ms", BLUE, upper),
    ):
        axes.axhline(value, color=color, linewidth=2, zorder=1)
        axes.annotate(
            words, (1, value), xycoords=("axes fraction", "data"), xytext=(-4, 4 if above else -4),
            textcoords="offset points", ha="right", va="bottom" if above else "top", color=color, fontweight="bold",
            zorder=4,
        )  # fmt: skip
