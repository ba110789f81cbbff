"""Commands for a lab that stays: up, down, status, psql."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from pgvitals.commands.options import JsonOption, PostgresOption, print_json
from pgvitals.errors import PgvitalsError
from pgvitals.terminal import Terminal


def up(postgres: PostgresOption = "auto", as_json: JsonOption = False) -> None:
    """Start a lab server that stays up between commands, with an empty lab database."""
    from pgvitals import workbench
    from pgvitals.lab.attach import standing
    from pgvitals.suite import find_suite

    terminal, suite = Terminal(quiet=as_json), find_suite()
    state = standing(suite)
    if state is None:
        with terminal.step("start a lab server"):
            state = workbench.bring_up(suite, postgres).state
        terminal.line(f"{state.kind} server: {state.why}")
        terminal.line("fill it with `pgvitals load`, look into it with `pgvitals psql`, end it with `pgvitals down`")
    elif postgres not in ("auto", state.kind):
        raise PgvitalsError(f"{state.kind} lab server {state.id} is up already; end it first with `pgvitals down`")
    else:
        terminal.line(f"already up: {state.kind} server {state.id}, database {state.lab_database}")
    if as_json:
        print_json({"id": state.id, "kind": state.kind, "why": state.why, "database": state.lab_database})


def down(
    every: Annotated[bool, typer.Option("--all", help="Of every suite of this user, not only this one.")] = False,
) -> None:
    """Stop the lab server (or, on an external one, drop the databases that we made there).

    Datasets that an embedded server keeps are parked for the next one; `pgvitals clean` removes them.
    """
    from pgvitals.lab.reap import reap, retire
    from pgvitals.lab.state import all_states
    from pgvitals.suite import find_suite

    terminal = Terminal()
    reap()
    root = None if every else str(find_suite().root)
    states = [state for state in all_states() if state.persistent and root in (None, state.suite)]
    for state in states:
        with terminal.step(f"stop {state.kind} server {state.id}"):
            why_not = retire(state)
        if why_not:
            terminal.say(f"the datasets that it kept are gone with it: {why_not}")
    if not states:
        terminal.line("no lab server was up")


def status(as_json: JsonOption = False) -> None:
    """What is up: servers, their databases, and what they hold; and the datasets that are kept."""
    from pgvitals import kept_datasets, standing_labs

    terminal = Terminal(quiet=as_json)
    labs, kept = standing_labs.describe(), kept_datasets.describe()
    terminal.show(standing_labs.table(labs))
    for part in kept_datasets.tables(kept):
        terminal.show(part)
    if as_json:
        print_json({"labs": labs, "kept": kept})


def psql(context: typer.Context) -> None:
    """psql in the lab database; arguments go to psql, e.g. `pgvitals psql -c 'select 1'`."""
    from pgvitals.lab import attach
    from pgvitals.lab.psql import environment, find_psql
    from pgvitals.suite import find_suite

    database = attach(find_suite())
    binary = find_psql()
    os.execve(binary, [str(binary), *context.args], environment(database))  # noqa: S606
