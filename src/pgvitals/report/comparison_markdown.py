"""Two runs as GitHub-flavoured Markdown: for a pull request, whole comparison or the gate against a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pgvitals.report.comparison_review import (
    canary_told,
    compared_first,
    ratio_told,
    regressions_first,
    resolution_told,
    spread_line,
)
from pgvitals.report.markdown import gate_summary
from pgvitals.report.markdown_parts import MARKS, code, markdown_table, text
from pgvitals.report.verdict import headline
from pgvitals.report.wording import ms, plural
from pgvitals.results.comparison import ComparedQuery, Comparison, Difference, Regression, RegressionGate
from pgvitals.results.outcome import Outcome, worst
from pgvitals.results.rundir import Run

_WORDS = {"slower": "❌ slower", "faster": "✅ faster", "same": "✅ same", "inconclusive": "❔ open", "void": "❔ void"}


def comparison_markdown(comparisons: Iterable[Comparison]) -> str:
    """One section a comparison: what differs about the runs, what changed, and the rest folded away."""
    return "\n".join(map(_comparison, comparisons))


def gate_markdown(run: Run, against: RegressionGate | None = None) -> str:
    """The gate of a run for a pull request: budgets and, where there is one, the baseline; the worse one first."""
    if against is None:
        return gate_summary(run)
    parts = [regression_markdown(against), gate_summary(run)]
    budgets = run.gate.outcome if run.gate else Outcome.NOT_APPLICABLE
    if worst([budgets, against.outcome]) is not against.outcome:
        parts.reverse()
    return "\n".join(parts)


def regression_markdown(found: RegressionGate) -> str:
    """The gate against a baseline: verdict, what differs about the runs, what is not a pass, the rest folded away."""
    loud = [each for each in regressions_first(found.queries) if each.outcome is not Outcome.PASS]
    quiet = [each for each in found.queries if each.outcome is Outcome.PASS]
    known = spread_line((each.spread, each.spread_runs) for each in found.queries)
    parts = [
        f"# {MARKS[found.outcome]} Against an earlier run: {headline(found.outcome).lower()}\n",
        f"{code(found.after)} against {code(found.before)}: {text(found.reason)}.\n",
        f"- {text(known)}\n" if known else "",
        _conditions(found.differences, found.canary_ratio, found.only_before, found.only_after),
        _regressions(loud) if loud else "",
        "".join(f"- {code(f'{each.system}/{each.query}')}: {text(each.reason)}\n" for each in loud),
        _folded(plural(len(quiet), "lookup") + " not slower", _regressions(quiet)) if quiet else "",
        _plans(found.queries),
    ]
    return "\n".join(part for part in parts if part)


def _comparison(found: Comparison) -> str:
    changed = [each for each in compared_first(found.queries) if each.verdict in ("slower", "faster")]
    rest = [each for each in compared_first(found.queries) if each.verdict not in ("slower", "faster")]
    known = spread_line((each.p95.spread, each.p95.spread_runs) for each in found.queries)
    told = [line for line in (known, resolution_told(found.resolution)) if line]
    parts = [
        f"# {code(found.before)} → {code(found.after)}\n",
        f"{text(found.reason)}. Ratios are after / before, below 1 is faster; intervals are at "
        f"{found.confidence * 100:g} % and know how much runs of the same thing differ.\n",
        "".join(f"- {text(line)}\n" for line in told),
        _conditions(found.differences, found.canary_ratio, found.only_before, found.only_after),
        _compared(changed) if changed else "",
        _folded(f"{plural(len(rest), 'lookup')} not decided or the same", _compared(rest)) if rest else "",
        _plans(found.queries),
    ]
    return "\n".join(part for part in parts if part)


def _conditions(
    differences: Sequence[Difference], canary: float | None, only_before: Iterable[str], only_after: Iterable[str]
) -> str:
    lines = [
        f"- {'**' if each.voids else ''}{text(each.what)}{'**' if each.voids else ''}: "
        f"{code(each.before)} → {code(each.after)}"
        for each in differences
    ]
    lines.append(f"- canary: {text(canary_told(canary))}")
    lines += [f"- only in the earlier run: {code(name)}" for name in only_before]
    lines += [f"- only in the later run: {code(name)}" for name in only_after]
    opening = "Conditions that differ:" if differences else "No recorded condition differs."
    return f"{opening}\n\n" + "\n".join(lines) + "\n"


def _compared(queries: Iterable[ComparedQuery]) -> str:
    rows = [
        (
            code(f"{each.system}/{each.query}"),
            f"{ms(each.typical.before_ms)} → {ms(each.typical.after_ms)}",
            ratio_told(each.typical.ratio, each.typical.interval),
            f"{ms(each.p95.before_ms)} → {ms(each.p95.after_ms)}",
            ratio_told(each.p95.ratio, each.p95.interval),
            f"{_WORDS[each.verdict]}: {text('; '.join([each.reason, *each.changed]))}",
        )
        for each in queries
    ]
    return markdown_table(("Lookup", "p50, ms", "Typical ratio", "p95, ms", "p95 ratio", "Verdict"), "lrrrrl", rows)


def _regressions(queries: Iterable[Regression]) -> str:
    rows = [
        (
            code(f"{each.system}/{each.query}"),
            f"{ms(each.before_p95_ms)} → {ms(each.after_p95_ms)}",
            ratio_told(each.ratio, each.interval),
            f"{MARKS[each.outcome]} {headline(each.outcome)}",
        )
        for each in queries
    ]
    return markdown_table(("Lookup", "p95, ms", "Ratio", "Verdict"), "lrrl", rows)


def _plans(queries: Iterable[ComparedQuery | Regression]) -> str:
    lines = [f"- {code(f'{each.system}/{each.query}')}: {text(words)}\n" for each in queries for words in each.plans]
    return _folded(f"{plural(len(lines), 'changed plan')}", "".join(lines)) if lines else ""


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{text(title)}</summary>\n\n{content}\n</details>\n"
