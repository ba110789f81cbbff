"""Change points: exact in what they promise, and found where a level has changed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pgvitals.errors import MeasureError
from pgvitals.stats.change_points import ALPHA, change_points, least_values, segments

NOISE = 0.05


def levels(rng: np.random.Generator, *runs_and_logs: tuple[int, float]) -> np.ndarray:
    """Runs of each level in turn, with noise."""
    return np.concatenate([rng.normal(level, NOISE, runs) for runs, level in runs_and_logs])


def test_pure_noise_changes_its_level_in_at_most_one_history_of_a_hundred() -> None:
    rng = np.random.default_rng(11)
    lengths = [10, 14, 25, 40]
    found = sum(bool(change_points(rng.normal(0, NOISE, lengths[trial % 4]))) for trial in range(600))
    # 600 histories at 1 %: 6 expected; 14 or more would come up once in 400 such tests.
    assert found < 14


def test_noise_with_wild_runs_changes_its_level_no_more_often() -> None:
    rng = np.random.default_rng(12)
    assert sum(bool(change_points(NOISE * rng.standard_t(2, 20))) for _ in range(300)) < 10


def test_a_step_of_a_fifth_in_ten_and_ten_runs_is_found_where_it_is() -> None:
    rng = np.random.default_rng(13)
    places = [
        [point.index for point in change_points(levels(rng, (10, 0.0), (10, math.log(1.2))))] for _ in range(60)
    ]  # fmt: skip
    assert all(len(found) >= 1 for found in places)
    assert all(abs(found[0] - 10) <= 2 for found in places)
    assert sum(found == [10] for found in places) >= 48


def test_what_went_up_and_came_down_again_is_two_changes() -> None:
    rng = np.random.default_rng(14)
    points = change_points(levels(rng, (15, 0.0), (15, math.log(1.3)), (15, 0.0)))
    assert [point.index for point in points] == [15, 30]
    assert [round(point.ratio, 1) for point in points] == [1.3, 0.8]
    assert all(point.p_value <= ALPHA for point in points)


def test_three_levels_are_three_segments() -> None:
    series = levels(np.random.default_rng(15), (12, 0.0), (12, 0.4), (12, 0.9))
    assert segments(series) == (slice(0, 12), slice(12, 24), slice(24, 36))


def test_a_lone_outlier_is_no_change() -> None:
    series = np.random.default_rng(16).normal(0, NOISE, 20)
    series[10] = 3.0
    assert change_points(series) == ()


def test_the_same_value_over_and_over_is_no_change() -> None:
    assert change_points(np.full(30, math.log(0.3))) == ()


def test_a_series_always_gives_the_same_answer() -> None:
    series = levels(np.random.default_rng(17), (10, 0.0), (10, 0.2))
    assert change_points(series) == change_points(series)


def test_the_clearest_change_takes_ten_runs() -> None:
    assert (least_values(0.05), least_values(0.01)) == (8, 10)
    clear = np.repeat([0.0, 5.0], 5) + np.linspace(0, 0.01, 10)
    assert [point.index for point in change_points(clear)] == [5]
    assert change_points(clear[1:]) == ()


@pytest.mark.parametrize(
    ("values", "alpha", "told"),
    [
        ([], 0.01, "there are no values"),
        ([0.1, float("nan")], 0.01, "not a finite number"),
        ([0.1, 0.2], 5, "write 95 % as 0.95"),
        ([0.1, 0.2], 0.0001, "ask for 0.001 or more"),
    ],
)
def test_bad_input_is_refused(values: list[float], alpha: float, told: str) -> None:
    with pytest.raises(MeasureError, match=told):
        change_points(values, alpha)
