"""Why the database refused, on one line and without the values of rows and parameters."""

from __future__ import annotations

import psycopg

_QUOTING_CLASSES = ("21", "22", "23", "38", "39", "HV", "P0")
"""SQLSTATE classes whose message may quote a value: data, constraints, and code that is not the server's own."""


def refusal(error: BaseException) -> str:
    """What the server said, and the SQLSTATE; of a condition that may quote values only its name.

    DETAIL, HINT and CONTEXT are never repeated: they hold rows, keys and lines of COPY. An error that
    SQLAlchemy wraps is told as the one inside. Without a SQLSTATE the server did not answer, or psycopg did
    not ask it.
    """
    cause = getattr(error, "orig", None) or error
    if not isinstance(cause, psycopg.Error):
        return type(cause).__name__
    if cause.sqlstate is None:
        return _unasked(cause)
    message = cause.diag.message_primary
    # RAISE takes any SQLSTATE and any text; where it was raised in the server tells it from the server's own.
    raised = cause.diag.source_function == "exec_stmt_raise"
    if message is None or raised or cause.sqlstate.startswith(_QUOTING_CLASSES):
        message = type(cause).__name__
        if cause.sqlstate.startswith("23") and not raised:
            message += _of(cause.diag)
    return f"{' '.join(message.split())} (SQLSTATE {cause.sqlstate})"


def _of(diag: psycopg.errors.Diagnostic) -> str:
    """The constraint, or the column, that a row would break: a name says what to mend, and is no value."""
    if diag.constraint_name:
        return f' of constraint "{diag.constraint_name}"'
    return f' of column "{diag.column_name}"' if diag.column_name else ""


def _unasked(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.ProgrammingError):
        return " ".join(str(error).split())
    return "a lost connection" if isinstance(error, psycopg.OperationalError) else type(error).__name__
