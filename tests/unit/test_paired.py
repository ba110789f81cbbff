"""Which rounds of a comparison count."""

from __future__ import annotations

import pytest

from pgvitals.measure.paired import quiet
from pgvitals.stats.validity import BatchNoise


def noise(*pressure: float | None) -> list[BatchNoise]:
    """A round for each share of the time in which somebody waited."""
    return [BatchNoise(cpu_pressure=each, steal=0.0, canary_ms=1.0) for each in pressure]


def test_disturbed_rounds_are_dropped() -> None:
    assert quiet(noise(*[0.0] * 50, 0.05, 0.04, None, 0.9)).tolist() == [True] * 50 + [False, True, True, False]


@pytest.mark.parametrize(("rounds", "kept"), [(8, 8), (49, 49), (60, 50), (100, 50), (200, 50), (400, 100)])
def test_where_none_is_quiet_the_quietest_fifty_count_and_of_many_rounds_a_quarter(rounds: int, kept: int) -> None:
    order = [(11 * number) % rounds for number in range(rounds)]  # 11 divides none of these numbers
    found = quiet(noise(*(0.2 + 0.001 * place for place in order)))
    assert found.tolist() == [place < kept for place in order]


def test_a_kernel_that_tells_nothing_drops_nothing() -> None:
    assert quiet(noise(*[None] * 20)).all()
    assert quiet([]).size == 0
