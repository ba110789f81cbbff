"""The gate from end to end: lookups of a known duration, measured, judged, stored, and read by the command."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pgvitals.cli import app
from pgvitals.errors import MeasureError
from pgvitals.lab import Database
from pgvitals.measure.lookups import Lookups, measure
from pgvitals.profile import MeasurePlan, Profile
from pgvitals.recording import record
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Latency
from pgvitals.results.rundir import load_run
from pgvitals.suite import Suite
from pgvitals.terminal import Terminal

NAP_MS = 8
PLAN = MeasurePlan(
    batches=12, batch_size=5, warmup=1, tenant_share=0, cpu_pressure_limit=1e9, steal_limit=1e9, canary_limit=1e9
)
"""Counts batches however noisy the machine is: a noisy one takes longer, and no budget here is near."""

MakeSuite = Callable[[Mapping[str, str]], Suite]


def nap(budget_ms: float) -> str:
    """A lookup that takes 8 ms."""
    return f"""-- title: a nap
-- budget_p95_ms: {budget_ms}
-- params: select tenant_id, kind from meter.items
select id from meter.items, (select pg_sleep({NAP_MS / 1000})) nap where tenant_id = %(tenant_id)s and kind = %(kind)s
"""


OVER, UNDER = nap(3), nap(900)


@pytest.fixture
def measured(meter: MakeSuite, metered: Database) -> Callable[..., tuple[Lookups, Suite]]:
    """Measure query files on the test's database."""

    def run(queries: Mapping[str, str], **plan: float) -> tuple[Lookups, Suite]:
        suite = meter(queries)
        profile = Profile(
            name="t", title="t", seed=1, as_of="2025-01-01", sizes={}, measure=PLAN.model_copy(update=plan)
        )
        return measure(suite, metered, profile, suite.select(None), Terminal(quiet=True), seed=1), suite

    return run


def stored(found: Lookups, suite: Suite) -> Path:
    """The run directory of a measurement."""
    with record(suite, "test", command="test", config={}) as run:
        found.write(run.writer)
        return run.writer.target


def gate(*arguments: str) -> Result:
    """The command, in process."""
    return CliRunner().invoke(app, ["gate", *arguments])


def by_name(found: Lookups) -> dict[str, Latency]:
    """The records of a gate."""
    return {record.query: record for record in found.gate.queries}


def test_over_its_budget_twice_is_a_fail_in_every_report(
    measured: Callable[..., tuple[Lookups, Suite]], tmp_path: Path
) -> None:
    found, suite = measured({"over": OVER, "under": UNDER})
    over, under = by_name(found)["over"], by_name(found)["under"]
    assert (over.outcome, over.attempts) == (Outcome.FAIL, 2)
    assert (under.outcome, under.attempts) == (Outcome.PASS, 1)
    assert over.p95_low_ms is not None
    assert over.p95_low_ms > NAP_MS > over.budget_p95_ms
    assert under.p95_high_ms is not None
    assert NAP_MS < under.p95_ms <= under.p95_high_ms < under.budget_p95_ms
    assert found.samples.groupby("query")["attempt"].unique().map(sorted).to_dict() == {"over": [1, 2], "under": [1]}

    path = stored(found, suite)
    result = gate(str(path), "--junit", str(tmp_path / "j.xml"), "--markdown", str(tmp_path / "m.md"))
    assert result.exit_code == 1
    assert "fail: 1 of 2 lookups pass; fail: meter/over" in " ".join(result.stdout.split())
    cases = {case.get("name"): case for case in ET.parse(tmp_path / "j.xml").iter("testcase")}  # noqa: S314
    failed = {name for name, case in cases.items() if case.find("failure") is not None}
    assert [name for name in failed if name and "over" in name]
    assert not [name for name in failed if name and "under" in name]
    assert "over" in (tmp_path / "m.md").read_text()


def test_far_under_its_budget_is_a_pass_that_takes_the_least_number_of_batches(
    measured: Callable[..., tuple[Lookups, Suite]],
) -> None:
    found, suite = measured({"under": UNDER}, batches=20)
    assert (found.gate.outcome, found.gate.reason) == (Outcome.PASS, "the only lookup passes")
    under = by_name(found)["under"]
    assert (under.batches, under.attempts, under.settled) == (12, 1, True)
    assert re.search(r"; settled after 12 batches: \d+x under its budget$", under.reason)
    assert under.executions == 12 * (PLAN.warmup + PLAN.batch_size)
    result = gate(str(stored(found, suite)))
    assert result.exit_code == 0
    assert "pass" in result.stdout


def test_each_tenant_has_an_interval_of_its_own(measured: Callable[..., tuple[Lookups, Suite]]) -> None:
    found, _ = measured({"under": UNDER}, tenant_share=1.0)
    tenants = by_name(found)["under"].tenants
    assert [(each.tenant, each.rank) for each in tenants] == [("largest", 1), ("middle", 3), ("smallest", 5)]
    for each in tenants:
        assert (each.n, each.valid_batches, each.outcome) == (12 * PLAN.batch_size, 12, Outcome.NOT_APPLICABLE)
        assert each.p95_low_ms is not None
        assert each.p95_low_ms <= each.p95_ms
        assert each.p50_ms > NAP_MS
    rows = found.samples[found.samples["arm"] == "smallest tenant"]
    assert set(rows["tenant_rank"]) == {5}


def test_a_budget_for_a_tenant_that_there_is_not_is_one_line(
    measured: Callable[..., tuple[Lookups, Suite]],
) -> None:
    of_nobody = "-- title: t\n-- budget_p95_ms: 9\n-- budget_p95_ms_largest: 9\n-- params: select 1 as n\nselect 1\n"
    with pytest.raises(MeasureError) as caught:
        measured({"nobody": of_nobody}, tenant_share=0.2)
    assert re.fullmatch(
        r"\S+/nobody\.sql: 'budget_p95_ms_largest', but its parameters are of 0 tenant\(s\); take it out, "
        r"or let 'params' give 'tenant_id' of more of them",
        str(caught.value),
    )
    with pytest.raises(MeasureError, match=r"nobody\.sql: has a budget for one tenant, and profile 't' measures none"):
        measured({"nobody": of_nobody}, tenant_share=0)


def test_too_few_batches_are_inconclusive(measured: Callable[..., tuple[Lookups, Suite]]) -> None:
    found, suite = measured({"over": OVER, "under": UNDER}, batches=3)
    for each in by_name(found).values():
        assert (each.outcome, each.attempts) == (Outcome.INCONCLUSIVE, 2)
        assert "only 6 batches were measured, 12 needed" in each.reason
    result = gate(str(stored(found, suite)))
    assert result.exit_code == 3


def test_noise_that_the_profile_does_not_bear_leaves_no_fail(
    measured: Callable[..., tuple[Lookups, Suite]],
) -> None:
    found, _ = measured({"over": OVER}, cpu_pressure_limit=1e-12, canary_limit=1.0)
    assert found.samples["valid"].sum() < len(found.samples) / 4
    assert found.gate.outcome is Outcome.INCONCLUSIVE


def test_the_suite_s_budget_caps_that_of_a_query(measured: Callable[..., tuple[Lookups, Suite]]) -> None:
    found, _ = measured({"lax": nap(50_000)})
    assert by_name(found)["lax"].budget_p95_ms == found.gate.budget_p95_ms == 1000


def test_a_stored_measurement_reads_back_as_it_was(measured: Callable[..., tuple[Lookups, Suite]]) -> None:
    found, suite = measured({"under": UNDER}, batches=2)
    run = load_run(stored(found, suite))
    assert run.gate == found.gate
    assert run.samples is not None
    assert run.samples.astype(found.samples.dtypes).equals(found.samples)
    assert run.plans == found.plans
    assert run.index_usage is not None
    assert run.index_usage["scans"].tolist() == [use.scans for use in found.index_usage]


def test_scans_of_the_measurement_are_those_of_its_executions(
    measured: Callable[..., tuple[Lookups, Suite]],
) -> None:
    found, _ = measured({"over": OVER, "under": UNDER}, batches=2, tenant_share=0.2)
    visit, tenants = PLAN.warmup + PLAN.batch_size, 3
    executions = (visit + tenants + visit) * 2 * 2  # two attempts, the second without tenants; batches, queries
    scans = {use.index: use.scans for use in found.index_usage}
    assert scans == {"items_kind": executions, "items_pkey": 0, "items_name": 0}
    assert sum(each.executions or 0 for each in found.gate.queries) == executions


def test_a_plan_says_what_the_server_used(measured: Callable[..., tuple[Lookups, Suite]]) -> None:
    found, _ = measured({"under": UNDER}, batches=2)
    for plan in found.plans["meter/under"]:
        assert sum(plan["server_used"].values()) == PLAN.warmup + PLAN.batch_size
    (record,) = found.gate.queries
    assert record.plan == found.plans["meter/under"][0]["shape"]
    assert record.plan_hash == found.plans["meter/under"][0]["fingerprint"]
    assert "items_kind" in record.plan


def test_a_gate_without_measured_lookups_is_refused(meter: MakeSuite) -> None:
    with record(meter({"under": UNDER}), "nothing", command="test", config={}) as run:
        target = run.writer.target
    result = gate(str(target))
    assert result.exit_code == 1
    assert "no lookup was measured, so there is nothing to judge" in str(result.exception)


def test_an_altered_outcome_is_what_the_command_speaks(measured: Callable[..., tuple[Lookups, Suite]]) -> None:
    """The exit code comes from the stored verdict, not from a second judgement."""
    found, suite = measured({"under": UNDER}, batches=2)
    for outcome, code in ((Outcome.WAIVED, 0), (Outcome.NOT_APPLICABLE, 0), (Outcome.ERROR, 2)):
        altered = replace(found, gate=replace(found.gate, outcome=outcome))
        assert gate(str(stored(altered, suite))).exit_code == code
