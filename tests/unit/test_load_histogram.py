"""Histograms: lossless merging, honest rounding, a log that can be read back."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgvitals.errors import ResultsError
from pgvitals.load.histogram import HIGHEST_US, Histogram, merged, read_log, write_log

PERCENTS = (50, 90, 95, 99, 100)


def latencies(seed: int, n: int = 20_000) -> np.ndarray:
    """Skewed durations in ns, from some 50 µs to seconds."""
    return (np.random.default_rng(seed).lognormal(mean=0.5, sigma=1.5, size=n) * 1e6).astype(np.int64) + 50_000


def filled(ns: np.ndarray) -> Histogram:
    histogram = Histogram()
    histogram.record(ns)
    return histogram


@pytest.mark.parametrize("percent", PERCENTS)
def test_a_percentile_is_within_a_thousandth_of_the_raw_values(percent: float) -> None:
    raw = latencies(1)
    exact = np.percentile(raw, percent, method="inverted_cdf") / 1e6
    told = filled(raw).percentile_ms(percent)
    assert exact - 0.0005 <= told <= exact * 1.001 + 0.0005  # rounding costs half a microsecond


@given(st.lists(st.integers(min_value=0, max_value=10**11), min_size=1, max_size=60), st.integers(1, 100))
def test_a_percentile_never_understates_the_nearest_rank(values: list[int], percent: int) -> None:
    raw = np.array(values, dtype=np.int64)
    exact = float(np.sort(raw)[-(-percent * len(raw) // 100) - 1]) / 1e6
    assert exact - 0.0005 <= filled(raw).percentile_ms(percent) <= exact * 1.001 + 0.0005


def test_the_tail_of_a_few_values_is_not_rounded_away() -> None:
    raw = np.arange(1, 32) * 1_000_000  # 95 % of 31 is rank 29.45: the 30th value, not the 29th
    assert filled(raw).percentile_ms(95) == pytest.approx(30.0, rel=0.001)


def test_merging_equals_recording_everything_in_one() -> None:
    parts = [latencies(seed, 5_000) for seed in range(4)]
    together = merged(filled(part) for part in parts)
    pooled = filled(np.concatenate(parts))
    assert together.count == pooled.count == 20_000
    assert np.array_equal(together.counts, pooled.counts)
    assert [together.percentile_ms(p) for p in PERCENTS] == [pooled.percentile_ms(p) for p in PERCENTS]
    assert together.max_ms == pooled.max_ms


def test_merging_an_empty_histogram_changes_nothing() -> None:
    histogram = filled(latencies(2))
    before = histogram.counts
    histogram.merge(Histogram())
    assert np.array_equal(histogram.counts, before)


def test_durations_are_rounded_to_the_nearest_microsecond() -> None:
    assert filled(np.array([1_499])).max_ms == 0.001
    assert filled(np.array([1_500])).max_ms == 0.002
    assert filled(np.array([499])).max_ms == 0.0


def test_rounding_does_not_shift_the_mean_of_short_durations() -> None:
    raw = np.random.default_rng(3).integers(20_000, 900_000, 50_000)
    counts = filled(raw).counts
    mean_us = float((counts * np.arange(len(counts))).sum() / counts.sum())  # one bucket a µs up to 2 ms
    assert mean_us == pytest.approx(raw.mean() / 1000, abs=0.02)


def test_an_hour_and_more_is_told_as_an_hour_and_not_dropped() -> None:
    histogram = filled(np.array([10**15]))
    assert histogram.count == 1
    assert histogram.max_ms == pytest.approx(HIGHEST_US / 1000, rel=0.001)


def test_a_negative_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Histogram().record(-1)


def test_an_empty_histogram_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="empty"):
        Histogram().percentile_ms(95)


def test_a_log_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "load.hlog"
    written = {
        "pazpaz/overlap:latency": filled(latencies(4)),
        "pazpaz/a,b c=ü:lag": filled(latencies(5, 3)),
        "pazpaz/none:service": Histogram(),
    }
    write_log(path, written, started_s=1_760_000_000.123_456_7, seconds=10)
    read = read_log(path)
    assert list(read) == list(written)
    for tag, histogram in written.items():
        assert np.array_equal(read[tag].counts, histogram.counts)
        assert read[tag].count == histogram.count
    assert read["pazpaz/overlap:latency"].percentile_ms(95) == written["pazpaz/overlap:latency"].percentile_ms(95)


def test_a_log_has_the_standard_format(tmp_path: Path) -> None:
    path = tmp_path / "load.hlog"
    write_log(path, {"s/q:lag": filled(np.array([2_000_000]))}, started_s=1_760_000_000, seconds=2.5)
    lines = path.read_text().splitlines()
    assert "#[Histogram log format version 1.2]" in lines
    assert any(line.startswith("#[StartTime: 1760000000.000000 (seconds since epoch)") for line in lines)
    assert lines[-1].startswith("Tag=s/q:lag,1760000000.000000,2.500000,2000.000000,HIST")


def test_lines_of_one_tag_are_merged(tmp_path: Path) -> None:
    path = tmp_path / "load.hlog"
    parts = latencies(6, 100), latencies(7, 200)
    write_log(path, {"q": filled(parts[0])}, started_s=1, seconds=1)
    second = tmp_path / "second.hlog"
    write_log(second, {"q": filled(parts[1])}, started_s=2, seconds=1)
    path.write_text(path.read_text() + second.read_text())
    assert np.array_equal(read_log(path)["q"].counts, filled(np.concatenate(parts)).counts)


def test_a_damaged_or_missing_log_is_named(tmp_path: Path) -> None:
    path = tmp_path / "load.hlog"
    with pytest.raises(ResultsError, match=r"load\.hlog"):
        read_log(path)
    write_log(path, {"q": filled(latencies(8))}, started_s=1, seconds=1)
    path.write_text(path.read_text()[:-40])
    with pytest.raises(ResultsError, match=r"load\.hlog"):
        read_log(path)
