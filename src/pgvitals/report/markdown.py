"""The report as GitHub-flavoured Markdown: for a pull request, and a shorter one for a CI summary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice

from pgvitals.report.audit_markdown import audit_section, audit_summary
from pgvitals.report.cold_markdown import cold_section
from pgvitals.report.conditions import command, conditions, provenance
from pgvitals.report.fact_review import fact_told, facts_outcome, told
from pgvitals.report.fact_review import loud as loud_facts
from pgvitals.report.files import files_of
from pgvitals.report.impact_review import review_impact
from pgvitals.report.index_review import review_indexes
from pgvitals.report.lookup_groups import MANY, WRITES_NOTE, left_out, writes
from pgvitals.report.markdown_parts import MARKS, code, fenced, markdown_table, text
from pgvitals.report.plan_markdown import plans_section
from pgvitals.report.redact import redact
from pgvitals.report.rls_markdown import rls_section
from pgvitals.report.server_review import HEADING, server_note, server_told
from pgvitals.report.tenant_markdown import tenants_judged, tenants_section
from pgvitals.report.verdict import Verdict, headline, judge_run, load_reason, worst_first
from pgvitals.report.wording import budget as budget_of
from pgvitals.report.wording import (
    count,
    duration,
    ms,
    ms_range,
    plural,
    ratio,
    share,
    size,
    size_change,
)
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Contrast, Fact, Gate, Impact, Latency
from pgvitals.results.rundir import Run

_NOT_MEASURED = "Not measured.\n"
_UNUSED_MOST = 15
_WRITE = "↩"


def render_markdown(run: Run) -> str:
    """The whole report in the order of the HTML one."""
    verdict = judge_run(run)
    sections = [
        _top(run, verdict),
        "## Latency\n\n" + _latency(run.gate),
        *(["## Plans\n\n" + plans_section(run, run.gate)] if run.gate and run.gate.queries else []),
        "## Indexes\n\n" + _indexes(run),
        "## Load test\n\n" + _load(run),
        "## Audit\n\n" + (audit_section(run.audit) if run.audit else _NOT_MEASURED),
        "## Impact of migrations\n\n" + ("\n".join(map(_impact, run.impacts)) or _NOT_MEASURED),
        *(["## Price of row-level security\n\n" + rls_section(run.rls)] if run.rls else []),
        *(["## Cold caches\n\n" + cold_section(run.cold)] if run.cold else []),
        "## Dataset\n\n" + _dataset(run),
        "## Conditions\n\n" + _conditions(run),
        "## How to reproduce\n\n" + _reproduce(run),
    ]
    return "\n".join(sections)


def gate_summary(run: Run) -> str:
    """The verdict, the latency table and what failed: for ``$GITHUB_STEP_SUMMARY`` or a comment."""
    parts = [_top(run, judge_run(run)), _latency(run.gate)]
    if run.audit:
        parts.append(audit_summary(run.audit))
    return "\n".join(parts)


def _top(run: Run, verdict: Verdict) -> str:
    subject = f"{verdict.subject[:1].upper()}{verdict.subject[1:]}: " if verdict.subject else ""
    lines = [
        f"# {MARKS[verdict.outcome]} {subject}{verdict.headline.lower()}",
        "",
        f"Run {code(run.info.name)}: {text(verdict.sentence)}",
        "",
    ]
    for part in verdict.parts:
        mark = f"{MARKS[part.outcome]} " if part.outcome else ""
        lines.append(f"- {part.name}: {mark}{text(part.counts)}")
    return "\n".join(lines) + "\n"


def _latency(gate: Gate | None) -> str:
    if gate is None or not gate.queries:
        return _NOT_MEASURED
    level = "/".join(f"{level * 100:g}" for level in sorted({q.confidence for q in gate.queries}))
    head = (
        "Lookup",
        "p50, ms",
        HEADING,
        f"p95 [{level} % batch interval], ms",
        "p99, ms",
        "Budget, ms",
        "Share",
        "Verdict",
    )
    loud = [q for q in worst_first(gate).queries if q.outcome is not Outcome.PASS]
    quiet = [q for q in gate.queries if q.outcome is Outcome.PASS]
    if len(gate.queries) > MANY:  # what passes is folded away
        parts = [_lookups(head, loud)] if loud else []
        table = _lookups(head, quiet)
        parts.append(
            f"<details><summary>{plural(len(quiet), 'lookup')} under budget</summary>\n\n{table}\n</details>\n"
        )
    else:
        parts = [_lookups(head, [*loud, *quiet])]
    if loud:
        parts.append("".join(f"- {code(f'{q.system}/{q.query}')}: {text(q.reason)}\n" for q in loud))
    if told := tenants_judged(gate):
        parts.append(told)
    if note := server_note(gate.queries):
        parts.append(f"{note}\n")
    if writes(gate.queries):
        parts.append(f"{_WRITE} {WRITES_NOTE}\n")
    if gate.left_out:
        parts.append(f"Not at this revision, as their files say: {text(left_out(gate.left_out))}.\n")
    if by_tenant := tenants_section(gate):
        parts.append(by_tenant)
    return "\n".join(parts)


def _lookups(head: Sequence[str], lookups: Iterable[Latency]) -> str:
    rows = [
        (
            _name(q), ms(q.p50_ms), server_told(q), _p95(q), ms(q.p99_ms), budget_of(q.budget_p95_ms),
            share(q.p95_ms / q.budget_p95_ms), f"{MARKS[q.outcome]} {headline(q.outcome)}",
        )
        for q in lookups
    ]  # fmt: skip
    return markdown_table(head, "lrrrrrrl", rows)


def _name(q: Latency | Contrast) -> str:
    return code(f"{q.system}/{q.query}") + (f" {_WRITE}" if q.ends == "rollback" else "")


def _p95(q: Latency) -> str:
    interval = ms_range(q.p95_low_ms, q.p95_high_ms) if q.p95_low_ms is not None else "no interval"
    return f"{ms(q.p95_ms)} [{interval}]"


def _indexes(run: Run) -> str:
    if run.index_usage is None:
        return _NOT_MEASURED
    review = review_indexes(run.index_usage)
    if not review.unused:
        return "Every index was scanned by the measured workload or enforces a primary key or uniqueness.\n"
    first = islice(review.unused, _UNUSED_MOST)
    rows = [(code(line.index), code(f"{line.system}.{line.table}"), size(line.size_bytes)) for line in first]
    more = len(review.unused) - len(rows)
    return (
        f"{plural(len(review.unused), 'index', 'indexes')} of {len(review.lines)} never scanned by the measured "
        f"workload and enforcing nothing, together {size(review.unused_bytes)}: worth a look, not proof.\n\n"
        + markdown_table(("Index", "Table", "Size"), "llr", rows)
        + (f"\nand {more} more\n" if more > 0 else "")
    )


def _load(run: Run) -> str:
    load = run.load
    if load is None:
        return _NOT_MEASURED
    word = {Outcome.PASS: "Valid", Outcome.INCONCLUSIVE: "Void"}.get(load.outcome, headline(load.outcome))
    total = load.total
    lines = [
        f"{MARKS[load.outcome]} {word}: {text(load_reason(load))}",
        "",
        f"- {ms(load.achieved_rate)} of {ms(load.target_rate)} requests a second from "
        f"{plural(load.users, 'connection')}, {duration(load.seconds)}; {count(total.errors)} of "
        f"{plural(total.requests, 'request')} failed",
        f"- latency from the due time: p50 {ms(total.latency_p50_ms)}, p95 {ms(total.latency_p95_ms)}, p99 "
        f"{ms(total.latency_p99_ms)} ms; service time alone: p95 {ms(total.service_p95_ms)} ms",
        *(f"- error: {code(redact(sample))}" for sample in load.error_samples[:3]),
    ]
    return "\n".join(lines) + "\n"


def _impact(impact: Impact) -> str:
    rows = [
        (
            _name(c), f"{ms(c.before_p95_ms)} → {ms(c.after_p95_ms)}",
            f"{ratio(c.typical_ratio)} [{ratio(c.typical.low)}–{ratio(c.typical.high)}]",
            f"{ratio(c.p95_ratio)} [{ratio(c.p95.low)}–{ratio(c.p95.high)}]", text(c.verdict),
        )
        for c in impact.contrasts
    ]  # fmt: skip
    alarms = plural(impact.placebo_alarms, "placebo alarm") if impact.placebo_alarms else "no placebo alarm"
    told = (
        f"**{text(impact.system)}: {code(impact.from_revision)} → {code(impact.to_revision)}**, migrated in "
        f"{duration(impact.migration_s)}; {alarms}; ratios are after / before, "
        f"±{impact.margin * 100:g} % is the same.\n\n"
    )
    changes = review_impact(impact)
    if changes.looks:
        told += f"{changes.looks}\n\n"
    if impact.broken:
        told += f"**Broken by the migration:** {', '.join(map(code, impact.broken))}\n\n"
    if impact.not_before:
        told += f"Not compared, as they do not run before it: {', '.join(map(code, impact.not_before))}\n\n"
    if impact.left_out:
        names = text(left_out(impact.left_out))
        told += f"Not compared, as their files say that they are not for both revisions: {names}\n\n"
    sizes = [
        (name, size(r.before_bytes), size(r.after_bytes), size_change(r.before_bytes, r.after_bytes))
        for name, r in [(code(r.name), r) for r in changes.relations] + [(r.name, r) for r in changes.totals]
    ]
    told += markdown_table(("Lookup", "p95, ms", "Typical ratio", "p95 ratio", "Verdict"), "lrrrl", rows)
    if writes(impact.contrasts):
        told += f"\n{_WRITE} {WRITES_NOTE}\n"
    return told + ("\n" + markdown_table(("Relation", "Before", "After", "Change"), "lrrr", sizes) if sizes else "")


def _dataset(run: Run) -> str:
    dataset = run.info.dataset
    if dataset is None:
        return _NOT_MEASURED
    rows = [(code(f"{t.system}.{t.table}"), count(t.rows), size(t.size_bytes)) for t in dataset.tables]
    opening = f"Profile {code(dataset.profile)}, seed {dataset.seed}.\n\n" + _facts(run.facts)
    return opening + markdown_table(("Table", "Rows", "Size"), "lrr", rows)


def _facts(facts: Sequence[Fact]) -> str:
    if not facts:
        return ""
    lines = [f"{MARKS[facts_outcome(facts)]} {told(facts)}: what the recipes claim about the rows, see `facts.json`."]
    lines += [
        f"- {MARKS[fact.outcome]} {code(f'{fact.system}/{fact.fact}')} {text(fact.title)}: {text(fact_told(fact))}"
        for fact in loud_facts(facts)
    ]
    return "\n".join(lines) + "\n\n"


def _conditions(run: Run) -> str:
    groups = [(name, facts) for name, facts in conditions(run.info) if facts]
    lines = [f"- {name}: " + "; ".join(f"{text(key)} {text(value)}" for key, value in facts) for name, facts in groups]
    return "\n".join(lines) + "\n" if lines else "Not recorded.\n"


def _reproduce(run: Run) -> str:
    facts = "".join(f"- {name}: {code(value)}\n" for name, value in provenance(run.info))
    files = ", ".join(f"[{text(name)}]({_target(name)})" for name in files_of(run))
    return f"{fenced(command(run.info), 'sh')}\n\n{facts}" + (f"\nFiles: {files}\n" if files else "")


def _target(name: str) -> str:
    return "<" + name.replace("<", "%3C").replace(">", "%3E") + ">" if re.search(r"[^\w./-]", name) else name
