"""`python -m pgvitals.measure.truth`: what pgvitals says, held against a truth that is known from outside.

Comparisons of the same with itself and with effects of known size, through what `pgvitals impact` does; attempts of
the gate against a p95 that all other runs together know. It takes more than an hour, may be stopped at any time, and
goes on where it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pgvitals.cli import run_app
from pgvitals.errors import MeasureError
from pgvitals.lab import start_server
from pgvitals.lab.state import home
from pgvitals.results.outcome import EXIT_CODES, Outcome
from pgvitals.suite import Suite, find_suite
from pgvitals.terminal import Terminal, outcome_text, table
from pgvitals.truth.figures import EXPERIMENTS, figures, outcome_of
from pgvitals.truth.gate import judge_all
from pgvitals.truth.page import HEADINGS, noise_told, page, rows_of
from pgvitals.truth.run import TRIALS, run
from pgvitals.truth.state import StateDirectory

PAGE = Path("docs/measurements/truth.md")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def report(state: StateDirectory, suite: Suite, terminal: Terminal, *, only: list[str], write: bool) -> Outcome:
    """Say what was found so far; the worst answer over the goals of ``only``.

    Raises:
        MeasureError: nothing was measured yet.
    """
    setup, sittings = state.setup(), state.sittings()
    if setup is None:
        raise MeasureError(f"{state.folder}: nothing was measured yet; leave --report out")
    judged = judge_all({sitting.number: state.samples(sitting.number) for sitting in sittings})
    found = figures(sittings, judged, only)
    outcome = outcome_of(found)
    columns = [
        (heading or "answer", "left" if heading in ("What", "Goal", "") else "right") for heading in map(str, HEADINGS)
    ]
    terminal.show(table("pgvitals against the truth", [(name.lower(), side) for name, side in columns], rows_of(found)))
    terminal.line(noise_told(sittings))
    terminal.show(outcome_text(outcome))
    if write:
        target = suite.root / PAGE
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page(setup, sittings, judged, found, outcome))
        terminal.say(f"written: {target}")
    return outcome


def chosen(only: str) -> list[str]:
    """The experiments named in a list with commas.

    Raises:
        MeasureError: one is unknown.
    """
    names = [name.strip() for name in only.split(",") if name.strip()]
    for name in names:
        if name not in EXPERIMENTS:
            raise MeasureError(f"--only {name}: there are {', '.join(EXPERIMENTS)}")
    return [name for name in EXPERIMENTS if name in names] or list(EXPERIMENTS)


@app.command()
def main(
    state: Annotated[
        Path | None, typer.Option(help="Where trials are kept; the same again goes on. Default: below PGVITALS_HOME.")
    ] = None,
    only: Annotated[str, typer.Option(help="Some of aa,ab,coverage,gate; all by default.")] = "",
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials of each experiment in all; by default as the goals ask for.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(min=0, help="Begin nothing that would end later than this.")] = None,
    just_report: Annotated[bool, typer.Option("--report", help="Measure nothing; say what was found so far.")] = False,
    write: Annotated[bool, typer.Option("--write", help=f"Write {PAGE} as well.")] = False,
) -> None:
    """What pgvitals says, against a truth that is known from outside: false alarms, power, coverage, the gate.

    Stopped, it has lost the running sitting at most; started again with the same --state it goes on.

    Exit codes: 0 all goals are met, 1 one is not, 3 one is not yet known.
    """
    terminal, suite, experiments = Terminal(), find_suite(), chosen(only)
    directory = StateDirectory(state or home() / "truth")
    if not just_report:
        with start_server("embedded", suite=suite) as server:
            asked = {name: trials or TRIALS[name] for name in experiments}
            run(directory, server, terminal, trials=asked, minutes=minutes)
    raise typer.Exit(EXIT_CODES[report(directory, suite, terminal, only=experiments, write=write)])


if __name__ == "__main__":
    run_app(app)
