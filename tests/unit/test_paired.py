"""Which rounds of a comparison count."""

from __future__ import annotations

import pytest

from pgvitals.measure.paired import quiet
from pgvitals.stats.validity import BatchNoise


def noise(*pressure: float | None) -> list[BatchNoise]:
    """A round for each share of the time in which somebody waited."""
    return [BatchNoise(cpu_pressure=each, steal=0.0, canary_ms=1.0) for each in pressure]


def test_disturbed_rounds_are_dropped() -> None:
    assert quiet(noise(*[0.0] * 12, 0.05, 0.04, None, 0.9)).tolist() == [True] * 12 + [False, True, True, False]


@pytest.mark.parametrize(("rounds", "kept"), [(4, 4), (8, 8), (12, 8), (30, 15), (31, 16)])
def test_the_quietest_half_counts_where_fewer_are_quiet_and_never_fewer_than_an_interval_takes(
    rounds: int, kept: int
) -> None:
    found = quiet(noise(*(0.2 + 0.01 * ((7 * number) % rounds) for number in range(rounds))))
    assert found.sum() == kept
    assert [(7 * number) % rounds < kept for number in range(rounds)] == found.tolist()


def test_a_kernel_that_tells_nothing_drops_nothing() -> None:
    assert quiet(noise(*[None] * 20)).all()
    assert quiet([]).size == 0
