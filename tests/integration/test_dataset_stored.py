"""The record of what a database holds."""

from __future__ import annotations

from pgvitals.dataset.stored import forget, recall, remember
from pgvitals.lab import Database
from pgvitals.results.records import Dataset, TableRows


def dataset(profile: str, system: str) -> Dataset:
    table = TableRows(system=system, table="t", rows=1, size_bytes=8192, checksum="0")
    return Dataset(profile=profile, seed=1, checksum="0", tables=(table,), load_s=1.0, revisions={system: "a"})


def test_rows_of_one_profile_stand_beside_each_other(database: Database) -> None:
    with database.connect() as conn:
        remember(conn, dataset("small", "one"))
        remember(conn, dataset("small", "two"))
        kept = recall(conn)
    assert kept is not None
    assert {table.system for table in kept.tables} == set(kept.revisions) == {"one", "two"}


def test_rows_of_another_profile_are_not_taken_for_this_one_s(database: Database) -> None:
    with database.connect() as conn:
        remember(conn, dataset("small", "one"))
        remember(conn, dataset("smoke", "two"))
        kept = recall(conn)
    assert kept is not None
    assert kept.profile == "smoke"
    assert {table.system for table in kept.tables} == set(kept.revisions) == {"two"}


def test_to_remember_the_same_again_changes_nothing(database: Database) -> None:
    with database.connect() as conn:
        remember(conn, dataset("small", "one"))
        first = remember(conn, dataset("small", "two"))
        assert first.load_s == 2.0
        assert remember(conn, dataset("small", "two")) == first
        assert recall(conn) == first


def test_a_system_that_is_forgotten_leaves_the_others(database: Database) -> None:
    with database.connect() as conn:
        remember(conn, dataset("small", "one"))
        alone = recall(conn)
        remember(conn, dataset("small", "two"))
        forget(conn, "two")
        left = recall(conn)
        assert left is not None
        assert alone is not None
        assert left.tables == alone.tables
        assert left.revisions == alone.revisions
        forget(conn, "never there")
        assert recall(conn) == left
        forget(conn, "one")
        assert recall(conn) is None
