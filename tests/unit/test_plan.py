"""Plans: the statement as the server sees it, one line of shape, and what a fingerprint tells apart."""

from __future__ import annotations

from typing import Any

import pytest

from pgvitals.header import numbered
from pgvitals.measure.plan_shape import fingerprint, shape, walk

PLAN: dict[str, Any] = {
    "Node Type": "Sort",
    "Sort Key": ["a"],
    "Actual Total Time": 1.5,
    "Plans": [
        {
            "Node Type": "Nested Loop",
            "Join Type": "Inner",
            "Plans": [
                {"Node Type": "Index Scan", "Index Name": "ix_a", "Relation Name": "a", "Index Cond": "(x = $1)"},
                {"Node Type": "Seq Scan", "Relation Name": "b", "Filter": "(y > '?')", "Actual Rows": 3},
            ],
        }
    ],
}


def changed(**changes: object) -> dict[str, Any]:
    """The plan with another inner index scan."""
    (loop,) = PLAN["Plans"]
    scan, other = loop["Plans"]
    return {**PLAN, "Plans": [{**loop, "Plans": [{**scan, **changes}, other]}]}


@pytest.mark.parametrize(
    ("statement", "sent"),
    [
        ("select %(a)s, %(b)s, %(a)s", "select $1, $2, $1"),
        ("select %(b)s + %(a)s", "select $1 + $2"),
        ("select 10 %% %(a)s like '%%x'", "select 10 % $1 like '%x'"),
        ("select %%%(a)s", "select %$1"),
        ("select 1", "select 1"),
    ],
)
def test_placeholders_are_numbered_in_order_of_first_use(statement: str, sent: str) -> None:
    assert numbered(statement) == sent


def test_the_shape_leaves_out_the_gate_of_row_level_security() -> None:
    setting = {"Node Type": "Result", "Parent Relationship": "InitPlan"}
    gate = {"Node Type": "Result", "One-Time Filter": "(InitPlan 1).col1 = $1", "Plans": [setting, PLAN]}
    assert shape(gate) == shape(PLAN)
    assert shape({"Node Type": "Insert", "Plans": [{"Node Type": "Result"}]}) == "Insert > Result"


def test_the_shape_names_nodes_and_indexes_from_top_to_bottom() -> None:
    assert shape(PLAN) == "Sort > Nested Loop > Index Scan ix_a > Seq Scan b"
    assert [node["Node Type"] for node in walk(PLAN)] == ["Sort", "Nested Loop", "Index Scan", "Seq Scan"]


def test_a_fingerprint_does_not_depend_on_what_was_measured() -> None:
    timed = {**changed(**{"Actual Rows": 999, "Shared Hit Blocks": 5}), "Actual Total Time": 99.0}
    assert fingerprint(timed) == fingerprint(PLAN)
    assert len(fingerprint(PLAN)) == 12


@pytest.mark.parametrize(
    "change",
    [
        {"Index Name": "ix_b"},
        {"Node Type": "Index Only Scan"},
        {"Relation Name": "c"},
        {"Scan Direction": "Backward"},
        {"Index Cond": "(x > $1)"},
        {"Filter": "(z = 1)"},
    ],
)
def test_a_fingerprint_changes_with_nodes_relations_indexes_and_conditions(change: dict[str, str]) -> None:
    assert fingerprint(changed(**change)) != fingerprint(PLAN)


def test_a_fingerprint_changes_with_the_order_of_a_join() -> None:
    (loop,) = PLAN["Plans"]
    turned = {**PLAN, "Plans": [{**loop, "Plans": loop["Plans"][::-1]}]}
    assert fingerprint(turned) != fingerprint(PLAN)
