"""The gate's attempts against a p95 that is known: does the interval hold it, and what becomes of which budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pgvitals.results.outcome import Outcome
from pgvitals.stats.attempt import Attempt
from pgvitals.stats.percentile import P95, percentile
from pgvitals.stats.samples import FloatArray
from pgvitals.stats.verdict import GateRules, judge
from pgvitals.truth.lookups import LOOKUPS

FACTORS = (0.7, 0.8, 0.87, 0.95, 1.0, 1.05, 1.1, 1.15, 1.3)
"""Budgets, as multiples of the true p95."""
_NS_PER_MS = 1e6
_NO_BUDGET_MS = 1e9

Samples = Mapping[str, FloatArray]
"""The arrays of one sitting: ``lookup:attempt1`` latencies in ns, a row a batch; ``lookup:attempt1:valid`` flags."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One lookup in one sitting of the gate."""

    sitting: int
    lookup: str
    true_p95_ms: float  # of all other samples
    others: int  # samples that it comes from
    quiet: bool  # both attempts have as many quiet batches as a verdict takes
    covers: tuple[bool | None, ...]  # each attempt's interval; None where too few of its batches were quiet
    outcomes: dict[float, Outcome]  # budget / true p95 -> the gate's word


def judge_all(samples: Mapping[int, Samples]) -> list[Judged]:
    """Every lookup of every sitting with attempts, against the p95 of what all others measured.

    Args:
        samples: by the number of the sitting; those without attempts have at most short probes, ``lookup:probe``.
    """
    found = []
    for lookup in LOOKUPS:
        quiet = {number: _quiet(arrays, lookup.name) for number, arrays in samples.items()}
        for number, arrays in samples.items():
            others = [each for other, of in quiet.items() if other != number for each in of]
            if f"{lookup.name}:attempt1" in arrays and others:
                pooled = np.concatenate(others)
                both = [attempt_of(arrays, f"{lookup.name}:attempt{attempt}") for attempt in (1, 2)]
                found.append(_judged(number, lookup.name, both, percentile(pooled, P95), pooled.size))
    return found


def attempt_of(arrays: Samples, name: str) -> Attempt:
    """An attempt as it was stored, in milliseconds."""
    return Attempt(batches=list(arrays[name] / _NS_PER_MS), valid=arrays[f"{name}:valid"].astype(np.bool_))


def _judged(number: int, lookup: str, attempts: Sequence[Attempt], p95_ms: float, others: int) -> Judged:
    enough = [int(attempt.valid.sum()) >= GateRules().min_batches for attempt in attempts]
    outcomes = {}
    for factor in FACTORS:
        verdict = judge(attempts[0], None, factor * p95_ms)
        if verdict.needs_second_attempt:
            verdict = judge(attempts[0], attempts[1], factor * p95_ms)
        outcomes[factor] = verdict.outcome
    return Judged(
        sitting=number,
        lookup=lookup,
        true_p95_ms=p95_ms,
        others=others,
        quiet=all(enough),
        covers=tuple(
            _covers(attempt, p95_ms) if quiet else None for attempt, quiet in zip(attempts, enough, strict=True)
        ),
        outcomes=outcomes,
    )


def _covers(attempt: Attempt, p95_ms: float) -> bool:
    interval = judge(attempt, None, _NO_BUDGET_MS).interval
    return interval is not None and interval.low <= p95_ms <= interval.high


def _quiet(arrays: Samples, lookup: str) -> list[FloatArray]:
    """The quiet batches of one lookup in one sitting, in milliseconds."""
    names = [name for name in (f"{lookup}:{part}" for part in ("attempt1", "attempt2", "probe")) if name in arrays]
    kept = [arrays[name][arrays[f"{name}:valid"].astype(np.bool_)] for name in names]
    return [each.ravel() / _NS_PER_MS for each in kept if each.size]
