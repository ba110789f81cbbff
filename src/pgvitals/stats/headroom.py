"""How far under its budget a p95 is, as far as that is known while it is still being measured.

Looking at an interval again and again and stopping when it pleases makes passes too easy. So nobody stops at the
budget itself: what is settled early has its whole interval under a budget ten times smaller, and how often that
was looked at does not matter any more.

Source: the verdict's own interval, see :mod:`pgvitals.stats.verdict`; on looking repeatedly, Wald, Sequential
Analysis (1947).
"""

from __future__ import annotations

from itertools import compress

import numpy as np

from pgvitals.stats.attempt import Attempt
from pgvitals.stats.percentile import P95, batch_interval, percentile
from pgvitals.stats.samples import positive
from pgvitals.stats.verdict import GateRules


def headroom(
    attempt: Attempt, budget_ms: float, rules: GateRules | None = None, *, disturbed: bool = False
) -> float | None:
    """How many times the upper bound of the p95 goes into the budget: below 1 it lies over it.

    Only valid batches count; with ``disturbed`` all of them: noise only adds time, so that there is no less room.
    None while there are fewer of them, or fewer samples, than a verdict takes.

    Raises:
        MeasureError: the budget is not a positive number.
    """
    rules = rules or GateRules()
    budget = float(positive([budget_ms], "budget_ms")[0])
    kept = list(attempt.batches if disturbed else compress(attempt.batches, attempt.valid))
    if len(kept) < rules.min_batches or sum(batch.size for batch in kept) < rules.min_samples:
        return None
    pooled = percentile(np.concatenate(kept), P95)
    interval = batch_interval([percentile(batch, P95) for batch in kept], rules.confidence, pooled=pooled)
    return None if interval is None else budget / interval.high
