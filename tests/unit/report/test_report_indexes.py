"""Which indexes a report calls unused."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pgvitals.report.index_review import IndexReview, review_indexes
from pgvitals.results.rundir import index_table


@pytest.fixture
def review(made: SimpleNamespace) -> IndexReview:
    return review_indexes(index_table(made.indexes()))


def test_an_index_that_enforces_something_is_never_called_unused(review: IndexReview) -> None:
    names = {line.index for line in review.unused}
    assert names.isdisjoint({"pk_clients", "uq_users_workspace_email"})
    notes = {line.index: line.note for line in review.others}
    assert notes["pk_clients"] == "never scanned; enforces the primary key"
    assert notes["uq_users_workspace_email"] == "never scanned; enforces uniqueness"


def test_unused_indexes_come_first_and_the_largest_leads(review: IndexReview) -> None:
    sizes = [line.size_bytes for line in review.unused]
    assert sizes == sorted(sizes, reverse=True)
    assert review.lines[: len(review.unused)] == review.unused
    assert sum(sizes) == review.unused_bytes


def test_one_scan_is_a_use(review: IndexReview) -> None:
    assert all(line.scans == 0 for line in review.unused)
    assert "pk_locations" in {line.index for line in review.others}


def test_other_access_methods_than_btree_are_told(made: SimpleNamespace) -> None:
    usage = index_table(made.indexes()).assign(method="gist")
    assert {line.note for line in review_indexes(usage).unused} == {"never scanned; gist"}
