"""The command line: parse, call, print. Nothing else."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

import typer
from psycopg import Error as DatabaseError

from pgvitals.commands import lab, measure, read
from pgvitals.errors import PgvitalsError
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

app.command()(measure.run)
app.command()(lab.up)
app.command()(lab.down)
app.command()(lab.status)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(lab.psql)
app.command()(lab.load)
app.command()(measure.bench)
app.command()(measure.loadtest)
app.command()(measure.audit)
app.command()(measure.impact)
app.command()(measure.indexes)
app.command()(read.gate)
app.command()(read.report)


def _terminated(*_: object) -> NoReturn:
    """A polite kill cleans up like Ctrl-C."""
    raise KeyboardInterrupt


def main() -> None:
    """Run `pgvitals`."""
    run_app(app)


def run_app(commands: typer.Typer) -> NoReturn:
    """Run a command line; the one place where an error becomes a line and an exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    terminal = Terminal()
    try:
        code = commands(standalone_mode=False)
    except PgvitalsError as error:
        terminal.error(str(error))
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        terminal.error("interrupted; nothing was left behind")
        code = 130
    except OSError as error:
        terminal.error(f"{error.filename or 'the system'}: {error.strerror or error}")
        code = 2
    except DatabaseError as error:
        terminal.error(f"the database refused: {error.diag.message_primary or type(error).__name__} ({error.sqlstate})")
        code = 2
    except Exception as error:
        shown = getattr(error, "format_message", None)
        if shown is None:
            raise
        terminal.error(f"{shown().rstrip('.')}; `pgvitals --help` lists what there is")
        code = 2
    sys.exit(code if isinstance(code, int) else 0)
