"""Commands that read a run directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pgvitals.commands.compare import DespiteOption, run_pairs
from pgvitals.commands.options import (
    JsonOption,
    RunArgument,
    find_run,
    finish,
    print_json,
)
from pgvitals.errors import PgvitalsError
from pgvitals.terminal import Terminal

if TYPE_CHECKING:
    from pgvitals.results.comparison import RegressionGate
    from pgvitals.results.records import Gate


def gate(
    run_: RunArgument = "latest",
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML there.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write a Markdown summary there.")] = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="RUN", help="An earlier run: judge against it as well.")
    ] = None,
    regression: Annotated[
        float | None, typer.Option("--regression", help="Per cent that a p95 may grow over the baseline; default 10.")
    ] = None,
    confidence: Annotated[
        float | None, typer.Option("--confidence", help="Of its interval, in per cent; default 99.")
    ] = None,
    despite: DespiteOption = "",
    annotations: Annotated[
        str | None,
        typer.Option("--annotations", help="`github` or `none`; default: `github` in a GitHub workflow."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """The verdict of a run directory as an exit code, with JUnit, Markdown and annotations for CI.

    `latest` is the newest run that measured lookups.
    """
    from pgvitals import comparison_tables, tables
    from pgvitals.report.comparison_markdown import gate_markdown
    from pgvitals.report.junit import render_junit
    from pgvitals.report.kinds import write_whole
    from pgvitals.report.regression import judge_regression
    from pgvitals.results.outcome import worst
    from pgvitals.tenant_table import tenant_table

    terminal = Terminal(quiet=as_json)
    marks = _annotated(annotations, as_json)
    limits = _regression_limits(baseline, regression, confidence)
    found = find_run(run_, measured=True)
    if found.gate is None:
        raise PgvitalsError(f"{found.path}: no lookup was measured, so there is nothing to judge")
    against = None
    if baseline is not None:
        (pair,) = run_pairs([find_run(baseline, measured=True), found], despite)
        against = judge_regression(pair, *limits)
    if junit:
        write_whole(junit, render_junit(found, against))
    if markdown:
        write_whole(markdown, gate_markdown(found, against).encode())
    terminal.show(tables.latency_table(found.gate))
    if by_tenant := tenant_table(found.gate):
        terminal.show(by_tenant)
    for item in comparison_tables.regression_view(against) if against else ():
        terminal.show(item)
    terminal.show(tables.verdict_line(found.gate.outcome, found.gate.reason))
    for line in _annotations(found.gate, against) if marks else ():
        terminal.line(line)
    if as_json:
        print_json({"budgets": found.gate, "baseline": against} if against else found.gate)
    finish(worst([found.gate.outcome, *([against.outcome] if against else [])]))


def _annotated(asked: str | None, as_json: bool) -> bool:
    """Whether to print workflow commands."""
    if asked not in (None, "github", "none"):
        raise PgvitalsError(f"--annotations: unknown kind {asked!r}; there are: github, none")
    if asked == "github" and as_json:
        raise PgvitalsError("--annotations github and --json exclude each other: both are on stdout")
    return asked == "github" or (asked is None and not as_json and os.environ.get("GITHUB_ACTIONS") == "true")


def _regression_limits(baseline: str | None, regression: float | None, confidence: float | None) -> tuple[float, float]:
    """The growth that is borne and the confidence, as fractions."""
    from pgvitals.report.regression import CONFIDENCE, LIMIT

    if baseline is None and (regression is not None or confidence is not None):
        raise PgvitalsError("--regression and --confidence go with --baseline; name the run to judge against")
    if regression is not None and not 0 < regression < float("inf"):
        raise PgvitalsError(f"--regression: {regression:g} is not above 0; write 10 for ten per cent")
    if confidence is not None and not 50 <= confidence < 100:
        raise PgvitalsError(f"--confidence: {confidence:g} does not lie from 50 to below 100; write 99 for 99 per cent")
    return (
        LIMIT if regression is None else regression / 100,
        CONFIDENCE if confidence is None else confidence / 100,
    )


def _annotations(gate: Gate, against: RegressionGate | None) -> list[str]:
    from pgvitals.report.annotations import query_files, workflow_commands
    from pgvitals.suite import find_suite

    return workflow_commands(gate, against, query_files(find_suite()))


def report(
    run_: RunArgument = "latest",
    formats: Annotated[str, typer.Option("--format", help="Of: html,md,json,junit,sarif.")] = "html,md,junit",
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write to; default: the run directory.")] = None,
) -> None:
    """Write a run's reports again."""
    from pgvitals.report import write_reports

    terminal = Terminal()
    found = find_run(run_)
    for path in write_reports(found.path, kinds=[part.strip() for part in formats.split(",")], folder=out):
        terminal.line(str(path))
