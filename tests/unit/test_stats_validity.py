"""Which batches count, and why the others do not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgvitals.errors import MeasureError
from pgvitals.stats.validity import (
    BatchNoise,
    Disturbance,
    Limits,
    count_disturbances,
    disturbances,
    valid_batches,
)

exact = settings(deadline=None, max_examples=60, derandomize=True, database=None)
shares = st.none() | st.floats(0, 1)
noises = st.lists(
    st.builds(BatchNoise, cpu_pressure=shares, steal=shares, canary_ms=st.floats(0.1, 10)),
    min_size=1,
    max_size=30,
)


def quiet(canary_ms: float = 1.0, cpu_pressure: float | None = 0.0, steal: float | None = 0.0) -> BatchNoise:
    return BatchNoise(cpu_pressure=cpu_pressure, steal=steal, canary_ms=canary_ms)


def test_each_kind_of_noise_invalidates_its_batch():
    noise = [quiet(), quiet(cpu_pressure=0.2), quiet(steal=0.02), quiet(canary_ms=1.3)]
    assert valid_batches(noise).tolist() == [True, False, False, False]


def test_pressure_and_steal_must_stay_below_their_limit_and_a_canary_may_reach_it():
    noise = [
        quiet(),
        quiet(cpu_pressure=0.05),
        quiet(cpu_pressure=0.049),
        quiet(steal=0.01),
        quiet(canary_ms=1.25),
    ]
    assert valid_batches(noise).tolist() == [True, False, True, False, True]


def test_what_the_kernel_does_not_tell_invalidates_nothing():
    assert valid_batches([quiet(cpu_pressure=None, steal=None)] * 3).tolist() == [True] * 3


def test_the_canary_is_compared_with_the_best_one_ever_seen():
    noise = [quiet(canary_ms=1.4), quiet(canary_ms=1.5)]
    assert valid_batches(noise).all()
    assert not valid_batches(noise, best_canary_ms=1.0).any()
    assert valid_batches(noise, best_canary_ms=9.0).all()


def test_reasons_are_counted_by_kind_and_a_batch_may_have_two():
    noise = [quiet(), quiet(cpu_pressure=0.2, canary_ms=2.0), quiet(canary_ms=2.0)]
    counts = count_disturbances(disturbances(noise))
    assert counts == {Disturbance.CPU_PRESSURE: 1, Disturbance.CANARY: 2}


def test_limits_can_be_widened():
    noise = [quiet(), quiet(cpu_pressure=0.2, steal=0.02, canary_ms=2.0)]
    assert valid_batches(noise, Limits(cpu_pressure=0.5, steal=0.5, canary_ratio=3.0)).all()


@exact
@given(noises)
def test_a_batch_is_valid_exactly_when_nothing_disturbed_it(noise):
    found = disturbances(noise)
    hit = [any(flags[i] for flags in found.values()) for i in range(len(noise))]
    assert valid_batches(noise).tolist() == [not one for one in hit]


@exact
@given(noises, st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 2))
def test_wider_limits_never_lose_a_batch(noise, pressure, steal, ratio):
    base = Limits()
    wider = Limits(
        cpu_pressure=base.cpu_pressure + pressure,
        steal=base.steal + steal,
        canary_ratio=base.canary_ratio + ratio,
    )
    assert (valid_batches(noise, base) <= valid_batches(noise, wider)).all()


@pytest.mark.parametrize(
    ("noise", "complaint"),
    [
        ([], "canary_ms: there are no values"),
        ([quiet(canary_ms=math.nan)], "canary_ms: value nan"),
        ([quiet(canary_ms=0.0)], "not above zero"),
        ([quiet(cpu_pressure=math.nan)], "share nan"),
        ([quiet(steal=-0.1)], r"share -0\.1"),
    ],
)
def test_noise_that_is_no_number_is_refused(noise, complaint):
    with pytest.raises(MeasureError, match=complaint):
        valid_batches(noise)


def test_a_canary_limit_below_the_best_canary_is_refused():
    with pytest.raises(MeasureError, match=r"limit canary_ratio: 0\.9 is below 1"):
        Limits(canary_ratio=0.9)
