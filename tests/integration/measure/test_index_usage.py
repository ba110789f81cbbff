"""Index usage: as many scans as executions, by the server's own counters, and nothing of anybody else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pgvitals.errors import MeasureError
from pgvitals.indexes import usage
from pgvitals.lab import Database
from pgvitals.measure.runner import Runner
from pgvitals.measure.task import Task
from pgvitals.results.records import IndexUse

BY_NAME = """-- title: items of a name
-- budget_p95_ms: 10
-- role: owner
-- params: select name from meter.items
select id from meter.items where name = %(name)s
"""

MakeTasks = Callable[..., list[Task]]


@pytest.fixture
def by_name(metered: Database, tasks_of: MakeTasks) -> Task:
    """A lookup that takes the index on the name, as a role that row-level security does not stop."""
    with metered.connect() as conn:
        conn.execute("alter table meter.items disable row level security")
    (task,) = tasks_of(metered, {"by_name": BY_NAME})
    return task


def run(database: Database, task: Task, times: int) -> None:
    """Execute on a connection of its own, which closes."""
    with Runner(database, task.role) as runner:
        for number in range(times):
            runner.run(task.calls[number % len(task.calls)])


def used(database: Database, task: Task, before: usage.Counters) -> dict[str, IndexUse]:
    """What happened since ``before``, by index."""
    return {use.index: use for use in usage.difference(database, [task.system], before, usage.read(database))}


@pytest.mark.parametrize("times", [1, 23, 250])
def test_every_execution_is_one_scan_of_its_index_alone(metered: Database, by_name: Task, times: int) -> None:
    run(metered, by_name, 5)  # somebody was there before
    before = usage.read(metered)
    run(metered, by_name, times)
    found = used(metered, by_name, before)
    assert {name: use.scans for name, use in found.items()} == {"items_name": times, "items_kind": 0, "items_pkey": 0}
    assert found["items_name"].tuples_read == times
    with metered.connect() as conn:
        told = conn.execute("select idx_scan from pg_stat_user_indexes where indexrelname = 'items_name'").fetchone()
    assert told == (5 + times,)


def test_a_connection_that_has_just_closed_is_counted(metered: Database, by_name: Task) -> None:
    for _ in range(15):
        before = usage.read(metered)
        run(metered, by_name, 1)
        assert used(metered, by_name, before)["items_name"].scans == 1


def test_a_connection_that_stays_is_an_error_and_no_guess(
    metered: Database, by_name: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "_PATIENCE_S", 0.3)
    with Runner(metered, by_name.role) as runner:
        runner.run(by_name.calls[0])
        with pytest.raises(MeasureError, match=r"1 other pgvitals connection\(s\) .* end them"):
            usage.read(metered)
    usage.read(metered)


def test_an_index_is_described_as_the_catalog_has_it(metered: Database, by_name: Task) -> None:
    found = used(metered, by_name, usage.read(metered))
    with metered.connect() as conn:
        sizes = dict(
            conn.execute("select relname, pg_relation_size(oid) from pg_class where relname like 'items_%'").fetchall()
        )
        (definition,) = conn.execute("select pg_get_indexdef('meter.items_name'::regclass)").fetchone() or ("",)
    assert {name: use.size_bytes for name, use in found.items()} == {name: sizes[name] for name in found}
    assert found["items_name"].definition == definition
    assert {name for name, use in found.items() if use.is_primary} == {"items_pkey"}
    assert {name for name, use in found.items() if use.is_unique} == {"items_pkey"}
    assert {use.method for use in found.values()} == {"btree"}


def test_an_index_that_was_made_meanwhile_counts_from_zero(metered: Database, by_name: Task) -> None:
    with metered.connect() as conn:
        conn.execute("drop index meter.items_name")
    before = usage.read(metered)
    with metered.connect() as conn:
        conn.execute("create index items_other on meter.items (name)")
    run(metered, by_name, 4)
    assert used(metered, by_name, before)["items_other"].scans == 4


def test_the_most_used_comes_first(metered: Database, by_name: Task) -> None:
    before = usage.read(metered)
    run(metered, by_name, 2)
    found = usage.difference(metered, [by_name.system], before, usage.read(metered))
    assert found[0].index == "items_name"
    assert [use.size_bytes for use in found[1:]] == sorted((use.size_bytes for use in found[1:]), reverse=True)
