"""The report as one HTML file: no script, no network, inline style and charts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pgvitals.measure.plan_changes import TENANTS
from pgvitals.report import charts, cold_review, rls_review, server_review, tenant_review, wording
from pgvitals.report.audit_review import SHOWN_MOST, open_first, remediation, review_audit, standing
from pgvitals.report.conditions import command, conditions, provenance
from pgvitals.report.fact_review import TOUR, fact_told, facts_outcome, told
from pgvitals.report.fact_review import loud as loud_facts
from pgvitals.report.files import files_of
from pgvitals.report.impact_review import review_impact
from pgvitals.report.index_review import SHOWN_MOST as UNUSED_SHOWN
from pgvitals.report.index_review import IndexReview, review_indexes
from pgvitals.report.lookup_groups import MANY, ROLLED_BACK, WRITES_NOTE, left_out, lookup_groups, writes
from pgvitals.report.plan_review import review_plans
from pgvitals.report.plan_use import use_told
from pgvitals.report.redact import redact
from pgvitals.report.tenant_review import LEAD as TENANTS_LEAD
from pgvitals.report.tenant_review import review_tenants
from pgvitals.report.verdict import NOT_MEASURED, headline, judge_run, load_reason, tally, worst_first
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Gate, Impact
from pgvitals.results.rundir import Run

WIDE_PX = 900.0
NARROW_PX = 356.0
_METER_MOST = 2.0  # a bar ends at twice the budget, however far above it the p95 is

_SECTIONS = (
    ("latency", "Latency"),
    ("distribution", "Distribution"),
    ("plans", "Plans"),
    ("indexes", "Indexes"),
    ("load", "Load test"),
    ("audit", "Audit"),
    ("impact", "Impact"),
    ("rls", "Row-level security"),
    ("cold", "Cold caches"),
    ("dataset", "Dataset"),
    ("conditions", "Conditions"),
    ("reproduce", "Reproduce"),
)


_TENANTS = ("span_told", "spread", "tenant_of", "tenants_open")
_RLS = ("in_order", "setting_told", "rows_told", "words_told")
_COLD = ("slowest_first", "emptied_told", "read_told")


@dataclass(frozen=True, slots=True)
class _Drawn:
    """One chart for wide pages and one for narrow ones; style sheets show either."""

    wide: Markup
    narrow: Markup


def render_html(run: Run) -> str:
    """The whole report; parts that the run lacks say so in a line."""
    verdict = judge_run(run)
    gate = worst_first(run.gate) if run.gate else None
    indexes = review_indexes(run.index_usage) if run.index_usage is not None else None
    measured = gate is not None and bool(gate.queries)
    return _environment().get_template("report.html.j2").render(
        info=run.info,
        verdict=verdict,
        subtitle=_subtitle(run),
        rolled_back=ROLLED_BACK,
        writes_note=WRITES_NOTE,
        informing=_informing(indexes, run.impacts),
        sections=[section for section in _SECTIONS if _has(section[0], run, measured=measured)],
        gate=gate if measured else None,
        groups=lookup_groups(gate) if gate else (),
        many=gate is not None and len(gate.queries) > MANY,
        confidence=_confidence(gate),
        plans=run.plans,
        server_heading=server_review.HEADING,
        tenants=review_tenants(gate) if gate else None,
        tenants_lead=TENANTS_LEAD,
        tenant_names=TENANTS,
        plan_review=review_plans(run.plans) if run.plans else None,
        meter=_meter(gate),
        indexes=indexes,
        indexes_shown=UNUSED_SHOWN,
        load=_without_secrets(run),
        load_reason=load_reason,
        audit=run.audit,
        audit_counts=tally(result.outcome for result in run.audit.results) if run.audit else "",
        review=review_audit(run.audit) if run.audit else None,
        remediation=remediation,
        shown_most=SHOWN_MOST,
        impacts=run.impacts,
        review_impact=review_impact,
        prices=run.rls,
        rls_lead=rls_review.LEAD,
        cold=run.cold,
        cold_lead=cold_review.LEAD,
        dataset_facts=run.facts,
        facts_told=told(run.facts),
        facts_outcome=facts_outcome(run.facts),
        loud_facts=loud_facts(run.facts),
        tour=TOUR,
        conditions=conditions(run.info),
        provenance=provenance(run.info),
        command=command(run.info),
        charts=_charts(run, gate),
        files=files_of(run),
    )  # fmt: skip


def _has(section: str, run: Run, *, measured: bool) -> bool:
    """Whether the page has this section; most of them say that they were not measured."""
    if section == "rls":
        return bool(run.rls)
    if section == "cold":
        return run.cold is not None
    return measured or section not in ("distribution", "plans")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pgvitals.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = (
        "ms",
        "ms_range",
        "budget",
        "share",
        "ratio",
        "size",
        "size_change",
        "count",
        "duration",
        "plural",
    )
    environment.filters.update({name: getattr(wording, name) for name in names})
    environment.filters["headline"] = lambda word: headline(Outcome(word))
    environment.filters["percent"] = _percent
    environment.filters["breakable"] = _breakable
    environment.filters["writes"] = writes
    environment.filters["use_told"] = use_told
    environment.filters.update(server_told=server_review.server_told, server_note=server_review.server_note)
    environment.filters.update({name: getattr(tenant_review, name) for name in _TENANTS})
    environment.filters["left_out"] = left_out
    environment.filters["fact_told"] = fact_told
    environment.filters.update(open_first=open_first, standing=standing)
    environment.filters.update({name: getattr(rls_review, name) for name in _RLS})
    environment.filters.update({name: getattr(cold_review, name) for name in _COLD})
    return environment


def _charts(run: Run, gate: Gate | None) -> dict[str, _Drawn]:
    drawn = {}
    if gate and gate.queries:
        drawn["latency"] = _draw("latency", lambda width: charts.latency_bars(gate, width))
        if (tenants := review_tenants(gate)) and tenants.shown:
            drawn["tenants"] = _draw("tenants", lambda width: charts.tenants_p95(tenants.shown, width))
        samples = run.samples
        if samples is not None and len(samples):
            drawn["distribution"] = _draw(
                "distribution", lambda width: charts.latency_distribution(samples, gate.queries, width)
            )
    usage = run.index_usage
    if usage is not None and len(usage):
        drawn["indexes"] = _draw("indexes", lambda width: charts.index_usage(usage, width))
    load = run.load
    if load is not None:
        drawn["load"] = _draw("load", lambda width: charts.load_percentiles(load, width))
    for number, impact in enumerate(run.impacts, start=1):
        if impact.contrasts:
            name = f"impact-{number}"
            drawn[name] = _draw(name, lambda width, impact=impact: charts.impact_ratios(impact, width))  # type: ignore[misc]
    return drawn


def _draw(name: str, make: Callable[[float], charts.Chart]) -> _Drawn:
    # our own SVG, every text in it escaped by the writer: the one thing that passes autoescape
    wide, narrow = (
        Markup(charts.svg(make(width), f"{name}-{width:.0f}"))  # noqa: S704
        for width in (WIDE_PX, NARROW_PX)
    )
    return _Drawn(wide, narrow)


def _meter(gate: Gate | None) -> Callable[[float], str]:
    """Share of the budget -> per cent of the bar's length; all bars of a table have one scale."""
    shares = [(q.p95_high_ms or q.p95_ms) / q.budget_p95_ms for q in gate.queries] if gate else []
    full = min(_METER_MOST, max([1.0, *shares]))
    return lambda part: f"{min(part / full, 1.0) * 100:.2f}"


def _confidence(gate: Gate | None) -> str:
    """``99 %``, or nothing where the queries differ."""
    levels = {q.confidence for q in gate.queries} if gate else set()
    return _percent(levels.pop()) if len(levels) == 1 else ""


def _percent(part: float) -> str:
    return f"{part * 100:.4g} %"


def _breakable(name: str) -> Markup:
    """A long name that may wrap after its separators, and copies as it is."""
    return Markup("<wbr>").join(re.split(r"(?<=[/._])", name))


def _subtitle(run: Run) -> str:
    info = run.info
    took = wording.duration(sum(info.durations_s.values())) if info.durations_s else ""
    server = info.server.version if info.server else ""
    started = wording.moment(info.started_utc)
    profile = f"profile {info.dataset.profile}" if info.dataset else ""
    return " · ".join(part for part in (started, profile, server, took) if part)


def _informing(indexes: IndexReview | None, impacts: Iterable[Impact]) -> list[tuple[str, str, str]]:
    """Parts that inform and never fail a run."""
    unused = f"{len(indexes.unused)} never scanned of {len(indexes.lines)}" if indexes else NOT_MEASURED
    verdicts = [contrast.verdict for impact in impacts for contrast in impact.contrasts]
    counted = [f"{verdicts.count(word)} {word}" for word in dict.fromkeys(("faster", "slower", *verdicts))]
    return [
        ("Indexes", "indexes", unused),
        ("Impact", "impact", " · ".join(counted) if verdicts else NOT_MEASURED),
    ]


def _without_secrets(run: Run) -> Any:
    load = run.load
    return replace(load, error_samples=tuple(map(redact, load.error_samples))) if load else None
