"""The gate: does the p95 of a lookup keep its budget?

A verdict needs an interval that excludes the budget. A pass is final; a fail has to come back on a
second attempt, because a tight interval is not proof, recurrence is. Nothing is measured here: a
verdict that asks for a second attempt is judged again once the caller has measured one.

Sources: Le Boudec, Performance Evaluation of Computer and Communication Systems (2010), chapter 2
(intervals for quantiles); Kalibera and Jones, "Rigorous Benchmarking in Reasonable Time", ISMM 2013
(repeat the level that varies).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import compress
from typing import Protocol

import numpy as np

from pgvitals.errors import MeasureError
from pgvitals.results.outcome import Outcome, worst
from pgvitals.results.records import Interval
from pgvitals.stats.attempt import Attempt
from pgvitals.stats.percentile import P95, batch_interval, percentile
from pgvitals.stats.samples import FloatArray, fraction, positive

__all__ = ["Attempt", "GateRules", "Judged", "Verdict", "judge", "overall", "unjudged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """What a verdict takes: the interval's confidence, and the least evidence for any interval."""

    confidence: float = 0.99
    min_batches: int = 12
    min_samples: int = 59  # fewer give no upper bound on a p95 at 95 %

    def __post_init__(self) -> None:
        fraction(self.confidence, "confidence")
        if self.min_batches < 2 or self.min_samples < 1:
            raise MeasureError(
                f"gate: {self.min_batches} batches and {self.min_samples} samples bound nothing; "
                "ask for at least 2 and 1"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate says of one query, and the evidence it says it on; times in milliseconds."""

    outcome: Outcome  # pass | fail | inconclusive
    reason: str
    interval: Interval | None  # of the p95; None below two batches
    needs_second_attempt: bool
    p95_ms: float
    samples: int
    batches: int  # all that were measured
    valid_batches: int
    under_disturbance: bool  # the p95 and its interval are over all batches, valid or not


class Judged(Protocol):
    """Anything that carries the outcome of one query."""

    @property
    def system(self) -> str: ...
    @property
    def query(self) -> str: ...
    @property
    def outcome(self) -> Outcome: ...


class _Side(Enum):
    UNDER = 1
    OVER = 2
    OPEN = 3
    THIN = 4  # too few valid batches or samples to say


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    batches: int
    samples: int
    p95_ms: float
    interval: Interval | None
    enough: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    side: _Side
    shown: _Evidence  # what the reason quotes
    disturbed: bool
    batches: int
    valid: _Evidence | None


def judge(first: Attempt, second: Attempt | None, budget_ms: float, rules: GateRules | None = None) -> Verdict:
    """Judge the p95 of one query against its budget, from one attempt or two.

    Only valid batches count: at least ``min_batches`` of them with ``min_samples`` samples. The
    interval is :func:`~pgvitals.stats.percentile.batch_interval` over their p95s.

    - Upper bound under the budget: pass.
    - Lower bound over it in both attempts: fail.
    - Otherwise both attempts are pooled. Under the budget: pass. Over it, with a p95 over the budget
      in each attempt, and none that had enough to say and left it open: fail. Anything else is
      inconclusive. Two attempts share the machine's mood of their minutes; where pooling overruled an
      attempt that was open, a budget at the long-run p95 failed in 17 of 104 trials.
    - After one attempt, what is no pass is inconclusive and asks for a second one.
    - Noise only adds time. So if the valid batches do not contradict, an upper bound over *all*
      batches that lies under the budget is a pass too.

    Raises:
        MeasureError: the budget is not a positive number.
    """
    rules = rules or GateRules()
    budget = float(positive([budget_ms], "budget_ms")[0])
    one = _look([first], budget, rules)
    if one.side is _Side.UNDER:
        return _verdict(Outcome.PASS, one, _bounds(one.shown, budget, "at most") + _aside(one))
    if second is None:
        ask = "over, if a second attempt agrees" if one.side is _Side.OVER else "a second attempt may tell"
        reason = f"{_open(one, budget, rules)}; {ask}"
        return _verdict(Outcome.INCONCLUSIVE, one, reason, second_attempt=True)
    two, both = _look([second], budget, rules), _look([first, second], budget, rules)
    if one.side is _Side.OVER and two.side is _Side.OVER:
        again = f"; over in each of two attempts ({_low(one, budget)} and {_low(two, budget)} at least)"
        return _verdict(Outcome.FAIL, both, _bounds(both.shown, budget, "between") + again)
    if both.side is _Side.UNDER:
        reason = _bounds(both.shown, budget, "at most") + "; two attempts" + _aside(both)
        return _verdict(Outcome.PASS, both, reason)
    is_open = _Side.OPEN in (one.side, two.side)
    if both.side is _Side.OVER and not is_open and all(_points_over(look, budget, rules) for look in (one, two)):
        reason = _bounds(both.shown, budget, "at least") + "; two attempts, each with a p95 over it"
        return _verdict(Outcome.FAIL, both, reason)
    reason = _open(both, budget, rules) + "; still open after two attempts"
    return _verdict(Outcome.INCONCLUSIVE, both, reason)


def unjudged(attempts: Sequence[Attempt], rules: GateRules | None = None) -> Verdict:
    """What :func:`judge` would show of a p95 that promises nothing: not applicable, with its interval."""
    rules = rules or GateRules()
    return _verdict(Outcome.NOT_APPLICABLE, _look(attempts, math.inf, rules), "shown, not judged: it has no budget")


def overall(queries: Iterable[Judged], tenants: Iterable[Judged] = ()) -> tuple[Outcome, str]:
    """The worst outcome of all queries, and a sentence that names those which are not a pass.

    ``tenants`` are what was judged of single tenants beside them. No queries at all are inconclusive: nothing
    passes silently.
    """
    found, beside = list(queries), list(tenants)
    outcome = worst(each.outcome for each in [*found, *beside])
    if not found:
        return outcome, "no lookup was judged"
    lookups = "the only lookup passes" if len(found) == 1 else f"all {len(found)} lookups pass"
    parts = _told(found, lookups, f"of {len(found)} lookups pass")
    if beside:
        budgets = "budget of a single tenant" if len(beside) == 1 else "budgets of single tenants"
        every = f"the only {budgets} is kept" if len(beside) == 1 else f"all {len(beside)} {budgets} are kept"
        parts += _told(beside, every, f"of {len(beside)} {budgets} kept")
    return outcome, "; ".join(parts)


def _told(found: Sequence[Judged], every: str, some: str) -> list[str]:
    counts = Counter(each.outcome for each in found)
    if counts[Outcome.PASS] == len(found):
        return [every]
    parts = [f"{counts[Outcome.PASS]} {some}"]
    for kind in Outcome:
        names = [f"{each.system}/{each.query}" for each in found if each.outcome is kind]
        if names and kind is not Outcome.PASS:
            parts.append(f"{kind.replace('_', ' ')}: {', '.join(names)}")
    return parts


def _look(attempts: Sequence[Attempt], budget: float, rules: GateRules) -> _Look:
    everything = [batch for attempt in attempts for batch in attempt.batches]
    kept = [batch for attempt in attempts for batch in compress(attempt.batches, attempt.valid)]
    every = _evidence(everything, rules)
    valid = _evidence(kept, rules) if kept else None
    side = _side(valid, budget) if valid else _Side.THIN
    disturbed = False
    if side in (_Side.OPEN, _Side.THIN) and _side(every, budget) is _Side.UNDER:
        side, disturbed = _Side.UNDER, True
    elif valid is None or valid.interval is None:
        disturbed = len(kept) < len(everything)
    shown = every if disturbed or valid is None else valid
    return _Look(side=side, shown=shown, disturbed=disturbed, batches=len(everything), valid=valid)


def _evidence(batches: Sequence[FloatArray], rules: GateRules) -> _Evidence:
    pooled = np.concatenate(batches)
    p95 = percentile(pooled, P95)
    per_batch = [percentile(batch, P95) for batch in batches]
    return _Evidence(
        batches=len(batches),
        samples=pooled.size,
        p95_ms=p95,
        interval=batch_interval(per_batch, rules.confidence, pooled=p95),
        enough=len(batches) >= rules.min_batches and pooled.size >= rules.min_samples,
    )


def _side(evidence: _Evidence, budget: float) -> _Side:
    if not evidence.enough or evidence.interval is None:
        return _Side.THIN
    if evidence.interval.high < budget:
        return _Side.UNDER
    return _Side.OVER if evidence.interval.low > budget else _Side.OPEN


def _points_over(look: _Look, budget: float, rules: GateRules) -> bool:
    return look.valid is not None and look.valid.samples >= rules.min_samples and look.valid.p95_ms > budget


def _verdict(outcome: Outcome, look: _Look, reason: str, *, second_attempt: bool = False) -> Verdict:
    return Verdict(
        outcome=outcome,
        reason=reason,
        interval=look.shown.interval,
        needs_second_attempt=second_attempt,
        p95_ms=look.shown.p95_ms,
        samples=look.shown.samples,
        batches=look.batches,
        valid_batches=look.valid.batches if look.valid else 0,
        under_disturbance=look.disturbed,
    )


def _aside(look: _Look) -> str:
    if not look.disturbed:
        return ""
    valid = look.valid.batches if look.valid else 0
    return f"; under disturbance ({valid} of {look.batches} batches quiet), which only adds time"


def _open(look: _Look, budget: float, rules: GateRules) -> str:
    numbers = _bounds(look.shown, budget, "between")
    batches = look.valid.batches if look.valid else 0
    samples = look.valid.samples if look.valid else 0
    if batches < rules.min_batches:
        found = f"of {look.batches} batches were quiet" if batches < look.batches else "batches were measured"
        return f"only {batches} {found}, {rules.min_batches} needed; {numbers}"
    if samples < rules.min_samples:
        return f"only {samples} samples, {rules.min_samples} needed to bound a p95; {numbers}"
    return numbers


def _bounds(evidence: _Evidence, budget: float, bound: str) -> str:
    p95, limit = _ms(evidence.p95_ms, budget), f"budget {budget:.6g} ms"
    interval = evidence.interval
    if interval is None:
        return f"p95 {p95} ms, {limit}"
    low, high = _ms(interval.low, budget), _ms(interval.high, budget)
    span = {
        "at most": f"at most {high}",
        "at least": f"at least {low}",
        "between": f"between {low} and {high}",
    }
    return f"p95 {p95} ms, {span[bound]} ms ({100 * interval.confidence:.4g} %), {limit}"


def _low(look: _Look, budget: float) -> str:
    interval = look.shown.interval
    return "no bound" if interval is None else f"{_ms(interval.low, budget)} ms"


def _ms(value: float, budget: float) -> str:
    """Three significant digits, whole milliseconds at least, or as many as tell it from the budget."""
    if not 1e-6 < value < 1e9:
        return f"{value:.3g}"
    decimals = max(0, 2 - math.floor(math.log10(value)))
    while value != budget and decimals < 12 and round(value, decimals) == round(budget, decimals):
        decimals += 1
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
