"""`python -m pgvitals.audit selftest | docs`: the audit audits itself, and writes its rules' pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pgvitals.audit.docs import generate
from pgvitals.audit.selftest import selftest as run_selftest
from pgvitals.cli import run_app
from pgvitals.errors import AuditError
from pgvitals.lab import Database, start_server
from pgvitals.results.outcome import EXIT_CODES
from pgvitals.suite import find_suite
from pgvitals.terminal import Terminal

app = typer.Typer(help="For those who write rules.", add_completion=False, pretty_exceptions_enable=False)


@contextmanager
def _scratch() -> Iterator[Database]:
    with start_server("embedded", suite=find_suite()) as server, server.scratch("rules") as database:
        yield database


@app.command()
def selftest() -> None:
    """Inject a known defect for every rule: found / injected, and false alarms."""
    terminal = Terminal()
    with _scratch() as database, terminal.step("inject the defect of every rule"):
        score = run_selftest(database)
    for what, names in (("missed", score.missed), ("not cured", score.uncured), ("false alarm", score.false_alarms)):
        for name in names:
            terminal.line(f"{what}: {name}")
    terminal.line(str(score))
    raise typer.Exit(EXIT_CODES[score.outcome])


@app.command()
def docs(
    folder: Annotated[Path, typer.Argument(help="Where the pages go.")],
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a page has drifted.")] = False,
) -> None:
    """Write a page for every rule from its header and from really running its defect and its cure."""
    terminal = Terminal()
    with _scratch() as database, terminal.step("run every rule's defect and cure"):
        drifted = generate(database, folder, check=check)
    if check and drifted:
        raise AuditError(f"{folder}: drifted from the rules: {', '.join(drifted)}; `make docs` writes them again")


if __name__ == "__main__":
    run_app(app)
