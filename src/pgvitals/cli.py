"""The command line: parse, call, print. Nothing else."""

from __future__ import annotations

import io
import signal
import sys
import threading
import traceback
from typing import NoReturn

import typer
from psycopg import Error as DatabaseError

from pgvitals.commands import audit, clean, compare, dataset, export, lab, measure, read, rls
from pgvitals.errors import PgvitalsError
from pgvitals.refusal import refusal
from pgvitals.terminal import Terminal

app = typer.Typer(
    name="pgvitals",
    help="The lab in which a PostgreSQL schema proves itself before it ships.\n\n"
    "`pgvitals run` does the whole job on a server of its own. `pgvitals up` and `pgvitals load` leave a lab "
    "to explore; the other commands then measure that one.\n\n"
    "Exit codes: 0 pass, 1 the gate (for `audit`: a rule) failed, 2 bad input or environment, 3 inconclusive, "
    "130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

app.command()(measure.run)
app.command()(lab.up)
app.command()(lab.down)
app.command()(lab.status)
app.command()(clean.clean)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(lab.psql)
app.command()(dataset.load)
app.command()(export.export)
app.command()(measure.bench)
app.command()(measure.loadtest)
app.command()(audit.audit)
app.command()(measure.impact)
app.command()(measure.indexes)
app.command()(rls.rls)
app.command()(read.gate)
app.command()(compare.compare)
app.command()(compare.history)
app.command()(read.report)


_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_INTERRUPTED = 130


def _stopped(*_: object) -> NoReturn:
    """A polite kill and a closed terminal clean up like Ctrl-C; a second one does not break the cleaning."""
    for number in _STOPS:
        signal.signal(number, lambda *_: None)
    raise KeyboardInterrupt


def _swallowed(lost: sys.UnraisableHookArgs) -> None:
    """An interrupt that came inside a finalizer or a weak reference's callback is dropped by Python: send it again."""
    if not isinstance(lost.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    signal.signal(signal.SIGINT, _stopped)
    main_thread = threading.main_thread().ident or 0
    again = threading.Timer(0.01, signal.pthread_kill, (main_thread, signal.SIGINT))
    again.daemon = True
    again.start()


def main() -> None:
    """Run `pgvitals`."""
    run_app(app)


def run_app(commands: typer.Typer) -> NoReturn:
    """Run a command line; the one place where an error becomes a line and an exit code."""
    for number in _STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup asks
            signal.signal(number, _stopped)
    sys.unraisablehook = _swallowed
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without our dashes gets a question mark
    terminal = Terminal()
    try:
        code = commands(standalone_mode=False)
        if code == _INTERRUPTED:  # what typer makes of a KeyboardInterrupt
            raise KeyboardInterrupt
    except PgvitalsError as error:
        terminal.error(str(error))
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        terminal.error("interrupted; nothing half-done was left behind")
        code = _INTERRUPTED
    except OSError as error:
        terminal.error(f"{error.filename or 'the system'}: {error.strerror or error}")
        code = 2
    except DatabaseError as error:
        terminal.error(f"the database refused: {refusal(error)}")
        code = 2
    except Exception as error:  # noqa: BLE001
        shown = getattr(error, "format_message", None)
        if hasattr(error, "orig"):  # SQLAlchemy's, whose traceback would show statements and parameters
            terminal.error(f"the database refused: {refusal(error)}")
        elif shown is None:
            traceback.print_exc()  # a bug; 1 would say that a gate has failed
            terminal.error(f"{type(error).__name__}: a bug in pgvitals; please report it with the lines above")
        elif message := shown().rstrip("."):  # without a command the help was shown, and is the message
            terminal.error(f"{message}; `pgvitals --help` lists what there is")
        code = 2
    sys.exit(code if isinstance(code, int) else 0)
