"""The tables that `compare`, `gate --baseline` and `history` print."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from pgvitals.report.comparison_review import (
    compared_first,
    condition_lines,
    ratio_told,
    regressions_first,
    resolution_told,
    spread_line,
)
from pgvitals.report.history import History, Series
from pgvitals.report.wording import moment, ms, ms_range, ratio
from pgvitals.results.comparison import ComparedQuery, Comparison, RatioOfRuns, Regression, RegressionGate
from pgvitals.results.outcome import Outcome
from pgvitals.stats.change_points import ALPHA, least_values
from pgvitals.terminal import outcome_text, table

_VERDICTS = {"slower": "bold red", "faster": "green", "same": "green", "inconclusive": "yellow", "void": "yellow"}


def comparison_view(found: Comparison) -> list[object]:
    """Everything about two runs: what differs about them, the lookups, changed plans, and the last word."""
    known = spread_line((each.p95.spread, each.p95.spread_runs) for each in found.queries)
    finest = resolution_told(found.resolution)
    return [
        *(
            f"[dim]·[/] {escape(line)}"
            for line in condition_lines(found.differences, found.canary_ratio, found.only_before, found.only_after)
        ),
        comparison_table(found),
        *_plan_lines(found.queries),
        *(f"[dim]{escape(line)}[/]" for line in (known, finest) if line),
        escape(found.reason),
    ]


def regression_view(found: RegressionGate) -> list[object]:
    """The same about a run and its baseline."""
    known = spread_line((each.spread, each.spread_runs) for each in found.queries)
    return [
        *(
            f"[dim]·[/] {escape(line)}"
            for line in condition_lines(found.differences, found.canary_ratio, found.only_before, found.only_after)
        ),
        regression_table(found),
        *_plan_lines(found.queries),
        *(f"[dim]{escape(line)}[/]" for line in [known] if line),
        f"{outcome_text(found.outcome)}: {escape(found.reason)}",
    ]


def comparison_table(found: Comparison) -> Table:
    """Every shared lookup: both runs' times, their ratios, and the verdict."""
    rows = [
        (
            escape(f"{each.system}/{each.query}") + (" ↩" if each.ends == "rollback" else ""),
            *_cells(each.typical),
            *_cells(each.p95),
            f"[{_VERDICTS[each.verdict]}]{each.verdict}[/] [dim]{escape('; '.join([each.reason, *each.changed]))}[/]",
        )
        for each in compared_first(found.queries)
    ]
    columns = [
        ("lookup", "left"),
        ("p50 ms", "right"),
        ("typical ratio", "right"),
        ("p95 ms", "right"),
        ("p95 ratio", "right"),
        ("verdict", "left"),
    ]
    return table(f"{found.before} → {found.after}: after / before, below 1 is faster", columns, rows)


def regression_table(found: RegressionGate) -> Table:
    """Every shared lookup against the baseline, what is not a pass in front."""
    rows = [
        (
            escape(f"{each.system}/{each.query}"),
            f"{ms(each.before_p95_ms)} → {ms(each.after_p95_ms)}",
            ratio_told(each.ratio, each.interval),
            outcome_text(each.outcome) + ("" if each.outcome is Outcome.PASS else f" [dim]{escape(each.reason)}[/]"),
        )
        for each in regressions_first(found.queries)
    ]
    columns = [
        ("lookup", "left"),
        ("p95 ms", "right"),
        (f"ratio ({found.confidence * 100:g} %)", "right"),
        ("verdict", "left"),
    ]
    return table(f"p95 against {found.before}; ratios with {found.confidence * 100:g} % intervals", columns, rows)


def runs_table(history: History) -> Table:
    """A line a run, oldest first."""
    rows = [
        (
            moment(run.started_utc),
            escape(run.name),
            escape(run.git_revision or "–"),
            escape(run.profile),
            run.dataset[:6],
            run.conditions,
            ms(run.canary_best_ms),
            str(run.lookups),
            outcome_text(run.outcome),
        )
        for run in history.runs
    ]
    columns = [
        ("started", "left"),
        ("run", "left"),
        ("git revision", "left"),
        ("profile", "left"),
        ("rows", "left"),
        ("conditions", "left"),
        ("canary ms", "right"),
        ("lookups", "right"),
        ("gate", "left"),
    ]
    return table("Runs that measured lookups; only equal rows and conditions are compared", columns, rows)


def series_table(series: Series) -> Table:
    """A line a run of one lookup, oldest first, the changes marked."""
    marks = {change.point: change for change in series.changes}
    rows = [
        (
            moment(point.run.started_utc),
            escape(point.run.name),
            escape(point.run.git_revision or "–"),
            escape(point.run.profile),
            point.dataset[:6],
            point.run.conditions,
            ms(point.p50_ms),
            ms(point.p95_ms),
            ms_range(point.p95_low_ms, point.p95_high_ms),
            f"[bold]{ratio(marks[place].ratio)} times from here[/]" if place in marks else "",
        )
        for place, point in enumerate(series.points)
    ]
    columns = [
        ("started", "left"),
        ("run", "left"),
        ("git revision", "left"),
        ("profile", "left"),
        ("rows", "left"),
        ("conditions", "left"),
        ("p50 ms", "right"),
        ("p95 ms", "right"),
        ("interval", "right"),
        ("change", "left"),
    ]
    return table(f"{series.system}/{series.query}", columns, rows)


def change_lines(history: History) -> list[str]:
    """The changes of every lookup, newest first, or that nothing can be said."""
    most = max((series.most_alike for series in history.series), default=0)
    if most < least_values():
        return [
            f"no change can be told yet: at most {most} runs of equal conditions, and it takes {least_values()} of them"
        ]
    lines = [
        f"{change.system}/{change.query}: p95 {ratio(change.ratio)} times from {change.run.name} on "
        f"({change.run.git_revision or 'no git'}; before: {change.last_before.git_revision or 'no git'}; "
        f"p {change.p_value:.4f})"
        for change in history.changes
    ]
    short = [f"{each.system}/{each.query}" for each in history.series if not each.enough]
    told = f"a lookup without a change shows one in at most {ALPHA:.0%} of histories"
    if short:
        told += f"; of {len(short)} lookups there are too few runs of equal conditions"
    return [*(lines or ["no lookup has changed its level"]), told]


def _plan_lines(queries: Sequence[ComparedQuery | Regression]) -> list[str]:
    return [f"[dim]plan of {escape(f'{q.system}/{q.query}')}:[/] {escape(words)}" for q in queries for words in q.plans]


def _cells(part: RatioOfRuns) -> tuple[str, str]:
    return f"{ms(part.before_ms)} → {ms(part.after_ms)}", ratio_told(part.ratio, part.interval)
