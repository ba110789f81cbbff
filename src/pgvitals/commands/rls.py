"""`pgvitals rls`: what row-level security costs the lookups."""

from __future__ import annotations

from pgvitals.commands.options import (
    JsonOption,
    OutOption,
    PostgresOption,
    ProfileOption,
    SeedOption,
    SystemOption,
    make_request,
    print_json,
)
from pgvitals.terminal import Terminal


def rls(
    profile: ProfileOption = None,
    system: SystemOption = None,
    postgres: PostgresOption = "auto",
    seed: SeedOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """What row-level security costs: each lookup with its policies and without, side by side.

    With: as the application's role. Without: as the owner of a copy in which no policy is for him, with the tenant's
    predicate in the statement, which most lookups have anyway. It informs and judges nothing.
    """
    terminal = Terminal(quiet=as_json)
    request = make_request(terminal, profile, system, postgres, seed, out)
    from pgvitals import job
    from pgvitals.rls_table import rls_table

    done, found = job.rls(request)
    for each in found:
        terminal.show(rls_table(each))
    terminal.line(f"report: {done.path / 'report.html'}")
    if as_json:
        print_json({"run": str(done.path), "rls": found})
