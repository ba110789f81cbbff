"""Migrating in process: to where one asks, and not a step when something is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pgvitals.errors import MigrationError
from pgvitals.lab import Database
from pgvitals.lab.migrate import current, downgrade, script, tables, upgrade
from pgvitals.suite import Suite, find_suite

PROJECT = """\
[tool.pgvitals]
systems = "fixtures"
[tool.alembic]
script_location = "%(here)s/fixtures"
version_locations = ["%(here)s/fixtures/clinic/migrations"]
"""
SYSTEM = """\
title = "clinic"
schema = "clinic"
[tenant]
table = "sites"
column = "site_id"
setting = "app.site"
traffic_table = "sites"
[roles]
owner = "clinic_owner"
app = "clinic_app"
"""
REVISION = """\
from alembic import op
revision, down_revision, branch_labels, depends_on = {here!r}, {before!r}, {label!r}, None
def upgrade():
    {up}
def downgrade():
    {down}
"""


class Clinic:
    """A suite of one system, to which a test adds revisions."""

    def __init__(self, root: Path, original: Suite) -> None:
        self.root = root
        self.folder = root / "fixtures" / "clinic" / "migrations"
        self.folder.mkdir(parents=True)
        (root / "pyproject.toml").write_text(PROJECT)
        shutil.copy(original.root / "fixtures" / "env.py", root / "fixtures")
        (root / "fixtures" / "clinic" / "system.toml").write_text(SYSTEM)
        (root / "fixtures" / "clinic" / "models.py").write_text(
            "from sqlalchemy.orm import declarative_base\nBase = declarative_base()\n"
        )
        self.add("one", None, "op.execute('create schema clinic')", "op.execute('drop schema clinic')")
        self.add(
            "two", "one", "op.execute('create table clinic.sites (id int)')", "op.drop_table('sites', schema='clinic')"
        )

    def add(self, here: str, before: str | None, up: str, down: str = "pass") -> None:
        """A revision file."""
        label = None if before else ("clinic",)
        text = REVISION.format(here=here, before=before, label=label, up=up, down=down)
        (self.folder / f"{here}.py").write_text(text)

    @property
    def suite(self) -> Suite:
        """The suite as it is now."""
        return find_suite(self.root)


@pytest.fixture
def clinic(tmp_path: Path, suite: Suite) -> Clinic:
    return Clinic(tmp_path, suite)


def standing(clinic: Clinic, database: Database) -> tuple[dict[str, str], list[str], set[str]]:
    """Where the database stands, its tables, and its schemas."""
    with database.connect() as conn:
        schemas = {str(row[0]) for row in conn.execute("select nspname from pg_namespace").fetchall()}
    return current(clinic.suite, database), tables(database, "clinic"), schemas


def refusal(clinic: Clinic, database: Database, revision: str) -> str:
    before = standing(clinic, database)
    with pytest.raises(MigrationError) as caught:
        upgrade(clinic.suite, database, revision)
    message = str(caught.value)
    assert "\n" not in message
    assert repr(revision) in message
    assert database.params["password"] not in message
    assert standing(clinic, database) == before
    return message


def test_a_database_that_was_never_migrated_stands_nowhere(clinic: Clinic, database: Database) -> None:
    assert current(clinic.suite, database) == {}


@pytest.mark.parametrize("asked", ["heads", "clinic@head", "two"])
def test_a_database_goes_to_where_one_asks_and_back(clinic: Clinic, database: Database, asked: str) -> None:
    upgrade(clinic.suite, database, asked)
    assert current(clinic.suite, database) == {"clinic": "two"}
    assert tables(database, "clinic") == ["sites"]
    downgrade(clinic.suite, database, "one")
    assert (current(clinic.suite, database), tables(database, "clinic")) == ({"clinic": "one"}, [])
    downgrade(clinic.suite, database, "clinic@base")
    assert current(clinic.suite, database) == {}


@pytest.mark.parametrize("asked", ["nowhere", "surgery@head", "+99"])
def test_a_revision_that_is_not_there_is_named(clinic: Clinic, database: Database, asked: str) -> None:
    upgrade(clinic.suite, database, "one")
    assert refusal(clinic, database, asked).startswith(f"revision {asked!r}: ")


def test_an_option_that_is_not_there_is_named(clinic: Clinic, database: Database) -> None:
    with pytest.raises(MigrationError, match="unknown option -x colour"):
        upgrade(clinic.suite, database, "heads", x={"colour": "blue"})
    with pytest.raises(MigrationError, match="-x online must be true or false, got 'maybe'"):
        upgrade(clinic.suite, database, "heads", x={"online": "maybe"})
    assert current(clinic.suite, database) == {}


def test_a_failing_statement_takes_its_whole_revision_back(clinic: Clinic, database: Database) -> None:
    upgrade(clinic.suite, database, "two")
    clinic.add("three", "two", "op.execute('create table clinic.half (id int)'); op.execute('select 1/0')")
    assert "DivisionByZero" in refusal(clinic, database, "clinic@head")


def test_revisions_before_the_failing_one_stay(clinic: Clinic, database: Database) -> None:
    clinic.add("three", "two", "op.execute('create table clinic.half (id int)'); op.execute('select 1/0')")
    with pytest.raises(MigrationError):
        upgrade(clinic.suite, database)
    assert (current(clinic.suite, database), tables(database, "clinic")) == ({"clinic": "two"}, ["sites"])


def test_a_failing_statement_does_not_show_the_values_of_rows(clinic: Clinic, database: Database) -> None:
    upgrade(clinic.suite, database, "two")
    with database.connect() as conn:
        conn.execute(
            "alter table clinic.sites add column owner text; insert into clinic.sites values (1, 'Ada Secret')"
        )
    clinic.add("three", "two", "op.execute('alter table clinic.sites alter column owner type int using owner::int')")
    assert "Ada Secret" not in refusal(clinic, database, "three")
    clinic.add("three", "two", "op.execute(\"alter table clinic.sites add check (owner <> 'Ada Secret')\")")
    assert "Ada Secret" not in refusal(clinic, database, "three")


@pytest.mark.parametrize(
    ("up", "said"),
    [
        (
            "op.execute('create table clinic.half (id int)'); raise ValueError('no such colour')",
            "ValueError: no such colour",
        ),
        ("op.execute('create table clinic.half (id int)'); undefined_name", "NameError: "),
        ("raise RuntimeError('one\\ntwo')", "RuntimeError: one"),
    ],
)
def test_a_revision_that_raises_is_one_line_too(clinic: Clinic, database: Database, up: str, said: str) -> None:
    upgrade(clinic.suite, database, "two")
    clinic.add("three", "two", up)
    assert said in refusal(clinic, database, "three")


def test_a_revision_file_that_does_not_import_is_named(clinic: Clinic, database: Database) -> None:
    (clinic.folder / "broken.py").write_text("def upgrade(:\n")
    with pytest.raises(MigrationError, match=r"SyntaxError: .*broken\.py"):
        upgrade(clinic.suite, database)
    with pytest.raises(MigrationError, match=r"SyntaxError: .*broken\.py"):
        script(clinic.suite)


def test_a_database_of_a_newer_suite_is_told_from_one_that_stands_nowhere(clinic: Clinic, database: Database) -> None:
    upgrade(clinic.suite, database)
    (clinic.folder / "two.py").unlink()
    with pytest.raises(MigrationError, match="the database stands at revision 'two'"):
        current(clinic.suite, database)
    with pytest.raises(MigrationError, match="'two'"):
        upgrade(clinic.suite, database)


def test_a_suite_without_migrations_says_so(clinic: Clinic, database: Database) -> None:
    (clinic.root / "pyproject.toml").write_text("[tool.pgvitals]\n")
    for act in (lambda: upgrade(clinic.suite, database), lambda: current(clinic.suite, database)):
        with pytest.raises(MigrationError, match="script_location"):
            act()
