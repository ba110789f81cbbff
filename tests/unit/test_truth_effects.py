"""Effects of known size, worked out on latencies whose making is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pgvitals.errors import MeasureError
from pgvitals.stats.percentile import percentile
from pgvitals.truth.effects import EFFECTS, Cost, cost_of, steps_with
from pgvitals.truth.lookups import LOOKUPS, ROWS, SLOW_SHARE, base_steps, shares

SPEED = 200.0
FIXED_US, STEP_US = 60.0, 0.006


def run_of(steps: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Latencies in microseconds on a machine with a few stalls."""
    stalls = np.where(rng.random(steps.shape) < 0.01, 3.0, 1.0)
    return np.asarray((FIXED_US + STEP_US * steps) * rng.lognormal(0, 0.05, steps.shape) * stalls)


@pytest.fixture(scope="module")
def costs() -> dict[str, Cost]:
    """Of every lookup, from twenty thousand executions."""
    rng = np.random.default_rng(1)
    found = {}
    for lookup in LOOKUPS:
        rows = rng.integers(0, ROWS, 20_000)
        steps = base_steps(lookup, SPEED)[rows]
        found[lookup.name] = cost_of(run_of(steps, rng), steps, shares()[rows])
    return found


def test_every_row_has_a_place_of_its_own_in_the_order_of_work():
    assert math.gcd(3_607, ROWS) == 1
    assert np.unique(shares()).size == ROWS
    steps = base_steps(LOOKUPS[0], SPEED)
    assert (np.diff(steps[np.argsort(shares())]) >= 0).all()
    assert np.median(steps) == pytest.approx(SPEED * LOOKUPS[0].work_us, rel=0.01)


def test_what_a_step_and_the_rest_take_is_found(costs):
    for cost in costs.values():
        assert cost.fixed_us == pytest.approx(FIXED_US, rel=0.1)
        assert cost.step_ns == pytest.approx(1e3 * STEP_US, rel=0.05)


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.name)
def test_an_effect_moves_what_it_should_by_as_much_as_it_should_and_nothing_else(effect, costs):
    base, changed = steps_with(None, costs, SPEED), steps_with(effect, costs, SPEED)
    for lookup in LOOKUPS:
        rng = np.random.default_rng(2)
        rows = rng.integers(0, ROWS, 200_000)
        before = run_of(base[lookup.name][rows], np.random.default_rng(3))
        after = run_of(changed[lookup.name][rows], np.random.default_rng(3))
        p50, p95 = (percentile(after, q) / percentile(before, q) for q in (0.5, 0.95))
        assert p50 == pytest.approx(1 + effect.typical, abs=0.005)
        if effect.p95:
            assert p95 == pytest.approx(1 + effect.p95, abs=0.012)
            assert ((changed[lookup.name] != base[lookup.name]) == (shares() >= 1 - SLOW_SHARE)).all()


def test_work_that_takes_no_time_is_no_calibration():
    steps = np.arange(100)
    with pytest.raises(MeasureError, match="more work did not take longer"):
        cost_of(200.0 - steps, steps, (steps + 0.5) / 100)
