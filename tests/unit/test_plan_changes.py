"""Differences of plans in words: between two runs, between tenants, between custom and generic plans."""

from __future__ import annotations

from typing import Any

import pytest

from pgvitals.measure.plan_changes import (
    blocks,
    generic_changes,
    is_much_costlier,
    plan_changes,
    tenant_changes,
    tenants,
)
from pgvitals.measure.plan_diff import differences
from pgvitals.measure.plan_estimates import misestimates
from pgvitals.measure.plan_shape import normal
from pgvitals.report.plan_review import review_plans

QUERY = "shop/orders"


def node(kind: str, *below: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A node of a plan that expects what it finds."""
    measured = {"Plan Rows": 1, "Actual Rows": 1, "Actual Loops": 1, "Shared Hit Blocks": 3, "Shared Read Blocks": 0}
    return {"Node Type": kind, **measured, **more, "Plans": list(below)}


def index_scan(index: Any = "ix_a", **more: Any) -> dict[str, Any]:
    """The usual plan."""
    found = {"Relation Name": "orders", "Index Name": index, "Index Cond": "(a = '?'::text)"}
    return node("Index Scan", **{**found, **more})


def seq_scan(**more: Any) -> dict[str, Any]:
    """What it becomes without its index."""
    return node("Seq Scan", **{"Relation Name": "orders", "Filter": "(a = $1)", **more})


FACTS = {"rows": 1000, "changed_since_analyze": 0, "has_statistics": True, "indexes": ["ix_a", "ix_b"]}


def captured(plan: dict[str, Any], rank: int | None = 1, mode: str = "custom", **more: Any) -> dict[str, Any]:
    """A plan as it is stored."""
    given = {"tenant_rank": rank, "mode": mode, "plan": {"Plan": plan, "Settings": {}}, "relations": {"orders": FACTS}}
    return given | more


def words(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Their differences."""
    return "; ".join(differences(normal(before), normal(after)))


def test_another_way_of_reading_a_relation_is_told_with_both_ways() -> None:
    assert words(index_scan(), seq_scan()) == "Seq Scan on orders instead of Index Scan using ix_a"
    bitmap = node(
        "Bitmap Heap Scan",
        node(
            "BitmapAnd",
            *(node("Bitmap Index Scan", **{"Index Name": name, "Index Cond": "(a = $1)"}) for name in ("ix_b", "ix_a")),
        ),
        **{"Relation Name": "orders"},
    )
    assert words(index_scan(), bitmap) == (
        "Bitmap Heap Scan using ix_a and ix_b on orders instead of Index Scan using ix_a"
    )


def test_a_condition_that_left_the_index_is_told() -> None:
    before = index_scan(**{"Index Cond": "((a = '?'::text) AND (b > '?'::text))"})
    after = index_scan(Filter="(b > 'x'::text)")
    assert words(before, after) == "(b > ?) checked row by row instead of in the index"


def test_a_condition_that_came_or_went_is_told() -> None:
    more = index_scan(Filter="(b > $2)")
    assert words(index_scan(), more) == "(b > ?) checked row by row, too"
    assert words(more, index_scan()) == "no (b > ?) checked row by row"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([node("Nested Loop")], [node("Hash Join")], "Hash Join instead of Nested Loop"),
        ([], [node("Sort")], "also a Sort"),
        ([node("Sort"), node("Sort")], [], "no 2 x Sort"),
        ([], [node("Incremental Sort")], "also an Incremental Sort"),
        (
            [node("Aggregate", Strategy="Sorted")],
            [node("Aggregate", Strategy="Hashed")],
            "HashAggregate instead of GroupAggregate",
        ),
        ([], [seq_scan()], "also Seq Scan on orders"),
        ([seq_scan()], [], "no Seq Scan on orders"),
    ],
)
def test_nodes_that_changed_came_or_went_are_told(
    before: list[dict[str, Any]], after: list[dict[str, Any]], told: str
) -> None:
    assert words(node("Limit", *before), node("Limit", *after)) == told


def test_another_order_of_the_same_reads_is_told() -> None:
    scans = [node("Seq Scan", **{"Relation Name": name}) for name in ("a", "b")]
    assert words(node("Nested Loop", *scans), node("Nested Loop", *scans[::-1])) == (
        "reads b, a in this order instead of a, b"
    )


def test_equal_plans_differ_in_nothing() -> None:
    assert differences(normal(index_scan()), normal(index_scan(**{"Actual Rows": 7, "Total Cost": 99.0}))) == ()


def test_three_ranks_are_the_largest_the_middle_and_the_smallest_tenant() -> None:
    def of(*ranks: int | None) -> list[str]:
        return tenants([captured(index_scan(), rank) for rank in ranks])

    assert of(1, 1, 6, 6, 12, 12) == ["largest", "largest", "middle", "middle", "smallest", "smallest"]
    assert of(1, 4) == ["largest", "smallest"]
    assert of(3, 3) == of(None) * 2 == ["", ""]


def test_a_plan_of_two_runs_that_changed_is_told_with_its_blocks() -> None:
    after = seq_scan(**{"Shared Hit Blocks": 3000, "Shared Read Blocks": 410})
    (change,) = plan_changes({QUERY: [captured(index_scan())]}, {QUERY: [captured(after)]})
    assert change.words == "Seq Scan on orders instead of Index Scan using ix_a; blocks 3 → 3,410"
    assert change.worse


def test_an_index_that_is_gone_is_named_as_the_cause() -> None:
    without = {"orders": FACTS | {"indexes": ["ix_b"]}}
    runs = {QUERY: [captured(index_scan())]}, {QUERY: [captured(seq_scan(), relations=without)]}
    (gone,) = plan_changes(*runs)
    assert gone.differences[0] == "index ix_a is gone"
    (new,) = plan_changes(*runs[::-1])
    assert new.differences[0] == "index ix_a is new"


def test_statistics_that_went_stale_are_named_as_the_cause() -> None:
    stale = {"orders": FACTS | {"changed_since_analyze": 500}}
    runs = {QUERY: [captured(index_scan())]}, {QUERY: [captured(seq_scan(), relations=stale)]}
    assert plan_changes(*runs)[0].differences[0] == "statistics of orders are stale"
    assert plan_changes(*runs[::-1])[0].differences[0] == "statistics of orders are no longer stale"


def test_a_setting_that_steers_the_planner_is_named_as_the_cause() -> None:
    after = captured(seq_scan())
    after["plan"] = {**after["plan"], "Settings": {"enable_indexscan": "off", "plan_cache_mode": "force_custom_plan"}}
    (change,) = plan_changes({QUERY: [captured(index_scan())]}, {QUERY: [after]})
    assert change.differences[0] == "enable_indexscan is off instead of its default"


def test_tenants_with_the_same_differences_are_told_together() -> None:
    before = [captured(index_scan(), rank, mode) for rank in (1, 5, 9) for mode in ("custom", "generic")]
    after = [captured(seq_scan(), rank, mode) for rank in (1, 5, 9) for mode in ("custom", "generic")]
    (change,) = plan_changes({QUERY: before}, {QUERY: after})
    assert change.where == "every tenant"
    (change,) = plan_changes({QUERY: before}, {QUERY: [*after[:1], *before[1:2], *after[2:3], *before[3:]]})
    assert change.where == "largest and middle tenant, custom plan"


def test_equal_runs_have_no_change_and_a_query_of_one_run_is_none() -> None:
    one = {QUERY: [captured(index_scan())]}
    assert plan_changes(one, {QUERY: [captured(index_scan(**{"Actual Rows": 9}))], "shop/new": []}) == ()


def test_changes_for_the_worse_come_first() -> None:
    before = {"a/1": [captured(index_scan())], "b/2": [captured(index_scan())]}
    after = {"a/1": [captured(index_scan("ix_b"))], "b/2": [captured(seq_scan(**{"Shared Hit Blocks": 900}))]}
    assert [change.query for change in plan_changes(before, after)] == ["b/2", "a/1"]


def test_a_tenant_with_a_plan_of_its_own_is_compared_with_the_middle_one() -> None:
    big = seq_scan(**{"Shared Hit Blocks": 3410})
    plans = {QUERY: [captured(big, 1), captured(index_scan(), 5), captured(index_scan(), 9)]}
    (change,) = tenant_changes(plans)
    assert change.words == "largest tenant: Seq Scan on orders instead of Index Scan using ix_a; blocks 3 → 3,410"
    assert review_plans(plans).alarms == ()


def test_a_generic_plan_that_costs_much_more_is_an_alarm_and_says_who_used_it() -> None:
    dear = index_scan(**{"Shared Hit Blocks": 4000})
    plans = {
        QUERY: [
            captured(seq_scan(**{"Shared Hit Blocks": 40}), server_used={"generic": 28, "custom": 5}),
            captured(dear, mode="generic"),
        ]
    }
    (change,) = generic_changes(plans)
    assert is_much_costlier(change)
    (alarm,) = review_plans(plans).alarms
    assert alarm.kind == "Generic plan, much costlier"
    assert "blocks 40 → 4,000; the server took the generic one for 28 of 33 executions" in alarm.words


def test_a_costly_generic_plan_that_the_server_never_took_is_a_remark() -> None:
    used = {"generic": 0, "custom": 33}
    dear = captured(index_scan(**{"Shared Hit Blocks": 4000}), mode="generic")
    review = review_plans({QUERY: [captured(seq_scan(), server_used=used), dear]})
    assert review.alarms == ()
    (remark,) = review.remarks
    assert remark.words.endswith("the server kept to custom plans")


def test_a_generic_plan_that_differs_and_costs_no_more_is_a_remark() -> None:
    plans = {QUERY: [captured(seq_scan()), captured(index_scan(), mode="generic")]}
    review = review_plans(plans)
    assert review.alarms == ()
    assert [remark.kind for remark in review.remarks] == ["Generic plan"]


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ({}, "unknown"),
        ({"changed_since_analyze": 101}, "stale"),
        ({"changed_since_analyze": 99}, "unknown"),
        ({"changed_since_analyze": None}, "unknown"),
        ({"has_statistics": False}, "missing"),
    ],
)
def test_an_estimate_that_is_far_off_is_told_with_its_cause(facts: dict[str, Any], cause: str) -> None:
    plan = captured(index_scan(**{"Plan Rows": 5, "Actual Rows": 3410}), relations={"orders": FACTS | facts})
    (miss,) = misestimates({QUERY: [plan]})
    assert miss.cause == cause
    assert miss.words.startswith("Index Scan using ix_a on orders was expected to give 5 rows and gave 3,410 (682x): ")
    assert bool(review_plans({QUERY: [plan]}).alarms) == (cause in ("stale", "missing"))


def test_an_estimate_about_a_value_that_the_planner_cannot_know_is_told_as_such() -> None:
    scan = index_scan(**{"Index Cond": "(a = (InitPlan 1).col1)", "Actual Rows": 3410})
    assert misestimates({QUERY: [captured(scan)]})[0].cause == "setting"


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (index_scan(**{"Plan Rows": 5, "Actual Rows": 49}), "less than ten times"),
        (index_scan(**{"Plan Rows": 1, "Actual Rows": 60}), "few rows"),
        (index_scan(**{"Plan Rows": 5000, "Actual Rows": 0, "Actual Loops": 0}), "never executed"),
        (node("Limit", index_scan(**{"Plan Rows": 5000, "Actual Rows": 10})), "stopped by a limit"),
        (
            node(
                "Nested Loop",
                node("Result"),
                index_scan(**{"Plan Rows": 5000, "Parent Relationship": "Inner"}),
                **{"Join Type": "Semi"},
            ),
            "one row is enough",
        ),
        (node("BitmapAnd", **{"Plan Rows": 5000, "Actual Rows": 0}), "a bitmap does not count"),
    ],
)
def test_what_only_looks_like_a_wrong_estimate_is_left_alone(plan: dict[str, Any], why: str) -> None:
    assert misestimates({QUERY: [captured(plan)]}) == (), why


def test_of_a_branch_only_the_node_is_told_where_the_error_begins() -> None:
    wrong = {"Plan Rows": 5, "Actual Rows": 5000}
    plan = node("Sort", node("Nested Loop", index_scan(**wrong), **wrong), **wrong)
    assert [miss.node for miss in misestimates({QUERY: [captured(plan)]})] == ["Index Scan using ix_a on orders"]


def test_a_generic_plan_is_not_asked_for_its_estimates() -> None:
    plan = captured(index_scan(**{"Plan Rows": 5, "Actual Rows": 5000}), mode="generic")
    assert misestimates({QUERY: [plan]}) == ()


def test_blocks_count_memory_disk_and_temporary_files() -> None:
    plan = seq_scan(**{"Shared Read Blocks": 4, "Temp Read Blocks": 5, "Temp Written Blocks": 6})
    assert blocks(captured(plan)) == 3 + 4 + 5 + 6
