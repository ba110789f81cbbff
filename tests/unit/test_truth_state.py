"""The state directory of the experiments: whole sittings only, and one at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pgvitals.errors import ResultsError
from pgvitals.results.records import Noise
from pgvitals.truth.state import Side, Sitting, StateDirectory, Trial

QUIET = Noise(
    canary_best_ms=1.5,
    canary_median_ratio=1.01,
    canary_worst_ratio=1.2,
    cpu_pressure_median=0.01,
    cpu_pressure_worst=None,
    steal_worst=0.0,
)
SIDE = Side(verdict="same", ratio=1.01, low=0.98, high=None)
TRIAL = Trial(lookup="truth/a", effect="", verdict="same", typical=SIDE, p95=SIDE, look=2, rounds=190, reason="same")


def sitting(number: int) -> Sitting:
    """One with everything in it."""
    return Sitting(
        number=number,
        kind="effects",
        started_utc="2025-10-01T00:00:00+00:00",
        seconds=12.5,
        noise=QUIET,
        load=0.4,
        measured=100,
        dropped=3,
        trials=(TRIAL,),
        ratios={"": {"truth/a": (1.0, 1.02)}},
    )


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    """One that holds two sittings."""
    made = StateDirectory(tmp_path / "state")
    with made.alone():
        for number in (1, 2):
            made.add(sitting(number), {"a:arm0": np.full((2, 3), number, dtype=np.uint32)})
    return made


def test_what_was_added_is_read_back(state: StateDirectory) -> None:
    assert state.sittings() == [sitting(1), sitting(2)]
    assert state.samples(2)["a:arm0"].tolist() == [[2, 2, 2], [2, 2, 2]]


def test_a_directory_that_nobody_began_is_empty(tmp_path: Path) -> None:
    assert StateDirectory(tmp_path / "none").sittings() == []
    assert StateDirectory(tmp_path / "none").setup() is None


def test_a_torn_last_line_does_not_count_and_the_next_sitting_takes_its_place(state: StateDirectory) -> None:
    path = state.folder / "sittings.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    assert state.sittings() == [sitting(1)]
    state.add(sitting(2), {})
    assert state.sittings() == [sitting(1), sitting(2)]
    assert path.read_bytes() == whole


def test_a_broken_line_among_others_is_named(state: StateDirectory) -> None:
    path = state.folder / "sittings.jsonl"
    path.write_bytes(b'{"number": 1}\n' + path.read_bytes())
    with pytest.raises(ResultsError, match="line 1 is no sitting"):
        state.sittings()


def test_samples_that_are_gone_are_named(state: StateDirectory) -> None:
    state.samples_path(2).unlink()
    with pytest.raises(ResultsError, match=r"00002\.npz: cannot be read"):
        state.samples(2)


def test_two_runs_do_not_share_a_directory(state: StateDirectory) -> None:
    with state.alone(), pytest.raises(ResultsError, match="experiments are running on it"), state.alone():
        pass
    with state.alone():
        assert len(state.sittings()) == 2


@pytest.mark.parametrize(("content", "complaint"), [("{", "is not JSON"), ('{"format": 99}', "has format 99, not 1")])
def test_a_setup_of_another_kind_is_refused(state: StateDirectory, content: str, complaint: str) -> None:
    (state.folder / "truth.json").write_text(content)
    with pytest.raises(ResultsError, match=complaint):
        state.setup()
