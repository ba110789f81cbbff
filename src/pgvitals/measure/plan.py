"""What the planner does with a query: EXPLAIN plans without row values, and what it knew of the relations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from pgvitals.errors import MeasureError
from pgvitals.header import numbered
from pgvitals.lab.database import Database
from pgvitals.measure.plan_shape import Plan, fingerprint, shape, walk
from pgvitals.measure.runner import Call, Runner, failure
from pgvitals.measure.task import Task, shown_ranks

_LITERAL = re.compile(r"'(?:[^']|'')*'|(?<![\w$.\"])(?<!Plan )-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w\"])", re.IGNORECASE)
"""A string or a number; that of an InitPlan or SubPlan is its name."""
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/|(?P<string>'(?:[^']|'')*')", re.DOTALL)
_NAMES = {
    *("Node Type", "Partial Mode", "Parent Relationship", "Subplan Name", "Join Type", "Strategy", "Operation"),
    *("Schema", "Relation Name", "Alias", "Index Name", "CTE Name", "Function Name", "Tuplestore Name", "Command"),
    *("Scan Direction", "Sort Method", "Sort Space Type", "Cache Mode", "Storage", "Custom Plan Provider"),
}
"""What a plan says in words that hold no literal; every other text of it may."""
_STATISTICS = "exists (select from pg_statistic s where s.starelid = c.oid)"
_VACUUMED = "c.reltuples >= 0"  # as near as others than superusers get: pg_stats hides what a policy would filter
_RELATIONS = """
    select c.relname,
        greatest(c.reltuples, 0)::bigint as rows,
        pg_stat_get_mod_since_analyze(c.oid) as changed_since_analyze,
        {has_statistics} as has_statistics,
        array(select i.relname::text from pg_index x join pg_class i on i.oid = x.indexrelid
            where x.indrelid = c.oid and x.indisvalid order by 1) as indexes
    from pg_class c
    where c.relnamespace = %s::regnamespace and c.relkind in ('r', 'p', 'm')
"""


def capture(
    database: Database, task: Task, known: Mapping[str, Mapping[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """EXPLAIN (ANALYZE, BUFFERS, SETTINGS) for a large, a middle and a small tenant, custom and generic.

    Returns one dict a plan: tenant_rank, mode, shape (one line), fingerprint, plan, and relations: for each one
    that the plan reads its rows as the planner counts them, how many changed since the last ANALYZE, whether it has
    statistics at all, and its indexes. Literals that do not stand in the statement itself are replaced by ``'?'``,
    wherever the plan has them: they are row values.

    Args:
        known: what :func:`relation_facts` gave for the system's schema before the server's counters were reset; by
            default it is asked now.

    Raises:
        MeasureError: the query fails.
    """
    found = []
    known = relation_facts(database, task.system.schema_name) if known is None else known
    with Runner(database, task.role) as runner:
        for index in _spread(task):
            for mode in ("custom", "generic"):
                plan = _explain(runner, task.calls[index], mode)
                found.append(
                    {
                        "tenant_rank": task.ranks[index],
                        "mode": mode,
                        "shape": shape(plan["Plan"]),
                        "fingerprint": fingerprint(plan["Plan"]),
                        "relations": {
                            name: known[name]
                            for name in dict.fromkeys(str(node.get("Relation Name")) for node in walk(plan["Plan"]))
                            if name in known
                        },
                        "plan": plan,
                    }
                )
    return found


def plan_for_largest(database: Database, task: Task) -> Plan:
    """The custom plan's top node for the largest tenant drawn, executed with its own parameters, without row values.

    Raises:
        MeasureError: the query fails.
    """
    with Runner(database, task.role) as runner:
        plan: Plan = _explain(runner, task.calls[_spread(task)[0]], "custom")["Plan"]
    return plan


def shape_for_largest(database: Database, task: Task) -> str:
    """The :func:`~pgvitals.measure.plan_shape.shape` of :func:`plan_for_largest`.

    Raises:
        MeasureError: the query fails.
    """
    return shape(plan_for_largest(database, task))


def _spread(task: Task) -> list[int]:
    """Positions of parameters of the largest, the middle and the smallest tenant drawn."""
    return [task.ranks.index(rank) for rank in shown_ranks(task.ranks).values()] or [0]


def relation_facts(database: Database, schema: str) -> dict[str, dict[str, Any]]:
    """Relation -> what the planner knows of it; names are those of one schema, as a plan has them.

    How many rows changed since ANALYZE is a counter of the server's: resetting statistics resets it too.
    """
    with database.connect() as conn, conn.cursor(row_factory=dict_row) as cursor:
        superuser = conn.info.parameter_status("is_superuser") == "on"
        statement = sql.SQL(_RELATIONS).format(has_statistics=sql.SQL(_STATISTICS if superuser else _VACUUMED))
        rows = cursor.execute(statement, (schema,)).fetchall()
    return {row.pop("relname"): row for row in rows}


def _explain(runner: Runner, call: Call, mode: str) -> Plan:
    """The plan of one call; EXPLAIN ANALYZE executes it, so its transaction is rolled back, whatever it is."""
    query = call.query
    names = query.parameters
    arguments = sql.SQL(", ").join(sql.Literal(call.parameters[name]) for name in names)
    execution = sql.SQL("pgvitals_plan({})").format(arguments) if names else sql.SQL("pgvitals_plan")
    statement = numbered(query.sql)
    try:
        runner.begin(call)
        runner.ask(sql.SQL("set local plan_cache_mode = {}").format(sql.Literal(f"force_{mode}_plan")))
        runner.ask(sql.SQL("prepare pgvitals_plan as {}").format(sql.SQL(statement)))
        row = runner.ask(
            sql.SQL("explain (analyze, buffers, settings, format json) execute {}").format(execution)
        ).fetchone()
        runner.ask(sql.SQL("deallocate pgvitals_plan"))
    except psycopg.Error as error:
        raise MeasureError(failure(query, error)) from None
    finally:
        runner.abandon()
    assert row is not None, "EXPLAIN returns one row"
    plan: Plan = row[0][0]
    own = frozenset(_LITERAL.findall(_COMMENT.sub(lambda found: found["string"] or " ", statement)))
    return {**plan, "Plan": _without_values(plan["Plan"], own)}


def _without_values(part: Any, own: frozenset[str]) -> Any:
    if isinstance(part, dict):
        return {key: value if key in _NAMES else _without_values(value, own) for key, value in part.items()}
    if isinstance(part, list):
        return [_without_values(each, own) for each in part]
    if isinstance(part, str):
        return _LITERAL.sub(lambda found: found[0] if _is_own(found[0], own) else "'?'", part)
    return part


def _is_own(literal: str, own: frozenset[str]) -> bool:
    """Whether a literal stands in the statement; array literals such as ``'{a,b}'`` count by their elements."""
    if literal.startswith("'{") and literal.endswith("}'"):
        return all(f"'{part.strip(chr(34))}'" in own for part in literal[2:-2].split(","))
    return literal in own
