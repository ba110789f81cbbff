"""Paired comparison of two arms, before (A) and after (B): ratios are B / A, below 1 is faster.

Arms that are measured one after the other differ because the machine drifts. So rounds run in ABBA
order, every round yields ratios of its own, and only ratios are compared. Two identical databases
still differ by a few per cent; hence the margin, and a placebo that must stay silent.

Sources: Kalibera and Jones, "Rigorous Benchmarking in Reasonable Time", ISMM 2013 (repetition at
every level that varies, effect sizes as ratios with intervals); Hodges and Lehmann (1963) and Wilcoxon
(1945) for the intervals; Holm (1979) for many queries.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from pgvitals.errors import MeasureError
from pgvitals.results.records import Interval
from pgvitals.stats.percentile import P95, percentiles_by_row
from pgvitals.stats.samples import BoolArray, FloatArray, IntArray, finite, fraction, positive
from pgvitals.stats.signed_rank import hodges_lehmann, signed_rank_p

Change = Literal["faster", "slower", "same", "inconclusive", "void"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One ratio B / A over all rounds, and what it says by itself."""

    ratio: float
    interval: Interval | None  # None with too few rounds for its confidence
    p_value: float  # of "not beyond the margin"
    recurs: bool  # no restart is sure that there is nothing beyond the margin on the ratio's side of 1
    verdict: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class ContrastVerdict:
    """One query before and after, by its typical latency and by its p95."""

    verdict: Change
    reason: str
    typical: Estimate
    p95: Estimate
    rounds: int
    margin: float  # faster and slower lie beyond 1 - margin and 1 + margin
    same_margin: float  # same lies within 1 - same_margin and 1 + same_margin
    confidence: float


def abba_order(rng: np.random.Generator, rounds: int, arms: int = 2) -> IntArray:
    """Which arm to run when: a (rounds, 2 * arms) array of arm numbers from 0.

    Every round visits the arms and then again in reverse (ABBA or BAAB), so that a linear drift inside
    a round cancels. The order is random, and in any ``arms`` successive rounds (counted from the first)
    every arm leads once.

    Source: Cox, Planning of Experiments (1958), on orders that are balanced against a trend.

    Raises:
        MeasureError: no rounds, or fewer than two arms.
    """
    if rounds < 1 or arms < 2:
        raise MeasureError(f"order: {rounds} rounds of {arms} arms compare nothing; ask for at least 1 and 2")
    blocks = []
    for _ in range(-(-rounds // arms)):
        base, turns = rng.permutation(arms), rng.permutation(arms)
        blocks += [np.roll(base, -turn) for turn in turns]
    forth = np.stack(blocks[:rounds])
    return np.concatenate([forth, forth[:, ::-1]], axis=1)


def typical_log_ratios(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
    """One value a round: the median over its queries of ``log(b / a)``, each pair on the same parameters.

    Args:
        a: (rounds, queries) latencies of arm A, in any unit.
        b: latencies of arm B in the same unit; column by column the same parameters as ``a``.

    The median is not moved by a stall that hits one execution. Source: Kalibera and Jones (2013),
    effect sizes as ratios.

    Raises:
        MeasureError: other shapes, or a latency that is not above zero.
    """
    first, second = _rounds(a, b)
    if first.shape != second.shape:
        raise MeasureError(f"rounds: A has shape {first.shape}, B {second.shape}; pair them on the same parameters")
    return np.asarray(np.median(np.log(second) - np.log(first), axis=1), dtype=np.float64)


def p95_log_ratios(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
    """One value a round: the log of B's p95 over A's p95 in that round.

    Arguments as :func:`typical_log_ratios`, but the arms may have different numbers of queries.
    Source of the percentile: Hyndman and Fan (1996), definition 8.

    Raises:
        MeasureError: other shapes, or a latency that is not above zero.
    """
    first, second = _rounds(a, b)
    return np.log(percentiles_by_row(second, P95)) - np.log(percentiles_by_row(first, P95))


def contrast(
    typical_log_ratios: npt.ArrayLike,
    p95_log_ratios: npt.ArrayLike,
    margin: float,
    alpha: float = 0.05,
    *,
    same_margin: float = 0.05,
    restarts: npt.ArrayLike | None = None,
) -> ContrastVerdict:
    """Compare two arms by the ratios of their rounds.

    Each estimator has a Hodges-Lehmann interval at ``1 - alpha``. It says slower or faster if the
    interval lies beyond the margin, else same if it lies within ``same_margin``, else inconclusive.
    Together: one that says slower (or faster) decides, unless the other says the opposite; same takes
    both. More rounds may settle what is inconclusive: take ``alpha / 3`` for each of up to three looks.

    Args:
        typical_log_ratios: one value a round, from :func:`typical_log_ratios`.
        p95_log_ratios: one value a round, from :func:`p95_log_ratios`.
        margin: 0.03 on one heap, 0.05 between clones.
        alpha: chance of a wrong interval, of each estimator.
        same_margin: how far apart two arms may be and still count as the same.
        restarts: for each round the clone or server start it ran on. If given, none of them may deny what all
            say together: their own rounds, by themselves, must not show that there is nothing beyond the margin (a
            signed-rank test at ``alpha``, divided by their number). One unlucky clone is no change; a clone that
            hardly had a quiet round denies nothing.

    Sources: Hodges and Lehmann (1963); Wilcoxon (1945); Kalibera and Jones (2013).

    Raises:
        MeasureError: no rounds, arrays of different lengths, or a margin or alpha outside 0 to 1.
    """
    fraction(margin, "margin")
    fraction(same_margin, "same_margin")
    confidence = 1 - fraction(alpha, "alpha")
    typical = finite(typical_log_ratios, "typical_log_ratios")
    p95 = finite(p95_log_ratios, "p95_log_ratios")
    labels = np.zeros(typical.size) if restarts is None else np.asarray(restarts)
    if not typical.shape == p95.shape == labels.shape:
        raise MeasureError(
            f"contrast: {typical.size} typical ratios, {p95.size} p95 ratios and {labels.size} restart labels; "
            "give one of each a round"
        )
    groups = [labels == label for label in np.unique(labels)]
    return _combine(
        ContrastVerdict(
            verdict="inconclusive",
            reason="",
            typical=_estimate(typical, groups, margin, same_margin, confidence),
            p95=_estimate(p95, groups, margin, same_margin, confidence),
            rounds=typical.size,
            margin=margin,
            same_margin=same_margin,
            confidence=confidence,
        )
    )


def holm(p_values: npt.ArrayLike, alpha: float = 0.05) -> BoolArray:
    """Which hypotheses are rejected while the chance of any false rejection stays at ``alpha``.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
    Statistics 6 (1979), 65-70.

    Raises:
        MeasureError: no p-values, or one outside 0 to 1.
    """
    p = finite(p_values, "p_values")
    fraction(alpha, "alpha")
    if p.min() < 0 or p.max() > 1:
        raise MeasureError(f"p_values: they reach from {p.min():g} to {p.max():g}; a p-value lies within 0 and 1")
    order = np.argsort(p, kind="stable")
    kept = np.logical_and.accumulate(p[order] <= alpha / np.arange(p.size, 0, -1))
    rejected = np.zeros(p.size, dtype=np.bool_)
    rejected[order] = kept
    return rejected


def correct_for_many(contrasts: Sequence[ContrastVerdict], alpha: float = 0.05) -> tuple[ContrastVerdict, ...]:
    """The same comparisons, judged as a family: what Holm does not reject is no longer slower or faster.

    The family is every estimator of every query. Void comparisons stay as they are.

    Source: Holm (1979).
    """
    if not contrasts:
        return ()
    rejected = holm([part.p_value for item in contrasts for part in (item.typical, item.p95)], alpha)
    corrected = []
    for item, (typical, p95) in zip(contrasts, rejected.reshape(-1, 2), strict=True):
        if item.verdict == "void":
            corrected.append(item)
            continue
        held = replace(item, typical=_hold(item.typical, typical), p95=_hold(item.p95, p95))
        note = "" if held == item else f"; not significant among {len(contrasts)} queries (Holm)"
        corrected.append(_combine(held, note) if note else item)
    return tuple(corrected)


def count_alarms(placebos: Iterable[ContrastVerdict]) -> int:
    """How many comparisons of a thing with itself came out slower or faster in either estimator."""
    return sum(_alarms(placebo) for placebo in placebos)


def void_if_placebo_alarms(result: ContrastVerdict, *placebos: ContrastVerdict) -> ContrastVerdict:
    """``result``, or the same with the verdict ``void`` if one of its placebos alarms.

    A placebo is the same comparison of arm A with itself, in the same rounds. If that shows a change,
    so may the result, without there being one. Pass several placebos if there is more than one.
    """
    for placebo in placebos:
        if _alarms(placebo):
            reason = f"void: the same against itself differs too ({_numbers(placebo)}); {_numbers(result)}"
            return replace(result, verdict="void", reason=reason)
    return result


def _rounds(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    first, second = positive(a, "arm A", dimensions=2), positive(b, "arm B", dimensions=2)
    if len(first) != len(second):
        raise MeasureError(f"rounds: A has {len(first)}, B {len(second)}; measure both arms in every round")
    return first, second


def _estimate(
    logs: FloatArray, groups: Sequence[BoolArray], margin: float, same_margin: float, confidence: float
) -> Estimate:
    centre, bounds = hodges_lehmann(logs, confidence)
    slower, faster = math.log1p(margin), math.log1p(-margin)
    denial = (1 - confidence) / len(groups)
    recurs = not any(_denies(logs[group], centre, slower, faster, denial) for group in groups)
    verdict: Change = "inconclusive"
    if bounds is not None:
        if bounds.low > slower or bounds.high < faster:
            beyond: Change = "slower" if bounds.low > slower else "faster"
            verdict = beyond if recurs else "inconclusive"
        elif bounds.low >= math.log1p(-same_margin) and bounds.high <= math.log1p(same_margin):
            verdict = "same"
        bounds = Interval(low=math.exp(bounds.low), high=math.exp(bounds.high), confidence=confidence)
    one_sided = min(signed_rank_p(logs, slower, "greater"), signed_rank_p(logs, faster, "less"))
    return Estimate(
        ratio=math.exp(centre),
        interval=bounds,
        p_value=min(1.0, 2 * one_sided),
        recurs=recurs,
        verdict=verdict,
    )


def _denies(logs: FloatArray, centre: float, slower: float, faster: float, alpha: float) -> bool:
    """Whether one restart is sure that there is nothing beyond the margin on the side of ``centre``."""
    p = signed_rank_p(logs, slower, "less") if centre > 0 else signed_rank_p(logs, faster, "greater")
    return p <= alpha


def _hold(estimate: Estimate, rejected: bool) -> Estimate:
    if rejected or estimate.verdict not in ("slower", "faster"):
        return estimate
    return replace(estimate, verdict="inconclusive")


def _alarms(placebo: ContrastVerdict) -> bool:
    return any(part.verdict in ("slower", "faster") for part in (placebo.typical, placebo.p95))


def _combine(item: ContrastVerdict, note: str = "") -> ContrastVerdict:
    said = {item.typical.verdict, item.p95.verdict}
    verdict: Change = "inconclusive"
    head = f"inconclusive, typical {item.typical.verdict}, p95 {item.p95.verdict}".replace(" inconclusive", " open")
    if said >= {"slower", "faster"}:
        head = "mixed"
    elif "slower" in said:
        verdict, head = "slower", f"slower beyond {100 * item.margin:.3g} %"
    elif "faster" in said:
        verdict, head = "faster", f"faster beyond {100 * item.margin:.3g} %"
    elif said == {"same"}:
        verdict, head = "same", f"same within {100 * item.same_margin:.3g} %"
    return replace(item, verdict=verdict, reason=f"{head}: {_numbers(item)}{note}")


def _numbers(item: ContrastVerdict) -> str:
    parts = [f"{name} {_span(part)}" for name, part in (("typical", item.typical), ("p95", item.p95))]
    return f"{', '.join(parts)} ({100 * item.confidence:.4g} %, {item.rounds} rounds)"


def _span(part: Estimate) -> str:
    if part.interval is None:
        return f"{_ratio(part.ratio)}x (too few rounds for an interval)"
    once = "" if part.recurs or part.verdict == "same" else " not in every restart"
    return f"{_ratio(part.ratio)}x [{_ratio(part.interval.low)}, {_ratio(part.interval.high)}]{once}"


def _ratio(value: float) -> str:
    return f"{value:.3f}" if 0.1 <= value < 10 else f"{value:.3g}"
