"""Long tails: how often clients return, how long chains of tokens are, how locations share out among cities."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pgvitals.report.charts.canvas import SMALL_PX, WIDE, Chart, nothing, ticks
from pgvitals.report.charts.palette import BLUE, FAINT, INK, MUTED, OCHRE, VERMILION
from pgvitals.report.charts.rows import log_places
from pgvitals.report.wording import count, share

_LINES = ((BLUE, "-", "o"), (VERMILION, "--", "D"), (OCHRE, ":", "s"), (INK, "-.", "^"))
_LINE_PX = 18.0


def returning(visits: pd.DataFrame, width: float = WIDE) -> Chart:
    """Share of clients who come at least so often, on two logarithmic axes.

    Args:
        visits: ``run.picture("visits_per_client")``: columns ``system``, ``visits``, ``clients``.
        width: in pixels.
    """
    title = "How often clients come"
    if visits.empty:
        return nothing(title, width)
    groups = [(str(name), part.sort_values("visits")) for name, part in visits.groupby("system", sort=False)]
    chart, axes = _log_log(
        title,
        [f"{name}: half of the clients come at most {_median(part)} times, one {_most(part)}" for name, part in groups],
        "at least so many visits",
        "share of clients",
        width,
    )
    low = 1.0
    for number, (_, part) in enumerate(groups):
        clients = part["clients"].to_numpy(dtype=float)
        at_least = clients[::-1].cumsum()[::-1] / clients.sum()
        low = min(low, float(at_least.min()))
        colour, style, _marker = _LINES[number % len(_LINES)]
        axes.plot(part["visits"], at_least, color=colour, linestyle=style, linewidth=1.8)
    most = float(visits["visits"].max())
    _shares(axes, low)
    _ranks(axes, most)
    return chart


def chains(tokens: pd.DataFrame, width: float = WIDE) -> Chart:
    """Chains of tokens by length; the axis of their number is logarithmic.

    Args:
        tokens: ``run.picture("tokens_per_chain")``: columns ``system``, ``length``, ``chains``.
        width: in pixels.
    """
    title = "Chains of tokens by length"
    if tokens.empty:
        return nothing(title, width)
    total = float(tokens["chains"].sum())
    chart = Chart(
        width=width,
        height=240,
        title=title,
        alt=f"{count(total)} chains; the longest has {count(tokens['length'].max())} tokens",
    )
    axes = chart.axes_at(72, 24, 16, 46)
    axes.set_yscale("log")
    lengths, number = tokens["length"].to_numpy(dtype=float), tokens["chains"].to_numpy(dtype=float)
    axes.bar(lengths, number, width=0.72, color=BLUE, linewidth=0, bottom=0.6)
    for length, chains_ in zip(lengths, number, strict=True):
        axes.text(length, chains_ * 1.25 + 0.6, share(chains_ / total), ha="center", fontsize=SMALL_PX, color=INK)
    axes.set_xlim(0.4, float(lengths.max()) + 0.6)
    axes.set_ylim(0.6, float(number.max()) * 2.6)
    places = log_places(1, float(number.max()) * 2)
    ticks(axes, "y", places, [count(place) for place in places])
    ticks(axes, "x", list(lengths), [count(length) for length in lengths], grid=False)
    axes.set_xlabel("tokens in the chain: rotations until now and one", fontsize=SMALL_PX, color=MUTED)
    axes.set_ylabel("chains", fontsize=SMALL_PX, color=MUTED)
    return chart


def cities(locations: pd.DataFrame, width: float = WIDE) -> Chart:
    """Share of the locations of each city by rank, on two logarithmic axes, with 1 / rank beside it.

    Args:
        locations: ``run.picture("locations_by_city")``: columns ``system``, ``rank``, ``share``.
        width: in pixels.
    """
    title = "Cities by their number of locations"
    if locations.empty:
        return nothing(title, width)
    groups = [(str(name), part.sort_values("rank")) for name, part in locations.groupby("system", sort=False)]
    chart, axes = _log_log(
        title,
        [
            f"{name}: {count(len(part))} cities, the largest with {share(float(part['share'].max()))} of the locations"
            for name, part in groups
        ],
        "rank of the city",
        "share of locations",
        width,
    )
    low, most = float(locations["share"].min()), float(locations["rank"].max())
    for number, (_, part) in enumerate(groups):
        colour, _style, marker = _LINES[number % len(_LINES)]
        axes.plot(part["rank"], part["share"], color=colour, linestyle="", marker=marker, markersize=3.5)
    top = float(locations["share"].max())
    ranks = np.array([1.0, most])
    axes.plot(ranks, top * 1.4 / ranks, color=FAINT, linestyle="--", linewidth=1.2)
    axes.text(6, top * 0.8 / 6, "1 / rank", fontsize=SMALL_PX, color=MUTED, ha="right", va="top")
    _shares(axes, low, top * 1.6)
    _ranks(axes, most)
    return chart


def _log_log(title: str, told: list[str], xlabel: str, ylabel: str, width: float) -> tuple[Chart, Axes]:
    """A chart with a line of words a group above its axes."""
    chart = Chart(width=width, height=290 + _LINE_PX * len(told), title=title, alt="; ".join(told))
    axes = chart.axes_at(72, 12 + _LINE_PX * len(told), 16, 46)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for number, text in enumerate(told):
        colour, style, _marker = _LINES[number % len(_LINES)]
        chart.write(8, 14 + _LINE_PX * number, {"-": "━", "--": "╍", ":": "┅"}.get(style, "━"), color=colour)
        chart.write(28, 14 + _LINE_PX * number, text, fontsize=SMALL_PX, color=MUTED)
    axes.set_xlabel(xlabel, fontsize=SMALL_PX, color=MUTED)
    axes.set_ylabel(ylabel, fontsize=SMALL_PX, color=MUTED)
    return chart, axes


def _shares(axes: Axes, low: float, high: float = 1.0) -> None:
    axes.set_ylim(low / 1.3, high * 1.1)
    places = log_places(low / 1.3, high * 1.1)
    ticks(axes, "y", places, [f"{place * 100:.3g} %" for place in places])


def _ranks(axes: Axes, most: float) -> None:
    axes.set_xlim(0.9, most * 1.15)
    places = log_places(1, max(most * 1.1, 2.0))
    ticks(axes, "x", places, [count(place) for place in places])


def _median(part: pd.DataFrame) -> int:
    half = part["clients"].cumsum() >= part["clients"].sum() / 2
    return int(part.loc[half, "visits"].iloc[0])


def _most(part: pd.DataFrame) -> str:
    return f"{count(part['visits'].max())} times"
