"""What the dataset looks like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from pgvitals.report.charts.canvas import SMALL_PX, WIDE, Chart, elide, ticks
from pgvitals.report.charts.palette import BLUE, BLUE_TINT, INK, MUTED, OCHRE, VERMILION
from pgvitals.report.charts.rows import log_places
from pgvitals.report.wording import count, share
from pgvitals.results.records import Fact

_LINE_PX = 18.0
_Dashes = tuple[float, tuple[float, ...]]
_LINES: tuple[tuple[str, _Dashes, str], ...] = (
    (BLUE, (0, ()), "o"),
    (VERMILION, (0, (4, 2)), "D"),
    (OCHRE, (0, (1, 2)), "s"),
    (INK, (0, (4, 2, 1, 2)), "^"),
)


def tenant_sizes(sizes: pd.DataFrame, width: float = WIDE, facts: Sequence[Fact] = ()) -> Chart:
    """Rows a tenant, largest first, on two logarithmic axes: a straight line is Zipf's law.

    Args:
        sizes: ``run.tenants``, one row a tenant with columns ``system``, ``table`` and ``rows``.
        width: in pixels.
        facts: ``run.facts``; the line of the exponent that they promise is drawn broad and faint below.
    """
    groups = [(f"{key[0]}.{key[1]}", group) for key, group in sizes.groupby(["system", "table"])]
    chart = Chart(
        width=width,
        height=300 + _LINE_PX * len(groups),
        title="Rows a tenant, largest first",
        alt="; ".join(_summary(key, group["rows"]) for key, group in groups),
    )
    axes = chart.axes_at(72, 10 + _LINE_PX * len(groups), 16, 46)
    axes.set_xscale("log")
    axes.set_yscale("log")
    most = max(1.0, float(sizes["rows"].max())) if len(sizes) else 1.0
    least = max(1.0, float(sizes["rows"].min())) if len(sizes) else 1.0
    longest = 1
    for i, (key, group) in enumerate(groups):
        rows = np.sort(group["rows"].to_numpy(dtype=float))[::-1]
        color, style, marker = _LINES[i % len(_LINES)]
        longest = max(longest, len(rows))
        if (exponent := _promised(str(key).partition(".")[0], facts)) is not None and len(rows):
            ranks = np.arange(1, len(rows) + 1, dtype=float)
            law = ranks**-exponent / (ranks**-exponent).sum() * rows.sum()
            axes.plot(ranks, law, color=BLUE_TINT, linewidth=7, zorder=1)
        axes.plot(
            range(1, len(rows) + 1),
            np.maximum(rows, 1),
            color=color,
            linestyle=style,
            marker=marker,
            markersize=4,
        )
        at = 1 - (14 + _LINE_PX * i) / chart.height_px
        sample = Line2D([8 / width, 40 / width], [at, at], color=color, linestyle=style, marker=marker, markersize=4)
        sample.set_transform(chart.transFigure)
        chart.add_artist(sample)
        told = elide(_summary(key, group["rows"]), int((width - 56) / 6.4))
        chart.write(48, 14 + _LINE_PX * i, told, fontsize=SMALL_PX, color=MUTED)
    axes.set_xlim(0.9, longest * 1.15)
    axes.set_ylim(least / 1.3, most * 1.3)
    for which, low, high in (("x", 1, longest * 1.1), ("y", least / 1.3, most * 1.3)):
        places = log_places(low, max(high, low * 1.5))
        ticks(axes, which, places, [count(place) for place in places])
    axes.set_xlabel("rank of the tenant", fontsize=SMALL_PX, color=MUTED)
    axes.set_ylabel("rows", fontsize=SMALL_PX, color=MUTED)
    return chart


def _summary(name: str, rows: pd.Series) -> str:
    total = float(rows.sum())
    top = float(rows.max()) / total if total else 0.0
    return f"{name}: {count(len(rows))} tenants, the largest holds {share(top)} of the rows"


def _promised(system: str, facts: Sequence[Fact]) -> float | None:
    """The exponent that a system's fact about tenant sizes expects."""
    for fact in facts:
        if fact.system == system and fact.unit == "exponent" and fact.about == "tenant sizes":
            return None if fact.low is None or fact.high is None else (fact.low + fact.high) / 2
    return None
