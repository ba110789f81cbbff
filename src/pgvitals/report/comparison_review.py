"""How a comparison of runs is told: what comes first, and the words that terminal and Markdown share."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from pgvitals.report.wording import ratio, share
from pgvitals.results.comparison import ComparedQuery, Difference, Regression
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Interval
from pgvitals.stats.between_runs import LEAST_RUNS

_ORDER = {verdict: place for place, verdict in enumerate(("slower", "faster", "void", "inconclusive", "same"))}
_OUTCOMES = {Outcome.FAIL: 0, Outcome.INCONCLUSIVE: 1, Outcome.PASS: 2}


def compared_first(queries: Iterable[ComparedQuery]) -> list[ComparedQuery]:
    """What changed in front, slower before faster."""
    return sorted(queries, key=lambda each: _ORDER[each.verdict])


def regressions_first(queries: Iterable[Regression]) -> list[Regression]:
    """What fails in front, then what is open."""
    return sorted(queries, key=lambda each: _OUTCOMES.get(each.outcome, 1))


def condition_lines(
    differences: Iterable[Difference], canary: float | None, only_before: Iterable[str], only_after: Iterable[str]
) -> list[str]:
    """What is not the same about two runs, one line each; the first are those that void the comparison."""
    lines = [f"{each.what}: {each.before} → {each.after}{' (void)' if each.voids else ''}" for each in differences]
    lines.append(f"the machine's own speed (canary): {canary_told(canary)}")
    lines += [f"only before: {', '.join(names)}" for names in [list(only_before)] if names]
    lines += [f"only after: {', '.join(names)}" for names in [list(only_after)] if names]
    return lines


def canary_told(found: float | None) -> str:
    """``1.02 times as long after``."""
    return "not recorded" if found is None else f"the same work took {ratio(found)} times as long after"


def spread_line(known: Iterable[tuple[float, int]]) -> str:
    """Whence it is known how much runs of the same thing differ, of (spread, runs it was estimated from) a lookup."""
    found = [each for each in known if each[0]]
    if not found:
        return ""
    stated = [spread for spread, runs in found if not runs]
    told = []
    if stated:
        of = "" if len(stated) == len(found) else f" for {len(stated)} of {len(found)} lookups"
        told.append(
            f"how much runs of the same differ is stated ({share(statistics.median(stated))}, of a quiet machine), not "
            f"known here{of}: it takes {LEAST_RUNS} earlier runs of equal conditions to know it"
        )
    if measured := [(spread, runs) for spread, runs in found if runs]:
        middle = statistics.median(spread for spread, _ in measured)
        least = min(runs for _, runs in measured)
        told.append(f"runs of the same differ by {share(middle)}, as at least {least} earlier ones of them say")
    return "; ".join(told)


def resolution_told(found: float | None) -> str:
    """What such runs can tell apart at all; empty where nothing is known."""
    return "" if found is None else f"these runs can tell changes of a p95 from about {share(found)} on"


def ratio_told(value: float, interval: Interval | None) -> str:
    """``1.07 (0.92–1.24)``."""
    return ratio(value) + (f" ({ratio(interval.low)}–{ratio(interval.high)})" if interval else "")
