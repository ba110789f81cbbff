"""The price of row-level security on a real server: arms, rows and what policies do to plans."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pgvitals.errors import MeasureError
from pgvitals.lab import Database
from pgvitals.measure.rls_arms import AS_IS, REWRITTEN, Priced, owner_exempt, price_arms
from pgvitals.measure.rls_price import measure_rls
from pgvitals.measure.rls_words import leaking, price_words
from pgvitals.measure.task import Task
from pgvitals.profile import ImpactPlan, Profile
from pgvitals.report.html import render_html
from pgvitals.report.markdown import render_markdown
from pgvitals.results.records import RunInfo
from pgvitals.results.rundir import RunWriter, load_run
from pgvitals.suite import Suite
from pgvitals.terminal import Terminal

MakeSuite = Callable[[Mapping[str, str]], Suite]
MakeTasks = Callable[..., list[Task]]

HEAD = "-- title: q\n-- budget_p95_ms: 10\n"
BY_TENANT = f"""{HEAD}-- params: select tenant_id, kind from meter.items
select id from meter.items where tenant_id = %(tenant_id)s and kind = %(kind)s
"""
BY_KIND = f"""{HEAD}-- params: select tenant_id, kind from meter.items
select id from meter.items where kind = %(kind)s
"""
BY_SPAN = f"""{HEAD}-- params: select tenant_id, int4range(id, id + 3) as span from meter.items
select id from meter.items where tenant_id = %(tenant_id)s and span && %(span)s
"""
PARTS = f"""{HEAD}-- params: select i.tenant_id, p.item from meter.parts p join meter.items i on i.id = p.item
select p.id from meter.parts p where p.item = %(item)s
"""
NO_TENANT = f"{HEAD}-- params: select kind from meter.items\nselect id from meter.items where kind = %(kind)s\n"
OPEN = (
    f"{HEAD}-- params: select tenant_id from meter.items\nselect count(*) from meter.log where query = %(tenant_id)s\n"
)
AS_OWNER = BY_TENANT.replace("-- params", "-- role: owner\n-- params")
INSERT = f"""{HEAD}-- params: select tenant_id from meter.items
-- ends: rollback
insert into meter.log (query) values (%(tenant_id)s)
"""
WRAPPED = """
drop policy own on meter.items;
create policy own on meter.items using (tenant_id = (select current_setting('app.meter_tenant', true)));
"""
OWNED = """
alter table meter.items owner to meter_owner, force row level security;
alter table meter.log owner to meter_owner;
"""
CHILDREN = """
create table meter.parts (id int primary key, item int not null references meter.items);
insert into meter.parts select i, 1 + i % 4000 from generate_series(1, 20000) i;
create index parts_item on meter.parts (item);
alter table meter.parts owner to meter_owner, enable row level security, force row level security;
create policy own on meter.parts using (exists (
    select from meter.items i where i.id = parts.item
        and i.tenant_id = (select current_setting('app.meter_tenant', true))));
grant select on meter.parts to meter_app;
analyze meter.parts;
"""


@pytest.fixture
def owned(metered: Database) -> Database:
    """The tables belong to the system's owner, and are forced, as a hardened schema has them."""
    with metered.connect() as conn:
        conn.execute(OWNED)
        conn.execute(WRAPPED)
    return metered


def priced(database: Database, task: Task) -> Priced | str:
    with owner_exempt(database, task.system) as isolated:
        return price_arms(database, task, isolated)


def said(database: Database, task: Task) -> tuple[Priced, str]:
    """The arms, and what the policies do to the plan."""
    found = priced(database, task)
    assert isinstance(found, Priced), found
    with database.connect() as conn:
        leaks = leaking(conn, "meter")
    return found, "; ".join(price_words(found.without_plan[0], found.policy_plan[0], leaks))


def test_a_statement_that_names_its_tenant_is_sent_as_it_is(owned: Database, tasks_of: MakeTasks) -> None:
    (task,) = tasks_of(owned, {"q": BY_TENANT})
    found, words = said(owned, task)
    assert found.against == AS_IS
    assert [arm.role for arm in found.arms] == ["meter_owner", "meter_app", "meter_owner"]
    assert all(arm.calls == task.calls for arm in found.arms)
    assert found.policy_rows == found.unprotected_rows > 0
    assert words == "nothing but one comparison, ahead of the rows"


def test_a_statement_without_its_tenant_gets_it_and_shows_what_the_policy_keeps_out(
    owned: Database, tasks_of: MakeTasks
) -> None:
    (task,) = tasks_of(owned, {"q": BY_KIND})
    found, _ = said(owned, task)
    assert found.against == REWRITTEN
    without, policy, placebo, unprotected = found.arms
    assert "items.tenant_id = %(tenant_id)s" in without.calls[0].sql
    assert placebo == without
    assert policy.calls[0].sql == unprotected.calls[0].sql == task.query.sql
    assert found.unprotected_rows == 200 * found.checked
    assert 0 < found.policy_rows < found.unprotected_rows


def test_a_setting_that_is_read_for_each_row_is_named(metered: Database, tasks_of: MakeTasks) -> None:
    with metered.connect() as conn:
        conn.execute(OWNED)
        conn.execute("drop index meter.items_kind")
    (task,) = tasks_of(metered, {"q": BY_KIND})
    assert "current_setting() is called for each row" in said(metered, task)[1]


def test_an_operator_that_leaks_is_named_as_what_keeps_the_index_away(owned: Database, tasks_of: MakeTasks) -> None:
    with owned.connect() as conn:
        conn.execute("alter table meter.items add span int4range")
        conn.execute("update meter.items set span = int4range(id, id + 2)")
        conn.execute("create index items_span on meter.items using gist (span)")
        conn.execute("vacuum analyze meter.items")
    (task,) = tasks_of(owned, {"q": BY_SPAN})
    _, words = said(owned, task)
    assert "using items_span" in words
    assert "(span && ?) has to wait for the policy: && of int4range is not leakproof" in words


def test_a_policy_that_asks_another_table_is_named_and_a_child_asks_its_parent(
    owned: Database, tasks_of: MakeTasks
) -> None:
    with owned.connect() as conn:
        conn.execute(CHILDREN)
    (task,) = tasks_of(owned, {"q": PARTS})
    task = Task(
        query=task.query,
        system=task.system.model_copy(update={"child_tables": {"parts": "items"}}),
        parameters=task.parameters,
        ranks=task.ranks,
    )
    found, words = said(owned, task)
    assert found.against == REWRITTEN
    assert found.policy_rows == found.unprotected_rows
    assert "the policy asks another table" in words


def test_where_only_the_policy_says_whose_a_row_is_the_statement_is_sent_as_it_is(
    owned: Database, tasks_of: MakeTasks
) -> None:
    with owned.connect() as conn:
        conn.execute(CHILDREN)
    (task,) = tasks_of(owned, {"q": PARTS})
    found, _ = said(owned, task)
    assert found.against.endswith("only the policy says whose a row of parts is, no column does")
    assert len(found.arms) == 3


def test_a_policy_that_asks_for_more_than_the_tenant_is_not_compared_with_the_tenant_alone(
    owned: Database, tasks_of: MakeTasks
) -> None:
    with owned.connect() as conn:
        conn.execute("create policy even on meter.items as restrictive using (id % 2 = 0)")
    (task,) = tasks_of(owned, {"q": BY_KIND})
    found, _ = said(owned, task)
    assert "the tenant alone" in found.against
    assert found.policy_rows < found.unprotected_rows


@pytest.mark.parametrize(
    ("query", "why"),
    [
        (INSERT, "a write"),
        (AS_OWNER, "it runs as the owner"),
        (NO_TENANT, "its parameters name no tenant"),
        (OPEN, "it reads no isolated table"),
    ],
)
def test_what_has_no_price_says_why(owned: Database, tasks_of: MakeTasks, query: str, why: str) -> None:
    (task,) = tasks_of(owned, {"q": query})
    assert priced(owned, task) == why


def test_without_policies_there_is_nothing_to_price(metered: Database, tasks_of: MakeTasks) -> None:
    with metered.connect() as conn:
        conn.execute("alter table meter.items disable row level security")
    (task,) = tasks_of(metered, {"q": BY_TENANT})
    with pytest.raises(MeasureError, match="no table of system 'meter' has row-level security"):
        priced(metered, task)


def test_a_role_that_the_policies_are_not_for_is_refused(owned: Database, tasks_of: MakeTasks) -> None:
    (task,) = tasks_of(owned, {"q": BY_TENANT})
    system = task.system.model_copy(
        update={"roles": task.system.roles.model_copy(update={"owner": "meter_app", "app": "meter_owner"})}
    )
    with pytest.raises(MeasureError, match="'meter_app' is subject to the policies"), owner_exempt(owned, system):
        pass


def test_a_system_is_priced_and_kept_in_its_run(owned: Database, meter: MakeSuite, tmp_path: Path) -> None:
    suite = meter({"by_tenant": BY_TENANT, "by_kind": BY_KIND, "insert": INSERT})
    plan = ImpactPlan(rounds=8, per_arm=2, clones=1)
    profile = Profile(name="tiny", title="", seed=1, as_of="2025-10-01", sizes={}, impact=plan)
    found = measure_rls(suite, owned, suite.system("meter"), profile, Terminal(quiet=True), seed=1)
    by_name = {each.query: each for each in found.lookups}
    assert set(by_name) == {"by_tenant", "by_kind"}
    assert found.left_out == {"insert": "a write"}
    assert found.rounds_measured == 8
    assert found.setting.low <= found.setting_us <= found.setting.high
    for each in found.lookups:
        assert each.typical.low <= each.typical_ratio <= each.typical.high
        assert each.verdict in ("slower", "faster", "same", "inconclusive", "void")
        assert each.tables == ("items",)
    assert by_name["by_tenant"].unprotected_p50_ms is None
    assert by_name["by_kind"].unprotected_p50_ms is not None

    with RunWriter(tmp_path / "run") as writer:
        info = RunInfo(
            name="run",
            started_utc="2025-10-01T10:15:00Z",
            command="pgvitals rls",
            config={},
            phases={},
            durations_s={},
            versions={},
            git_revision=None,
        )
        writer.write("run.json", info)
        writer.write("rls.json", (found,))
        writer.commit()
    run = load_run(tmp_path / "run")
    assert run.rls == (found,)
    for report in (render_markdown(run), render_html(run)):
        assert "Price of row-level security" in report
        assert "nothing but one comparison, ahead of the rows" in report
        assert "that keeps other tenants' rows out" in html.unescape(report)
