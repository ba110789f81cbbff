"""Attempts of the gate against a p95 that all other sittings know."""

from __future__ import annotations

import numpy as np
import pytest

from pgvitals.results.outcome import Outcome
from pgvitals.truth.gate import judge_all
from pgvitals.truth.lookups import LOOKUPS

NAME = LOOKUPS[0].name
P95_MS = np.exp(0.3 * 1.6449)


def latencies(rng: np.random.Generator, batches: int, speed: float = 1.0) -> np.ndarray:
    """Batches of 100 in nanoseconds, lognormal around 1 ms: their p95 is ``P95_MS``."""
    return np.asarray(speed * 1e6 * rng.lognormal(0, 0.3, (batches, 100)))


def sat(seed: int, *, quiet: int = 24) -> dict[str, np.ndarray]:
    """Two attempts, of which the first ``quiet`` batches are valid; the others take ten times as long."""
    rng = np.random.default_rng(seed)
    valid = np.arange(24) < quiet
    arrays = {}
    for attempt in (1, 2):
        arrays[f"{NAME}:attempt{attempt}"] = latencies(rng, 24) * np.where(valid, 1, 10)[:, None]
        arrays[f"{NAME}:attempt{attempt}:valid"] = valid
    return arrays


def test_the_true_p95_is_that_of_all_other_quiet_samples():
    probes = {f"{NAME}:probe": latencies(np.random.default_rng(9), 400), f"{NAME}:probe:valid": np.ones(400)}
    strange = {name: each if name.endswith("valid") else each * 50 for name, each in sat(1).items()}
    one, two = judge_all({1: strange, 2: sat(2, quiet=20), 3: probes})
    assert (one.sitting, two.sitting) == (1, 2)
    assert one.others == 2 * 20 * 100 + 40_000
    assert one.true_p95_ms == pytest.approx(P95_MS, rel=0.02)
    assert two.true_p95_ms > 10 * P95_MS


def test_budgets_far_from_the_truth_pass_and_fail_and_the_interval_holds_it():
    judged = judge_all({number: sat(number) for number in range(20)})
    assert len(judged) == 20
    assert all(each.outcomes[0.7] is Outcome.FAIL for each in judged)
    assert all(each.outcomes[1.3] is Outcome.PASS for each in judged)
    assert sum(each.outcomes[1.0] is Outcome.FAIL for each in judged) <= 1
    assert sum(covers is True for each in judged for covers in each.covers) >= 36


def test_an_attempt_with_too_few_quiet_batches_has_no_say():
    (judged, _) = judge_all({1: sat(1, quiet=11), 2: sat(2)})
    assert not judged.quiet
    assert judged.covers == (None, None)


def test_one_sitting_alone_has_no_truth_to_be_held_against():
    assert judge_all({1: sat(1)}) == []
