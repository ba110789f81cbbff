"""Plans that flip on a real server, made by hand: each is named as what it is, and a correct run is quiet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pgvitals.lab import Database
from pgvitals.lab.fingerprint import hardware
from pgvitals.measure.latency import gate
from pgvitals.measure.lookups import measure
from pgvitals.measure.plan import capture
from pgvitals.measure.plan_changes import plan_changes
from pgvitals.measure.task import Task
from pgvitals.profile import MeasurePlan, Profile
from pgvitals.report.html import render_html
from pgvitals.report.markdown import render_markdown
from pgvitals.report.plan_review import review_plans
from pgvitals.results.records import Gate, RunInfo
from pgvitals.results.rundir import RunWriter, load_run
from pgvitals.suite import Suite
from pgvitals.terminal import Terminal

MakeTasks = Callable[..., list[Task]]
MakeSuite = Callable[[Mapping[str, str]], Suite]
Captured = list[dict[str, Any]]

BY_TENANT = """-- title: by tenant
-- budget_p95_ms: 10
-- params: select tenant_id, kind from meter.items
select id from meter.items where tenant_id = %(tenant_id)s and kind = %(kind)s
"""
OF_TENANT = """-- title: everything of a tenant
-- budget_p95_ms: 10
-- params: select tenant_id from meter.visits
select id, note from meter.visits where tenant_id = %(tenant_id)s
"""
WITH_ITEMS = """-- title: everything of a tenant, and what it was about
-- budget_p95_ms: 10
-- params: select tenant_id from meter.visits
select v.id, i.name from meter.visits v join meter.catalogue i on i.id = v.item where v.tenant_id = %(tenant_id)s
"""
KEY = "meter/q"
VISITS = """
create table meter.visits (
    id int primary key, tenant_id text not null, item int not null default 1,
    note text not null default repeat('x', 200)
);
alter table meter.visits set (autovacuum_enabled = off);
create index visits_tenant on meter.visits (tenant_id);
grant select on meter.visits to meter_app;
"""
# One tenant has most of the rows, four some, and a thousand next to none.
SKEWED = """
insert into meter.visits
select i, case when i % 10 < 8 then 'a' when i % 50 = 8 then 'b' when i % 50 = 18 then 'c' else 'small' || i % 1000 end,
    i % 20000
from generate_series(1, 40000) i;
create table meter.catalogue (id int primary key, name text);
insert into meter.catalogue select i, 'name ' || i from generate_series(0, 19999) i;
grant select on meter.catalogue to meter_app;
analyze meter.visits;
analyze meter.catalogue;
"""


def run_of(folder: Path, plans: Captured, task: Task) -> tuple[str, str]:
    """What the reports of a run with these plans say: Markdown, HTML."""
    record = gate_of(task, plans)
    with RunWriter(folder / "run") as writer:
        info = RunInfo(
            name="run",
            started_utc="2025-10-01T10:15:00Z",
            command="pgvitals bench",
            config={},
            phases={},
            durations_s={},
            versions={},
            git_revision=None,
            hardware=hardware(),
        )
        writer.write("run.json", info)
        writer.write("latency.json", record)
        writer.write_json(f"plans/{task.query.key.replace('/', '__')}.json", plans)
        writer.commit()
    run = load_run(folder / "run")
    return render_markdown(run), render_html(run)


def gate_of(task: Task, plans: Captured) -> Gate:
    """A gate over a few samples of the task."""
    samples = pd.DataFrame(
        {
            "system": task.system.name,
            "query": task.query.name,
            "batch": [number // 25 for number in range(400)],
            "latency_ns": [1_000_000 + number for number in range(400)],
            "request_ns": 2_000_000,
            "rows": 1,
            "valid": True,
            "attempt": 1,
            "arm": "",
        }
    )
    shapes = {task.query.key: (plans[0]["shape"], plans[0]["fingerprint"])}
    return gate(samples, [task], budget_p95_ms=1000, plans=shapes)


@pytest.fixture
def visits(metered: Database) -> Database:
    """A table of one large and a hundred small tenants, without rows yet."""
    with metered.connect() as conn:
        conn.execute(VISITS)
    return metered


def test_a_dropped_index_is_named_with_what_is_read_instead(metered: Database, tasks_of: MakeTasks) -> None:
    (task,) = tasks_of(metered, {"q": BY_TENANT})
    before = {KEY: capture(metered, task)}
    with metered.connect() as conn:
        conn.execute("drop index meter.items_kind")
    (change,) = plan_changes(before, {KEY: capture(metered, task)})
    assert change.where == "every tenant"
    assert change.differences[0] == "index items_kind is gone"
    assert "Seq Scan on items instead of " in change.words
    assert "using items_kind" in change.words


def test_stale_statistics_are_named_and_so_is_the_plan_that_they_changed(
    visits: Database, tasks_of: MakeTasks, tmp_path: Path
) -> None:
    """ANALYZE sees a few rows of many tenants; then most of the table becomes one tenant's."""
    for statement in (
        "insert into meter.visits select i, 'small' || i % 900 from generate_series(1, 3000) i",
        "analyze meter.visits",
        "insert into meter.visits select i, 'a' from generate_series(3001, 40000) i",
    ):
        with visits.connect() as conn:  # the server counts a session's changes when it ends
            conn.execute(statement)
    (task,) = tasks_of(visits, {"q": OF_TENANT}, sets=400)
    stale = capture(visits, task)
    (alarm,) = review_plans({KEY: stale}).alarms
    assert alarm.kind == "Stale statistics"
    assert "gave 37,000" in alarm.words
    assert "37,000 rows of visits changed since the last ANALYZE, when it had 3,000; ANALYZE it" in alarm.words
    for report in run_of(tmp_path, stale, task):
        assert "Stale statistics" in report
        assert "37,000 rows of visits changed since the last ANALYZE" in report

    with visits.connect() as conn:
        conn.execute("analyze meter.visits")
    fresh = capture(visits, task)
    assert review_plans({KEY: fresh}).alarms == ()
    change, *_ = plan_changes({KEY: fresh}, {KEY: stale})
    assert change.differences[0] == "statistics of visits are stale"
    assert "instead of Seq Scan" in change.words


@pytest.mark.parametrize("vacuum", [False, True])
def test_a_measurement_as_it_is_knows_what_changed_since_analyze(
    visits: Database, meter: MakeSuite, vacuum: bool
) -> None:
    """It resets the server's counters itself, and writes nothing but what it rolls back."""
    for statement in (
        "insert into meter.visits select i, 'small' || i % 90 from generate_series(1, 300) i",
        "analyze meter.visits",
        "insert into meter.visits select i, 'a' from generate_series(301, 4000) i",
    ):
        with visits.connect() as conn:
            conn.execute(statement)
    suite = meter({"q": OF_TENANT})
    plan = MeasurePlan(batches=2, batch_size=5, warmup=1, tenant_share=0)
    profile = Profile(name="t", title="t", seed=1, as_of="2025-01-01", sizes={}, measure=plan)
    found = measure(suite, visits, profile, suite.select(None), Terminal(quiet=True), seed=1, vacuum=vacuum)
    assert found.plans[KEY][0]["relations"]["visits"]["changed_since_analyze"] == (0 if vacuum else 3700)
    alarms = [alarm.kind for alarm in review_plans(found.plans).alarms]
    assert alarms == ([] if vacuum else ["Stale statistics"])


def test_a_table_that_was_never_analyzed_is_named(visits: Database, tasks_of: MakeTasks) -> None:
    with visits.connect() as conn:
        conn.execute("insert into meter.visits select i, 'a' from generate_series(1, 30000) i")
    (task,) = tasks_of(visits, {"q": OF_TENANT})
    (alarm,) = review_plans({KEY: capture(visits, task)}).alarms
    assert alarm.kind == "Missing statistics"
    assert "visits has no statistics; ANALYZE it" in alarm.words


def test_a_generic_plan_that_is_wrong_for_the_largest_tenant_is_named(
    visits: Database, tasks_of: MakeTasks, tmp_path: Path
) -> None:
    with visits.connect() as conn:
        conn.execute(SKEWED)
    (task,) = tasks_of(visits, {"q": WITH_ITEMS}, sets=400)
    plans = capture(visits, task)
    (alarm,) = review_plans({KEY: plans}).alarms
    assert alarm.kind == "Generic plan, much costlier"
    assert alarm.words.startswith("largest tenant: ")
    assert "Nested Loop instead of Hash Join" in alarm.words
    for report in run_of(tmp_path, plans, task):
        assert "Generic plan, much costlier" in report


def test_a_correct_run_has_no_alarm(metered: Database, tasks_of: MakeTasks, tmp_path: Path) -> None:
    (task,) = tasks_of(metered, {"q": BY_TENANT}, sets=200)
    first, second = capture(metered, task), capture(metered, task)
    assert review_plans({KEY: first}).alarms == ()
    assert plan_changes({KEY: first}, {KEY: second}) == ()
    markdown, html = run_of(tmp_path, first, task)
    assert "statistics" not in markdown
    assert "alarm" not in html


def test_no_alarm_on_a_skewed_tenant_whose_generic_plan_costs_as_much(visits: Database, tasks_of: MakeTasks) -> None:
    with visits.connect() as conn:
        conn.execute(SKEWED)
    (task,) = tasks_of(visits, {"q": OF_TENANT}, sets=400)
    review = review_plans({KEY: capture(visits, task)})
    assert review.alarms == ()
    assert "Generic plan" in [remark.kind for remark in review.remarks]
