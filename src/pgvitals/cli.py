"""The command line: parse, call, print. Nothing else."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic_core import to_jsonable_python

from pgvitals.errors import PgvitalsError
from pgvitals.results.outcome import EXIT_CODES, Outcome
from pgvitals.terminal import Terminal

app = typer.Typer(
    name="pgvitals",
    help="The lab in which a PostgreSQL schema proves itself before it ships.\n\n"
    "`pgvitals run` does the whole job on a server of its own. `pgvitals up` and `pgvitals load` leave a lab "
    "to explore; the other commands then measure that one.\n\n"
    "Exit codes: 0 pass, 1 a gate or rule failed, 2 bad input or environment, 3 inconclusive, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

ProfileOption = Annotated[str | None, typer.Option("--profile", help="Sizes of `profiles.toml`; default: its default.")]
SystemOption = Annotated[
    list[str] | None, typer.Option("--system", help="Only this system; may be repeated. Default: all.")
]
PostgresOption = Annotated[
    str,
    typer.Option(
        "--postgres",
        help="`auto` (PGVITALS_DSN, else a container, else embedded), `embedded`, `container`, or a DSN.",
    ),
]
SeedOption = Annotated[
    int | None, typer.Option("--seed", min=0, help="Of data and parameters; default: the profile's.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Run directory to make; default: reports/runs/<UTC>-<name>.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of tables.")]
RunArgument = Annotated[str, typer.Argument(help="A run directory, the name of one, or `latest`.")]


@app.command()
def run(
    profile: ProfileOption = None,
    system: SystemOption = None,
    postgres: PostgresOption = "auto",
    seed: SeedOption = None,
    out: OutOption = None,
    only: Annotated[str | None, typer.Option(help="Only these, of: bench,load,audit,impact,claims,notebooks.")] = None,
    skip: Annotated[str | None, typer.Option(help="All but these.")] = None,
    as_json: JsonOption = False,
) -> None:
    """The main job: server, data, p95 of every lookup, load test, audit, impact, notebooks, report."""
    from pgvitals import job, tables

    terminal = Terminal(quiet=as_json)
    phases = _phases(job.PHASES, only, skip)
    request = _request(terminal, profile, system, postgres, seed, out)
    done = job.whole(request, phases)
    if done.gate:
        terminal.show(tables.latency_table(done.gate))
    for part in tables.summary_lines(done):
        terminal.show(part)
    terminal.line(f"report: {done.path / 'report.html'}")
    if as_json:
        _print_json({"run": str(done.path), "gate": done.gate, "info": done.info})
    if done.gate:
        _finish(done.gate.outcome)


@app.command()
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
    else:
        terminal.line(f"already up: {state.kind} server {state.id}, database {state.lab_database}")
    if as_json:
        _print_json({"id": state.id, "kind": state.kind, "why": state.why, "database": state.lab_database})


@app.command()
def down(
    every: Annotated[bool, typer.Option("--all", help="Of every suite of this user, not only this one.")] = False,
) -> None:
    """Stop the lab server (or, on an external one, drop the databases that we made there)."""
    from pgvitals.lab.reap import halt, reap
    from pgvitals.lab.state import all_states
    from pgvitals.suite import find_suite

    terminal = Terminal()
    reap()
    root = None if every else str(find_suite().root)
    states = [state for state in all_states() if state.persistent and root in (None, state.suite)]
    for state in states:
        with terminal.step(f"stop {state.kind} server {state.id}"):
            halt(state)
    if not states:
        terminal.line("no lab server was up")


@app.command()
def status(as_json: JsonOption = False) -> None:
    """What is up: servers, their databases, and what they hold."""
    from pgvitals import standing_labs

    terminal = Terminal(quiet=as_json)
    labs = standing_labs.describe()
    terminal.show(standing_labs.table(labs))
    if as_json:
        _print_json(labs)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context) -> None:
    """psql in the lab database; arguments go to psql, e.g. `pgvitals psql -c 'select 1'`."""
    from pgvitals.lab import attach
    from pgvitals.lab.psql import environment, find_psql
    from pgvitals.suite import find_suite

    database = attach(find_suite())
    binary = find_psql()
    os.execve(binary, [str(binary), *context.args], environment(database))  # noqa: S606


@app.command()
def load(
    profile: ProfileOption = None,
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
    request = _request(terminal, profile, system, postgres, seed, None)
    database = attach(request.suite, postgres)
    dataset = workbench.fill(
        request.suite, database, request.profile, request.systems, terminal, seed=request.seed, fresh=fresh
    )
    terminal.show(tables.dataset_table(dataset))
    if as_json:
        _print_json(dataset)


@app.command()
def bench(
    profile: ProfileOption = None,
    system: SystemOption = None,
    postgres: PostgresOption = "auto",
    seed: SeedOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure p50, p95 and p99 of every lookup, with an interval, and judge them."""
    from pgvitals import job, tables

    terminal = Terminal(quiet=as_json)
    done, gate_ = job.bench(_request(terminal, profile, system, postgres, seed, out))
    terminal.show(tables.latency_table(gate_))
    terminal.show(tables.verdict_line(gate_.outcome, gate_.reason))
    terminal.line(f"report: {done.path / 'report.html'}")
    if as_json:
        _print_json({"run": str(done.path), "gate": gate_})
    _finish(gate_.outcome)


@app.command()
def loadtest(
    profile: ProfileOption = None,
    system: SystemOption = None,
    postgres: PostgresOption = "auto",
    seed: SeedOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """An open-loop load test of the lookups with Locust; latency counts from the due time."""
    from pgvitals import job, tables

    terminal = Terminal(quiet=as_json)
    done, found = job.load_test(_request(terminal, profile, system, postgres, seed, out))
    terminal.show(tables.load_table(found))
    terminal.show(tables.verdict_line(found.outcome, found.reason))
    terminal.line(f"report: {done.path / 'report.html'}")
    if as_json:
        _print_json({"run": str(done.path), "load": found})
    _finish(found.outcome)


@app.command()
def audit(
    profile: ProfileOption = None,
    system: SystemOption = None,
    postgres: PostgresOption = "auto",
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask every rule about every system; evidence also where it passes."""
    from pgvitals import job, tables

    terminal = Terminal(quiet=as_json)
    done, found = job.audit(_request(terminal, profile, system, postgres, None, out))
    terminal.show(tables.audit_table(found))
    terminal.line(f"report: {done.path / 'report.html'}")
    if as_json:
        _print_json({"run": str(done.path), "audit": found})
    _finish(found.outcome)


@app.command()
def impact(
    profile: ProfileOption = None,
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
    request = _request(terminal, profile, [system] if system else None, postgres, seed, out)
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
        _print_json({"run": str(done.path), "impact": found})


@app.command()
def indexes(
    profile: ProfileOption = None,
    system: SystemOption = None,
    postgres: PostgresOption = "auto",
    seed: SeedOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Which indexes the lookups use, how often, and what they weigh."""
    from pgvitals import job, tables

    terminal = Terminal(quiet=as_json)
    done, found = job.index_usage(_request(terminal, profile, system, postgres, seed, out))
    terminal.show(tables.index_table(found))
    terminal.line(f"report: {done.path / 'report.html'}")
    if as_json:
        _print_json({"run": str(done.path), "indexes": found})


@app.command()
def gate(
    run_: RunArgument = "latest",
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML there.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write a Markdown summary there.")] = None,
    as_json: JsonOption = False,
) -> None:
    """The verdict of a run directory as an exit code, with JUnit and Markdown for CI."""
    from pgvitals import job, tables
    from pgvitals.report import gate_summary, render_junit, write_whole

    terminal = Terminal(quiet=as_json)
    found = _load_run(run_)
    outcome = job.exit_outcome(found)
    if junit:
        write_whole(junit, render_junit(found))
    if markdown:
        write_whole(markdown, gate_summary(found).encode())
    assert found.gate is not None, "exit_outcome refuses a run without a gate"
    terminal.show(tables.latency_table(found.gate))
    terminal.show(tables.verdict_line(outcome, found.gate.reason))
    if as_json:
        _print_json(found.gate)
    _finish(outcome)


@app.command()
def report(
    run_: RunArgument = "latest",
    formats: Annotated[str, typer.Option("--format", help="Of: html,md,json,junit.")] = "html,md,junit",
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write to; default: the run directory.")] = None,
) -> None:
    """Write a run's reports again."""
    from pgvitals.report import write_reports

    terminal = Terminal()
    found = _load_run(run_)
    for path in write_reports(found.path, kinds=[part.strip() for part in formats.split(",")], folder=out):
        terminal.line(str(path))


def _request(
    terminal: Terminal,
    profile: str | None,
    system: list[str] | None,
    postgres: str,
    seed: int | None,
    out: Path | None,
) -> Any:
    from pgvitals.job import Request
    from pgvitals.suite import find_suite

    suite = find_suite()
    chosen = suite.profiles.get(profile)
    _ = suite.queries  # a broken query file is found before a server starts
    return Request(
        suite=suite,
        profile=chosen,
        systems=suite.select(system),
        postgres=postgres,
        seed=chosen.seed if seed is None else seed,
        command=_command_line(),
        out=out,
        terminal=terminal,
    )


def _command_line() -> str:
    """The command as typed, without a DSN, which may hold a password."""
    words = list(sys.argv[1:])
    for number, word in enumerate(words):
        value = word.removeprefix("--postgres=")
        if (number and words[number - 1] == "--postgres") or value != word:
            kept = value if value in ("auto", "embedded", "container") else "DSN"
            words[number] = kept if value == word else f"--postgres={kept}"
    return shlex.join(["pgvitals", *words])


def _phases(known: tuple[str, ...], only: str | None, skip: str | None) -> list[str]:
    if only and skip:
        raise PgvitalsError("--only and --skip exclude each other; give one of them")
    named = [part.strip() for part in (only or skip or "").split(",") if part.strip()]
    for name in named:
        if name not in known:
            raise PgvitalsError(f"unknown phase {name!r}; there are: {', '.join(known)}")
    return [name for name in known if (name in named) == bool(only)]


def _load_run(name: str) -> Any:
    from pgvitals.results.rundir import load_run
    from pgvitals.suite import find_suite

    return load_run(name) if Path(name).is_dir() else load_run(name, find_suite().reports)


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(to_jsonable_python(value, fallback=str), indent=1) + "\n")


def _finish(outcome: Outcome) -> NoReturn:
    raise typer.Exit(EXIT_CODES[outcome])


def _terminated(*_: object) -> NoReturn:
    """A polite kill cleans up like Ctrl-C."""
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; the one place where an error becomes a line and an exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    terminal = Terminal()
    try:
        code = app(standalone_mode=False)
    except PgvitalsError as error:
        terminal.error(str(error))
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        terminal.error("interrupted; nothing was left behind")
        code = 130
    except OSError as error:
        terminal.error(f"{error.filename or 'the system'}: {error.strerror or error}")
        code = 2
    except Exception as error:
        shown = getattr(error, "format_message", None)
        if shown is None:
            raise
        terminal.error(f"{shown()}; `pgvitals --help` lists what there is")
        code = 2
    sys.exit(code if isinstance(code, int) else 0)
