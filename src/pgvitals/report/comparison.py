"""Two runs, query by query: the ratio of typical latency and of p95, with a verdict that knows how runs differ."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pgvitals.report.run_pair import Claim, Percentile, RunPair
from pgvitals.report.run_samples import Key
from pgvitals.report.wording import plural, ratio, share
from pgvitals.results.comparison import ComparedQuery, Comparison, RatioOfRuns
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Interval, Latency
from pgvitals.stats.between_runs import RunRatio, Spread, change, change_p, resolution
from pgvitals.stats.compare import Change, holm

CONFIDENCE = 0.95
MARGIN = 0.05
SAME_MARGIN = 0.10

_CLAIMS: dict[str, Claim] = {"slower": "slower", "faster": "not slower", "same": "same"}
_PERCENTILES: tuple[Percentile, ...] = ("typical", "p95")
_NAMED_MOST = 3


def compare_runs(pair: RunPair) -> Comparison:
    """Compare every lookup that two runs share.

    A lookup is slower (or faster) if the interval of its p95 or of its typical latency lies beyond the margin, and
    still does when all lookups are judged as a family (Holm), unless the other one says the opposite.

    Raises:
        ResultsError: a run measured no lookup, or has no samples.
    """
    found = {
        which: {key: pair.ratio(key, which, CONFIDENCE) for key in pair.shared if not pair.void(key[0])}
        for which in _PERCENTILES
    }
    kept = {which: _family({key: each for key, (each, _) in ratios.items()}) for which, ratios in found.items()}
    queries = []
    for key in pair.shared:
        judged = {
            which: (*found[which][key], key in kept[which]) for which in _PERCENTILES if key in found[which]
        }  # fmt: skip
        queries.append(_query(pair, key, judged))
    outcome, reason = _overall(queries, pair)
    return Comparison(
        outcome=outcome,
        reason=reason,
        before=pair.before.info.name,
        after=pair.after.info.name,
        before_git=pair.before.info.git_revision,
        after_git=pair.after.info.git_revision,
        differences=pair.differences,
        canary_ratio=pair.canary,
        margin=MARGIN,
        same_margin=SAME_MARGIN,
        confidence=CONFIDENCE,
        resolution=middle_resolution(each for each, _ in found["p95"].values()),
        queries=tuple(queries),
        only_before=pair.alone[0],
        only_after=pair.alone[1],
    )


def middle_resolution(ratios: Iterable[RunRatio]) -> float | None:
    """The least change that the interval of the middle lookup could tell from none; None without intervals."""
    known = [found for each in ratios if (found := resolution(each)) is not None]
    return statistics.median(known) if known else None


def spread_told(spread: float, runs: int) -> str:
    """``runs of the same differ by 5.0 % (stated)``, or of how many runs it was estimated."""
    return f"runs of the same differ by {share(spread)} ({f'of {runs} earlier runs' if runs else 'stated'})"


def span_told(interval: Interval | None) -> str:
    """``between 0.92 and 1.24 times (95 %)``."""
    if interval is None:
        return "no interval: a run has fewer than two batches"
    return f"between {ratio(interval.low)} and {ratio(interval.high)} times ({interval.confidence * 100:g} %)"


def changed_words(before: Latency, after: Latency) -> tuple[str, ...]:
    """What is asked, and as whom, if that is not the same in two runs."""
    words = []
    if before.statement and after.statement and before.statement != after.statement:
        words.append("another statement or other parameters")
    if before.role != after.role:
        words.append(f"as {after.role} instead of {before.role}")
    if before.ends != after.ends:
        words.append(f"ends with {after.ends} instead of {before.ends}")
    return tuple(words)


def _family(ratios: dict[Key, RunRatio]) -> set[Key]:
    """The lookups whose change is significant among all of them."""
    if not ratios:
        return set()
    rejected = holm([change_p(each, MARGIN) for each in ratios.values()], 1 - CONFIDENCE)
    return {key for key, kept in zip(ratios, rejected, strict=True) if kept}


def _query(pair: RunPair, key: Key, judged: dict[Percentile, tuple[RunRatio, Spread, bool]]) -> ComparedQuery:
    before, after = pair.latencies(key)
    parts: dict[Percentile, RatioOfRuns] = {}
    doubts: dict[Percentile, str] = {}
    for which in _PERCENTILES:
        times = (before.p50_ms, after.p50_ms) if which == "typical" else (before.p95_ms, after.p95_ms)
        if which not in judged:
            parts[which] = RatioOfRuns(
                before_ms=times[0], after_ms=times[1], ratio=times[1] / times[0], interval=None, verdict="void",
                spread=0.0, spread_runs=0,
            )  # fmt: skip
            continue
        found, spread, among_all = judged[which]
        said = change(found, MARGIN, SAME_MARGIN)
        if said in _CLAIMS:
            doubts[which] = pair.doubt(key, _CLAIMS[said], found, spread)
            if said != "same" and not among_all:
                doubts[which] = doubts[which] or f"not significant among {len(pair.shared)} lookups (Holm)"
            said = "inconclusive" if doubts[which] else said
        parts[which] = RatioOfRuns(
            before_ms=times[0], after_ms=times[1], ratio=found.ratio, interval=found.interval, verdict=said,
            spread=spread.log_sd, spread_runs=spread.runs,
        )  # fmt: skip
    made = ComparedQuery(
        system=key[0],
        query=key[1],
        title=after.title,
        typical=parts["typical"],
        p95=parts["p95"],
        verdict=_together(parts),
        reason="",
        changed=changed_words(before, after),
        plans=pair.plans.get("/".join(key), ()),
        ends=after.ends,
    )
    return replace(made, reason=_reason(pair, made, doubts))


def _together(parts: dict[Percentile, RatioOfRuns]) -> Change:
    said = {part.verdict for part in parts.values()}
    if "void" in said:
        return "void"
    if said >= {"slower", "faster"}:
        return "inconclusive"
    if "slower" in said or "faster" in said:
        return "slower" if "slower" in said else "faster"
    return "same" if said == {"same"} else "inconclusive"


def _reason(pair: RunPair, made: ComparedQuery, doubts: dict[Percentile, str]) -> str:
    if made.verdict == "void":
        return pair.void(made.system)
    if made.verdict in ("slower", "faster"):
        told = [
            f"{name} {_bound(part)}"
            for name, part in (("p95", made.p95), ("typical", made.typical))
            if part.verdict == made.verdict
        ]
        return ", ".join(told)
    if made.verdict == "same":
        return f"within {share(SAME_MARGIN)} of before"
    if {made.p95.verdict, made.typical.verdict} == {"slower", "faster"}:
        return f"mixed: p95 {made.p95.verdict}, typical {made.typical.verdict}"
    if made.p95.interval is None:
        return span_told(None)
    return doubts.get("p95") or doubts.get("typical") or spread_told(made.p95.spread, made.p95.spread_runs)


def _bound(part: RatioOfRuns) -> str:
    """``at least 1.12 times``: the end of the interval that is nearer to no change."""
    if part.interval is None:
        return span_told(None)
    end, word = (part.interval.low, "least") if part.verdict == "slower" else (part.interval.high, "most")
    return f"at {word} {ratio(end)} times"


def _overall(queries: Sequence[ComparedQuery], pair: RunPair) -> tuple[Outcome, str]:
    if not queries:
        return Outcome.INCONCLUSIVE, "the runs have no lookup in common"
    slower = [f"{each.system}/{each.query}" for each in queries if each.verdict == "slower"]
    decided = [each for each in queries if each.verdict not in ("inconclusive", "void")]
    counts = ", ".join(
        f"{number} {word}"
        for word in ("faster", "same", "inconclusive", "void")
        if (number := sum(each.verdict == word for each in queries))
    )
    if slower:
        more = f" and {len(slower) - _NAMED_MOST} more" if len(slower) > _NAMED_MOST else ""
        rest = f"; {counts}" if counts else ""
        return Outcome.FAIL, f"{len(slower)} slower: {', '.join(slower[:_NAMED_MOST])}{more}{rest}"
    if not decided:
        why = pair.void("") if all(each.verdict == "void" for each in queries) else ""
        return Outcome.INCONCLUSIVE, f"nothing could be decided about {plural(len(queries), 'lookup')}" + (
            f" ({why})" if why else ""
        )
    return Outcome.PASS, f"nothing is slower; {counts}"
