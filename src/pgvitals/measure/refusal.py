"""Why a query failed, without the values of rows and parameters."""

from __future__ import annotations

import re

import psycopg

_QUOTED = re.compile(r'"[^"]*"')


def refusal(error: psycopg.Error) -> str:
    """SQLSTATE and message on one line, without DETAIL, which may hold row values.

    A data exception (class 22) quotes the value itself, and code in the database (class P0) says what it
    likes: there the quotes and the message are left out. Messages of other classes quote names of tables
    and columns, which say what to mend.
    """
    if error.sqlstate is None:
        if isinstance(error, psycopg.ProgrammingError):
            return " ".join(str(error).split())
        return "a lost connection" if isinstance(error, psycopg.OperationalError) else type(error).__name__
    if error.sqlstate.startswith("P0"):
        return f"{error.sqlstate}: an error that the database's own code raises"
    message = error.diag.message_primary or type(error).__name__
    if error.sqlstate.startswith("22"):
        message = _QUOTED.sub('"…"', message)
    return f"{error.sqlstate}: {message}"
