"""Commands that read several run directories: two runs against each other, and all of them over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pgvitals.commands.options import JsonOption, find_run, finish, print_json
from pgvitals.errors import PgvitalsError
from pgvitals.terminal import Terminal

if TYPE_CHECKING:
    from pgvitals.report.run_pair import RunPair
    from pgvitals.results.rundir import Run

DespiteOption = Annotated[
    str,
    typer.Option("--despite", help="Compare although these differ, which says nothing otherwise: dataset,hardware."),
]


def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN RUN...", help="Run directories, or names; first the earlier.")
    ],
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write a Markdown summary there.")] = None,
    despite: DespiteOption = "",
    as_json: JsonOption = False,
) -> None:
    """Runs against the first of them, query by query: faster, slower, the same, or not to be told.

    Runs made one after the other differ by the machine's mood: the intervals know how much runs of the same thing
    differ, from earlier runs in reports/runs where there are enough of them. `pgvitals impact` finds smaller changes.

    Exit code 1 if a lookup is slower, 3 if nothing could be decided. To judge, `pgvitals gate RUN --baseline RUN`.
    """
    from pgvitals import comparison_tables as tables
    from pgvitals.report.comparison import compare_runs
    from pgvitals.report.comparison_markdown import comparison_markdown
    from pgvitals.report.kinds import write_whole
    from pgvitals.results.outcome import worst

    if len(runs) < 2:
        raise PgvitalsError("one run cannot be compared; name the earlier one and then the others")
    terminal = Terminal(quiet=as_json)
    pairs = run_pairs([find_run(name, measured=True) for name in runs], despite)
    found = [compare_runs(pair) for pair in pairs]
    if markdown:
        write_whole(markdown, comparison_markdown(found).encode())
    for each in found:
        for item in tables.comparison_view(each):
            terminal.show(item)
    if as_json:
        print_json(found)
    finish(worst(each.outcome for each in found))


def history(
    query: Annotated[str | None, typer.Option("--query", help="Every run of one lookup: system/name.")] = None,
    last: Annotated[int | None, typer.Option("--last", min=1, help="Only the newest so many runs.")] = None,
    as_json: JsonOption = False,
) -> None:
    """The runs that are kept, one lookup over time, and where its p95 changed.

    A change shows between runs of equal conditions only, and takes ten of them.
    """
    from pgvitals import comparison_tables as tables
    from pgvitals.report.history import read_history
    from pgvitals.suite import find_suite

    terminal = Terminal(quiet=as_json)
    reports = find_suite().reports / "runs"
    found = read_history([reports], last=last)
    for why in found.skipped:
        terminal.say(f"left out: {why}")
    if not found.runs:
        raise PgvitalsError(f"{reports}: no run has measured lookups yet; `pgvitals bench` makes one")
    if query is None:
        terminal.show(tables.runs_table(found))
        shown = found
    else:
        shown = found.only(query)
        terminal.show(tables.series_table(shown.series[0]))
    for line in tables.change_lines(shown):
        terminal.line(line)
    if as_json:
        print_json(shown)


def run_pairs(runs: list[Run], despite: str) -> list[RunPair]:
    """Each later run against the first one, with the runs beside them and those of the suite as history.

    Raises:
        PgvitalsError: the same run twice, or an unknown condition.
        ResultsError: a run measured no lookup.
    """
    from pgvitals.report.history import read_history
    from pgvitals.report.run_conditions import VOIDING
    from pgvitals.report.run_pair import RunPair
    from pgvitals.suite import find_suite

    borne = [part.strip() for part in despite.split(",") if part.strip()]
    for name in borne:
        if name not in VOIDING:
            raise PgvitalsError(f"--despite: unknown condition {name!r}; there are: {', '.join(VOIDING)}")
    paths = [run.path.resolve() for run in runs]
    for place, path in enumerate(paths):
        if path in paths[:place]:
            raise PgvitalsError(f"{path}: named twice; a run does not differ from itself")
    for run in runs:
        if run.gate is None or not run.gate.queries:
            raise PgvitalsError(f"{run.path}: no lookup was measured, so there is nothing to compare")
    folders = dict.fromkeys([find_suite().reports / "runs", *(path.parent for path in paths)])
    past = read_history(folders, also=runs)
    return [RunPair(before=runs[0], after=after, history=past, despite=borne) for after in runs[1:]]
