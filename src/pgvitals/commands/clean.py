"""The command that removes what is kept."""

from __future__ import annotations

from typing import Annotated

import typer

from pgvitals.commands.options import JsonOption, print_json
from pgvitals.terminal import Terminal


def clean(
    every: Annotated[bool, typer.Option("--all", help="Of every suite of this user, not only this one.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove the kept datasets (`pgvitals status` lists them); a lab that is up keeps its own database."""
    from pgvitals import kept_datasets
    from pgvitals.report.wording import plural, size
    from pgvitals.suite import find_suite

    terminal = Terminal(quiet=as_json)
    done = kept_datasets.clean(None if every else str(find_suite().root), terminal.say, dry_run=dry_run)
    for each in done.removed:
        revisions = ", ".join(f"{system} at {revision}" for system, revision in each.revisions.items())
        terminal.line(f"profile {each.profile}, seed {each.seed}: {revisions} ({size(each.size_bytes)})")
    what = f"{plural(len(done.removed), 'kept dataset')}, {size(done.size_bytes)}"
    if not done.removed:
        terminal.line("no dataset is kept")
    else:
        terminal.line(f"would remove {what}" if dry_run else f"removed {what}")
    if as_json:
        print_json(done)
