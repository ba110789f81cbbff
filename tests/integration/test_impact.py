"""Impact on a system of one table: an index that a lookup needs comes, stays through nothing, and goes again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pgvitals.errors import MeasureError, MigrationError
from pgvitals.impact.compare import check_revisions, measure_impact
from pgvitals.impact.sizes import compare_sizes, sizes
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import upgrade
from pgvitals.profile import ImpactPlan, Profile
from pgvitals.results.records import Impact
from pgvitals.suite import Suite, find_suite
from pgvitals.terminal import Terminal

PYPROJECT = """
[tool.pgvitals]
[tool.alembic]
script_location = "%(here)s/fixtures"
version_locations = ["%(here)s/fixtures/shelf/migrations"]
"""
SYSTEM = """
title = "books on a shelf"
schema = "shelf"
[tenant]
table = "owners"
column = "owner_id"
setting = "app.shelf_owner"
type = "text"
traffic_table = "books"
[roles]
owner = "shelf_owner"
app = "shelf_app"
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
    owners = np.array([b"ann", b"bob"])[np.minimum(numbers % 4, 1)]
    return {"id": numbers, "owner_id": owners, "code": numbers * 7 % 20011, "label": owners}


def recipe(sizes, profile):
    return (Table(name="books", own_rows=sizes["books"], make=books),)
"""
REVISION = """
from alembic import op

revision = {revision!r}
down_revision = {down!r}
branch_labels = {labels!r}


def upgrade():
    op.execute({up!r})


def downgrade():
    pass
"""
TABLES = """
do $$ begin create role shelf_owner; exception when duplicate_object then null; end $$;
do $$ begin create role shelf_app; exception when duplicate_object then null; end $$;
create schema shelf;
create table shelf.books (id int primary key, owner_id text not null, code int not null, label text not null);
grant usage on schema shelf to shelf_app, shelf_owner;
grant select on shelf.books to shelf_app, shelf_owner;
grant update on shelf.books to shelf_owner;
"""
REVISIONS = {
    "tables": TABLES,
    "indexed": "create index books_code on shelf.books (code)",
    "empty": "select 1",
    "dropped": "drop index shelf.books_code",
    "renamed": "alter table shelf.books rename column label to title",
}
BY_CODE = """-- title: books of a code
-- budget_p95_ms: 50
-- params: select owner_id, code from shelf.books
select id, owner_id from shelf.books where code = %(code)s
"""
BY_LABEL = """-- title: books of a label
-- budget_p95_ms: 50
-- params: select id from shelf.books
select label from shelf.books where id = %(id)s
"""
BY_TITLE = BY_LABEL.replace("select label", "select title")
# Every file of a table, of its TOAST table and of that one's index; of an index its main file.
FILES = """
    select c.relname, sum(pg_relation_size(part.oid, fork))
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'shelf' and c.relkind in ('r', 'i')
    cross join lateral (
        select c.oid union select c.reltoastrelid where c.relkind = 'r' and c.reltoastrelid <> 0
        union select indexrelid from pg_index where indrelid = c.reltoastrelid and c.relkind = 'r'
    ) part(oid)
    cross join unnest(array['main', 'fsm', 'vm']) fork
    where c.relkind = 'r' or fork = 'main'
    group by c.relname
"""
PLAN = ImpactPlan(rounds=10, per_arm=6, clones=2, looks=1)

Measure = Callable[..., Impact]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """The suite directory."""
    root = tmp_path_factory.mktemp("shelf")
    for folder in ("fixtures/shelf/migrations", "bench/shelf"):
        (root / folder).mkdir(parents=True)
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "fixtures" / "env.py").write_text(ENV)
    (root / "fixtures" / "shelf" / "system.toml").write_text(SYSTEM)
    (root / "fixtures" / "shelf" / "dataset.py").write_text(DATASET)
    down = None
    for name, statement in REVISIONS.items():
        text = REVISION.format(revision=name, down=down, labels=None if down else ("shelf",), up=statement)
        (root / "fixtures" / "shelf" / "migrations" / f"{name}.py").write_text(text)
        down = name
    return asking(root, {"by_code": BY_CODE})


def asking(root: Path, queries: dict[str, str]) -> Suite:
    """The suite with these query files and no others."""
    for old in (root / "bench" / "shelf").glob("*.sql"):
        old.unlink()
    for name, text in queries.items():
        (root / "bench" / "shelf" / f"{name}.sql").write_text(text)
    return find_suite(root)


@pytest.fixture
def impact(server: Server, shelf: Suite) -> Measure:
    """Compare two revisions over 40,000 books: without the index a lookup reads them all."""

    def run(start: str, end: str, queries: dict[str, str], books: int = 40_000, plan: ImpactPlan = PLAN) -> Impact:
        suite = asking(shelf.root, queries)
        profile = Profile(
            name="t", title="t", seed=1, as_of="2025-01-01", sizes={"shelf": {"books": books}}, impact=plan
        )
        terminal = Terminal(quiet=True)
        return measure_impact(suite, server, suite.system("shelf"), profile, start, end, terminal, seed=1)

    return run


def databases(server: Server) -> set[str]:
    """Names of the databases on the server."""
    with server.maintenance() as conn:
        return {name for (name,) in conn.execute("select datname from pg_database").fetchall()}


def not_void(impact: Measure, start: str, end: str) -> Impact:
    """Measured again where the placebo says that the machine itself changed meanwhile."""
    for _ in range(4):
        found = impact(start, end, {"by_code": BY_CODE})
        if found.contrasts[0].verdict != "void":
            break
    return found


def test_a_needed_index_makes_its_lookup_faster(impact: Measure, server: Server) -> None:
    before = databases(server)
    found = not_void(impact, "tables", "indexed")
    (contrast,) = found.contrasts
    assert contrast.verdict == "faster"
    assert contrast.typical_ratio < 0.5
    assert contrast.typical.high < 1 - found.margin
    assert contrast.after_p50_ms < contrast.before_p50_ms
    assert contrast.before_plan == "Seq Scan books"
    assert "books_code" in contrast.after_plan
    relations = {each.name: each for each in found.relations}
    assert relations["books_code"].before_bytes is None
    assert (relations["books_code"].after_bytes or 0) > 0
    assert relations["books"].before_bytes == relations["books"].after_bytes
    assert databases(server) == before  # clones and sources are gone


def test_a_dropped_index_makes_its_lookup_slower(impact: Measure) -> None:
    found = not_void(impact, "empty", "dropped")
    (contrast,) = found.contrasts
    assert contrast.verdict == "slower"
    assert contrast.typical_ratio > 2
    assert contrast.after_plan == "Seq Scan books"
    assert {each.name: each.after_bytes for each in found.relations}["books_code"] is None


def test_an_empty_migration_is_neither_faster_nor_slower(impact: Measure) -> None:
    found = impact("indexed", "empty", {"by_code": BY_CODE})
    (contrast,) = found.contrasts
    assert contrast.verdict in ("same", "inconclusive", "void")
    assert contrast.before_plan == contrast.after_plan
    assert all(each.before_bytes == each.after_bytes for each in found.relations)
    assert found.rounds_measured == PLAN.rounds
    assert contrast.rounds + found.rounds_dropped == PLAN.rounds


def test_what_is_open_after_its_first_look_is_measured_further(impact: Measure) -> None:
    """Four executions a round say next to nothing about a p95; a lookup that lost its index is settled at once."""
    queries = {"by_code": BY_CODE, "by_label": BY_LABEL}
    found = impact("empty", "dropped", queries, plan=ImpactPlan(rounds=10, per_arm=2, clones=1, looks=2))
    by_code, by_label = found.contrasts
    assert (by_code.verdict, by_code.look) == ("slower", 1)
    assert found.looks == 2
    assert found.rounds_measured == 10 * by_label.look
    assert by_label.rounds + found.rounds_dropped == found.rounds_measured
    assert by_label.typical.confidence == pytest.approx(1 - 0.05 / 2)


def test_lookups_that_a_migration_breaks_or_brings_are_named(
    impact: Measure, capsys: pytest.CaptureFixture[str]
) -> None:
    queries = {"by_code": BY_CODE, "by_label": BY_LABEL, "by_title": BY_TITLE}
    found = impact("dropped", "renamed", queries, books=2000)
    assert found.broken == ("by_label",)
    assert found.not_before == ("by_title",)
    assert [contrast.query for contrast in found.contrasts] == ["by_code"]
    told = capsys.readouterr().err
    assert 'column "label" does not exist' in told
    assert 'column "title" does not exist' in told


def test_lookups_for_other_revisions_are_left_out_and_neither_broken_nor_new(impact: Measure) -> None:
    queries = {
        "by_code": BY_CODE,
        "by_label": f"-- until: dropped\n{BY_LABEL}",
        "by_title": f"-- since: renamed\n{BY_TITLE}",
        "long_ago": f"-- until: indexed\n{BY_LABEL}",
    }
    found = impact("dropped", "renamed", queries, books=2000)
    assert [contrast.query for contrast in found.contrasts] == ["by_code"]
    assert found.left_out == {"by_label": "until dropped", "by_title": "since renamed", "long_ago": "until indexed"}
    assert (found.broken, found.not_before) == ((), ())


def test_a_pair_of_revisions_that_no_query_is_meant_for_is_refused(impact: Measure) -> None:
    with pytest.raises(MeasureError, match="no query of system 'shelf' is meant to run at both tables and indexed"):
        impact("tables", "indexed", {"by_code": f"-- since: empty\n{BY_CODE}"}, books=10)


def test_a_write_is_compared_as_a_lookup_is(impact: Measure) -> None:
    change = (
        "-- title: books are given another code\n-- budget_p95_ms: 50\n-- ends: rollback\n-- role: owner\n"
        "-- params: select id, code from shelf.books\n"
        "update shelf.books set code = code + 1 where id = %(id)s\n"
    )
    found = impact("tables", "indexed", {"change": change}, books=2000)
    (contrast,) = found.contrasts
    assert contrast.ends == "rollback"
    assert contrast.before_plan.startswith("Update books > ")


def test_a_pair_of_revisions_at_which_nothing_runs_is_refused(impact: Measure, server: Server) -> None:
    before = databases(server)
    with pytest.raises(MeasureError, match="no query of system 'shelf' runs at both revisions"):
        impact("tables", "indexed", {"by_title": BY_TITLE}, books=10)
    assert databases(server) == before


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("tables", "nowhere", "has no revision 'nowhere'; it has: tables, indexed, empty, dropped, renamed"),
        ("nowhere", "tables", "has no revision 'nowhere'"),
        ("indexed", "tables", "--from indexed must come before --to tables"),
        ("indexed", "indexed", "--from indexed must come before --to indexed"),
    ],
)
def test_revisions_are_checked_before_anything_is_made(shelf: Suite, start: str, end: str, message: str) -> None:
    with pytest.raises(MigrationError, match=message):
        check_revisions(shelf, shelf.system("shelf"), start, end)


def test_a_system_without_a_branch_of_its_name_is_named(shelf: Suite) -> None:
    other = shelf.system("shelf").model_copy(update={"name": "attic"})
    with pytest.raises(MigrationError, match="system 'attic' has no Alembic branch"):
        check_revisions(shelf, other, "tables", "indexed")


def test_sizes_are_those_of_the_catalog(shelf: Suite, database: Database) -> None:
    upgrade(shelf, database, "indexed")
    with database.connect() as conn:
        conn.execute("alter table shelf.books alter label set storage external")
        conn.execute(
            "insert into shelf.books select i, 'ann', i, repeat(md5(i::text), 300) from generate_series(1, 500) i"
        )
        conn.execute("vacuum analyze shelf.books")
        told = conn.execute(FILES).fetchall()
    found = {name: size for (_, name), size in sizes(database, "shelf").items()}
    assert found == {name: int(size) for name, size in told}
    assert found["books"] > 500 * 32 * 300  # TOAST included
    assert found.keys() == {"books", "books_code", "books_pkey"}


def test_relations_of_either_side_are_listed_tables_first() -> None:
    before = {("table", "b"): 1, ("index", "gone"): 2}
    after = {("table", "a"): 3, ("table", "b"): 4}
    found = [(each.kind, each.name, each.before_bytes, each.after_bytes) for each in compare_sizes(before, after)]
    assert found == [("table", "a", None, 3), ("table", "b", 1, 4), ("index", "gone", 2, None)]
