"""Fifty lookups in a report: what fails first, then system by system; writes and what is left out are told."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from pgvitals.report.html import render_html
from pgvitals.report.junit import render_junit
from pgvitals.report.lookup_groups import MANY, WRITES_NOTE, lookup_groups, writes
from pgvitals.report.markdown import gate_summary, render_markdown
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Gate
from pgvitals.results.rundir import Run

BuildRun = Callable[..., Run]


@pytest.fixture
def many(made: SimpleNamespace) -> Gate:
    """Five times the lookups of the run: one fails and one is undecided, of two systems; every third writes."""
    first, *others = [made.gate()] + [made.passing_gate()] * 4
    queries = [*first.queries]
    for number, gate in enumerate(others, start=1):
        queries += [replace(q, query=f"{q.query}_{number}") for q in gate.queries]
    ends = ["rollback" if number % 3 == 0 else "commit" for number in range(len(queries))]
    return replace(
        first,
        queries=tuple(replace(q, ends=end) for q, end in zip(queries, ends, strict=True)),
        left_out={"pazpaz/client_by_name": "until a2341bb8aa45"},
    )


def test_what_is_no_pass_comes_first_and_then_each_system(many: Gate) -> None:
    needy, *systems = lookup_groups(many)
    assert [q.outcome for q in needy.lookups] == [Outcome.FAIL, Outcome.INCONCLUSIVE]
    assert needy.counts == "1 fail · 1 inconclusive"
    assert [group.title for group in systems] == ["pazpaz", "practice"]
    assert all({q.system for q in group.lookups} == {group.title} for group in systems)
    listed = [q for group in (needy, *systems) for q in group.lookups]
    assert sorted(q.query for q in listed) == sorted(q.query for q in many.queries)


def test_where_everything_passes_there_are_systems_alone(made: SimpleNamespace) -> None:
    assert [group.title for group in lookup_groups(made.passing_gate())] == ["pazpaz", "practice"]


def test_the_page_heads_every_group_and_folds_away_what_is_long(many: Gate, build_run: BuildRun) -> None:
    assert len(many.queries) > MANY
    page = render_html(build_run(gate=many))
    heads = re.findall(r'<tr class="group"><th[^>]*>(.*?) <', page)
    assert heads == ["Needs a look", "pazpaz", "practice"]
    assert f"<summary>{len(many.queries)} plans, of the largest tenant</summary>" in page


def test_a_short_page_folds_nothing_away(full_run: Run) -> None:
    assert "of the largest tenant</summary>" not in render_html(full_run)


def test_a_write_is_marked_and_its_price_told_once_a_table(many: Gate, build_run: BuildRun) -> None:
    run = build_run(gate=many, load=None, impacts=())
    page = render_html(run)
    assert page.count('<span class="ends">rolled back</span>') == len(writes(many.queries))
    assert page.count(WRITES_NOTE) == 1
    assert gate_summary(run).count("↩") == len(writes(many.queries)) + 1
    assert render_markdown(run).count(WRITES_NOTE) == 1
    assert render_junit(run).decode().count(WRITES_NOTE) == 1  # it says something of what is no pass


def test_a_run_without_writes_says_nothing_of_them(full_run: Run) -> None:
    for report in (render_html(full_run), render_markdown(full_run), render_junit(full_run).decode()):
        assert WRITES_NOTE not in report
        assert "rolled back" not in report


def test_writes_of_the_load_test_and_of_a_migration_are_marked(made: SimpleNamespace, build_run: BuildRun) -> None:
    load, impact = made.load_test(), made.impact()
    load = replace(load, queries=(replace(load.queries[0], ends="rollback"), *load.queries[1:]))
    contrasts = (replace(impact.contrasts[0], ends="rollback"), *impact.contrasts[1:])
    impact = replace(impact, contrasts=contrasts, left_out={"client_by_name": "until a2341bb8aa45"})
    run = build_run(load=load, impacts=(impact,))
    page = render_html(run)
    assert page.count('<span class="ends">rolled back</span>') == 2
    assert page.count(WRITES_NOTE) == 2
    assert "not for both revisions: client_by_name (until a2341bb8aa45)." in page
    markdown = render_markdown(run)
    assert "not for both revisions: client_by_name (until a2341bb8aa45)" in markdown
    assert f"{impact.contrasts[0].query}` ↩" in markdown


def test_what_is_not_for_this_revision_is_said(many: Gate, build_run: BuildRun) -> None:
    run = build_run(gate=many)
    said = "pazpaz/client_by_name (until a2341bb8aa45)"
    assert said in render_html(run)
    assert said in gate_summary(run)


def test_a_long_summary_shows_what_is_no_pass_and_folds_the_others(many: Gate, build_run: BuildRun) -> None:
    open_part, _, folded = gate_summary(build_run(gate=many)).partition("<details>")
    rows = re.findall(r"^\| `", open_part, re.MULTILINE)
    assert len(rows) == 2
    assert f"<summary>{len(many.queries) - 2} lookups under budget</summary>" in folded
    assert len(re.findall(r"^\| `", folded, re.MULTILINE)) == len(many.queries) - 2
