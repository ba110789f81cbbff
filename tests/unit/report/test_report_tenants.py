"""Single tenants in every report: what depends on them is shown, what is alike is folded, what is judged counts."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
from rich.console import Console

from pgvitals.report import charts
from pgvitals.report.annotations import workflow_commands
from pgvitals.report.html import render_html
from pgvitals.report.junit import render_junit
from pgvitals.report.markdown import gate_summary, render_markdown
from pgvitals.report.tenant_review import review_tenants
from pgvitals.report.verdict import judge_run
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Gate, Latency
from pgvitals.results.rundir import Run
from pgvitals.results.tenants import TenantLatency
from pgvitals.tenant_table import tenant_table

REASON = "p95 9 ms, at least 8.1 ms (99 %), budget 5 ms; two attempts, each with a p95 over it"


def tenant(name: str, rank: int, p95_ms: float, **changes: object) -> TenantLatency:
    """A tenant whose interval reaches a tenth to either side."""
    made = TenantLatency(
        tenant=name, rank=rank, n=600, batches=24, valid_batches=24, p50_ms=p95_ms / 2, p95_ms=p95_ms,
        p99_ms=p95_ms * 1.5, max_ms=p95_ms * 4, p95_low_ms=p95_ms * 0.9, p95_high_ms=p95_ms * 1.1, confidence=0.99,
        rows_median=3.0, budget_p95_ms=None, outcome=Outcome.NOT_APPLICABLE, reason="shown, not judged", attempts=1,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


ALIKE = (tenant("largest", 1, 1.3), tenant("middle", 30, 1.0), tenant("smallest", 60, 1.1))
SKEWED = (tenant("largest", 1, 7.7), tenant("middle", 30, 1.0), tenant("smallest", 60, 0.9))
OVER = (tenant("largest", 1, 9.0, budget_p95_ms=5.0, outcome=Outcome.FAIL, reason=REASON), *ALIKE[1:])
KEPT = (*ALIKE[:2], tenant("smallest", 60, 1.1, budget_p95_ms=5.0, outcome=Outcome.PASS, reason="under it"))

MakeRun = Callable[..., Run]


@pytest.fixture
def of(made: SimpleNamespace) -> Callable[..., Gate]:
    """A gate whose first lookups were measured for these tenants."""

    def make(*tenants: tuple[TenantLatency, ...], outcome: Outcome = Outcome.PASS) -> Gate:
        queries = made.passing_gate().queries
        first = tuple(replace(q, tenants=each) for q, each in zip(queries, tenants, strict=False))
        return replace(made.passing_gate(), queries=first + queries[len(tenants) :], outcome=outcome)

    return make


def shown(gate: Gate) -> list[Latency]:
    review = review_tenants(gate)
    assert review is not None
    return list(review.shown)


def test_a_lookup_whose_large_tenant_is_clearly_slower_is_shown_and_one_alike_is_folded(
    of: Callable[..., Gate],
) -> None:
    gate = of(ALIKE, SKEWED)
    review = review_tenants(gate)
    assert review is not None
    assert (review.shown, review.alike) == ((gate.queries[1],), (gate.queries[0],))
    assert review.alike_told == "1 lookup whose tenants do not clearly differ"


def test_tenants_whose_intervals_meet_do_not_differ(of: Callable[..., Gate]) -> None:
    wide = (tenant("largest", 1, 7.7, p95_low_ms=0.95), *SKEWED[1:])
    unknown = (tenant("largest", 1, 7.7, p95_low_ms=None, p95_high_ms=None), *SKEWED[1:])
    assert shown(of(wide)) == shown(of(unknown)) == []


def test_what_is_not_kept_comes_first_and_what_is_judged_is_always_shown(of: Callable[..., Gate]) -> None:
    gate = of(KEPT, SKEWED, OVER)
    assert shown(gate) == [gate.queries[2], gate.queries[1], gate.queries[0]]


def test_runs_without_single_tenants_say_nothing_of_them(made: SimpleNamespace, build_run: MakeRun) -> None:
    assert review_tenants(made.gate()) is None
    assert tenant_table(made.gate()) is None
    assert "tenant" not in gate_summary(build_run(gate=made.gate()))


def test_a_budget_of_a_tenant_that_is_not_kept_is_told_everywhere(of: Callable[..., Gate], build_run: MakeRun) -> None:
    gate = of(OVER, KEPT, outcome=Outcome.FAIL)
    name = f"{gate.queries[0].system}/{gate.queries[0].query}"
    run = build_run(gate=gate)
    suite = ET.fromstring(render_junit(run)).find("testsuite")  # noqa: S314
    assert suite is not None
    failed = {f"{case.get('name')}": case.find("failure") for case in suite.iter("testcase")}
    told = failed[f"{gate.queries[0].query} for the largest tenant"]
    assert told is not None
    assert told.get("message") == REASON
    assert suite.get("failures") == "1"
    assert suite.get("tests") == str(len(gate.queries) + 2)
    (line,) = workflow_commands(gate, None, {name: "bench/q.sql"})
    assert line.startswith(f"::error file=bench/q.sql,line=1,title={name}%3A fail (budget for the largest tenant)::p95")
    summary = gate_summary(run)
    assert f"- `{name} for the largest tenant`: {REASON}\n" in summary.replace("\\", "")
    assert REASON in render_html(run)
    assert judge_run(run).outcome is Outcome.FAIL
    assert judge_run(run).parts[0].counts == f"1 fail · {len(gate.queries) + 1} pass"


def test_a_kept_budget_of_a_tenant_is_part_of_the_verdict(of: Callable[..., Gate], build_run: MakeRun) -> None:
    verdict = judge_run(build_run(gate=of(KEPT)))
    assert "So is every p95 of a single tenant that has one (1)." in verdict.sentence


def test_markdown_and_html_have_a_row_for_each_lookup_with_its_tenants(
    of: Callable[..., Gate], build_run: MakeRun
) -> None:
    run = build_run(gate=of(ALIKE, SKEWED))
    markdown = render_markdown(run)
    assert "| 7.70 [6.93–8.47] | 1.00 [0.90–1.10] | 0.90 [0.81–0.99] | 8.56× |" in markdown
    assert "<details><summary>1 lookup whose tenants do not clearly differ</summary>" in markdown
    page = render_html(run)
    assert "7.70 [6.93–8.47]" in page
    assert 'id="tenants"' in page


def test_the_terminal_shows_what_differs_and_counts_the_rest(of: Callable[..., Gate]) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(tenant_table(of(SKEWED, ALIKE)))
    console.print(tenant_table(of(OVER)))
    text = console.export_text()
    assert "7.70 [6.93–8.47]" in text
    assert "1 lookup whose tenants do not" in text
    assert f"largest fail {REASON}"[:60] in " ".join(text.split())
    told = tenant_table(of(ALIKE))
    assert isinstance(told, str)
    assert "1 lookup whose tenants do not" in told


def test_the_chart_reaches_from_the_fastest_tenant_to_the_slowest(of: Callable[..., Gate]) -> None:
    chart = charts.tenants_p95(shown(of(SKEWED, OVER)))
    low, high = chart.axes[0].get_xlim()
    assert low < 0.81
    assert high > 9.9
    assert charts.svg(chart, "t").count("<path") > 10
