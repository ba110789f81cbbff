"""One request: what it may change (nothing), whom it is made for, and what a write's rollback leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg.types.string import TextBinaryLoader

from pgvitals.errors import MeasureError
from pgvitals.lab import Database
from pgvitals.measure.plan import capture
from pgvitals.measure.runner import Runner
from pgvitals.measure.task import Task, shares
from pgvitals.suite import Suite

HEADER = "-- title: t\n-- budget_p95_ms: 100\n-- params: select tenant_id, id, id + 10000 as fresh from meter.items\n"
ADD = "insert into meter.items (id, tenant_id, kind, name) values (%(fresh)s, %(tenant_id)s, 1, 'new')"
CHANGE = "update meter.items set name = 'changed' where id = %(id)s and tenant_id = %(tenant_id)s returning id, name"
REMOVE = "delete from meter.items where tenant_id = %(tenant_id)s and id >= %(id)s::int and id < %(id)s::int + 3"
TWICE = "insert into meter.items (id, tenant_id, kind, name) values (%(id)s, %(tenant_id)s, 1, 'secret of a row')"

MakeTasks = Callable[..., list[Task]]
MakeSuite = Callable[..., Suite]


@pytest.fixture
def written(metered: Database) -> Iterator[Database]:
    """A database whose rows must be the same in the end."""
    with metered.connect() as conn:
        conn.execute("grant insert, update, delete on meter.items to meter_app")
        before = _checksum(conn)
        yield metered
        assert _checksum(conn) == before


def _checksum(conn: psycopg.Connection[Any]) -> Any:
    return conn.execute("select count(*), sum(hashtextextended(i::text, 0)) from meter.items i").fetchone()


@pytest.fixture
def task_of(written: Database, tasks_of: MakeTasks) -> Callable[..., Task]:
    """The task of one statement with parameters drawn."""

    def make(statement: str, ends: str = "rollback") -> Task:
        (task,) = tasks_of(written, {"any": f"{HEADER}-- ends: {ends}\n{statement}\n"})
        return task

    return make


@pytest.mark.parametrize(("statement", "rows"), [(ADD, 1), (CHANGE, 1), (REMOVE, 3)])
def test_a_write_counts_its_rows_and_leaves_none(
    written: Database, task_of: Callable[..., Task], statement: str, rows: int
) -> None:
    task = task_of(statement)
    with Runner(written, task.role) as runner:
        counts = [runner.run(call).rows for call in task.calls] + [runner.send(call) for call in task.calls]
    assert max(counts) == rows
    assert min(counts) >= 1


@pytest.mark.parametrize("statement", [ADD, CHANGE, REMOVE])
def test_a_lookup_that_writes_is_refused_with_the_cure(
    written: Database, task_of: Callable[..., Task], statement: str
) -> None:
    task = task_of(statement, "commit")
    with Runner(written, task.role) as runner:
        with pytest.raises(MeasureError) as caught:
            runner.run(task.calls[0])
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            runner.send(task.calls[0])
    assert str(caught.value).endswith("any.sql: writes, which a lookup may not; "
                                      "if it is meant to, add '-- ends: rollback' to its header")  # fmt: skip


@pytest.mark.parametrize("ends", ["commit", "rollback"])
@pytest.mark.parametrize("statement", [ADD, REMOVE])
def test_explain_leaves_nothing_of_a_write_whatever_its_header_says(
    written: Database, task_of: Callable[..., Task], statement: str, ends: str
) -> None:
    task = task_of(statement, ends)
    if ends == "commit":
        with pytest.raises(MeasureError, match="add '-- ends: rollback'"):
            capture(written, task)
    else:
        plans = capture(written, task)
        assert {plan["mode"] for plan in plans} == {"custom", "generic"}
        assert {plan["shape"].split()[0] for plan in plans} <= {"Insert", "Delete"}
        assert all(plan["plan"]["Plan"]["Plans"][0]["Actual Rows"] > 0 for plan in plans)


def test_a_statement_stays_prepared_after_a_rollback(written: Database, task_of: Callable[..., Task]) -> None:
    task = task_of(CHANGE)
    with Runner(written, task.role) as runner:
        for call in task.calls:
            runner.send(call)
        (times,) = [sum(each) for statement, each in runner.plan_choices().items() if "update meter.items" in statement]
    assert times == len(task.calls)


def test_every_value_of_every_row_is_made_a_python_value(written: Database, task_of: Callable[..., Task]) -> None:
    loaded: list[Any] = []

    class Text(TextBinaryLoader):
        def load(self, data: Any) -> Any:
            loaded.append(super().load(data))
            return loaded[-1]

    task = task_of("select name, tenant_id from meter.items where tenant_id = %(tenant_id)s limit 7", "commit")
    with Runner(written, task.role) as runner:
        runner.connection.adapters.register_loader("text", Text)
        assert [runner.send(call) for call in task.calls[:3]] == [7, 7, 7]
    assert len(loaded) == 3 * (7 * 2 + 1)  # and what set_config answers
    assert any(str(value).startswith("name ") for value in loaded)


def test_values_of_other_types_are_statements_of_their_own_and_count_together(
    written: Database, task_of: Callable[..., Task]
) -> None:
    (call, *_) = task_of("select id from meter.items where id = %(id)s", "commit").calls
    calls = [replace(call, parameters={"id": value}) for value in (7, 70_000, None, 7, 2**40)]
    with Runner(written, "meter_app") as runner:
        counts = [runner.run(each).rows for each in calls]
        (times,) = [sum(each) for statement, each in runner.plan_choices().items() if "meter.items" in statement]
    assert counts[1:3] == [0, 0]
    assert times == len(calls)


def test_after_a_failing_write_the_connection_goes_on_and_nothing_stays(
    written: Database, task_of: Callable[..., Task]
) -> None:
    failing, working = task_of(TWICE), task_of(CHANGE)
    with Runner(written, failing.role) as runner:
        for _ in range(2):
            with pytest.raises(MeasureError) as caught:
                runner.run(failing.calls[0])
            with pytest.raises(psycopg.errors.UniqueViolation):
                runner.send(failing.calls[0])
            assert runner.send(working.calls[0]) == 1
    assert "items_pkey" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_client_that_goes_away_in_the_middle_of_a_write_leaves_nothing(
    written: Database, task_of: Callable[..., Task]
) -> None:
    task = task_of(REMOVE)
    runner = Runner(written, task.role)
    runner.begin(task.calls[0])
    assert runner.execute(task.calls[0]) >= 1
    runner.close()


@pytest.mark.parametrize(
    ("tenant", "actor", "seen"),
    [("a", "ann", ("a", "ann")), (None, "ann", ("", "ann")), ("a", None, ("a", "")), (None, None, ("", ""))],
)
def test_tenant_and_actor_are_set_for_the_transaction_alone(
    written: Database, tasks_of: MakeTasks, tenant: str | None, actor: str | None, seen: tuple[str, str]
) -> None:
    params = f"select {_literal(tenant)} as tenant_id, {_literal(actor)} as actor_id"
    check = (
        f"-- title: t\n-- budget_p95_ms: 100\n-- params: {params}\n"
        f"select 1 / (coalesce(current_setting('app.meter_tenant', true), '') = '{seen[0]}'\n"
        f"    and coalesce(current_setting('app.meter_actor', true), '') = '{seen[1]}')::int\n"
    )
    (task,) = tasks_of(written, {"who": check}, sets=1)
    policy = task.system.tenant.model_copy(update={"actor_setting": "app.meter_actor"})
    task = replace(task, system=task.system.model_copy(update={"tenant": policy}))
    with Runner(written, task.role) as runner:
        assert runner.send(task.calls[0]) == 1
        row = runner.connection.execute(
            "select current_setting('app.meter_tenant', true), current_setting('app.meter_actor', true)"
        ).fetchone()
    assert [value or "" for value in row or ()] == ["", ""]


def test_a_system_without_an_actor_setting_sets_the_tenant_alone(written: Database, tasks_of: MakeTasks) -> None:
    text = "-- title: t\n-- budget_p95_ms: 9\n-- params: select 'a' as tenant_id, 'ann' as actor_id\nselect 1\n"
    (task,) = tasks_of(written, {"who": text}, sets=1)
    assert task.calls[0].settings == ("app.meter_tenant", "a")


def test_equal_parameter_sets_of_a_write_go_to_one_user(task_of: Callable[..., Task]) -> None:
    task = task_of(CHANGE)
    several = replace(task, parameters=task.parameters[:7] * 3)
    dealt = shares(several, 3)
    assert sorted(position for own in dealt for position in own) == list(range(21))
    held = [{repr(several.parameters[position]) for position in own} for own in dealt]
    assert all(one.isdisjoint(other) for i, one in enumerate(held) for other in held[i + 1 :])


def test_users_share_where_there_are_fewer_different_sets(task_of: Callable[..., Task]) -> None:
    few = replace(task_of(CHANGE), parameters=task_of(CHANGE).parameters[:2])
    assert shares(few, 5) == ((0,), (1,), (0,), (1,), (0,))


def _literal(value: str | None) -> str:
    return "null::text" if value is None else f"'{value}'"
