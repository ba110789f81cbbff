"""Captured plans: no value of a row or parameter in them, literals of the statement kept, shapes told apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pgvitals.errors import MeasureError
from pgvitals.lab import Database
from pgvitals.measure.plan import capture
from pgvitals.measure.plan_shape import walk
from pgvitals.measure.task import Task

MakeTasks = Callable[..., list[Task]]

# What may never be seen; every row and every parameter holds one of them.
CANARIES = {
    "word": "canary-o'malley",
    "uuid": "3f1c8a52-6b0e-4a57-9d43-cafe0badf00d",
    "day": "1987-03-14",
    "moment": "1987-03-14 15:09:26.535",
    "whole": "918273645",
    "negative": "-827364519",
    "exact": "31415.92653",
    "tiny": "2.7182818284e-21",
    "huge": "1.6180339887498e+25",
}
TRACES = ("canary", "malley", "3f1c8a52", "1987", "918273645", "827364519", "31415", "92653", "71828", "61803", "18033")
TABLE = f"""
create table meter.patients (
    id int primary key, word text, uuid uuid, day date, moment timestamptz, whole bigint, negative bigint,
    exact numeric, tiny float8, huge float8, words text[], doc jsonb
);
insert into meter.patients
select i, word || i, '{CANARIES["uuid"]}', '{CANARIES["day"]}', '{CANARIES["moment"]}', {CANARIES["whole"]},
    {CANARIES["negative"]}, {CANARIES["exact"]}, {CANARIES["tiny"]}, {CANARIES["huge"]},
    array[word, 'x'], jsonb_build_object('k', word)
from generate_series(1, 3000) i, (select $${CANARIES["word"]}$$ as word) canary;
create index patients_word on meter.patients (word);
create index patients_day on meter.patients (day);
grant select on meter.patients to meter_app;
analyze meter.patients;
"""

EVERY_COLUMN = """-- title: every column
-- budget_p95_ms: 10
-- params: select word, uuid, day, moment, whole, negative, exact, tiny, huge from meter.patients
select id from meter.patients
where word = %(word)s and uuid = %(uuid)s and day <= %(day)s and moment >= %(moment)s and whole = %(whole)s
  and negative < %(negative)s::bigint + 1 and exact = %(exact)s and tiny = %(tiny)s and huge >= %(huge)s
"""
EVERYWHERE = """-- title: parameters in every corner of a plan
-- budget_p95_ms: 10
-- params: select word, words, whole, doc from meter.patients
select p.word = %(word)s as same, count(*) filter (where p.whole = %(whole)s),
    rank() over (order by p.word = %(word)s)
from meter.patients p
left join lateral (
    select q.id from meter.patients q where q.day = p.day and q.word > %(word)s order by q.word < %(word)s, q.id limit 3
) near on near.id %% 918 = %(whole)s - p.whole
where p.word = any(%(words)s) or p.doc @> %(doc)s or p.word like %(word)s || '%%'
group by p.word = %(word)s, p.word
having max(p.whole) <= %(whole)s
order by max(p.word) = %(word)s desc, p.word || %(word)s
limit 25
"""
OWN = """-- title: literals of the statement
-- budget_p95_ms: 10
-- params: select word from meter.patients
-- it's a comment with 77 in it
select id from meter.patients
where word <> 'o''clock' and whole <> 4711 and exact <> 2.50 and word <> %(word)s
  and word not in ('first', 'second') and day > date '2001-02-03' - interval '7 days'
"""
BY_TENANT = """-- title: by tenant
-- budget_p95_ms: 10
-- params: select tenant_id, kind from meter.items
select id from meter.items where tenant_id = %(tenant_id)s and kind = %(kind)s
"""


@pytest.fixture
def patients(metered: Database) -> Database:
    """A table whose every value is a canary."""
    with metered.connect() as conn:
        conn.execute(TABLE)
    return metered


def conditions(plan: dict[str, Any]) -> str:
    """Every text of a plan."""
    return json.dumps(plan["plan"]["Plan"])


@pytest.mark.parametrize("query", [EVERY_COLUMN, EVERYWHERE])
def test_no_value_of_a_row_or_parameter_is_in_a_plan(patients: Database, tasks_of: MakeTasks, query: str) -> None:
    (task,) = tasks_of(patients, {"q": query})
    plans = capture(patients, task)
    text = json.dumps(plans)
    assert [trace for trace in TRACES if trace in text] == []
    custom, generic = plans[0], plans[1]
    assert "'?'" in conditions(custom)
    assert "$1" in conditions(generic)


def test_without_the_precaution_the_canaries_would_be_seen(patients: Database, tasks_of: MakeTasks) -> None:
    """The trap works: a plan as the server gives it holds them, in conditions, sort keys and group keys."""
    (task,) = tasks_of(patients, {"q": EVERYWHERE})
    with patients.connect() as conn:
        (plan,) = conn.execute(f"explain (format json) {task.query.sql}", task.parameters[0]).fetchone() or ({},)
    keys = {key for node in walk(plan[0]["Plan"]) for key, value in node.items() if "canary" in json.dumps(value)}
    assert {"Sort Key", "Group Key", "Filter"} <= keys


def test_literals_of_the_statement_stay(patients: Database, tasks_of: MakeTasks) -> None:
    (task,) = tasks_of(patients, {"q": OWN})
    custom, generic = (conditions(plan) for plan in capture(patients, task))
    for text in (custom, generic):
        for literal in ("'o''clock'", "4711", "2.50", "{first,second}"):
            assert literal in text
    assert "canary" not in custom
    assert "word <> '?'" in custom


def test_custom_and_generic_plans_of_a_large_a_middle_and_a_small_tenant(
    metered: Database, tasks_of: MakeTasks
) -> None:
    (task,) = tasks_of(metered, {"q": BY_TENANT}, sets=200)
    found = capture(metered, task)
    assert set(task.ranks) == {1, 2, 3, 4, 5}
    assert [(each["tenant_rank"], each["mode"]) for each in found] == [
        (rank, mode) for rank in (1, 3, 5) for mode in ("custom", "generic")
    ]
    for each in found:
        assert ("$1" in conditions(each)) == (each["mode"] == "generic")
        assert each["plan"]["Plan"]["Actual Loops"] == 1
        assert "Shared Hit Blocks" in each["plan"]["Plan"]


def test_a_plan_is_that_of_the_application_s_role_and_tenant(metered: Database, tasks_of: MakeTasks) -> None:
    """Row-level security adds its condition, and with the tenant set the rows are there."""
    (task,) = tasks_of(metered, {"q": BY_TENANT})
    plan = capture(metered, task)[0]["plan"]["Plan"]
    assert "app.meter_tenant" in json.dumps(plan) or "current_setting" in json.dumps(plan)
    assert plan["Actual Rows"] > 0


def test_equal_plans_have_equal_fingerprints_whatever_the_parameters(metered: Database, tasks_of: MakeTasks) -> None:
    found = [
        {each["mode"]: each["fingerprint"] for each in capture(metered, task)}
        for seed in (1, 2, 3)
        for task in tasks_of(metered, {"q": BY_TENANT}, seed=seed)
    ]
    assert found[0] == found[1] == found[2]


def test_a_dropped_index_changes_shape_and_fingerprint(metered: Database, tasks_of: MakeTasks) -> None:
    (task,) = tasks_of(metered, {"q": BY_TENANT})
    before = capture(metered, task)
    with metered.connect() as conn:
        conn.execute("drop index meter.items_kind")
    after = capture(metered, task)
    assert all("items_kind" in each["shape"] for each in before)
    assert not any("items_kind" in each["shape"] for each in after)
    assert {each["fingerprint"] for each in before}.isdisjoint(each["fingerprint"] for each in after)


def test_a_captured_write_leaves_nothing(metered: Database, tasks_of: MakeTasks) -> None:
    write = """-- title: writes
-- budget_p95_ms: 10
-- params: select kind from meter.items
-- ends: rollback
insert into meter.log (query) select 'from explain' || %(kind)s::int returning 1
"""
    (task,) = tasks_of(metered, {"q": write})
    assert all(each["shape"] == "Insert log > Result" for each in capture(metered, task))
    with metered.connect() as conn:
        assert conn.execute("select count(*) from meter.log").fetchone() == (0,)


def test_a_query_without_parameters_has_plans_too(metered: Database, tasks_of: MakeTasks) -> None:
    (task,) = tasks_of(metered, {"q": "-- title: q\n-- budget_p95_ms: 1\n-- params: select 1\nselect 40 %% 2 + 2\n"})
    custom, generic = capture(metered, task)
    assert custom["shape"] == generic["shape"] == "Result"


def test_a_failing_query_is_named_without_its_parameters(metered: Database, tasks_of: MakeTasks) -> None:
    query = "-- title: q\n-- budget_p95_ms: 1\n-- params: select 'canary' as w\nselect %(w)s::text::int\n"
    (task,) = tasks_of(metered, {"q": query})
    with pytest.raises(MeasureError, match=r"q\.sql: fails with InvalidTextRepresentation") as caught:
        capture(metered, task)
    assert "canary" not in str(caught.value)
