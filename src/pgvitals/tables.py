"""The tables that commands print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.markup import escape
from rich.table import Table

from pgvitals.report.audit_review import LOUD, open_first, standing
from pgvitals.report.lookup_groups import WRITES_NOTE, lookup_groups, writes
from pgvitals.report.server_review import server_note, server_told
from pgvitals.report.wording import ms, ms_range, size
from pgvitals.results.audit import Audit, Finding
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Dataset, Gate, Impact, IndexUse, Latency, Load
from pgvitals.results.rundir import Run
from pgvitals.terminal import outcome_text, table

_NAMED_MOST = 4
_SAID_MOST = 3


def latency_table(gate: Gate) -> Table:
    """Each lookup with its interval, budget and verdict: what is not a pass first, with why, then system by system."""
    groups = lookup_groups(gate)
    rows = [
        row
        for number, group in enumerate(groups)
        for row in ([("",) * 8] if number else []) + [_latency_row(each) for each in group.lookups]
    ]
    columns = [
        ("lookup", "left"),
        ("p50 ms", "right"),
        ("server mean", "right"),
        ("p95 ms", "right"),
        (f"{_confidence(gate)} interval", "right"),
        ("p99 ms", "right"),
        ("budget", "right"),
        ("verdict", "left"),
    ]
    made = table("Latency of the lookups (execute and fetch)", columns, rows)
    notes = [server_note(gate.queries), f"↩ {WRITES_NOTE}" if writes(gate.queries) else ""]
    if told := "\n".join(filter(None, notes)):
        made.caption, made.caption_justify = told, "left"
    return made


def _latency_row(each: Latency) -> tuple[str, ...]:
    return (
        escape(f"{each.system}/{each.query}") + (" ↩" if each.ends == "rollback" else ""),
        ms(each.p50_ms),
        server_told(each),
        ms(each.p95_ms),
        ms_range(each.p95_low_ms, each.p95_high_ms),
        ms(each.p99_ms),
        f"{each.budget_p95_ms:g}",
        outcome_text(each.outcome) + ("" if each.outcome is Outcome.PASS else f" [dim]{escape(each.reason)}[/]"),
    )


def verdict_line(outcome: Outcome, reason: str) -> str:
    """The last word."""
    return f"{outcome_text(outcome)}: {escape(reason)}"


def index_table(uses: Iterable[IndexUse]) -> Table:
    """Scans against size; what was never scanned comes last, the largest first."""
    ordered = sorted(uses, key=lambda use: (use.system, use.scans == 0, -use.scans, -use.size_bytes))
    rows = [
        (
            escape(f"{use.system}.{use.table}"),
            escape(use.index),
            f"{use.scans:,}" if use.scans else "[yellow]never[/]",
            f"{use.tuples_read:,}",
            size(use.size_bytes),
            "primary key" if use.is_primary else "unique" if use.is_unique else "",
        )
        for use in ordered
    ]
    columns = [
        ("table", "left"),
        ("index", "left"),
        ("scans", "right"),
        ("tuples", "right"),
        ("size", "right"),
        ("", "left"),
    ]
    return table("Index usage over the measured workload", columns, rows)


def load_table(load: Load) -> Table:
    """The load test; latency counts from the due time."""
    rows = [
        (
            escape(f"{each.system}/{each.query}" if each.system else each.query),
            f"{each.requests:,}",
            str(each.errors),
            ms(each.latency_p50_ms),
            ms(each.latency_p95_ms),
            ms(each.latency_p99_ms),
            ms(each.service_p95_ms),
        )
        for each in (*load.queries, load.total)
    ]
    columns = [
        ("lookup", "left"),
        ("requests", "right"),
        ("errors", "right"),
        ("p50 ms", "right"),
        ("p95 ms", "right"),
        ("p99 ms", "right"),
        ("service p95", "right"),
    ]
    title = f"Load test: {load.achieved_rate:.0f} of {load.target_rate:.0f} requests/s, {load.users} users"
    return table(title, columns, rows)


def audit_table(audit: Audit) -> Table | str:
    """What is not a pass, worst first, then how many rules passed."""
    shown = [result for result in audit.results if result.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)]
    rows = [
        (
            result.rule,
            result.severity,
            escape(result.system),
            outcome_text(result.outcome) + ("" if audit.decides(result) else " [dim]not decisive[/]"),
            escape(result.title),
            _what(result.findings, result.evidence),
        )
        for result in sorted(shown, key=lambda r: (r.severity, r.rule, r.system))
    ]
    passed = sum(result.outcome is Outcome.PASS for result in audit.results)
    title = f"Audit: {len(shown)} of {len(audit.results)} checks need a look, {passed} pass"
    columns = [
        ("rule", "left"),
        ("sev.", "left"),
        ("system", "left"),
        ("outcome", "left"),
        ("title", "left"),
        ("objects", "left"),
    ]
    return table(title, columns, rows) if rows else f"[bold]{title}[/]"


def impact_table(impact: Impact) -> Table:
    """Before and after; a ratio below 1 is faster."""
    rows = [
        (
            escape(each.query),
            ms(each.before_p50_ms),
            ms(each.after_p50_ms),
            f"{each.typical_ratio:.2f} [dim]({each.typical.low:.2f}–{each.typical.high:.2f})[/]",
            ms(each.before_p95_ms),
            ms(each.after_p95_ms),
            f"{each.p95_ratio:.2f} [dim]({each.p95.low:.2f}–{each.p95.high:.2f})[/]",
            each.verdict,
        )
        for each in impact.contrasts
    ]
    columns = [
        ("lookup", "left"),
        ("p50 before", "right"),
        ("after", "right"),
        ("ratio (typical)", "right"),
        ("p95 before", "right"),
        ("after", "right"),
        ("ratio (p95)", "right"),
        ("verdict", "left"),
    ]
    rounds = f"{impact.rounds_measured - impact.rounds_dropped} of {impact.rounds_measured} rounds count"
    title = f"{impact.system}: {impact.from_revision} → {impact.to_revision} ({rounds})"
    rows += [(escape(name), "", "", "", "", "", "", "[bold red]broken[/]") for name in impact.broken]
    rows += [(escape(name), "", "", "", "", "", "", "not before") for name in impact.not_before]
    rows += [(escape(name), "", "", "", "", "", "", f"[dim]{escape(why)}[/]") for name, why in impact.left_out.items()]
    return table(title, columns, rows)


def _verdicts(impact: Impact) -> list[str]:
    """``a, b faster``, the changes by name; what was not decided or did not change is counted where it is much."""
    found = []
    for word in dict.fromkeys(("slower", "faster", *(each.verdict for each in impact.contrasts))):
        names = [each.query for each in impact.contrasts if each.verdict == word]
        if names:
            counted = len(names) > _NAMED_MOST and word not in ("slower", "faster")
            found.append(f"{len(names)} {word}" if counted else f"{', '.join(names)} {word}")
    return found


def impact_outcome(impacts: Iterable[Impact]) -> Outcome:
    """Fail if a lookup broke; inconclusive if no comparison was decided; else pass: a change is no failure."""
    found = list(impacts)
    if any(impact.broken for impact in found):
        return Outcome.FAIL
    decided = [each for impact in found for each in impact.contrasts if each.verdict not in ("inconclusive", "void")]
    return Outcome.PASS if decided else Outcome.INCONCLUSIVE


def _confidence(gate: Gate) -> str:
    return f"{gate.queries[0].confidence:.0%}" if gate.queries else ""


def _what(findings: Sequence[Finding], evidence: str) -> str:
    """The first objects, and how many more; of those that are waived or known, and of an expired waiver, why."""
    names = [name for finding in findings if finding.is_open for name in finding.objects]
    said = [f"[dim]{escape(why)}[/]" for why in dict.fromkeys(map(standing, open_first(findings))) if why]
    if names:
        more = f" [dim]and {len(names) - 2} more[/]" if len(names) > 2 else ""
        said.insert(0, escape(", ".join(names[:2])) + more)
    return "; ".join(said[:_SAID_MOST]) or escape(evidence)


def relation_table(impact: Impact) -> Table:
    """What appeared, went away or changed its size by more than a tenth."""
    rows = []
    for each in impact.relations:
        before, after = each.before_bytes, each.after_bytes
        if before is not None and after is not None and abs(after - before) <= 0.1 * before:
            continue
        rows.append((each.kind, escape(each.name), size(before), size(after)))
    total = [
        sum(value or 0 for value in side)
        for side in ([r.before_bytes for r in impact.relations], [r.after_bytes for r in impact.relations])
    ]
    rows.append(("total", "", size(total[0]), size(total[1])))
    columns = [("", "left"), ("relation", "left"), ("before", "right"), ("after", "right")]
    return table(f"Sizes that changed; the migration took {impact.migration_s:.1f} s", columns, rows)


def dataset_table(dataset: Dataset) -> Table:
    """Rows and sizes of what was loaded."""
    rows = [(escape(f"{t.system}.{t.table}"), f"{t.rows:,}", size(t.size_bytes)) for t in dataset.tables]
    rows.append(("total", f"{sum(t.rows for t in dataset.tables):,}", size(sum(t.size_bytes for t in dataset.tables))))
    made = f"seed {dataset.seed}, checksum {dataset.checksum[:12]}"
    title = f"Profile {dataset.profile}, {made}, loaded in {dataset.load_s:.1f} s"
    return table(title, [("table", "left"), ("rows", "right"), ("size with indexes", "right")], rows)


def summary_lines(run: Run) -> list[str]:
    """The verdict of each part of the main job, one line each."""
    lines = []
    if run.gate:
        lines.append(f"gate {verdict_line(run.gate.outcome, run.gate.reason)}")
    if run.load:
        lines.append(f"load test {verdict_line(run.load.outcome, run.load.reason)}")
    if run.audit:
        failed = [each for each in run.audit.results if each.outcome in LOUD and run.audit.decides(each)]
        lines.append(f"audit: {len(failed)} of {len(run.audit.results)} checks fail (see the report)")
    for each in run.impacts:
        verdicts = [f"{name} BROKEN" for name in each.broken]
        verdicts += _verdicts(each)
        lines.append(escape(f"impact of {each.to_revision}: {'; '.join(verdicts)}"))
    return lines
