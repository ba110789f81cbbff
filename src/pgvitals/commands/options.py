"""Options that commands share, and what they make of them."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from pydantic_core import to_jsonable_python

from pgvitals.results.outcome import EXIT_CODES, Outcome
from pgvitals.terminal import Terminal

if TYPE_CHECKING:
    from pgvitals.request import Request
    from pgvitals.results.rundir import Run

_PROFILE = "How much data and how long to measure: `smoke`, `small`, `medium` or `large` (see profiles.toml)."
ProfileOption = Annotated[
    str | None, typer.Option("--profile", help=f"{_PROFILE} Default: what the lab holds, else `small`.")
]
NewProfileOption = Annotated[  # of commands that make their own rows, whatever a lab holds
    str | None, typer.Option("--profile", help=f"{_PROFILE} Default: `small`.")
]
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
    int | None, typer.Option("--seed", min=0, max=2**63 - 1, help="Of data and parameters; default: the profile's.")
]
OutOption = Annotated[Path | None, typer.Option("--out", help="Run directory to make; default: reports/runs/UTC-name.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of tables.")]
RunArgument = Annotated[str, typer.Argument(metavar="[RUN]", help="A run directory, the name of one, or `latest`.")]


def make_request(
    terminal: Terminal,
    profile: str | None,
    system: list[str] | None,
    postgres: str,
    seed: int | None,
    out: Path | None,
) -> Request:
    from pgvitals.request import Request
    from pgvitals.suite import find_suite

    suite = find_suite()
    # A broken file or an unknown name is found before a server starts.
    _ = suite.queries, suite.profiles.get(profile)
    return Request(
        suite=suite,
        asked_profile=profile,
        asked_seed=seed,
        systems=suite.select(system),
        postgres=postgres,
        command=command_line(),
        out=out,
        terminal=terminal,
    )


def command_line() -> str:
    """The command as typed, without a DSN, which may hold a password."""
    words = list(sys.argv[1:])
    for number, word in enumerate(words):
        for option in ("--postgres", "--dsn"):
            value = word.removeprefix(f"{option}=")
            if (number and words[number - 1] == option) or value != word:
                kept = value if value in ("auto", "embedded", "container") else "DSN"
                words[number] = kept if value == word else f"{option}={kept}"
    return shlex.join(["pgvitals", *words])


def find_run(name: str, *, measured: bool = False) -> Run:
    """A run by directory, by name, or ``latest``: the newest one, or the newest that measured lookups."""
    from pgvitals.results.rundir import latest_measured, load_run
    from pgvitals.suite import find_suite

    if measured and name == "latest" and not Path(name).is_dir():
        return load_run(latest_measured(find_suite().reports))
    return load_run(name) if Path(name).is_dir() else load_run(name, find_suite().reports)


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(to_jsonable_python(value, fallback=str), indent=1) + "\n")


def finish(outcome: Outcome) -> NoReturn:
    raise typer.Exit(EXIT_CODES[outcome])
