"""Zipf shares: exact, nobody without a row, the first the largest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgvitals.dataset.sizes import proportional_shares, zipf_shares, zipf_weights
from pgvitals.errors import DatasetError


@given(st.integers(1, 300), st.integers(0, 1_000_000), st.floats(0, 3))
def test_shares_add_up_and_leave_nobody_out(count, more, exponent):
    shares = zipf_shares(count + more, count, exponent)
    assert shares.sum() == count + more
    assert shares.min() >= 1
    assert (np.diff(shares) <= 1).all()


def test_shares_follow_zipfs_law():
    shares = zipf_shares(1_000_000, 100, 1.0)
    assert shares[0] / shares[9] == pytest.approx(10, rel=0.01)
    assert shares[0] == pytest.approx(193_000, rel=0.01)


def test_an_exponent_of_zero_shares_evenly():
    assert set(zipf_shares(1_003, 10, 0.0).tolist()) == {100, 101}


@given(st.integers(0, 100_000), st.lists(st.integers(1, 10_000), min_size=1, max_size=50))
def test_proportional_shares_add_up_and_are_off_by_less_than_one(total, weights):
    exact = np.array(weights) / sum(weights) * total
    shares = proportional_shares(total, np.array(weights) / sum(weights))
    assert shares.sum() == total
    assert np.abs(shares - exact).max() < 1 + 1e-6


def test_fewer_rows_than_tenants_are_refused_by_name():
    with pytest.raises(DatasetError, match="3 clients cannot be shared among 4 tenants"):
        zipf_shares(3, 4, 1.0, of="clients")


def test_a_shift_flattens_the_most_frequent_weights():
    assert zipf_weights(100, 1.0, 3.0)[0] < zipf_weights(100, 1.0)[0] / 2
    assert zipf_weights(100, 1.0, 3.0).sum() == pytest.approx(1)


@pytest.mark.parametrize("exponent", [0.7, 1.0, 1.3])
def test_weights_are_whole_steps_that_the_last_bit_of_a_power_does_not_move(exponent):
    """Powers differ between processors in their last bit; a weight moves by a step or not at all."""
    rank = np.arange(1, 2_001, dtype=np.float64)
    weights = zipf_weights(2_000, exponent)
    steps = weights / weights[0] * 2**32
    assert np.abs(steps - np.rint(steps)).max() < 1e-4
    assert np.allclose(weights / weights[0], rank**-exponent, rtol=1e-5)
