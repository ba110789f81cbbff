"""The gate against an earlier run: has the p95 of a lookup grown beyond what is borne?"""

from __future__ import annotations

from collections.abc import Sequence

from pgvitals.report.comparison import changed_words, middle_resolution, span_told, spread_told
from pgvitals.report.run_pair import RunPair
from pgvitals.report.run_samples import Key
from pgvitals.report.wording import plural, ratio, share
from pgvitals.results.comparison import Regression, RegressionGate
from pgvitals.results.outcome import Outcome, worst
from pgvitals.stats.between_runs import RunRatio, Spread

LIMIT = 0.10
CONFIDENCE = 0.99

_NAMED_MOST = 3


def judge_regression(pair: RunPair, limit: float = LIMIT, confidence: float = CONFIDENCE) -> RegressionGate:
    """Judge every lookup of the later run that the earlier one has too.

    It fails if the interval of its ratio of p95s lies above ``1 + limit``, passes if it lies below, and is
    inconclusive with the reason otherwise, and where a claim cannot be made at all (see ``RunPair.doubt``).

    Raises:
        ResultsError: a run measured no lookup, or has no samples.
    """
    found = {key: pair.ratio(key, "p95", confidence) for key in pair.shared}
    queries = [_judge(pair, key, *each, limit) for key, each in found.items()]
    finest = middle_resolution(each for each, _ in found.values())
    return RegressionGate(
        outcome=worst(each.outcome for each in queries),
        reason=_overall(queries, limit, confidence, finest),
        before=pair.before.info.name,
        after=pair.after.info.name,
        limit=limit,
        confidence=confidence,
        differences=pair.differences,
        canary_ratio=pair.canary,
        resolution=finest,
        queries=tuple(queries),
        only_before=pair.alone[0],
        only_after=pair.alone[1],
    )


def _judge(pair: RunPair, key: Key, found: RunRatio, spread: Spread, limit: float) -> Regression:
    before, after = pair.latencies(key)
    outcome, reason = _verdict(pair, key, found, spread, limit)
    changed = changed_words(before, after)
    return Regression(
        system=key[0],
        query=key[1],
        title=after.title,
        before_p95_ms=before.p95_ms,
        after_p95_ms=after.p95_ms,
        ratio=found.ratio,
        interval=found.interval,
        outcome=outcome,
        reason="; ".join([reason, *changed]),
        spread=spread.log_sd,
        spread_runs=spread.runs,
        plans=pair.plans.get("/".join(key), ()),
    )


def _verdict(pair: RunPair, key: Key, found: RunRatio, spread: Spread, limit: float) -> tuple[Outcome, str]:
    told = f"p95 {ratio(found.ratio)} times, {span_told(found.interval)}"
    if void := pair.void(key[0]):
        return Outcome.INCONCLUSIVE, void
    if found.interval is None:
        return Outcome.INCONCLUSIVE, told
    borne = f"{ratio(1 + limit)} borne"
    if found.interval.high < 1 + limit:
        doubt = pair.doubt(key, "not slower", found, spread)
        return (Outcome.INCONCLUSIVE, f"{doubt}; {told}") if doubt else (Outcome.PASS, f"{told}, {borne}")
    if found.interval.low > 1 + limit:
        doubt = pair.doubt(key, "slower", found, spread)
        return (Outcome.INCONCLUSIVE, f"{doubt}; {told}") if doubt else (Outcome.FAIL, f"{told}, {borne}")
    doubt = pair.doubt(key, "same", found, spread)
    why = f"; {doubt}" if doubt else ""
    return Outcome.INCONCLUSIVE, f"{told}, {borne}; {spread_told(spread.log_sd, spread.runs)}{why}"


def _overall(queries: Sequence[Regression], limit: float, confidence: float, finest: float | None) -> str:
    asked = f"no regression beyond {share(limit)} at {confidence * 100:g} %"
    if not queries:
        return f"{asked}: the runs have no lookup in common"
    kinds = {
        kind: [f"{each.system}/{each.query}" for each in queries if each.outcome is kind]
        for kind in (Outcome.FAIL, Outcome.INCONCLUSIVE)
    }
    passed = len(queries) - sum(map(len, kinds.values()))
    parts = [f"{passed} of {plural(len(queries), 'lookup')} {'passes' if len(queries) == 1 else 'pass'}"]
    for kind, names in kinds.items():
        if names:
            more = f" and {len(names) - _NAMED_MOST} more" if len(names) > _NAMED_MOST else ""
            parts.append(f"{kind.value}: {', '.join(names[:_NAMED_MOST])}{more}")
    if kinds[Outcome.INCONCLUSIVE] and finest is not None and finest > limit:
        parts.append(f"these runs can tell changes from about {share(finest)} on")
    return f"{asked}: {'; '.join(parts)}"
