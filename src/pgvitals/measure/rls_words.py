"""What a policy does to a plan, in words: what it adds, and what it keeps the planner from doing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import psycopg

from pgvitals.measure.plan_diff import differences
from pgvitals.measure.plan_shape import Condition, Step

_CALL = re.compile(r"(?<![\w.])((?:\w+\.)?\w+)\(")
_COMPARED = re.compile(r"^(?:\w+\.)?\"?(?P<column>\w+)\"? (?P<operator>[-+*/<>=~!@#%^&|`?]+) ")
_NOT_CALLS = frozenset(("and", "or", "not", "any", "all", "row", "in", "subplan"))
_LEAKING = """
    select c.relname, a.attname, o.oprname, format_type(a.atttypid, null)
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    join pg_type t on t.oid = a.atttypid
    join pg_operator o on o.oprleft in (t.oid, case
        when t.oid = 'varchar'::regtype then 'text'::regtype
        when t.typtype = 'r' then 'anyrange'::regtype
        when t.typtype = 'm' then 'anymultirange'::regtype
        when t.typtype = 'e' then 'anyenum'::regtype
        when t.typcategory = 'A' then 'anyarray'::regtype
    end)
    join pg_proc p on p.oid = o.oprcode and not p.proleakproof
    where c.relnamespace = %s::regnamespace and c.relkind in ('r', 'p')
"""

Leaking = dict[tuple[str, str, str], str]
"""(relation, column, operator) -> type, of the operators that may not run before a policy."""


def leaking(conn: psycopg.Connection, schema: str) -> Leaking:
    """The operators on columns of ``schema`` whose functions are not leakproof."""
    rows = conn.execute(_LEAKING, (schema,)).fetchall()
    return {(str(relation), str(column), str(operator)): str(kind) for relation, column, operator, kind in rows}


def price_words(base: Step, policy: Step, leaks: Leaking) -> tuple[str, ...]:
    """What the plan under the policy does beyond the plan of the predicate; a phrase each, at least one."""
    said = [*_settings(base, policy), *_subplans(base, policy)]
    changed = [each for each in differences(ungated(base), ungated(policy)) if "SubPlan" not in each]
    if not changed and not said:
        return ("nothing",)
    if not changed and said == [_ONCE]:
        return ("nothing but one comparison, ahead of the rows",)
    behind = [_behind(step, moved.text, leaks) for step, moved in _moved(base, policy)]
    return (*said, *changed, *dict.fromkeys(behind))


_ONCE = "the setting is read once (InitPlan)"


def ungated(step: Step) -> Step:
    """The plan without what reads the setting once and compares it ahead of the rows."""
    below = tuple(ungated(each) for each in step.below if not (each.is_gate and each.role == "InitPlan"))
    if step.is_gate and len(below) == 1:
        return replace(below[0], role=step.role)
    return replace(step, below=below)


def _settings(base: Step, policy: Step) -> Iterator[str]:
    if sum(_reads_setting(step) for step in policy) > sum(_reads_setting(step) for step in base):
        yield _ONCE
    known = {name for step in base for each in step.conditions for name in _CALL.findall(each.text)}
    calls = [
        name
        for step in policy
        for each in step.conditions
        if each.place == "filter"
        for name in _CALL.findall(each.text)
        if name not in known and name.lower() not in _NOT_CALLS
    ]
    for name in dict.fromkeys(calls):
        yield f"{name}() is called for each row: write it as (select {name}(…)) in the policy"


def _reads_setting(step: Step) -> bool:
    return step.is_gate and step.role == "InitPlan"


def _subplans(base: Step, policy: Step) -> Iterator[str]:
    """Filters that ask other tables: hashed once, or a query for each row."""
    known, found = (
        [each.text for step in plan for each in step.conditions if "SubPlan" in each.text] for plan in (base, policy)
    )
    new = found[len(known) :]
    if any("hashed SubPlan" in text for text in new):
        yield "the policy asks another table, once for all rows (hashed SubPlan)"
    if any("SubPlan" in text.replace("hashed SubPlan", "") for text in new):
        yield "the policy asks another table for each row (SubPlan)"


def _moved(base: Step, policy: Step) -> Iterator[tuple[Step, Condition]]:
    """Conditions that were asked of an index and are now checked behind the policy, row by row."""
    asked = {each.text for step in base for each in step.conditions if each.place == "index"}
    still = {each.text for step in policy for each in step.conditions if each.place == "index"}
    for step in policy:
        for each in step.conditions:
            if each.place == "filter" and each.text in asked - still:
                yield step, each


def _behind(step: Step, text: str, leaks: Leaking) -> str:
    compared = _COMPARED.match(text)
    if compared and (kind := leaks.get((step.relation, compared["column"], compared["operator"]))):
        return f"({text}) has to wait for the policy: {compared['operator']} of {kind} is not leakproof"
    if _CALL.search(text):
        return f"({text}) has to wait for the policy: it calls a function that is not leakproof"
    return f"({text}) comes after the policy"
