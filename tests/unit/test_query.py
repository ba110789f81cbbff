"""Query files: what a header may say, what it says when it is wrong, and which parameters a statement has."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg._queries import _split_query

from pgvitals.errors import QueryHeaderError
from pgvitals.query import Query, load_query

HEADER = """\
-- title: Appointments of a week
-- budget_p95_ms: 20
-- params: select workspace_id from pazpaz.workspaces
"""
STATEMENT = "select id from pazpaz.appointments where workspace_id = %(workspace_id)s"


def query(tmp_path: Path, text: str) -> Query:
    path = tmp_path / "calendar_week.sql"
    path.write_text(text, encoding="utf-8")
    return load_query(path, "pazpaz")


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(QueryHeaderError) as caught:
        query(tmp_path, text)
    message = str(caught.value)
    assert str(tmp_path / "calendar_week.sql") in message
    assert "\n" not in message
    return message


def test_a_query_is_its_header_and_its_statement(tmp_path: Path) -> None:
    found = query(tmp_path, HEADER + "-- role: owner\n-- note: why so\n" + STATEMENT + ";\n")
    assert found == Query(
        name="calendar_week",
        system="pazpaz",
        path=tmp_path / "calendar_week.sql",
        title="Appointments of a week",
        budget_p95_ms=20.0,
        params="select workspace_id from pazpaz.workspaces",
        sql=STATEMENT,
        role="owner",
        note="why so",
    )
    assert found.key == "pazpaz/calendar_week"


def test_a_query_runs_as_the_application_role_unless_it_says_otherwise(tmp_path: Path) -> None:
    assert query(tmp_path, HEADER + STATEMENT).role == "app"


def test_indented_comment_lines_continue_the_value_above(tmp_path: Path) -> None:
    text = HEADER.replace("select workspace_id", "select workspace_id,\n--         client_id\n--   as client")
    assert query(tmp_path, text + STATEMENT).params == "select workspace_id, client_id as client from pazpaz.workspaces"


def test_a_value_may_stand_wholly_on_the_lines_below_its_key(tmp_path: Path) -> None:
    found = query(tmp_path, HEADER.replace("select", "\n--   select") + STATEMENT)
    assert found.params == "select workspace_id from pazpaz.workspaces"


def test_a_blank_line_ends_the_value_so_that_a_comment_on_the_statement_stays_with_it(tmp_path: Path) -> None:
    found = query(tmp_path, f"{HEADER}\n--   newest first\n{STATEMENT}")
    assert found.params == "select workspace_id from pazpaz.workspaces"
    assert found.sql == f"--   newest first\n{STATEMENT}"


def test_header_lines_may_be_set_apart_by_blank_lines(tmp_path: Path) -> None:
    assert query(tmp_path, HEADER.replace("\n", "\n\n") + STATEMENT).title == "Appointments of a week"


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "calendar_week.sql"
    path.write_bytes(b"\xef\xbb\xbf" + (HEADER + STATEMENT).replace("\n", "\r\n").encode())
    assert load_query(path, "pazpaz") == query(tmp_path, HEADER + STATEMENT)


@pytest.mark.parametrize("key", ["title", "budget_p95_ms", "params"])
def test_a_missing_or_empty_key_is_named(tmp_path: Path, key: str) -> None:
    without = "".join(line for line in HEADER.splitlines(keepends=True) if f"-- {key}:" not in line)
    empty = without + f"-- {key}:\n"
    for text in (without, empty):
        assert f"'-- {key}: …'" in refusal(tmp_path, text + STATEMENT)


def test_an_unknown_key_is_named_with_its_line_and_the_known_ones(tmp_path: Path) -> None:
    message = refusal(tmp_path, HEADER + "-- budget_ms: 20\n" + STATEMENT)
    assert "calendar_week.sql:4: unknown header key 'budget_ms'" in message
    assert "title, budget_p95_ms, params, role, ends, since, until, note" in message


def test_a_repeated_key_is_named_with_its_line(tmp_path: Path) -> None:
    message = refusal(tmp_path, HEADER + "-- title: Once more\n" + STATEMENT)
    assert "calendar_week.sql:4: header key 'title' is given twice" in message


@pytest.mark.parametrize("value", ["0", "-1", "fast", "inf", "nan", "20 ms", "1e999"])
def test_a_budget_that_is_no_positive_number_is_named_with_its_value(tmp_path: Path, value: str) -> None:
    message = refusal(tmp_path, HEADER.replace(": 20", f": {value}") + STATEMENT)
    assert f"'budget_p95_ms' must be a positive number, got {value!r}" in message


def test_a_query_may_promise_something_else_for_its_largest_tenant(tmp_path: Path) -> None:
    found = query(tmp_path, HEADER + "-- budget_p95_ms_largest: 300\n" + STATEMENT)
    assert (found.budget_p95_ms, found.tenant_budgets_ms) == (20.0, {"largest": 300.0})
    assert query(tmp_path, HEADER + STATEMENT).tenant_budgets_ms == {}


@pytest.mark.parametrize("tenant", ["largest", "middle", "smallest"])
@pytest.mark.parametrize("value", ["", "0", "soon"])
def test_a_tenant_s_budget_that_is_no_positive_number_is_named_with_its_value(
    tmp_path: Path, tenant: str, value: str
) -> None:
    message = refusal(tmp_path, HEADER + f"-- budget_p95_ms_{tenant}: {value}\n" + STATEMENT)
    assert f"'budget_p95_ms_{tenant}' must be a positive number, got {value!r}" in message


def test_a_role_that_is_neither_app_nor_owner_is_named_with_its_value(tmp_path: Path) -> None:
    message = refusal(tmp_path, HEADER + "-- role: postgres\n" + STATEMENT)
    assert "'role' must be 'app' or 'owner', got 'postgres'" in message


def test_a_query_only_reads_unless_it_says_that_it_is_rolled_back(tmp_path: Path) -> None:
    assert not query(tmp_path, HEADER + STATEMENT).writes
    assert not query(tmp_path, HEADER + "-- ends: commit\n" + STATEMENT).writes
    assert query(tmp_path, HEADER + "-- ends: rollback\n" + STATEMENT).writes


def test_another_end_of_a_transaction_is_named_with_its_value(tmp_path: Path) -> None:
    message = refusal(tmp_path, HEADER + "-- ends: abort\n" + STATEMENT)
    assert "'ends' must be 'commit' or 'rollback', got 'abort'" in message


def test_a_query_may_name_the_first_and_the_last_revision_that_it_runs_at(tmp_path: Path) -> None:
    found = query(tmp_path, HEADER + "-- since: 65ac34a08850\n-- until: 20250106_1200_cleanup\n" + STATEMENT)
    assert (found.since, found.until) == ("65ac34a08850", "20250106_1200_cleanup")
    unlimited = query(tmp_path, HEADER + STATEMENT)
    assert (unlimited.since, unlimited.until) == ("", "")


@pytest.mark.parametrize("key", ["since", "until"])
@pytest.mark.parametrize("value", ["", "one two"])
def test_a_limit_that_is_not_one_revision_is_named_with_its_value(tmp_path: Path, key: str, value: str) -> None:
    message = refusal(tmp_path, HEADER + f"-- {key}: {value}\n" + STATEMENT)
    assert f"'{key}' must be one revision id, got {value!r}" in message


@pytest.mark.parametrize("body", ["", "\n\n", ";\n"])
def test_a_header_without_a_statement_is_refused(tmp_path: Path, body: str) -> None:
    assert "no statement below it" in refusal(tmp_path, HEADER + body)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calendar_week.sql"
    path.write_bytes((HEADER + STATEMENT).replace("week", "Wöche").encode("latin-1"))
    with pytest.raises(QueryHeaderError, match=rf"{re.escape(str(path))}: cannot be read as UTF-8 text"):
        load_query(path, "pazpaz")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QueryHeaderError, match=r"gone\.sql: cannot be read"):
        load_query(tmp_path / "gone.sql", "pazpaz")


def test_parameters_are_named_once_in_order_of_first_use(tmp_path: Path) -> None:
    found = query(tmp_path, HEADER + "select %(to)s, %(since)s, %(to)s, %(client_2)s")
    assert found.parameters == ("to", "since", "client_2")


def test_a_doubled_percent_sign_is_no_parameter(tmp_path: Path) -> None:
    found = query(tmp_path, HEADER + "select 'a%%', '%%(no)s', 7 %% %(n)s, '%%%(yes)s', '%%%%(never)s'")
    assert found.parameters == ("n", "yes")


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("select * from t where name like 'A%'", "%'"),
        ("select * from t where id = %s", "%s"),
        ("select * from t where id = %(id)b", "%(id)b"),
        ("select 7 %", "%"),
        ("select %(two words)s", "%("),
    ],
)
def test_a_percent_sign_that_psycopg_would_read_otherwise_is_refused(tmp_path: Path, body: str, shown: str) -> None:
    message = refusal(tmp_path, HEADER + body)
    assert repr(shown)[1:-1] in message
    assert "%(name)s" in message
    assert "%%" in message


def test_the_parameters_are_those_that_psycopg_finds(tmp_path: Path) -> None:
    body = "select '%%%(a)s', '%%(b)s', %(c)s::text || '%%', %(a)s, '%%%%%(d)s'"
    psycopgs = dict.fromkeys(part.item for part in _split_query(body.encode()) if isinstance(part.item, str))
    assert query(tmp_path, HEADER + body).parameters == tuple(psycopgs)


words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="%;"), min_size=1)
values = st.lists(words, min_size=1, max_size=5).map(" ".join)
statements = st.lists(words | st.sampled_from(["\u2028", "\x0c", "\x85", "\n"]), max_size=6).map(
    lambda parts: "select '" + " ".join(parts) + "'"
)


@given(title=values, note=values, budget=st.floats(min_value=1e-6, max_value=1e9), params=values, sql=statements)
def test_what_is_written_into_a_file_is_what_is_read_from_it(
    tmp_path_factory: pytest.TempPathFactory, title: str, note: str, budget: float, params: str, sql: str
) -> None:
    wanted = Query(
        name="any", system="s", path=Path(), title=title, budget_p95_ms=budget, params=params, sql=sql, note=note
    )
    path = tmp_path_factory.getbasetemp() / "any.sql"
    header = f"-- title: {title}\n-- budget_p95_ms: {budget!r}\n-- params: {params}\n-- note: {note}\n"
    path.write_text(header + sql, encoding="utf-8", newline="\n")
    assert replace(load_query(path, "s"), path=Path()) == wanted
