"""Secrets do not leave through a report."""

from __future__ import annotations

import pytest

from pgvitals.report.redact import redact, redact_value


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("--postgres postgresql://bench:hunter2@db/x", "--postgres postgresql://bench:***@db/x"),
        ("postgres://u:p@ss@db/x", "postgres://u:***@db/x"),
        ("host=db password=hunter2 user=me", "host=db password=*** user=me"),
        ("PGPASSWORD='a b' pgvitals run", "PGPASSWORD=*** pgvitals run"),
        ("--password hunter2 --profile small", "--password *** --profile small"),
        ("pgvitals run --profile small --seed 7", "pgvitals run --profile small --seed 7"),
        ("practice/auth_tokens: no row", "practice/auth_tokens: no row"),
    ],
)
def test_passwords_are_hidden_and_the_rest_stays(text: str, safe: str) -> None:
    assert redact(text) == safe


def test_a_key_that_names_a_secret_hides_its_value_at_any_depth() -> None:
    config = {"a": [{"db_password": "x"}], "dsn": "postgresql://u:x@h", "passwords_checked": 3}
    assert redact_value(config) == {
        "a": [{"db_password": "***"}],
        "dsn": "postgresql://u:***@h",
        "passwords_checked": 3,
    }
