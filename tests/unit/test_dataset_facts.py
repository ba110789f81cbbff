"""Fact files: what a header may say, what is expected of a value, and how facts are put in words."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pgvitals import dataset_tables
from pgvitals.dataset.declared import facts_of, load_fact, load_picture, pictures_of
from pgvitals.dataset.expectation import parse_expectation
from pgvitals.errors import FactError
from pgvitals.explore import FactTable
from pgvitals.report.fact_review import expected_of, fact_told, facts_outcome, loud, told, value_of
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Fact
from pgvitals.suite import Suite
from pgvitals.system import System

HEADER = """\
-- title: Nobody works on Sundays
-- about: working hours
-- expect: = 0
-- unit: rows
"""
STATEMENT = "select count(*) as value, count(*) as n from practice.tenants"
FINITE = st.floats(-1e9, 1e9).map(lambda value: round(value, 6))


def number(value: float) -> str:
    return f"{value:.6f}"


@pytest.fixture
def system(suite: Suite, tmp_path: Path) -> System:
    """A system without facts, in a folder of the test's own."""
    return suite.system("practice").model_copy(update={"folder": tmp_path})


def write(system: System, name: str, text: str) -> Path:
    path = system.folder / "facts" / f"{name}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def refusal(system: System, text: str) -> str:
    path = write(system, "claim", text)
    with pytest.raises(FactError) as caught:
        load_fact(path, system)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@given(FINITE, FINITE)
def test_a_range_holds_its_ends_and_what_lies_between(one: float, other: float) -> None:
    low, high = sorted((one, other))
    found = parse_expectation(f"{number(low)} .. {number(high)}").given({})
    assert (found.low, found.high) == (low, high)
    assert low in found
    assert high in found
    assert (low + high) / 2 in found
    assert low - 1 not in found
    assert high + 1 not in found


@given(FINITE)
def test_one_sided_expectations(bound: float) -> None:
    equal, least, most = (parse_expectation(f"{sign} {number(bound)}").given({}) for sign in ("=", ">=", "<="))
    assert bound in equal
    assert bound in least
    assert bound in most
    assert bound + 1 not in equal
    assert bound - 1 not in equal
    assert bound + 1 in least
    assert bound - 1 not in least
    assert bound - 1 in most
    assert bound + 1 not in most
    assert float("nan") not in equal
    assert None not in least


@given(st.floats(0, 3), st.floats(0, 1))
def test_a_range_around_a_number_of_the_profile(zipf: float, margin: float) -> None:
    found = parse_expectation(f"zipf ± {number(margin)}").given({"zipf": zipf})
    assert zipf in found
    assert zipf + margin + 1e-5 not in found
    assert zipf - margin - 1e-5 not in found


@given(FINITE, st.floats(0, 100))
def test_a_range_around_a_number(middle: float, margin: float) -> None:
    found = parse_expectation(f"{number(middle)} ± {number(margin)}").given({})
    assert found.low == pytest.approx(middle - margin, abs=1e-5)
    assert found.high == pytest.approx(middle + margin, abs=1e-5)


@given(st.text(max_size=20))
def test_whatever_else_is_written_is_an_error_or_an_expectation(text: str) -> None:
    try:
        found = parse_expectation(text).given({"zipf": 1.0})
    except FactError as error:
        assert "'expect'" in str(error)  # noqa: PT017
    else:
        assert found.low is not None or found.high is not None


@pytest.mark.parametrize(
    "text",
    [
        "", "0", "about 5", "5 .. 4", "< 5", "> 5", "zipf", "seed ± 1", "1 ± -1", "= 1e999", "= nan", "1 .. inf",
        "= 1,000",
    ],
)  # fmt: skip
def test_what_is_no_expectation_is_refused(text: str) -> None:
    with pytest.raises(FactError, match="'expect'"):
        parse_expectation(text)


def test_a_fact_is_its_header_and_its_statement(system: System) -> None:
    path = write(system, "sundays", HEADER + "-- at_least: 1000\n-- until: practice_0001\n" + STATEMENT + ";\n")
    found = load_fact(path, system)
    assert (found.name, found.system, found.title, found.about) == (
        "sundays", "practice", "Nobody works on Sundays", "working hours",
    )  # fmt: skip
    assert (found.unit, found.at_least, found.since, found.until) == ("rows", 1000, "", "practice_0001")
    assert found.sql == f"select value::float8, n::bigint from (\n{STATEMENT}\n) as answer"


def test_terms_stand_in_front_each_once_and_after_those_that_they_need(system: System) -> None:
    write(system, "terms/places", "-- title: Places\nselect 1 as place")
    write(system, "terms/visits", "-- title: Visits\n-- with: places\nselect * from places")
    path = write(system, "claim", HEADER + "-- with: visits, places\nselect 1 as value, 1 as n from visits, places")
    assert load_fact(path, system).sql.startswith(
        "with places as (\nselect 1 as place\n),\nvisits as (\nselect * from places\n)\nselect value"
    )


@pytest.mark.parametrize("missing", ["title", "about", "expect", "unit"])
def test_what_a_header_lacks_is_named(system: System, missing: str) -> None:
    text = re.sub(rf"-- {missing}: .*\n", "", HEADER) + STATEMENT
    assert f"-- {missing}: …" in refusal(system, text)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("-- budget: 5\n", "unknown header key 'budget'"),
        ("-- unit: rows\n", "given twice"),
        ("-- at_least: many\n", "'at_least' must be a whole number from 1 on, got 'many'"),
        ("-- at_least: 0\n", "'at_least' must be a whole number from 1 on, got '0'"),
        ("-- with: visits\n", "'with' names 'visits', which is no file in"),
        ("-- with: ../other\n", "'with' names '../other'"),
        ("-- since: two words\n", "'since' must be one revision id"),
        ("-- a comment\n-- at_least: 5\n", "header key 'at_least' stands below a comment"),
    ],
)
def test_a_bad_header_is_refused_in_one_line(system: System, more: str, said: str) -> None:
    assert said in refusal(system, HEADER + more + STATEMENT)


def test_a_bad_expectation_names_the_file(system: System) -> None:
    assert "'expect' must be like = 0" in refusal(system, HEADER.replace("= 0", "none") + STATEMENT)


def test_a_header_alone_is_no_fact(system: System) -> None:
    assert "no statement below it" in refusal(system, HEADER)


def test_an_unknown_parameter_is_refused_also_in_a_term(system: System) -> None:
    assert "unknown parameter 'tenant'" in refusal(system, HEADER + "select %(tenant)s as value, 1 as n")
    write(system, "terms/visits", "-- title: Visits\nselect %(today)s")
    assert "unknown parameter 'today'" in refusal(system, HEADER + "-- with: visits\n" + STATEMENT)


def test_a_bare_percent_sign_is_refused(system: System) -> None:
    assert "a percent sign %%" in refusal(system, HEADER + "select 5 % 2 as value, 1 as n")


def test_terms_that_need_each_other_are_refused(system: System) -> None:
    write(system, "terms/a", "-- title: A\n-- with: b\nselect 1")
    write(system, "terms/b", "-- title: B\n-- with: a\nselect 1")
    path = write(system, "claim", HEADER + "-- with: a\n" + STATEMENT)
    with pytest.raises(FactError, match="term 'a' needs itself: a -> b"):
        load_fact(path, system)


def test_a_revision_that_the_system_does_not_have_is_refused(suite: Suite, system: System) -> None:
    path = write(system, "claim", HEADER + "-- since: 65ac34a08850\n" + STATEMENT)
    with pytest.raises(FactError, match=re.escape(f"{path}: 'since' names revision '65ac34a08850'")):
        facts_of(suite, [system])


def test_a_picture_needs_a_title_only(suite: Suite, system: System) -> None:
    path = write(system, "pictures/hours", "-- title: Hours\nselect 1 as hour")
    assert load_picture(path, system).sql == "select * from (\nselect 1 as hour\n) as answer"
    assert [each.name for each in pictures_of(suite, [system])] == ["hours"]
    assert facts_of(suite, [system]) == ()


def test_the_suite_declares_facts_about_every_system_that_can_be_read(suite: Suite) -> None:
    found = facts_of(suite, suite.select(None))
    assert {each.system for each in found} == set(suite.systems)
    assert len({(each.system, each.name) for each in found}) == len(found)
    about = {each.about for each in found}
    for claim in ("tenant sizes", "working hours", "time zones", "overlap", "seasons", "status by age"):
        assert claim in about
    for claim in ("return visits", "rotation chains", "versions", "FHIR mappings", "check digits", "places", "names"):
        assert claim in about
    assert {each.name for each in pictures_of(suite, suite.select(None))} >= {"visits_by_hour", "tokens_per_chain"}


def fact(**changes: object) -> Fact:
    made = Fact(
        system="pazpaz", fact="sundays", title="Nobody works on Sundays", about="working hours", unit="rows", low=0.0,
        high=0.0, value=0.0, n=12_000, at_least=1, outcome=Outcome.PASS, reason="", duration_ms=1.5,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "value", "expected"),
    [
        ({}, "0 rows", "= 0"),
        ({"value": 1234.0, "unit": "rows"}, "1,234 rows", "= 0"),
        ({"value": 0.1142, "unit": "share", "low": 0.095, "high": 0.125}, "11 %", "9.5 % to 12.5 %"),
        ({"value": 1.0, "unit": "share", "low": 1.0, "high": 1.0}, "100 %", "= 100 %"),
        ({"value": 1.1249, "unit": "ratio", "low": 1.02, "high": 1.25}, "1.12", "1.02 to 1.25"),
        ({"value": -0.001, "unit": "ratio", "low": None, "high": 0.5}, "0.00", "≤ 0.5"),
        ({"value": -1.0, "unit": "hours", "low": -1.0, "high": -1.0}, "−1 hours", "= −1"),
        ({"value": 8.0, "unit": "tokens", "low": 5.0, "high": None}, "8 tokens", "≥ 5"),
        ({"value": None, "outcome": Outcome.ERROR, "reason": "it fails"}, "–", "= 0"),
    ],
)
def test_values_and_expectations_in_words(changes: dict[str, object], value: str, expected: str) -> None:
    made = fact(**changes)
    assert value_of(made) == value
    assert expected_of(made) == expected
    assert fact_told(made) == (made.reason if made.outcome is Outcome.ERROR else f"{value}, expected {expected}")


def test_facts_together() -> None:
    facts = [
        fact(),
        fact(fact="b", value=3.0, outcome=Outcome.FAIL, reason="outside of what is expected"),
        fact(fact="c", value=None, outcome=Outcome.NOT_APPLICABLE, reason="of 3; it takes 1,000 to tell"),
        fact(fact="d", value=None, outcome=Outcome.ERROR, reason="it fails"),
    ]
    assert facts_outcome(facts) is Outcome.FAIL
    assert facts_outcome(facts[:1]) is Outcome.PASS
    assert facts_outcome([]) is Outcome.NOT_APPLICABLE
    assert [each.fact for each in loud(facts)] == ["b", "d"]
    assert told(facts) == "1 of 3 facts hold (1 more is not applicable)"


def shown(*items: object) -> str:
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    for item in items:
        console.print(item)
    console.file.close()
    return console.export_text()


def test_the_tables_fit_a_hundred_columns_and_put_first_what_does_not_hold() -> None:
    long = "A claim that takes so many words that it has to go on in the next line of its cell, and in the next"
    facts = [
        fact(title=long),
        fact(fact="z", about="zones", title=long, value=12_345.0, outcome=Outcome.FAIL, reason="outside"),
        fact(fact="c", title="[b]Odd[/b]", value=None, outcome=Outcome.NOT_APPLICABLE, reason="of 3; it takes 9"),
        fact(system="portal"),
    ]  # fmt: skip
    text = shown(*dataset_tables.fact_tables(facts))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith("pazpaz: 1 of 2 facts hold (1 more is not applicable)")
    assert lines[2].startswith("fail  zones")
    assert "12,345 rows" in text
    assert "[b]Odd[/b] (of 3;" in text
    assert "portal: 1 of 1 facts hold" in text


def test_the_hours_are_bars_and_no_hour_between_is_left_out() -> None:
    visits = pd.DataFrame(
        [("pazpaz", 1, 9, 30), ("pazpaz", 2, 9, 30), ("pazpaz", 1, 11, 40), ("portal", 1, 9, 5)],
        columns=["system", "weekday", "hour", "visits"],
    )
    lines = shown(dataset_tables.hours_table(visits)).splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["9:00", "10:00", "11:00"]
    assert "60 %" in lines[2]
    assert "█" not in lines[3]


def test_tenants_are_told_by_their_largest_median_and_smallest() -> None:
    tenants = pd.DataFrame(
        {"system": "pazpaz", "table": "appointments", "tenant_rank": [1, 2, 3], "rows": [60, 30, 10]}
    )
    text = shown(dataset_tables.tenants_table(tenants))
    assert re.search(r"pazpaz\.appointments +3 +60 \(60 %\) +30 +10", text)


def test_facts_in_a_notebook_mark_what_fails_and_escape_what_they_quote() -> None:
    frame = pd.DataFrame([{"outcome": "fail", "fact": "<b>", "value": "3 rows", "expected": "= 0"}])
    html = FactTable(frame, "nothing")._repr_html_()
    assert "&lt;b&gt;" in html
    assert "font-weight: bold" in html
    assert FactTable(frame[:0], "No <fact>.")._repr_html_() == "<p>No &lt;fact&gt;.</p>"
    assert repr(FactTable(frame[:0], "No fact.")) == "No fact."
