"""Finding a suite and what is in it; a broken one ends as one clear line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pgvitals.errors import PgvitalsError, SuiteError
from pgvitals.suite import Suite, find_suite, load_module

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
QUERY = "-- title: t\n-- budget_p95_ms: 5\n-- params: select 1 as n\nselect %(n)s\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[tool.pgvitals]\nbudget_p95_ms = 40\n")
    for name in ("lab", "clinic"):
        (tmp_path / "fixtures" / name).mkdir(parents=True)
        (tmp_path / "fixtures" / name / "system.toml").write_text(SYSTEM.format(name=name))
        (tmp_path / "bench" / name).mkdir(parents=True)
        for query in ("second", "first"):
            (tmp_path / "bench" / name / f"{query}.sql").write_text(QUERY)
    return tmp_path


def refusal(root: Path, pyproject: str | bytes) -> str:
    path = root / "pyproject.toml"
    path.write_bytes(pyproject if isinstance(pyproject, bytes) else pyproject.encode())
    with pytest.raises(SuiteError) as caught:
        find_suite(root)
    message = str(caught.value)
    assert str(root) in message
    assert "\n" not in message
    return message


def test_the_suite_is_found_upward_from_any_folder_in_it(root: Path) -> None:
    deep = root / "bench" / "clinic"
    assert find_suite(deep) == find_suite(root)
    assert find_suite(deep).root == root.resolve()
    assert find_suite(deep).config.budget_p95_ms == 40


def test_the_working_directory_is_where_the_search_starts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "fixtures")
    assert find_suite().root == root.resolve()


def test_a_pyproject_without_our_table_is_passed_by(root: Path) -> None:
    (root / "bench" / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert find_suite(root / "bench" / "clinic").root == root.resolve()


def test_where_there_is_no_suite_the_search_says_from_where(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"no suite at or above .*\[tool\.pgvitals\]") as caught:
        find_suite(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("pyproject", "said"),
    [
        (
            "[tool.pgvitals]\nbudget_p95_ms = 0\n",
            "[tool.pgvitals] budget_p95_ms: Input should be greater than 0, got 0",
        ),
        ("[tool.pgvitals]\nbudget_p95_ms = inf\n", "budget_p95_ms: Input should be a finite number, got inf"),
        ("[tool.pgvitals]\nbudget = 5\n", "[tool.pgvitals] budget: Extra inputs are not permitted"),
        ("[tool.pgvitals]\nbench = 5\n", "[tool.pgvitals] bench: Input should be a valid string, got 5"),
        ("[tool]\npgvitals = 'here'\n", "[tool.pgvitals] Input should be a valid dictionary"),
        ("[tool.pgvitals\n", "not valid TOML: "),
        (b"\xff[tool.pgvitals]\n", "not UTF-8 text: "),
        ("tool = 'hammer'\n", "no suite at or above "),
    ],
)
def test_a_malformed_pyproject_is_one_clear_line(root: Path, pyproject: str | bytes, said: str) -> None:
    assert said in refusal(root, pyproject)


def test_systems_and_queries_come_sorted_by_name(root: Path) -> None:
    suite = find_suite(root)
    assert list(suite.systems) == ["clinic", "lab"]
    assert [query.key for query in suite.queries] == ["clinic/first", "clinic/second", "lab/first", "lab/second"]
    assert [query.key for query in suite.queries_of(suite.select(["lab"]))] == ["lab/first", "lab/second"]


def test_no_selection_means_every_system(root: Path) -> None:
    suite = find_suite(root)
    assert suite.select(None) == suite.select([]) == tuple(suite.systems.values())


def test_an_unknown_system_is_named_beside_those_that_exist(root: Path) -> None:
    with pytest.raises(SuiteError, match="unknown system 'surgery'; there are: clinic, lab"):
        find_suite(root).select(["clinic", "surgery"])


def test_a_suite_without_systems_queries_or_profiles_says_where_it_looked(root: Path) -> None:
    (root / "pyproject.toml").write_text("[tool.pgvitals]\nsystems = 'nowhere'\n")
    with pytest.raises(SuiteError, match=r"nowhere: no system here"):
        _ = find_suite(root).systems
    (root / "pyproject.toml").write_text("[tool.pgvitals]\nbench = 'empty'\n")
    with pytest.raises(SuiteError, match=r"empty: no query files"):
        _ = find_suite(root).queries
    with pytest.raises(PgvitalsError, match=r"profiles\.toml: cannot be read"):
        _ = find_suite(root).profiles


def test_one_broken_query_file_is_named_when_the_suite_is_read(root: Path) -> None:
    (root / "bench" / "lab" / "broken.sql").write_text("select 1\n")
    with pytest.raises(SuiteError, match=r"lab/broken\.sql: the header lacks"):
        _ = find_suite(root).queries


def test_reports_go_below_the_suite(root: Path) -> None:
    assert find_suite(root).reports == root.resolve() / "reports"


def test_a_module_is_loaded_by_path_even_if_its_name_is_installed(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("here = True\n")
    module = load_module(tmp_path / "json.py", "json")
    assert module.here is True
    assert sys.modules["json"] is not module


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import surely_not_installed\n", "does not import: ModuleNotFoundError"),
        ("def (:\n", "does not import: SyntaxError"),
        ("1 / 0\n", "does not import: ZeroDivisionError"),
    ],
)
def test_a_module_that_does_not_import_is_named_and_forgotten(tmp_path: Path, source: str, said: str) -> None:
    path = tmp_path / "models.py"
    path.write_text(source)
    with pytest.raises(SuiteError, match=said) as caught:
        load_module(path, "broken_models")
    assert str(path) in str(caught.value)
    assert "_pgvitals_suite.broken_models" not in sys.modules


@pytest.mark.parametrize("name", ["gone.py", "notes.txt", "."])
def test_a_module_that_is_no_python_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(SuiteError, match="no such Python file"):
        load_module(tmp_path / name, "gone")


def test_the_repositorys_own_suite_is_whole(suite: Suite) -> None:
    assert set(suite.profiles.profiles) >= {"smoke", "small"}
    assert {query.system for query in suite.queries} <= set(suite.systems)
    for profile in suite.profiles.profiles.values():
        assert set(profile.sizes) <= set(suite.systems)
