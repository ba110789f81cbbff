"""A second load of the same dataset clones it; of any other one, and where it would cost somebody's work, it loads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pgvitals import filling, reuse, workbench
from pgvitals.dataset.checksum import overall_checksum, table_checksum
from pgvitals.dataset.stored import recall
from pgvitals.encryption.keys import KEK_VARIABLE
from pgvitals.errors import DatasetError
from pgvitals.lab import Database, Server, guard, kept, start_server
from pgvitals.lab.attach import server_of
from pgvitals.lab.migrate import current
from pgvitals.lab.reap import halt
from pgvitals.profile import Profile
from pgvitals.results.records import Dataset
from pgvitals.suite import Suite, find_suite
from pgvitals.terminal import Terminal

PYPROJECT = """
[tool.pgvitals]
[tool.alembic]
script_location = "%(here)s/fixtures"
version_locations = ["%(here)s/fixtures/shelf/migrations", "%(here)s/fixtures/desk/migrations"]
"""
SYSTEM = """
title = "books on a {name}"
schema = "{name}"
[tenant]
table = "owners"
column = "owner_id"
setting = "app.{name}_owner"
type = "text"
traffic_table = "books"
[roles]
owner = "{name}_owner"
app = "{name}_app"
"""
ENV = """
from alembic import context

context.configure(connection=context.config.attributes["connection"], version_table_schema="public")
with context.begin_transaction():
    context.run_migrations()
"""
DATASET = """
import numpy as np

from pgvitals.dataset import Table


def books(unit):
    numbers = unit.index
    return {"id": numbers, "owner_id": np.array([b"ann", b"bob"])[numbers % 2], "code": (numbers + unit.seed) % 997}


def recipe(sizes, profile):
    return (Table(name="books", own_rows=sizes["books"], make=books),)
"""
REVISION = """
from pathlib import Path

from alembic import op
from pgvitals.lab.roles import make_roles

revision = "{name}_{step}"
down_revision = {down!r}
branch_labels = {labels!r}


def upgrade():
    op.execute(make_roles("{name}_owner", "{name}_app"))
    op.execute(Path(__file__).with_suffix(".sql").read_text())


def downgrade():
    op.execute("drop {what}")
"""
TABLES = """
create schema {name} authorization {name}_owner;
create table {name}.books (id int primary key, owner_id text not null, code int not null);
alter table {name}.books owner to {name}_owner;
"""
BOOKS = 3000
PROFILE = Profile(
    name="t", title="t", seed=1, as_of="2025-01-01", sizes={"shelf": {"books": BOOKS}, "desk": {"books": 9}}
)


class Spoken(Terminal):
    """A terminal that remembers what was said, and which steps were done."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def _done(self, title: str, start: float) -> None:
        self.said.append(title)

    def did(self, what: str) -> bool:
        return any(what in line for line in self.said)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A suite of two systems with one table each."""
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    for name in ("shelf", "desk"):
        folder = tmp_path / "fixtures" / name
        (folder / "migrations").mkdir(parents=True)
        (folder / "system.toml").write_text(SYSTEM.format(name=name))
        (folder / "dataset.py").write_text(DATASET)
        for step, down, what, statements in (
            ("tables", None, f"schema {name} cascade", TABLES),
            ("indexed", f"{name}_tables", f"index {name}.books_code", "create index books_code on {name}.books (code)"),
        ):
            text = REVISION.format(name=name, step=step, down=down, labels=None if down else (name,), what=what)
            (folder / "migrations" / f"{step}.py").write_text(text)
            (folder / "migrations" / f"{step}.sql").write_text(statements.format(name=name))
    (tmp_path / "fixtures" / "env.py").write_text(ENV)
    return tmp_path


@pytest.fixture
def shelf(root: Path) -> Suite:
    return find_suite(root)


@pytest.fixture
def lab(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """An empty lab database on a server where keeping is on; nothing stays kept."""
    monkeypatch.setenv("PGVITALS_KEEP_GB", "2")
    with server.scratch("lab") as made:
        server.confirm(made)
        yield made
        for each in all_kept(server):
            kept.drop(server, each)


@pytest.fixture
def fill(shelf: Suite) -> Callable[..., tuple[Dataset, Spoken]]:
    """`pgvitals load`, and what it said."""

    def run(lab: Database, profile: Profile = PROFILE, systems: Any = None, **options: Any) -> tuple[Dataset, Spoken]:
        suite, terminal = find_suite(shelf.root), Spoken()
        chosen = suite.select(systems)
        return filling.fill(suite, lab, profile, chosen, terminal, **options), terminal

    return run


def all_kept(server: Server) -> list[kept.Kept]:
    with server.maintenance() as conn:
        return kept.all_kept(conn, server.refresh().databases)


def rows(database: Database) -> list[tuple[Any, ...]]:
    with database.connect() as conn:
        return conn.execute("select ctid::text, * from shelf.books").fetchall()


def recomputed(database: Database, dataset: Dataset) -> str:
    """The overall checksum, over the rows as they are now."""
    with database.connect() as conn:
        found = [(each.system, each.table, *table_checksum(conn, each.system, each.table)) for each in dataset.tables]
    return overall_checksum(found)


def indexes(database: Database) -> set[str]:
    with database.connect() as conn:
        found = conn.execute("select indexname from pg_indexes where schemaname in ('shelf', 'desk', 'mine')")
        return {name for (name,) in found}


def inserted(database: Database) -> int:
    """Rows that were ever sent to a database; a clone starts from nothing."""
    with database.connect() as conn:
        row = conn.execute("select tup_inserted from pg_stat_database where datname = current_database()").fetchone()
    assert row is not None
    return int(row[0])


# The same dataset


def test_the_second_load_clones_and_copies_no_row(
    server: Server, lab: Database, fill: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, said = fill(lab)
    assert said.did("load desk, shelf")
    assert said.did("keep the dataset")
    with server.scratch("second") as second:

        def loaded(*_: object, **__: object) -> None:
            raise AssertionError("a row was sent")

        monkeypatch.setattr(filling, "load_parts", loaded)
        monkeypatch.setattr(filling, "upgrade", loaded)
        dataset, said = fill(second)
        assert said.did("clone profile t, seed 1, loaded 2")
        assert dataset == first
        assert rows(second) == rows(lab)
        assert recomputed(second, dataset) == first.checksum
        with second.connect() as conn:
            assert guard.is_ours(conn)
            assert recall(conn) == first
        assert inserted(second) < BOOKS <= inserted(lab)
    assert len(all_kept(server)) == 1


def test_a_loaded_lab_that_is_loaded_afresh_is_a_clone_with_nothing_of_before(
    server: Server, lab: Database, fill: Callable[..., Any]
) -> None:
    first, _ = fill(lab)
    before = server.refresh().scratch
    with lab.connect() as conn:
        conn.execute("drop index shelf.books_code; delete from shelf.books where id < 100")
    dataset, said = fill(lab, fresh=True)
    assert said.did("clone profile t")
    assert recomputed(lab, dataset) == first.checksum
    assert "books_code" in indexes(lab)
    assert server.refresh().scratch == before


def test_afresh_without_a_kept_one_is_loaded_into_a_database_of_its_own_and_kept(
    server: Server, lab: Database, fill: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(lab, use_kept=False)
    assert all_kept(server) == []
    with lab.connect() as conn:
        conn.execute("drop index shelf.books_code")
    dataset, said = fill(lab, fresh=True)
    assert said.did("load desk, shelf")
    assert "books_code" in indexes(lab)
    assert [each.rows for each in all_kept(server)] == [BOOKS + 9]
    assert recomputed(lab, dataset) == dataset.checksum


def test_who_wants_it_loaded_gets_it_loaded(server: Server, lab: Database, fill: Callable[..., Any]) -> None:
    fill(lab)
    (before,) = all_kept(server)
    with server.scratch("second") as second:
        _, said = fill(second, use_kept=False)
        assert said.did("load desk, shelf")
        assert not said.did("keep")
    assert all_kept(server) == [before]


def test_switched_off_nothing_is_cloned_and_nothing_kept(
    server: Server, lab: Database, fill: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGVITALS_KEEP_GB", "0")
    _, said = fill(lab)
    assert said.did("load desk, shelf")
    assert all_kept(server) == []


# Another dataset


def other_seed(root: Path, options: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
    options["seed"] = 2


def other_size(root: Path, options: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
    options["profile"] = PROFILE.model_copy(update={"sizes": {"shelf": {"books": BOOKS + 1}, "desk": {"books": 9}}})


def other_skew(root: Path, options: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
    options["profile"] = PROFILE.model_copy(update={"zipf": 0.5})


def other_day(root: Path, options: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
    options["profile"] = PROFILE.model_copy(update={"as_of": "2025-01-02"})


def other_profile(root: Path, options: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
    options["profile"] = PROFILE.model_copy(update={"name": "u"})


def fewer_systems(root: Path, options: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
    options["systems"] = ["shelf"]


def edited_recipe(root: Path, options: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
    path = root / "fixtures" / "shelf" / "dataset.py"
    path.write_text(path.read_text().replace("997", "991"))


def edited_migration(root: Path, options: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
    path = root / "fixtures" / "shelf" / "migrations" / "indexed.py"
    path.write_text(path.read_text() + "# edited\n")


def edited_statements(root: Path, options: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
    path = root / "fixtures" / "shelf" / "migrations" / "indexed.sql"
    path.write_text("create index books_code on shelf.books (code, id)")


def edited_environment(root: Path, options: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
    (root / "fixtures" / "env.py").write_text(ENV + "# edited\n")


def other_role(root: Path, options: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
    path = root / "fixtures" / "shelf" / "system.toml"
    path.write_text(path.read_text().replace("shelf_app", "shelf_user"))


def no_last_revision(root: Path, options: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
    for suffix in ("py", "sql"):
        (root / "fixtures" / "desk" / "migrations" / f"indexed.{suffix}").unlink()


def other_key(root: Path, options: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
    patch.setenv(KEK_VARIABLE, "A" * 43 + "=")


CHANGES = [
    *(other_seed, other_size, other_skew, other_day, other_profile, fewer_systems, edited_recipe, edited_migration),
    *(edited_statements, edited_environment, other_role, no_last_revision, other_key),
]


@pytest.mark.parametrize("change", CHANGES)
def test_another_dataset_has_another_key(
    shelf: Suite, monkeypatch: pytest.MonkeyPatch, change: Callable[..., None]
) -> None:
    def key(profile: Profile = PROFILE, systems: Any = None, seed: int = 1) -> str:
        suite = find_suite(shelf.root)
        return reuse.label(suite, profile, suite.select(systems), seed).key

    before, options = key(), dict[str, Any]()
    assert key() == key(systems=["desk", "shelf"]) == before
    change(shelf.root, options, monkeypatch)
    assert key(**options) != before


@pytest.mark.parametrize("change", [other_seed, other_size, edited_recipe, edited_statements, fewer_systems])
def test_another_dataset_is_loaded(
    server: Server,
    lab: Database,
    root: Path,
    fill: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[..., None],
) -> None:
    fill(lab)
    options: dict[str, Any] = {}
    change(root, options, monkeypatch)
    with server.scratch("second") as second:
        _, said = fill(second, **options)
        assert said.did("load ")
        assert not said.did("clone")


# Somebody's work


def test_a_lab_with_tables_of_somebody_s_own_is_never_put_aside(
    server: Server, lab: Database, fill: Callable[..., Any]
) -> None:
    fill(lab)
    with lab.connect() as conn:
        conn.execute("create schema mine; create table mine.notes (id int primary key)")
    _, said = fill(lab, fresh=True)
    assert said.did("load desk, shelf")
    assert "notes_pkey" in indexes(lab)


@pytest.mark.parametrize(
    "statement",
    [
        "create table notes (id int)",
        "create schema mine",
        "create extension pgcrypto",
        "create function mine() returns int return 1",
        "do $$ begin execute format('alter database %I set jit = off', current_database()); end $$",
    ],
)
def test_a_database_that_somebody_prepared_is_loaded_as_it_is_and_not_kept(
    server: Server, lab: Database, fill: Callable[..., Any], statement: str
) -> None:
    with lab.connect() as conn:
        conn.execute(statement.encode())
    _, said = fill(lab)
    assert said.did("load desk, shelf")
    assert all_kept(server) == []


def test_one_system_afresh_leaves_the_other_one_alone(server: Server, lab: Database, fill: Callable[..., Any]) -> None:
    fill(lab)
    with lab.connect() as conn:
        conn.execute("update desk.books set code = -1")
    dataset, said = fill(lab, systems=["shelf"], fresh=True)
    assert said.did("load shelf")
    assert not said.did("clone")
    assert {table.system for table in dataset.tables} == {"shelf", "desk"}
    with lab.connect() as conn:
        assert conn.execute("select distinct code from desk.books").fetchall() == [(-1,)]


def test_beside_an_open_connection_it_is_loaded_in_place(
    server: Server, lab: Database, fill: Callable[..., Any]
) -> None:
    first, _ = fill(lab)
    with lab.connect() as conn:
        here = conn.execute("select oid from pg_database where datname = current_database()").fetchone()
        dataset, said = fill(lab, fresh=True)
        assert conn.execute("select oid from pg_database where datname = current_database()").fetchone() == here
    assert said.did("loaded in place, not cloned: somebody is connected to the database")
    assert said.did("load desk, shelf")
    assert recomputed(lab, dataset) == first.checksum
    assert len(all_kept(server)) == 1


def test_what_cannot_be_kept_is_loaded_all_the_same_and_it_is_said(
    server: Server, lab: Database, fill: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGVITALS_KEEP_GB", "0.0001")
    dataset, said = fill(lab)
    assert said.did("the dataset is not kept for the next time: it takes 0.00")
    assert recomputed(lab, dataset) == dataset.checksum


def test_a_kept_one_that_is_not_what_it_says_is_dropped_and_the_dataset_loaded(
    server: Server, lab: Database, fill: Callable[..., Any]
) -> None:
    first, _ = fill(lab)
    (made,) = all_kept(server)
    with kept.source_of(server, made).connect() as conn:
        conn.execute("set default_transaction_read_only = off")
        conn.execute("truncate pgvitals.dataset")
    with server.scratch("second") as second:
        dataset, said = fill(second)
        assert said.did("not cloned: what was kept is not what it is said to be")
        assert said.did("load desk, shelf")
        assert dataset.checksum == first.checksum
    assert [each.database for each in all_kept(server)] != [made.database]


def test_the_base_of_an_impact_is_not_cloned_from_what_is_something_else(
    server: Server, lab: Database, shelf: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(terminal: Spoken) -> list[tuple[Any, ...]]:
        system = shelf.system("shelf")
        with reuse.loaded_at(shelf, server, system, PROFILE, "shelf_tables", terminal, seed=1) as made:
            return rows(made)

    first = loaded(Spoken())
    (made,) = all_kept(server)
    with kept.source_of(server, made).connect() as conn:
        conn.execute("set default_transaction_read_only = off")
        conn.execute("truncate pgvitals.dataset, shelf.books")
    said = Spoken()
    assert loaded(said) == first
    assert said.did("loaded, not cloned: what was kept is not what it is said to be")
    assert [each.database for each in all_kept(server)] != [made.database]


def test_what_another_command_loaded_since_one_looked_is_not_put_aside(
    server: Server, lab: Database, fill: Callable[..., Any], shelf: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(lab)
    before = server.refresh().scratch
    with server.scratch("second") as second:
        looked = reuse.of(shelf, second, PROFILE, shelf.select(None), seed=1, fresh=False)
        assert looked is not None
        fill(second, seed=2)
        said = Spoken()
        assert looked.take(said) is None
        assert said.said[-1] == "loaded in place, not cloned: another command has changed the lab meanwhile"
        with second.connect() as conn:
            there = recall(conn)
        assert there is not None
        assert there.seed == 2
        assert recomputed(second, there) == there.checksum
    assert server.refresh().scratch == before


def test_a_lab_that_was_loaded_anew_before_it_could_be_kept_is_not_kept(
    server: Server, lab: Database, fill: Callable[..., Any], shelf: Suite
) -> None:
    first, _ = fill(lab, use_kept=False)
    said = Spoken()
    wanted = reuse.of(shelf, lab, PROFILE, shelf.select(None), seed=1, fresh=True)
    assert wanted is not None
    wanted.anew = True
    wanted.keep(replace(first, checksum="that of other rows"), said)
    assert said.said[-1] == (
        "the dataset is not kept for the next time: another command has loaded the lab anew meanwhile"
    )
    assert all_kept(server) == []
    wanted.keep(first, said)
    assert len(all_kept(server)) == 1


def test_a_recipe_that_cannot_be_read_costs_nobody_s_rows(lab: Database, fill: Callable[..., Any], root: Path) -> None:
    first, _ = fill(lab)
    (root / "fixtures" / "shelf" / "dataset.py").write_text("import no_such_module")
    with pytest.raises(DatasetError, match="does not import"):
        fill(lab, fresh=True)
    assert recomputed(lab, first) == first.checksum


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (edited_recipe, ", made by another version of its recipe"),
        (other_size, ", but of other sizes than the profile has now"),
        (lambda *_: None, ""),
    ],
)
def test_what_is_held_and_would_be_loaded_otherwise_now_is_said(
    lab: Database,
    fill: Callable[..., Any],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[..., None],
    told: str,
) -> None:
    fill(lab)
    options: dict[str, Any] = {}
    change(root, options, monkeypatch)
    _, said = fill(lab, **options)
    assert f"shelf holds profile t, seed 1, already{told}; --fresh loads it again" in said.said
    assert "desk holds profile t, seed 1, already; --fresh loads it again" in said.said


# Elsewhere


@pytest.fixture(scope="module")
def elsewhere(suite: Suite, _own_state: None) -> Iterator[Server]:
    """Somebody's server: without roles of ours, which would be refused there."""
    with start_server("embedded", suite=suite) as running:
        yield running


@pytest.fixture
def dsn(elsewhere: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """How to reach it; keeping is on."""
    monkeypatch.setenv("PGVITALS_KEEP_GB", "2")
    return f"postgresql://postgres:{elsewhere.state.params['password']}@127.0.0.1:{elsewhere.state.params['port']}/postgres"


def test_a_server_that_ends_with_its_command_and_cannot_be_parked_keeps_nothing(
    dsn: str, fill: Callable[..., Any], shelf: Suite
) -> None:
    with start_server(dsn, suite=shelf) as other:
        _, said = fill(other.create("lab"))
        assert said.did("load desk, shelf")
        assert not said.did("keep")


def test_on_somebody_s_server_it_is_kept_while_the_lab_is_up_and_goes_with_it(
    elsewhere: Server, dsn: str, fill: Callable[..., Any], shelf: Suite
) -> None:
    def databases() -> set[str]:
        with elsewhere.maintenance() as conn:
            return {name for (name,) in conn.execute("select datname from pg_database").fetchall()}

    before = databases()
    other = workbench.bring_up(shelf, dsn)
    try:
        there = Database(params=other.state.params, name=str(other.state.lab_database), state_path=other.state.path)
        fill(there)
        _, said = fill(there, fresh=True)
        assert said.did("clone profile t")
        assert len(all_kept(server_of(other.refresh()))) == 1
    finally:
        halt(other.refresh())
    assert databases() == before


def test_the_base_of_an_impact_is_cloned_row_by_row(
    server: Server, lab: Database, shelf: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for limit in ("2", "2", "0"):
        monkeypatch.setenv("PGVITALS_KEEP_GB", limit)
        terminal = Spoken()
        with reuse.loaded_at(shelf, server, shelf.system("shelf"), PROFILE, "shelf_tables", terminal, seed=1) as made:
            assert current(shelf, made) == {"shelf": "shelf_tables"}
            found.append((terminal.did("clone shelf at shelf_tables"), rows(made), sorted(indexes(made))))
    assert [cloned for cloned, *_ in found] == [False, True, False]
    assert found[0][1:] == found[1][1:] == found[2][1:]
    assert len(found[0][1]) == BOOKS
    assert [each.label.revisions for each in all_kept(server)] == [{"shelf": "shelf_tables"}]
