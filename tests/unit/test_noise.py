"""Noise beside a batch: shares within 0 and 1, a canary that takes its time, and what a run sums up."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgvitals.measure import noise
from pgvitals.measure.noise import NoiseProbe, NoiseWatch, canary_ms, summary
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


def watched(monkeypatch: pytest.MonkeyPatch, canaries: list[float], moments: list[float]) -> list[BatchNoise]:
    """The noise of three batches, with canaries that take this long, where the clock shows this."""
    left, clock = iter(canaries), iter(moments)
    monkeypatch.setattr(noise, "canary_ms", lambda: next(left))
    monkeypatch.setattr(noise.time, "perf_counter", lambda: next(clock))
    watch = NoiseWatch()
    for _ in range(3):
        watch.begin()
        watch.end()
    found = watch.close()
    assert next(left, None) is None
    return found


def test_a_long_batch_lies_between_two_canaries_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    found = watched(monkeypatch, [3.0, 2.0, 1.0, 4.0], [0, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3])
    assert [each.canary_ms for each in found] == [3.0, 2.0, 4.0]


def test_short_batches_share_the_canaries_before_and_after_them(monkeypatch: pytest.MonkeyPatch) -> None:
    found = watched(monkeypatch, [1.0, 5.0, 2.0], [0, 0.02, 0.06, 0.06, 0.08, 0.09])
    assert [each.canary_ms for each in found] == [5.0, 5.0, 5.0]


def test_the_canary_is_work_that_takes_time() -> None:
    assert canary_ms() > 0.1


def test_pressure_is_the_share_of_the_time_between_two_readings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=99\n"
    monkeypatch.setattr(noise, "_PRESSURE", write(tmp_path / "pressure", line.format(1000)))
    monkeypatch.setattr(noise, "_STAT", write(tmp_path / "stat", "cpu  10 0 10 80 0 0 0 5 0 0\ncpu0 1 2 3\n"))
    probe = NoiseProbe()
    monkeypatch.setattr(probe._start, "_start_ns", 0)
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
