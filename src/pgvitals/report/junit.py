"""The report as JUnit XML, the dialect that CI servers read: a suite for the gate, one for each other part.

How outcomes map: fail is ``<failure>``, error is ``<error>``; inconclusive, waived and not applicable are
``<skipped>`` with the reason, since JUnit knows no fourth word, and so is an audit check that failed and is less severe
than what decides. ``time`` of a lookup is its p95 in seconds, so that the trend charts of CI servers show it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree

from pgvitals.report.audit_review import LOUD, open_first, remediation, standing
from pgvitals.report.lookup_groups import WRITES_NOTE
from pgvitals.report.redact import redact
from pgvitals.report.tenant_review import numbers_told
from pgvitals.report.verdict import headline
from pgvitals.report.wording import budget, ms, ms_range, printable
from pgvitals.results.audit import Audit, RuleResult
from pgvitals.results.comparison import RegressionGate
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Gate, Latency, Load
from pgvitals.results.rundir import Run
from pgvitals.results.tenants import tenant_verdicts

_ELEMENTS = {
    Outcome.FAIL: "failure",
    Outcome.ERROR: "error",
    Outcome.INCONCLUSIVE: "skipped",
    Outcome.WAIVED: "skipped",
    Outcome.NOT_APPLICABLE: "skipped",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    classname: str
    name: str
    seconds: float
    outcome: Outcome
    message: str
    body: str = ""


def render_junit(run: Run, regression: RegressionGate | None = None) -> bytes:
    """The verdicts of a run as JUnit XML, UTF-8 with its declaration; parts not measured have no suite.

    ``regression``: the run against an earlier one, a suite of its own.
    """
    root = ElementTree.Element("testsuites")
    suites = []
    if run.gate:
        suites.append(_suite("pgvitals latency gate", run, _latency(run.gate)))
    if regression:
        suites.append(_suite("pgvitals against an earlier run", run, _regressions(regression)))
    if run.audit:
        suites.append(_suite("pgvitals audit", run, _audit(run.audit)))
    if run.load:
        suites.append(_suite("pgvitals load test", run, [_load(run.load)]))
    if run.info.phases:
        suites.append(_suite("pgvitals phases", run, _phases(run)))
    root.extend(suites)
    root.set("name", printable(f"pgvitals {run.info.name}"))
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in suites)))
    root.set("time", f"{sum(float(suite.get('time', '0')) for suite in suites):.6f}")
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _suite(name: str, run: Run, cases: Iterable[_Case]) -> ElementTree.Element:
    cases = list(cases)
    kinds = [_ELEMENTS.get(case.outcome) for case in cases]
    attributes = {
        "name": name,
        "timestamp": printable(re.sub(r"(?:Z|[+-]00:00)$", "", run.info.started_utc)),  # its schema knows no zone
        "tests": str(len(cases)),
        "failures": str(kinds.count("failure")),
        "errors": str(kinds.count("error")),
        "skipped": str(kinds.count("skipped")),
        "time": f"{sum(case.seconds for case in cases):.6f}",
    }
    suite = ElementTree.Element("testsuite", attributes)
    for case in cases:
        element = ElementTree.SubElement(
            suite,
            "testcase",
            {
                "classname": printable(case.classname),
                "name": printable(case.name),
                "time": f"{case.seconds:.6f}",
            },
        )
        if kind := _ELEMENTS.get(case.outcome):
            told = ElementTree.SubElement(element, kind, {"message": printable(case.message)})
            if kind != "skipped":
                told.set("type", case.outcome.value)
            told.text = printable(case.body) or None
    return suite


def _latency(gate: Gate) -> Iterable[_Case]:
    for q in gate.queries:
        yield _Case(
            classname=f"latency.{q.system}",
            name=q.query,
            seconds=q.p95_ms / 1000,
            outcome=q.outcome,
            message=q.reason or f"{headline(q.outcome)}: p95 {ms(q.p95_ms)} ms",
            body=_numbers(q),
        )
    for each in tenant_verdicts(gate.queries):
        yield _Case(
            classname=f"latency.{each.system}",
            name=each.query,
            seconds=each.tenant.p95_ms / 1000,
            outcome=each.outcome,
            message=each.tenant.reason,
            body=f"{each.lookup.title}\n{numbers_told(each.tenant)}",
        )


def _numbers(q: Latency) -> str:
    bounds = (
        f" [{ms_range(q.p95_low_ms, q.p95_high_ms)}, {q.confidence * 100:g} % batch interval]"
        if q.p95_low_ms is not None
        else ""
    )
    lines = [
        q.title,
        f"p50 {ms(q.p50_ms)} ms, p95 {ms(q.p95_ms)} ms{bounds}, p99 {ms(q.p99_ms)} ms",
        f"budget {budget(q.budget_p95_ms)} ms; {q.n} samples in {q.valid_batches} of {q.batches} batches",
        f"plan: {q.plan}" if q.plan else "",
        WRITES_NOTE if q.ends == "rollback" else "",
    ]
    return "\n".join(line for line in lines if line)


def _regressions(found: RegressionGate) -> Iterable[_Case]:
    differ = [f"{each.what}: {each.before} → {each.after}" for each in found.differences]
    for q in found.queries:
        yield _Case(
            classname=f"regression.{q.system}",
            name=q.query,
            seconds=q.after_p95_ms / 1000,
            outcome=q.outcome,
            message=q.reason,
            body="\n".join([q.title, f"p95 {ms(q.before_p95_ms)} ms in {found.before}", *q.plans, *differ]),
        )


def _audit(audit: Audit) -> Iterable[_Case]:
    for result in audit.results:
        yield _Case(
            classname=f"audit.{result.system}.{result.family}",
            name=f"{result.rule} {result.title}",
            seconds=result.duration_ms / 1000,
            outcome=result.outcome if audit.decides(result) or result.outcome not in LOUD else Outcome.WAIVED,
            message=f"{result.severity}: {result.evidence or headline(result.outcome)}",
            body=_findings(result),
        )


def _findings(result: RuleResult) -> str:
    lines = [
        f"{', '.join(finding.objects)}: {finding.detail}" + (f" ({why})" if (why := standing(finding)) else "")
        for finding in open_first(result.findings)
    ]
    script = remediation(result.findings)
    return "\n".join([*lines, *(["", script] if script else [])])


def _load(load: Load) -> _Case:
    return _Case(
        classname="load",
        name="the load test is valid",
        seconds=load.seconds,
        outcome=load.outcome,
        message=load.reason or headline(load.outcome),
        body="\n".join(map(redact, load.error_samples)),
    )


def _phases(run: Run) -> Iterable[_Case]:
    words = {"done": Outcome.PASS, "skipped": Outcome.NOT_APPLICABLE}
    for name, state in run.info.phases.items():
        yield _Case(
            classname="phases",
            name=name,
            seconds=run.info.durations_s.get(name, 0.0),
            outcome=words.get(state.partition(":")[0], Outcome.ERROR),
            message=redact(state),
        )
