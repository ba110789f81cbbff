"""Sampling, seen from the server: every statement tells who ran it, on which connection, for which tenant."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import pytest

from pgvitals.errors import LabError, MeasureError
from pgvitals.lab import Database
from pgvitals.measure.batch import Visit
from pgvitals.measure.sampler import Sampling, sample
from pgvitals.measure.settling import Settling
from pgvitals.measure.task import Task
from pgvitals.profile import MeasurePlan
from pgvitals.results.rundir import SAMPLE_COLUMNS
from pgvitals.stats.validity import BatchNoise, Limits

PLAN = MeasurePlan(batches=8, batch_size=6, warmup=3)
A_BATCH = PLAN.warmup + PLAN.batch_size
NAP_NS = 2_000_000

MakeTasks = Callable[..., list[Task]]


def noted(name: str, *, params: str, wanted: str = "null", role: str = "app", nap_ns: int = 0) -> str:
    """A query of two rows that tells whoever listens who runs it: a lookup's transaction may write nothing."""
    return f"""-- title: {name}
-- budget_p95_ms: 100
-- role: {role}
-- params: {params}
with noted as (
    select pg_sleep({nap_ns / 1e9}), pg_notify('meter', json_build_object(
        'query', '{name}', 'who', current_user, 'pid', pg_backend_pid(),
        'since', (select backend_start from pg_stat_activity where pid = pg_backend_pid()),
        'tenant', current_setting('app.meter_tenant', true), 'wanted', {wanted},
        'prepared', (select count(*) from pg_prepared_statements where statement like '%%pg_notify%%''{name}''%%')
    )::text)
)
select n from noted, generate_series(1, 2) n
"""


QUERIES = {
    "of_a_tenant": noted("of_a_tenant", params="select tenant_id from meter.items", wanted="%(tenant_id)s::text"),
    "of_nobody": noted("of_nobody", params="select id from meter.items", nap_ns=NAP_NS),
    "of_the_owner": noted("of_the_owner", params="select tenant_id from meter.items", role="owner"),
}


@dataclass
class Seen:
    """What the sampler returned, and what the server saw: one row an execution, in order."""

    sampling: Sampling
    log: pd.DataFrame

    def counted(self) -> pd.DataFrame:
        """The log without the warm-up of each batch: row by row the samples."""
        return self.log[self.log.index % A_BATCH >= PLAN.warmup].reset_index(drop=True)

    def rounds(self) -> list[list[str]]:
        """The order of the queries in each round."""
        batches = self.log["query"].iloc[::A_BATCH].tolist()
        return [batches[at : at + len(QUERIES)] for at in range(0, len(batches), len(QUERIES))]


@pytest.fixture(scope="module")
def seen(shared: Database, tasks_of: MakeTasks) -> Seen:
    """One sampling of the queries above."""
    with shared.connect() as conn:
        conn.execute("listen meter")
        found = sample(shared, tasks_of(shared, QUERIES), PLAN, seed=3)
        told = [json.loads(each.payload) for each in conn.notifies(timeout=2)]
    return Seen(found, pd.DataFrame(told))


def test_every_batch_of_every_query_is_there(seen: Seen) -> None:
    samples = seen.sampling.samples
    sizes = samples.groupby(["query", "batch"]).size()
    assert sizes.to_dict() == {(name, batch): PLAN.batch_size for name in QUERIES for batch in range(PLAN.batches)}
    assert set(seen.sampling.order) == {("meter", name, batch) for name in QUERIES for batch in range(PLAN.batches)}
    assert len(seen.sampling.noise) == len(seen.sampling.order) == PLAN.batches * len(QUERIES)
    assert samples.dtypes.astype(str).to_dict() == SAMPLE_COLUMNS


def test_the_server_saw_as_many_executions_as_are_reported(seen: Seen) -> None:
    counts = {f"meter/{name}": int(count) for name, count in seen.log["query"].value_counts().items()}
    assert counts == seen.sampling.executions
    assert (seen.log["query"] == seen.log["query"].iloc[::A_BATCH].repeat(A_BATCH).to_numpy()).all()
    assert set(counts.values()) == {PLAN.batches * (PLAN.warmup + PLAN.batch_size)}


def test_each_round_has_every_query_in_an_order_of_its_own(seen: Seen) -> None:
    rounds = seen.rounds()
    assert len(rounds) == PLAN.batches
    assert all(sorted(order) == sorted(QUERIES) for order in rounds)
    assert len({tuple(order) for order in rounds}) > 2
    assert [name for _, name, _ in seen.sampling.order] == [name for order in rounds for name in order]


def test_each_round_has_fresh_connections_of_each_role(seen: Seen) -> None:
    connections = seen.log[["who", "pid", "since"]].drop_duplicates()
    assert len(connections) == PLAN.batches * 2
    assert connections["who"].value_counts().to_dict() == {"meter_app": PLAN.batches, "meter_owner": PLAN.batches}


def test_a_query_runs_as_the_role_that_its_file_names(seen: Seen) -> None:
    roles = seen.log.groupby("query")["who"].unique().map(list).to_dict()
    assert roles == {"of_a_tenant": ["meter_app"], "of_nobody": ["meter_app"], "of_the_owner": ["meter_owner"]}
    said = seen.sampling.samples.groupby("query")["role"].unique().map(list).to_dict()
    assert said == roles


def test_the_tenant_is_set_for_its_transaction_alone(seen: Seen) -> None:
    asked = seen.log[seen.log["query"] == "of_a_tenant"]
    assert (asked["tenant"] == asked["wanted"]).all()
    assert set(asked["tenant"]) >= {"a", "b", "c"}
    others = seen.log[seen.log["query"] == "of_nobody"]  # on the same connections
    assert set(others["pid"]) == set(asked["pid"])
    assert set(others["tenant"].fillna("")) == {""}


def test_every_execution_uses_a_prepared_statement(seen: Seen) -> None:
    assert (seen.log["prepared"] == 1).all()


def test_plan_choices_count_the_executions_of_the_last_connection(seen: Seen) -> None:
    assert set(seen.sampling.plan_choices) == {f"meter/{name}" for name in QUERIES}
    assert {sum(counts) for counts in seen.sampling.plan_choices.values()} == {PLAN.warmup + PLAN.batch_size}


def test_the_service_lies_within_the_request_and_holds_what_the_server_takes(seen: Seen) -> None:
    samples = seen.sampling.samples
    assert (samples["latency_ns"] > 0).all()
    assert (samples["latency_ns"] < samples["request_ns"]).all()
    assert (samples.loc[samples["query"] == "of_nobody", "latency_ns"] >= NAP_NS).all()
    ends = samples["t_ns"] + samples["latency_ns"]
    assert (samples["t_ns"].iloc[1:].to_numpy() >= ends.iloc[:-1].to_numpy()).all()


def test_every_row_is_fetched(seen: Seen) -> None:
    assert set(seen.sampling.samples["rows"]) == {2}


def test_a_tenant_s_rank_is_that_of_its_rows(seen: Seen, shared: Database) -> None:
    with shared.connect() as conn:
        counted = conn.execute("select tenant_id from meter.items group by 1 order by count(*) desc").fetchall()
    rank = {tenant: number for number, (tenant,) in enumerate(counted, start=1)}
    assert rank == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}
    samples, log = seen.sampling.samples, seen.counted()
    assert samples["query"].tolist() == log["query"].tolist()
    of_tenant = (samples["query"] == "of_a_tenant").to_numpy()
    assert samples.loc[of_tenant, "tenant_rank"].tolist() == [rank[each] for each in log.loc[of_tenant, "wanted"]]
    assert samples.loc[(samples["query"] == "of_nobody").to_numpy(), "tenant_rank"].isna().all()


def test_single_tenants_follow_the_traffic_on_its_connection_each_with_parameters_of_its_own(
    metered: Database, tasks_of: MakeTasks
) -> None:
    plan = PLAN.model_copy(update={"batches": 2, "tenant_share": 0.5})
    with metered.connect() as conn:
        conn.execute("listen meter")
        found = sample(metered, tasks_of(metered, QUERIES, sets=400, tenant_sets=12), plan, seed=3)
        log = pd.DataFrame([json.loads(each.payload) for each in conn.notifies(timeout=2)])
    sizes = found.samples.groupby(["query", "arm"]).size().to_dict()
    arms = {"": 12, "largest tenant": 6, "middle tenant": 6, "smallest tenant": 6}
    of_one = dict.fromkeys(("of_a_tenant", "of_the_owner"), arms) | {"of_nobody": {"": 12}}
    assert sizes == {(name, arm): count for name, counts in of_one.items() for arm, count in counts.items()}
    assert found.executions == {"meter/of_a_tenant": 36, "meter/of_nobody": 18, "meter/of_the_owner": 36}

    asked = log[log["query"] == "of_a_tenant"]
    rows = found.samples[found.samples["query"] == "of_a_tenant"]
    for (number, (_, pid)), batch in zip(
        enumerate(asked.groupby("pid", sort=False)), [rows[rows["batch"] == n] for n in (0, 1)], strict=True
    ):
        assert batch["arm"].iloc[: plan.batch_size].tolist() == [""] * plan.batch_size, number
        told = pid["tenant"].iloc[plan.warmup :].map({"a": 1, "b": 2, "c": 3, "d": 4, "e": 5})
        assert told.tolist() == batch["tenant_rank"].tolist()
    ranks = rows.groupby("arm")["tenant_rank"].unique().map(list).drop("").to_dict()
    assert ranks == {"largest tenant": [1], "middle tenant": [3], "smallest tenant": [5]}


def test_a_second_attempt_keeps_what_is_asked_for(metered: Database, tasks_of: MakeTasks) -> None:
    plan = PLAN.model_copy(update={"batches": 1, "tenant_share": 0.5, "warmup": 0})
    tasks = tasks_of(metered, {"of_a_tenant": QUERIES["of_a_tenant"]}, tenant_sets=6)
    kept = {"meter/of_a_tenant": {"largest tenant"}}
    found = sample(metered, tasks, plan, seed=3, attempt=2, only=kept)
    assert found.samples.groupby("arm").size().to_dict() == {"largest tenant": 3}
    assert found.executions == {"meter/of_a_tenant": 9}


class Scripted(Settling):
    """Settles what it is told to, after the first round."""

    def __init__(self, settled: set[str]) -> None:
        super().__init__({}, Limits(), far=10, batches=3)
        self.told = settled

    def note(self, visits: Sequence[Visit], noise: Sequence[BatchNoise]) -> None:
        """Nothing to keep."""

    def look(self, keys: Sequence[str]) -> bool:
        """The same at every round."""
        self.settled = self.told & set(keys) | self.settled
        return False


def test_what_is_settled_is_left_out_of_the_rounds_that_follow(metered: Database, tasks_of: MakeTasks) -> None:
    plan = PLAN.model_copy(update={"batches": 3, "batch_size": 1, "warmup": 0})
    tasks, told = tasks_of(metered, QUERIES), []
    settling = Scripted({"meter/of_a_tenant", "meter/of_the_owner"})
    found = sample(metered, tasks, plan, seed=3, settling=settling, progress=lambda *each: told.append(each))
    batches = found.samples.groupby("query")["batch"].unique().map(list).to_dict()
    assert batches == {"of_a_tenant": [0], "of_the_owner": [0], "of_nobody": [0, 1, 2]}
    assert told == [(1, 9), (2, 9), (3, 9), (4, 5), (5, 5)]
    assert set(found.plan_choices) == {f"meter/{name}" for name in QUERIES}
    everything = Scripted({task.query.key for task in tasks})
    assert len(sample(metered, tasks, plan, seed=3, settling=everything).order) == len(tasks)


def test_one_seed_gives_one_order_and_another_seed_another(metered: Database, tasks_of: MakeTasks) -> None:
    tasks = tasks_of(metered, QUERIES)
    short = PLAN.model_copy(update={"batch_size": 1, "warmup": 0})
    orders = [sample(metered, tasks, short, seed=seed).order for seed in (5, 5, 6)]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


def test_a_second_attempt_and_an_arm_are_marked_and_ordered_anew(metered: Database, tasks_of: MakeTasks) -> None:
    tasks = tasks_of(metered, QUERIES)
    short = PLAN.model_copy(update={"batch_size": 1, "warmup": 0})
    second = sample(metered, tasks, short, seed=5, attempt=2, arm="other")
    assert set(second.samples["attempt"]) == {2}
    assert set(second.samples["arm"]) == {"other"}
    assert second.order != sample(metered, tasks, short, seed=5).order


def test_progress_counts_every_batch(metered: Database, tasks_of: MakeTasks) -> None:
    told: list[tuple[int, int]] = []
    short = PLAN.model_copy(update={"batches": 2, "batch_size": 1, "warmup": 0})
    sample(metered, tasks_of(metered, QUERIES), short, seed=1, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 6) for done in range(1, 7)]


def test_no_connection_stays_open(seen: Seen, shared: Database) -> None:
    with shared.connect() as conn:
        roles = conn.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() "
            "and pid = any(%s)",
            (seen.log["pid"].unique().tolist(),),
        ).fetchone()
    assert roles == (0,)


def test_a_failing_query_is_one_line_without_its_parameters(metered: Database, tasks_of: MakeTasks) -> None:
    broken = """-- title: fails
-- budget_p95_ms: 1
-- params: select 'secret of a row' as word
select %(word)s::text::int
"""
    with pytest.raises(MeasureError) as caught:
        sample(metered, tasks_of(metered, {"fails": broken}), PLAN, seed=1)
    assert str(caught.value).endswith("fails.sql: fails with InvalidTextRepresentation (SQLSTATE 22P02)")
    assert "secret" not in str(caught.value)


def test_a_role_that_is_missing_is_named(metered: Database, tasks_of: MakeTasks) -> None:
    (task,) = tasks_of(metered, {"of_nobody": QUERIES["of_nobody"]})
    roles = task.system.roles.model_copy(update={"app": "meter_stranger"})
    system = task.system.model_copy(update={"roles": roles})
    stranger = Task(query=task.query, system=system, parameters=task.parameters, ranks=task.ranks)
    with pytest.raises(LabError, match="meter_stranger"):
        sample(metered, [stranger], PLAN, seed=1)


@dataclass
class Written:
    """One sampling of two lookups and two writes, with the counters of the table before and after."""

    sampling: Sampling
    rows: int
    vacuums: int


@pytest.fixture
def written(metered: Database, tasks_of: MakeTasks) -> Written:
    with metered.connect() as conn:
        conn.execute("grant insert, update on meter.items to meter_app")
        conn.execute("grant select on meter.log to meter_app")
    header = "-- title: t\n-- budget_p95_ms: 9\n-- params: select id, tenant_id from meter.items\n"
    one = "select name from meter.items where id = %(id)s\n"
    change = "update meter.items set kind = kind + 1 where id = %(id)s\n"
    add = "insert into meter.log select 'new' from meter.items where id = %(id)s\n"
    queries = {
        "change": f"{header}-- ends: rollback\n{change}",
        "add": f"{header}-- ends: rollback\n{add}",
        "read": header + one,
        "again": header + one,
    }
    found = sample(metered, tasks_of(metered, queries), PLAN, seed=3)
    with metered.connect() as conn:
        row = conn.execute(
            "select (select count(*) from meter.log) + (select count(*) from meter.items where kind > 19), "
            "pg_stat_get_vacuum_count('meter.items'::regclass)"
        ).fetchone()
    assert row is not None
    return Written(found, *row)


def test_writes_are_sampled_as_lookups_are_and_change_nothing(written: Written) -> None:
    assert written.sampling.samples.groupby("query").size().to_dict() == dict.fromkeys(
        ("change", "add", "read", "again"), PLAN.batches * PLAN.batch_size
    )
    assert set(written.sampling.samples["rows"]) == {1}
    assert written.rows == 0
    read, change = (written.sampling.executions[f"meter/{name}"] for name in ("read", "change"))
    assert change == read + 1  # to see which tables it writes


def test_lookups_come_before_the_writes_of_their_round_which_are_swept_up_before_the_next(written: Written) -> None:
    order = [name for _, name, _ in written.sampling.order]
    rounds = [order[at : at + 4] for at in range(0, len(order), 4)]
    assert all(set(each[:2]) == {"read", "again"} and set(each[2:]) == {"change", "add"} for each in rounds)
    assert len({tuple(each) for each in rounds}) > 1
    assert written.vacuums == PLAN.batches
