"""The experiments against a known truth, in small: a sitting of the gate, then one of comparisons that goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pgvitals.errors import MeasureError
from pgvitals.lab import Server
from pgvitals.measure.truth import chosen, report
from pgvitals.profile import ImpactPlan, MeasurePlan
from pgvitals.results.outcome import Outcome
from pgvitals.suite import find_suite
from pgvitals.terminal import Terminal
from pgvitals.truth.effects import EFFECTS
from pgvitals.truth.lookups import LOOKUPS
from pgvitals.truth.run import EFFECTS_KIND, GATE_KIND, Plans, run
from pgvitals.truth.state import StateDirectory

TINY = Plans(
    impact=ImpactPlan(rounds=8, per_arm=1, clones=1, looks=1),
    gate=MeasurePlan(batches=12, batch_size=5, warmup=1),
    calibration=MeasurePlan(batches=4, batch_size=50, warmup=1),
    probe=MeasurePlan(batches=1, batch_size=5, warmup=1),
)


def test_experiments_run_go_on_where_they_were_and_are_reported(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, terminal = StateDirectory(tmp_path / "state"), Terminal()
    run(state, server, terminal, trials={"gate": 1}, plans=TINY)
    (gate,) = state.sittings()
    assert gate.kind == GATE_KIND
    assert gate.measured == 2 * 12 * len(LOOKUPS)

    run(state, server, terminal, trials={"gate": 1, "ab": 1}, plans=TINY)
    again, effects = state.sittings()
    assert again == gate
    assert effects.kind == EFFECTS_KIND
    assert len(effects.trials) == (1 + len(EFFECTS)) * len(LOOKUPS)
    for trial in effects.trials:
        assert trial.verdict in ("same", "slower", "faster", "inconclusive", "void")
        assert trial.typical.ratio > 0
    assert effects.ratios.keys() == {"", *(effect.name for effect in EFFECTS)}

    setup = state.setup()
    assert setup is not None
    assert all(cost.step_ns > 0 for cost in setup.costs.values())
    with server.maintenance() as conn:
        left = conn.execute(
            "select datname from pg_database where datname ~ '_(truth|arm|p95|typical|speed)'"
        ).fetchall()
    assert left == []

    outcome = report(state, find_suite(), terminal, only=chosen(""), write=False)
    assert outcome in (Outcome.INCONCLUSIVE, Outcome.FAIL)
    told = capsys.readouterr().out
    assert "a real +10% p95 is found" in told

    with pytest.raises(MeasureError, match="was begun with another plan"):
        run(state, server, terminal, trials={"gate": 20}, plans=replace(TINY, gate=MeasurePlan()))


def test_experiments_that_there_are_not_are_refused() -> None:
    assert chosen("gate, aa") == ["aa", "gate"]
    with pytest.raises(MeasureError, match="--only ax: there are aa, ab, coverage, gate"):
        chosen("ax")
