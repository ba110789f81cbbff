"""Noise beside a batch: shares within 0 and 1, a canary that takes its time, and what a run sums up."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgvitals.measure import noise
from pgvitals.measure.noise import NoiseProbe, canary_ms, summary
from pgvitals.stats.validity import BatchNoise


def write(path: Path, text: str) -> Path:
    """A file of the kernel, as it were."""
    path.write_text(text)
    return path


def test_a_probe_tells_shares_and_the_canary() -> None:
    probe = NoiseProbe()
    sum(range(200_000))
    found = probe.read()
    assert found.canary_ms > 0
    assert found.cpu_pressure is None or 0 <= found.cpu_pressure <= 1
    assert found.steal is None or 0 <= found.steal <= 1


def test_the_canary_after_one_batch_is_the_one_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    canaries = iter([3.0, 2.0, 1.0])
    monkeypatch.setattr(noise, "canary_ms", lambda: next(canaries))
    first = NoiseProbe()
    assert first.read().canary_ms == 3.0
    assert NoiseProbe(first).read().canary_ms == 2.0


def test_the_canary_is_work_that_takes_time() -> None:
    assert canary_ms() > 0.1


def test_pressure_is_the_share_of_the_time_between_two_readings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=99\n"
    monkeypatch.setattr(noise, "_PRESSURE", write(tmp_path / "pressure", line.format(1000)))
    monkeypatch.setattr(noise, "_STAT", write(tmp_path / "stat", "cpu  10 0 10 80 0 0 0 5 0 0\ncpu0 1 2 3\n"))
    probe = NoiseProbe()
    monkeypatch.setattr(probe, "_start_ns", 0)
    monkeypatch.setattr(noise.time, "perf_counter_ns", lambda: 50_000_000)
    write(tmp_path / "pressure", line.format(1000 + 5000))
    write(tmp_path / "stat", "cpu  20 0 20 160 0 0 0 7 0 0\n")
    found = probe.read()
    assert found.cpu_pressure == pytest.approx(5000 / 50_000)
    assert found.steal == pytest.approx(2 / (207 - 105))


@pytest.mark.parametrize("text", ["", "some avg10=0.00\n", "some total=x\n", "full total=1\n"])
def test_a_kernel_that_does_not_tell_is_none_and_no_error(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noise, "_PRESSURE", write(tmp_path / "pressure", text))
    monkeypatch.setattr(noise, "_STAT", tmp_path / "missing")
    found = NoiseProbe().read()
    assert found.cpu_pressure is None
    assert found.steal is None


def test_a_run_sums_up_its_best_median_and_worst() -> None:
    batches = [
        BatchNoise(cpu_pressure=0.01, steal=None, canary_ms=2.0),
        BatchNoise(cpu_pressure=0.30, steal=0.02, canary_ms=3.0),
        BatchNoise(cpu_pressure=None, steal=0.01, canary_ms=4.0),
    ]
    found = summary(batches)
    assert found is not None
    assert (found.canary_best_ms, found.canary_median_ratio, found.canary_worst_ratio) == (2.0, 1.5, 2.0)
    assert (found.cpu_pressure_median, found.cpu_pressure_worst) == (pytest.approx(0.155), 0.30)
    assert found.steal_worst == 0.02


def test_a_run_that_measured_nothing_has_no_noise() -> None:
    assert summary([]) is None
