"""The command line: help that teaches, options that are checked, nothing secret in what is kept."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from pgvitals import cli
from pgvitals.commands import measure, options
from pgvitals.errors import PgvitalsError
from pgvitals.request import PHASES, Request
from pgvitals.results.records import Dataset
from pgvitals.suite import find_suite
from pgvitals.terminal import Terminal

SUITE = find_suite(Path(__file__).parent)
COMMANDS = {
    "run": ("--profile", "--system", "--postgres", "--seed", "--out", "--only", "--skip", "--json"),
    "up": ("--postgres", "--json"),
    "down": ("--all",),
    "status": ("--json",),
    "clean": ("--all", "--dry-run", "--json"),
    "psql": (),
    "load": ("--profile", "--system", "--postgres", "--seed", "--fresh", "--no-reuse", "--json"),
    "bench": ("--profile", "--system", "--postgres", "--seed", "--out", "--json"),
    "loadtest": ("--profile", "--system", "--postgres", "--seed", "--out", "--json"),
    "audit": (
        *("--profile", "--system", "--postgres", "--rule", "--as", "--waivers", "--baseline", "--fail-on", "--dsn"),
        *("--engine", "--requests", "--patience", "--revisions"),
        *("--schema", "--system-file", "--write-system", "--out", "--json"),
    ),
    "impact": ("--profile", "--system", "--from", "--to", "--postgres", "--seed", "--out", "--json"),
    "indexes": ("--profile", "--system", "--postgres", "--seed", "--out", "--json"),
    "gate": ("RUN", "--junit", "--markdown", "--json"),
    "report": ("RUN", "--format", "--out"),
}


def helped(*arguments: str) -> str:
    """What ``--help`` says, on a wide terminal."""
    result = CliRunner().invoke(cli.app, [*arguments, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 0
    return " ".join(result.stdout.replace("│", " ").split())


def test_the_help_lists_every_command_and_the_exit_codes() -> None:
    text = helped()
    registered = {
        command.name or command.callback.__name__ for command in cli.app.registered_commands if command.callback
    }
    assert registered >= COMMANDS.keys()
    for name in registered:
        assert name in text
    for code in ("0 pass", "1 the gate", "2 bad input or environment", "3 inconclusive", "130 interrupted"):
        assert code in text.partition("Exit codes:")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_s_help_says_what_it_does_and_explains_its_options(command: str) -> None:
    text = helped(command)
    said = text.partition("Options")[0].partition("]")[2].strip()
    assert len(said) > 20
    for option in (*COMMANDS[command], "--help"):
        assert option in text
    for option in COMMANDS[command]:
        assert len(text.split(option)[-1].split()) > 3  # words follow it


@pytest.mark.parametrize("command", COMMANDS)
def test_no_help_is_cut_off_on_a_narrow_terminal(command: str) -> None:
    result = CliRunner().invoke(cli.app, [command, "--help"], env={"COLUMNS": "80"})
    assert "…" not in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80


@pytest.mark.parametrize(
    ("only", "skip", "phases"),
    [
        (None, None, list(PHASES)),
        ("bench", None, ["bench"]),
        ("notebooks, bench", None, ["bench", "notebooks"]),
        (None, "impact,notebooks", ["bench", "load", "audit", "claims"]),
        (None, ",".join(PHASES), []),
    ],
)
def test_phases_are_chosen_or_left_out(only: str | None, skip: str | None, phases: list[str]) -> None:
    assert measure._phases(PHASES, only, skip) == phases


@pytest.mark.parametrize(
    ("only", "skip", "message"),
    [
        ("bench", "load", "exclude each other"),
        ("", "load", "exclude each other"),
        ("bnch", None, "unknown phase 'bnch'; there are: bench, load"),
        (None, "Bench", "unknown phase 'Bench'"),
        ("", None, "at least one of: bench"),
        (None, " , ", "at least one of: bench"),
    ],
)
def test_phases_that_make_no_sense_are_refused(only: str | None, skip: str | None, message: str) -> None:
    with pytest.raises(PgvitalsError, match=message):
        measure._phases(PHASES, only, skip)


@pytest.mark.parametrize(
    "words",
    [
        ["bench", "--postgres", "postgresql://me:s3cret@host/db"],
        ["bench", "--postgres=postgresql://me:s3cret@host/db"],
        ["--postgres", "host=h password='s3cret x'", "bench"],
        ["bench", "--postgres", "s3cret"],
        ["bench", "--postgres", "a", "--postgres", "password=s3cret"],
        ["audit", "--dsn", "postgresql://me:s3cret@host/db"],
        ["audit", "--dsn=postgresql://me:s3cret@host/db", "--json"],
    ],
)
def test_a_dsn_is_not_kept_with_the_command(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pgvitals", *words])
    kept = options.command_line()
    assert "s3cret" not in kept
    assert kept.startswith("pgvitals ")
    assert "DSN" in kept


@pytest.mark.parametrize("chosen", ["auto", "embedded", "container"])
def test_a_command_is_kept_as_it_was_typed(chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/pgvitals", "bench", "--postgres", chosen, "--out", "a b"])
    assert options.command_line() == f"pgvitals bench --postgres {chosen} --out 'a b'"


def request_for(postgres: str) -> Request:
    """A request of the main job."""
    return Request(
        suite=SUITE, asked_profile="smoke", asked_seed=5, systems=SUITE.select(["practice"]), postgres=postgres,
        command="pgvitals run", out=None, terminal=Terminal(quiet=True),
    )  # fmt: skip


def test_a_run_keeps_how_it_was_asked_but_no_dsn() -> None:
    config = request_for("postgresql://me:s3cret@host/db").config()
    assert "s3cret" not in str(config)
    assert config["postgres"] == "a DSN"
    assert (config["profile"], config["seed"], config["systems"]) == ("smoke", 5, ["practice"])
    assert request_for("embedded").config()["postgres"] == "embedded"


def test_a_run_keeps_the_noise_limits_that_count() -> None:
    config = request_for("embedded").config()
    plan = SUITE.profiles.get("smoke").measure
    assert config["limits"] == {
        "cpu_pressure": plan.cpu_pressure_limit,
        "steal": plan.steal_limit,
        "canary_ratio": plan.canary_limit,
    }


def test_on_a_lab_a_request_takes_what_the_lab_holds() -> None:
    held = Dataset(profile="small", seed=9, checksum="", tables=(), load_s=0.0, revisions={})
    asked = request_for("auto")
    there = asked.on(held)
    assert (there.profile.name, there.seed) == ("small", 5)


# The one place where an error becomes a line and an exit code


def running(failure: Callable[[], object]) -> typer.Typer:
    """A command line of one command that fails."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(failure)
    return app


@pytest.fixture
def signals() -> object:
    """The handlers of this process come back."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def ended(failure: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a command line whose one command is ``failure``."""
    monkeypatch.setattr(sys, "argv", ["pgvitals"])
    with pytest.raises(SystemExit) as exited:
        cli.run_app(running(failure))
    assert isinstance(exited.value.code, int)
    return exited.value.code


def raising(error: BaseException) -> Callable[[], object]:
    """A command that raises."""

    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (PgvitalsError("what\nis wrong"), 2, "error: what is wrong"),
        (KeyboardInterrupt(), 130, "error: interrupted; nothing half-done was left behind"),
        (OSError(28, "No space left on device", "/full/file"), 2, "error: /full/file: No space left on device"),
        (ValueError("a bug"), 2, "error: ValueError: a bug in pgvitals; please report it with the lines above"),
        (OSError("odd"), 2, "error: the system: odd"),
        (psycopg.OperationalError("host s3cret"), 2, "error: the database refused: a lost connection"),
        (typer.Exit(3), 3, ""),
    ],
)
@pytest.mark.usefixtures("signals")
def test_an_error_is_a_line_and_an_exit_code(
    error: BaseException, code: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(raising(error), monkeypatch) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.strip().splitlines()[-1:] == ([line] if line else [])
    assert ("Traceback" in err) == isinstance(error, ValueError)


@pytest.mark.usefixtures("signals")
def test_a_command_that_ends_well_exits_with_0(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended(lambda: None, monkeypatch) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.usefixtures("signals")
def test_a_second_signal_does_not_break_the_cleaning_up(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = []

    def command() -> None:
        try:
            signal.raise_signal(number)
        finally:
            for again in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.raise_signal(again)
            done.append("cleaned up")

    assert ended(command, monkeypatch) == 130
    assert done == ["cleaned up"]
    assert "nothing half-done was left behind" in capsys.readouterr().err


@pytest.mark.usefixtures("signals")
def test_a_command_under_nohup_outlives_its_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert ended(lambda: signal.raise_signal(signal.SIGHUP), monkeypatch) == 0


@pytest.mark.usefixtures("signals")
def test_a_terminal_without_our_characters_gets_others(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii"))
    assert ended(lambda: Terminal().line("1 – 2 ✓"), monkeypatch) == 0
    sys.stdout.flush()
    assert shown.getvalue() == b"1 ? 2 ?\n"
