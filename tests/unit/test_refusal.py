"""What is told of a database error, and what is not."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.errors import lookup
from psycopg.pq import DiagnosticField as Field
from sqlalchemy.exc import DBAPIError, StatementError

from pgvitals.refusal import refusal

PLANTED = "Jane Doe"


def error(state: str, message: str, **fields: str) -> psycopg.Error:
    """What psycopg raises when the server answers so."""
    said = {"SQLSTATE": state, "MESSAGE_PRIMARY": message, **fields}
    return lookup(state)(message, info={Field[name]: text.encode() for name, text in said.items()})


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (error("22P02", f'invalid input syntax for type integer: "{PLANTED}"'), "InvalidTextRepresentation"),
        (error("22001", f"value too long: {PLANTED}"), "StringDataRightTruncation"),
        (error("21000", f"more than one row: {PLANTED}"), "CardinalityViolation"),
        (error("P0001", f"no such client: {PLANTED}", CONSTRAINT_NAME=PLANTED), "RaiseException"),
        (error("38000", f"ValueError: {PLANTED}"), "ExternalRoutineException"),
        (error("42501", f"not for {PLANTED}", SOURCE_FUNCTION="exec_stmt_raise"), "InsufficientPrivilege"),
        (error("23514", PLANTED, SOURCE_FUNCTION="exec_stmt_raise", CONSTRAINT_NAME=PLANTED), "CheckViolation"),
    ],
    ids=lambda value: value.sqlstate if isinstance(value, psycopg.Error) else None,
)
def test_a_condition_that_may_quote_a_value_is_told_by_its_name(raised: psycopg.Error, told: str) -> None:
    assert refusal(raised) == f"{told} (SQLSTATE {raised.sqlstate})"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"CONSTRAINT_NAME": "ck_zip", "COLUMN_NAME": "zip"}, 'CheckViolation of constraint "ck_zip"'),
        ({"COLUMN_NAME": "zip"}, 'CheckViolation of column "zip"'),
        ({}, "CheckViolation"),
    ],
)
def test_what_a_row_would_break_is_named(fields: dict[str, str], told: str) -> None:
    assert refusal(error("23514", f"row ({PLANTED})", **fields)) == f"{told} (SQLSTATE 23514)"


def test_a_message_about_names_is_told_without_what_stands_below_it() -> None:
    below = dict.fromkeys(("MESSAGE_DETAIL", "MESSAGE_HINT", "CONTEXT", "INTERNAL_QUERY"), PLANTED)
    found = refusal(error("42P01", 'relation "clients"\n does not exist', **below))
    assert found == 'relation "clients" does not exist (SQLSTATE 42P01)'


def test_an_error_in_an_error_of_sqlalchemy_is_told_as_itself() -> None:
    wrapped = DBAPIError("select %s", {"name": PLANTED}, error("42703", 'column "x" does not exist'))
    assert refusal(wrapped) == 'column "x" does not exist (SQLSTATE 42703)'
    unsent = StatementError(PLANTED, "select %s", {"name": PLANTED}, ValueError(PLANTED))
    assert refusal(unsent) == "ValueError"


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (psycopg.OperationalError(f"the connection is closed: {PLANTED}"), "a lost connection"),
        (psycopg.DataError(f"can't parse date {PLANTED}"), "DataError"),
        (psycopg.ProgrammingError("query parameter missing:\n tenant"), "query parameter missing: tenant"),
    ],
)
def test_an_error_without_an_answer_of_the_server_has_no_sqlstate(raised: psycopg.Error, told: str) -> None:
    assert refusal(raised) == told
