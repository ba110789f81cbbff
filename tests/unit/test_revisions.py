"""Which queries run at which revision, from the migration files alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pgvitals.errors import QueryHeaderError
from pgvitals.revisions import Choice, choose
from pgvitals.suite import Suite, find_suite

PYPROJECT = """
[tool.pgvitals]
[tool.alembic]
script_location = "%(here)s/fixtures"
version_locations = ["%(here)s/fixtures/clinic/migrations", "%(here)s/fixtures/lab/migrations"]
"""
SYSTEM = """\
title = "{name}"
schema = "{name}"
[tenant]
table = "sites"
column = "site_id"
setting = "app.site"
traffic_table = "visits"
[roles]
owner = "{name}_owner"
app = "{name}_app"
"""
REVISION = "revision = {revision!r}\ndown_revision = {down!r}\nbranch_labels = {label!r}\n"
QUERY = "-- title: t\n-- budget_p95_ms: 5\n-- params: select 1 as n\n{limits}\nselect %(n)s\n"
BRANCHES = {"clinic": ("one", "two", "three", "four"), "lab": ("first", "second")}

MakeSuite = Callable[..., Suite]


@pytest.fixture
def suite(tmp_path: Path) -> MakeSuite:
    """Makes a suite of two systems with the given queries of ``clinic``: name -> header lines."""

    def make(**limits: str) -> Suite:
        (tmp_path / "pyproject.toml").write_text(PYPROJECT)
        for name, revisions in BRANCHES.items():
            folder = tmp_path / "fixtures" / name / "migrations"
            folder.mkdir(parents=True)
            (folder.parent / "system.toml").write_text(SYSTEM.format(name=name))
            (folder.parent / "models.py").write_text("raise RuntimeError('models are not needed')\n")
            for down, revision in zip((None, *revisions), revisions, strict=False):
                text = REVISION.format(revision=revision, down=down, label=None if down else (name,))
                (folder / f"{revision}.py").write_text(text)
        (tmp_path / "bench" / "clinic").mkdir(parents=True)
        for name, lines in limits.items():
            (tmp_path / "bench" / "clinic" / f"{name}.sql").write_text(QUERY.format(limits=lines))
        return find_suite(tmp_path)

    return make


def chosen(suite: Suite, **revisions: str) -> Choice:
    return choose(suite, suite.queries, revisions)


@pytest.mark.parametrize(
    ("revision", "runs"),
    [("one", ["always", "early"]), ("two", ["always", "early", "middle"]), ("three", ["always", "late", "middle"])],
)
def test_a_query_runs_from_its_first_to_its_last_revision(suite: MakeSuite, revision: str, runs: list[str]) -> None:
    made = suite(always="", early="-- until: two", middle="-- since: two\n-- until: three", late="-- since: three")
    assert [query.name for query in chosen(made, clinic=revision).queries] == runs


def test_what_is_left_out_says_which_limit_it_is(suite: MakeSuite) -> None:
    made = suite(early="-- until: two", late="-- since: four", middle="-- since: three\n-- until: three")
    assert chosen(made, clinic="three").left_out == {"clinic/early": "until two", "clinic/late": "since four"}


def test_a_query_may_run_at_one_revision_only(suite: MakeSuite) -> None:
    made = suite(only="-- since: two\n-- until: two")
    runs = [revision for revision in BRANCHES["clinic"] if chosen(made, clinic=revision).queries]
    assert runs == ["two"]


def test_a_system_without_a_revision_keeps_its_queries(suite: MakeSuite) -> None:
    assert chosen(suite(late="-- since: four"), lab="second").left_out == {}


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ("-- since: five", "'since' names revision 'five'; system 'clinic' has: one, two, three, four"),
        ("-- until: first", "'until' names revision 'first'; system 'clinic' has: one, two, three, four"),
        ("-- since: three\n-- until: two", "'since' three does not come before 'until' two"),
    ],
)
def test_a_limit_that_cannot_be_is_one_line_that_names_the_file(suite: MakeSuite, limits: str, said: str) -> None:
    made = suite(wrong=limits)
    with pytest.raises(QueryHeaderError) as caught:
        _ = made.queries
    assert str(caught.value) == f"{made.root / 'bench' / 'clinic' / 'wrong.sql'}: {said}"


def test_a_suite_without_limits_needs_no_migrations(suite: MakeSuite) -> None:
    made = suite(always="")
    (made.root / "pyproject.toml").write_text("[tool.pgvitals]\n")
    assert [query.name for query in find_suite(made.root).queries] == ["always"]
