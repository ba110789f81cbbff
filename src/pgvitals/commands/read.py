"""Commands that read a run directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pgvitals.commands.options import (
    JsonOption,
    RunArgument,
    find_run,
    finish,
    print_json,
)
from pgvitals.errors import PgvitalsError
from pgvitals.terminal import Terminal


def gate(
    run_: RunArgument = "latest",
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML there.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write a Markdown summary there.")] = None,
    as_json: JsonOption = False,
) -> None:
    """The verdict of a run directory as an exit code, with JUnit and Markdown for CI.

    `latest` is the newest run that measured lookups.
    """
    from pgvitals import tables
    from pgvitals.report import render
    from pgvitals.report.kinds import write_whole
    from pgvitals.report.markdown import gate_summary

    terminal = Terminal(quiet=as_json)
    found = find_run(run_, measured=True)
    if found.gate is None:
        raise PgvitalsError(f"{found.path}: no lookup was measured, so there is nothing to judge")
    if junit:
        write_whole(junit, render(found, "junit"))
    if markdown:
        write_whole(markdown, gate_summary(found).encode())
    terminal.show(tables.latency_table(found.gate))
    terminal.show(tables.verdict_line(found.gate.outcome, found.gate.reason))
    if as_json:
        print_json(found.gate)
    finish(found.gate.outcome)


def report(
    run_: RunArgument = "latest",
    formats: Annotated[str, typer.Option("--format", help="Of: html,md,json,junit.")] = "html,md,junit",
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write to; default: the run directory.")] = None,
) -> None:
    """Write a run's reports again."""
    from pgvitals.report import write_reports

    terminal = Terminal()
    found = find_run(run_)
    for path in write_reports(found.path, kinds=[part.strip() for part in formats.split(",")], folder=out):
        terminal.line(str(path))
