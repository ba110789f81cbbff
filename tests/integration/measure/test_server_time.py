"""The server's own time: of exactly the executions that were measured, never of another lookup's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import psycopg
import pytest

from pgvitals.errors import MeasureError
from pgvitals.lab import Database
from pgvitals.measure.sampler import Sampling, sample
from pgvitals.measure.server_time import ServerClock, explained
from pgvitals.measure.task import Task
from pgvitals.profile import MeasurePlan
from pgvitals.results.server_time import ServerTime

PLAN = MeasurePlan(batches=2, batch_size=4, warmup=2)
MakeTasks = Callable[..., list[Task]]


def lookup(statement: str, params: str = "select id, tenant_id from meter.items") -> str:
    return f"-- title: t\n-- budget_p95_ms: 100\n-- params: {params}\n{statement}\n"


def nap(seconds: float) -> str:
    """One statement but for a literal: all of these have one query id."""
    return lookup(f"select id, pg_sleep({seconds}) from meter.items where id = %(id)s and tenant_id = %(tenant_id)s")


@pytest.fixture
def counted(
    metered: Database, tasks_of: MakeTasks
) -> Callable[[Mapping[str, str]], tuple[Sampling, dict[str, ServerTime]]]:
    """Sample query files and count them on the server."""

    def run(queries: Mapping[str, str]) -> tuple[Sampling, dict[str, ServerTime]]:
        with ServerClock(metered) as clock:
            assert clock.why == ""
            found = sample(metered, tasks_of(metered, queries, tenant_sets=4), PLAN, seed=1, clock=clock)
            return found, clock.times()

    return run


def test_it_is_of_the_measured_executions_and_less_than_the_client_waits(counted: Callable[..., object]) -> None:
    found, times = counted({"short": nap(0.002), "long": nap(0.006)})  # type: ignore[misc]
    for name, least_ms in (("short", 2.0), ("long", 6.0)):
        time = times[f"meter/{name}"]
        own = found.samples[(found.samples["query"] == name) & (found.samples["arm"] == "")]
        assert (time.source, time.executions) == ("pg_stat_statements", len(own))
        assert time.client_mean_ms == pytest.approx(own["latency_ns"].mean() / 1e6)
        assert least_ms <= time.mean_ms < time.client_mean_ms
    assert times["meter/short"].mean_ms < times["meter/long"].mean_ms


def test_numbers_that_are_sent_in_several_types_count_all_the_same(counted: Callable[..., object]) -> None:
    sizes = "select n from (values (7), (70000), (7000000000)) sizes(n)"
    found, times = counted({"sizes": lookup("select count(*) from meter.items where id = %(n)s", sizes)})  # type: ignore[misc]
    assert times["meter/sizes"].executions == len(found.samples)


def test_a_write_is_counted_though_it_is_rolled_back(metered: Database, counted: Callable[..., object]) -> None:
    with metered.connect() as conn:
        conn.execute("grant update on meter.items to meter_app")
    change = nap(0).replace("-- params", "-- ends: rollback\n-- params")
    change = change[: change.index("select id, pg_sleep")] + "update meter.items set kind = 1 where id = %(id)s\n"
    found, times = counted({"change": change})  # type: ignore[misc]
    assert times["meter/change"].executions == (found.samples["arm"] == "").sum() == PLAN.batches * PLAN.batch_size


def test_a_lookup_that_fails_is_one_line(counted: Callable[..., object]) -> None:
    with pytest.raises(MeasureError, match=r"fails\.sql: fails with DivisionByZero \(SQLSTATE 22012\)$"):
        counted({"fails": lookup("select 1 / 0")})


def test_where_the_server_does_not_count_nothing_is_read_and_it_says_why(
    metered: Database, tasks_of: MakeTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: ServerClock) -> object:
        raise psycopg.errors.ObjectNotInPrerequisiteState

    monkeypatch.setattr(ServerClock, "_open", refuse)
    with ServerClock(metered) as clock:
        found = sample(metered, tasks_of(metered, {"nap": nap(0)}), PLAN, seed=1, clock=clock)
        assert clock.why == "pg_stat_statements is not loaded (shared_preload_libraries)"
        assert (clock.times(), len(found.samples)) == ({}, 8)


def test_explain_stands_in_with_the_plan_that_the_server_took() -> None:
    def captured(mode: str, ms: float, **more: object) -> dict[str, object]:
        return {"mode": mode, "plan": {"Execution Time": ms}, **more}

    plans = [captured("custom", 1), captured("generic", 2), captured("custom", 3), captured("generic", 4)]
    plans += [captured("custom", 5), captured("generic", 6)]
    found = explained(plans, "it is not loaded")
    assert found is not None
    assert (found.source, found.mean_ms, found.client_mean_ms) == ("explain", 3.0, None)
    plans[0]["server_used"] = {"generic": 90, "custom": 5}
    generic = explained(plans, "")
    assert generic is not None
    assert generic.mean_ms == 4.0
