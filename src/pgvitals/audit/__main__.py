"""`python -m pgvitals.audit selftest | docs`: the audit audits itself, and writes its rules' pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from psycopg.conninfo import conninfo_to_dict

from pgvitals.audit.docs import generate
from pgvitals.audit.engine.target import make_url
from pgvitals.audit.engine.trial import try_engine_rules
from pgvitals.audit.selftest import selftest as run_selftest
from pgvitals.audit.selftest import with_systems
from pgvitals.cli import run_app
from pgvitals.errors import AuditError
from pgvitals.lab import Database, start_server
from pgvitals.lab.migrate import upgrade
from pgvitals.results.outcome import EXIT_CODES, Outcome
from pgvitals.suite import find_suite
from pgvitals.terminal import Terminal

app = typer.Typer(help="For those who write rules.", add_completion=False, pretty_exceptions_enable=False)


@contextmanager
def _scratch(*labels: str) -> Iterator[tuple[Database, ...]]:
    with ExitStack() as stack:
        server = stack.enter_context(start_server("embedded", suite=find_suite()))
        yield tuple(stack.enter_context(server.scratch(label)) for label in labels)


@app.command()
def selftest() -> None:
    """Inject the known defects of every rule, and ask all about the suite's systems: found, and false alarms."""
    terminal, suite = Terminal(), find_suite()
    with _scratch("rules", "systems") as (rules, good):
        with terminal.step("inject the defects of every rule"):
            score = run_selftest(rules)
        with terminal.step("ask all rules about the systems at their heads"):
            upgrade(suite, good)
            score = with_systems(score, good, suite.select(None))
        engines = try_engine_rules(make_url(conninfo_to_dict(rules.conninfo())))
    for what, names in (("missed", score.missed), ("not cured", score.uncured), ("false alarm", score.false_alarms)):
        for name in names:
            terminal.line(f"{what}: {name}")
    wrong = [trial.rule.id for trial in engines if not (trial.found and trial.is_silent)]
    for name in wrong:
        terminal.line(f"does not tell its engines apart: {name}")
    terminal.line(str(score))
    found = sum(trial.found for trial in engines)
    terminal.line(f"{len(engines)} rules about engines: {found} of {len(engines)} defects found")
    raise typer.Exit(EXIT_CODES[Outcome.FAIL if wrong else score.outcome])


@app.command()
def docs(
    folder: Annotated[Path, typer.Argument(help="Where the pages go.")],
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a page has drifted.")] = False,
) -> None:
    """Write a page for every rule from its header and from really running its defect and its cure."""
    terminal = Terminal()
    with _scratch("rules") as (database,), terminal.step("run every rule's defect and cure"):
        drifted = generate(database, folder, check=check)
    if check and drifted:
        raise AuditError(f"{folder}: drifted from the rules: {', '.join(drifted)}; `make docs` writes them again")


if __name__ == "__main__":
    run_app(app)
