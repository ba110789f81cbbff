"""Commands that measure: each ends in a run directory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from pgvitals.commands.options import (
    JsonOption,
    NewProfileOption,
    OutOption,
    PostgresOption,
    ProfileOption,
    SeedOption,
    SystemOption,
    finish,
    make_request,
    print_json,
)
from pgvitals.errors import PgvitalsError
from pgvitals.terminal import Terminal

if TYPE_CHECKING:
    from pgvitals.request import Request


def run(
    profile: NewProfileOption = None,
    system: SystemOption = None,
    postgres: PostgresOption = "auto",
    seed: SeedOption = None,
    out: OutOption = None,
    only: Annotated[
        str | None,
        typer.Option(help="Only these parts, with commas, of: bench, load, audit, impact, claims, notebooks."),
    ] = None,
    skip: Annotated[str | None, typer.Option(help="All parts but these, with commas.")] = None,
    as_json: JsonOption = False,
) -> None:
    """The main job: server, data, p95 of every lookup, load test, audit, impact, notebooks, report."""
    from pgvitals import job, tables
    from pgvitals.request import PHASES
    from pgvitals.tenant_table import tenant_table

    terminal = Terminal(quiet=as_json)
    phases = _phases(PHASES, only, skip)
    request = make_request(terminal, profile, system, postgres, seed, out)
    done = job.whole(request, phases)
    if done.gate:
        terminal.show(tables.latency_table(done.gate))
        if by_tenant := tenant_table(done.gate):
            terminal.show(by_tenant)
    for part in tables.summary_lines(done):
        terminal.show(part)
    terminal.line(f"report: {done.path / 'report.html'}")
    if as_json:
        print_json({"run": str(done.path), "gate": done.gate, "info": done.info})
    finish(job.exit_outcome(done))


def bench(
    profile: ProfileOption = None,
    system: SystemOption = None,
    postgres: PostgresOption = "auto",
    seed: SeedOption = None,
    out: OutOption = None,
    cold: Annotated[
        bool,
        typer.Option(
            "--cold",
            help="Measure instead what each lookup costs when none of its data is in memory. It judges nothing.",
        ),
    ] = False,
    as_is: Annotated[
        bool,
        typer.Option(
            "--as-is", help="No VACUUM and ANALYZE before: the lab as it stands, dead rows and old statistics included."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure p50, p95 and p99 of every lookup, with an interval, and judge them."""
    terminal = Terminal(quiet=as_json)
    request = make_request(terminal, profile, system, postgres, seed, out)
    request = replace(request, as_is=as_is)
    if cold:
        _cold(terminal, request, as_json=as_json)
        return
    from pgvitals import job, tables
    from pgvitals.tenant_table import tenant_table

    done, gate_ = job.bench(request)
    terminal.show(tables.latency_table(gate_))
    if by_tenant := tenant_table(gate_):
        terminal.show(by_tenant)
    terminal.show(tables.verdict_line(gate_.outcome, gate_.reason))
    terminal.line(f"report: {done.path / 'report.html'}")
    if as_json:
        print_json({"run": str(done.path), "gate": gate_})
    finish(gate_.outcome)


def _cold(terminal: Terminal, request: Request, *, as_json: bool) -> None:
    from pgvitals import job
    from pgvitals.cold_table import cold_table

    done, found = job.cold(request)
    terminal.show(cold_table(found))
    terminal.line(f"report: {done.path / 'report.html'}")
    if as_json:
        print_json({"run": str(done.path), "cold": found})


def loadtest(
    profile: ProfileOption = None,
    system: SystemOption = None,
    postgres: PostgresOption = "auto",
    seed: SeedOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """An open-loop load test of the lookups with Locust; latency counts from the due time.

    Rate, users and seconds stand in `profiles.toml`. A void test (exit code 3) says that the client could not
    keep to its schedule, so that its latencies would not be the server's.
    """
    terminal = Terminal(quiet=as_json)
    request = make_request(terminal, profile, system, postgres, seed, out)
    from pgvitals import job, tables

    done, found = job.load_test(request)
    terminal.show(tables.load_table(found))
    terminal.show(tables.verdict_line(found.outcome, found.reason))
    terminal.line(f"report: {done.path / 'report.html'}")
    if as_json:
        print_json({"run": str(done.path), "load": found})
    finish(found.outcome)


def impact(
    profile: NewProfileOption = None,
    system: Annotated[str | None, typer.Option("--system", help="The system whose revisions are compared.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="Revision before.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Revision after.")] = None,
    postgres: PostgresOption = "auto",
    seed: SeedOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a migration really changes: the same rows before and after it, measured side by side.

    Without --from and --to: the pairs that each `system.toml` declares.
    """
    from pgvitals import job, tables

    terminal = Terminal(quiet=as_json)
    request = make_request(terminal, profile, [system] if system else None, postgres, seed, out)
    if (start is None) != (end is None) or (start and not system):
        raise PgvitalsError("--from and --to go together, and with --system")
    pairs = (
        [(request.systems[0], start, end)]
        if start and end
        else [(each, pair.from_revision, pair.to_revision) for each in request.systems for pair in each.impact]
    )
    if not pairs:
        raise PgvitalsError("no pair of revisions: give --system, --from and --to, or add [[impact]] to system.toml")
    done, found = job.impact(request, pairs)
    for each in found:
        terminal.show(tables.impact_table(each))
        terminal.show(tables.relation_table(each))
    terminal.line(f"report: {done.path / 'report.html'}")
    if as_json:
        print_json({"run": str(done.path), "impact": found})
    finish(tables.impact_outcome(found))


def indexes(
    profile: ProfileOption = None,
    system: SystemOption = None,
    postgres: PostgresOption = "auto",
    seed: SeedOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Which indexes the lookups use, how often, and what they weigh. It informs and judges nothing."""
    terminal = Terminal(quiet=as_json)
    request = make_request(terminal, profile, system, postgres, seed, out)
    from pgvitals import job, tables

    done, found = job.index_usage(request)
    terminal.show(tables.index_table(found))
    terminal.line(f"report: {done.path / 'report.html'}")
    if as_json:
        print_json({"run": str(done.path), "indexes": found})


def _phases(known: tuple[str, ...], only: str | None, skip: str | None) -> list[str]:
    if only is not None and skip is not None:
        raise PgvitalsError("--only and --skip exclude each other; give one of them")
    given = only if only is not None else skip
    if given is None:
        return list(known)
    named = [part.strip() for part in given.split(",") if part.strip()]
    if not named:
        raise PgvitalsError(f"--only and --skip need at least one of: {', '.join(known)}")
    for name in named:
        if name not in known:
            raise PgvitalsError(f"unknown phase {name!r}; there are: {', '.join(known)}")
    return [name for name in known if (name in named) == (only is not None)]
