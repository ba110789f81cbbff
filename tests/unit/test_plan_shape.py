"""The normal form of a plan: equal for what PostgreSQL 15 and 17, custom and generic plans write differently."""

from __future__ import annotations

from typing import Any

import pytest

from pgvitals.measure.plan_shape import condition, conjuncts, fingerprint, normal


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("(tenant_id = $1)", "(tenant_id = '?'::uuid)"),
        ("(tenant_id = $0)", "(tenant_id = (InitPlan 1).col1)"),
        ("((organization_id)::text = $1)", "((organization_id)::text = 'x (y'::text)"),
        ("(at < $1)", "(at < '?'::timestamp with time zone)"),
        ("(amount >= ($1 * 1.1))", "(amount >= '?'::numeric(10,2))"),
        ("(at > ($6 - '7 days'::interval))", "(at > '?'::timestamp(3) without time zone)"),
        ("((kind)::text = ANY ($1))", "((kind)::text = ANY ('{a,b}'::text[]))"),
        ("((kind)::text = ANY (ARRAY[$1, $2]))", "((kind)::text = ANY ('{a,b}'::text[]))"),
        ("(hashed SubPlan 1)", "(ANY ((id)::text = (hashed SubPlan 3).col1))"),
        ("(SubPlan 2)", "(ANY (id = (SubPlan 7).col1))"),
        ("((state = 'a'::shop.state) AND (n = $1))", "((n = 5) AND (state = 'a'::shop.state))"),
        ("(word = 'it''s'::text)", "(word = $2)"),
    ],
)
def test_conditions_that_only_write_a_value_differently_are_equal(one: str, other: str) -> None:
    assert sorted(conjuncts(one)) == sorted(conjuncts(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("(a = $1)", "(b = $1)"),
        ("(a = $1)", "(a > $1)"),
        ("(lower(a) = $1)", "(a = $1)"),
        ("(address_line1 = $1)", "(address_line2 = $1)"),
        ("((a = $1) AND (b = $2))", "((a = $1) OR (b = $2))"),
        ("(a IS NULL)", "(a IS NOT NULL)"),
    ],
)
def test_conditions_that_ask_something_else_differ(one: str, other: str) -> None:
    assert conjuncts(one) != conjuncts(other)


def test_a_conjunction_is_split_at_its_own_level_only() -> None:
    assert conjuncts("((a = 'x AND y'::text) AND ((b = 1) OR ((c = 2) AND (d = 3))) AND e)") == [
        "a = ?",
        "(b = ?) OR ((c = ?) AND (d = ?))",
        "e",
    ]
    assert condition("(lower((name)::text) = 'x'::text)") == "(lower(name) = ?)"


def node(kind: str, *below: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A node of a plan."""
    return {"Node Type": kind, **more, "Plans": list(below)}


def test_the_number_of_a_subplan_means_nothing() -> None:
    """15 says what it returns, and both count the ones that the planner threw away."""
    plans = [
        node("Result", node("Result", **{"Subplan Name": name, "Parent Relationship": "InitPlan"}))
        for name in ("InitPlan 1 (returns $0)", "InitPlan 2")
    ]
    assert fingerprint(plans[0]) == fingerprint(plans[1])


def test_the_order_below_a_bitmap_and_means_nothing_and_below_a_join_everything() -> None:
    scans = [node("Bitmap Index Scan", **{"Index Name": name}) for name in ("a", "b")]
    assert fingerprint(node("BitmapAnd", *scans)) == fingerprint(node("BitmapAnd", *scans[::-1]))
    assert fingerprint(node("Nested Loop", *scans)) != fingerprint(node("Nested Loop", *scans[::-1]))


def test_a_fingerprint_knows_what_stands_below_what() -> None:
    flat = node("Nested Loop", node("Materialize"), node("Seq Scan", **{"Relation Name": "a"}))
    deep = node("Nested Loop", node("Materialize", node("Seq Scan", **{"Relation Name": "a"})))
    assert fingerprint(flat) != fingerprint(deep)


@pytest.mark.parametrize(
    ("written", "label"),
    [
        (node("Hash Join", **{"Join Type": "Left"}), "Hash Left Join"),
        (node("Nested Loop", **{"Join Type": "Inner"}), "Nested Loop"),
        (node("Nested Loop", **{"Join Type": "Semi"}), "Nested Loop Semi Join"),
        (node("Aggregate", **{"Strategy": "Hashed", "Partial Mode": "Partial"}), "Partial HashAggregate"),
        (node("Aggregate", **{"Strategy": "Plain", "Partial Mode": "Simple"}), "Aggregate"),
        (node("Index Scan", **{"Scan Direction": "Backward"}), "Index Scan Backward"),
        (node("Seq Scan", **{"Parallel Aware": True}), "Parallel Seq Scan"),
        (node("ModifyTable", Operation="Insert"), "Insert"),
    ],
)
def test_nodes_are_named_as_explain_names_them(written: dict[str, Any], label: str) -> None:
    assert normal(written).label == label
