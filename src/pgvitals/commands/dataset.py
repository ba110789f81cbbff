"""Commands that fill a lab with rows."""

from __future__ import annotations

from typing import Annotated

import typer

from pgvitals.commands.options import (
    JsonOption,
    NewProfileOption,
    PostgresOption,
    SeedOption,
    SystemOption,
    make_request,
    print_json,
)
from pgvitals.terminal import Terminal


def load(
    profile: NewProfileOption = None,
    system: SystemOption = None,
    postgres: PostgresOption = "auto",
    seed: SeedOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Empty the tables first if they hold rows.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Migrate the lab database to the newest revisions and fill it."""
    from pgvitals import tables, workbench
    from pgvitals.lab import attach

    terminal = Terminal(quiet=as_json)
    request = make_request(terminal, profile, system, postgres, seed, None)
    database = attach(request.suite, postgres)
    dataset = workbench.fill(
        request.suite, database, request.profile, request.systems, terminal, seed=request.seed, fresh=fresh
    )
    terminal.show(tables.dataset_table(dataset))
    if as_json:
        print_json(dataset)
