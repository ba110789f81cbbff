"""The experiments one after the other, sitting by sitting, until there are enough trials or no time is left."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from pgvitals.errors import MeasureError
from pgvitals.lab import Database, Server, fingerprint
from pgvitals.measure import noise
from pgvitals.measure.prepare import at_rest
from pgvitals.profile import ImpactPlan, MeasurePlan
from pgvitals.terminal import Terminal
from pgvitals.truth.effects import EFFECTS, calibrate, steps_per_us, steps_with
from pgvitals.truth.figures import AA, AB, COVERAGE, GATE
from pgvitals.truth.lookups import LOOKUPS, SCHEMA, fill, make_function
from pgvitals.truth.sittings import Done, Sat, attempts, compare, probe
from pgvitals.truth.state import Setup, Sitting, StateDirectory

EFFECTS_KIND, SAME_KIND, GATE_KIND = "effects", "same", "gate"
TRIALS = {AA: 200, AB: 100, COVERAGE: 100, GATE: 100}
"""How many of each are asked for."""
_SECONDS = {EFFECTS_KIND: 210.0, SAME_KIND: 120.0, GATE_KIND: 120.0}
"""What a sitting takes, until the first of its kind was measured."""


@dataclass(frozen=True, kw_only=True)
class Plans:
    """How the experiments measure."""

    impact: ImpactPlan
    gate: MeasurePlan
    calibration: MeasurePlan
    probe: MeasurePlan

    def record(self) -> dict[str, dict[str, object]]:
        """As ``truth.json`` holds them."""
        plans = {"impact": self.impact, "gate": self.gate, "calibration": self.calibration, "probe": self.probe}
        return {name: plan.model_dump() for name, plan in plans.items()}


PLANS = Plans(
    impact=ImpactPlan(rounds=100, per_arm=25, clones=3, looks=3),
    gate=MeasurePlan(batches=24, batch_size=100, pause_s=1.0),
    calibration=MeasurePlan(batches=60, batch_size=100, pause_s=0.2),
    probe=MeasurePlan(batches=4, batch_size=100),
)


@dataclass(frozen=True, kw_only=True)
class _Ground:
    """The databases that all sittings measure on clones of."""

    server: Server
    base: Database
    changed: dict[str, Database]


def planned(trials: Mapping[str, int]) -> dict[str, int]:
    """Sittings of every kind for so many trials of every experiment; comparisons with effects bring some without."""
    each = len(LOOKUPS)
    effects = math.ceil(trials.get(AB, 0) / each)
    same = math.ceil(max(0, trials.get(AA, 0) - effects * each) / each)
    gate = math.ceil(max(trials.get(GATE, 0), trials.get(COVERAGE, 0) / 2) / each)
    return {EFFECTS_KIND: effects, GATE_KIND: gate, SAME_KIND: same}


def next_kind(sittings: Sequence[Sitting], wanted: Mapping[str, int]) -> str | None:
    """The kind that is furthest behind its plan; None when all are done."""
    behind = _behind(sittings, wanted)
    return min(behind, key=lambda kind: (wanted[kind] - behind[kind]) / wanted[kind], default=None)


def seconds_of(kind: str, sittings: Iterable[Sitting]) -> float:
    """What a sitting of this kind took on average, or is thought to take."""
    took = [sitting.seconds for sitting in sittings if sitting.kind == kind]
    return sum(took) / len(took) if took else _SECONDS[kind]


def seconds_left(sittings: Sequence[Sitting], wanted: Mapping[str, int]) -> float:
    """What the sittings that are still wanted are thought to take."""
    return sum(count * seconds_of(kind, sittings) for kind, count in _behind(sittings, wanted).items())


def _behind(sittings: Sequence[Sitting], wanted: Mapping[str, int]) -> dict[str, int]:
    """How many sittings of which kind are still wanted."""
    done = Counter(sitting.kind for sitting in sittings)
    return {kind: count - done[kind] for kind, count in wanted.items() if done[kind] < count}


def run(
    state: StateDirectory,
    server: Server,
    terminal: Terminal,
    *,
    trials: Mapping[str, int] = TRIALS,
    minutes: float | None = None,
    plans: Plans = PLANS,
    seed: int = 1,
) -> None:
    """Measure what ``state`` still lacks.

    Args:
        trials: by experiment, how many there are to be in all; an experiment that is not in it is left out.
        minutes: no sitting begins that would probably end later.

    Raises:
        MeasureError: the directory is of another machine, server or plan.
    """
    began, wanted = time.monotonic(), planned(trials)
    with state.alone():
        sittings = state.sittings()
        if next_kind(sittings, wanted) is None:
            return
        effects = EFFECTS_KIND in _behind(sittings, wanted)
        with (
            _ground(state, server, terminal, plans, seed, effects=effects) as ground,
            terminal.bar("experiments", unit="s") as bar,
        ):
            while (kind := next_kind(sittings, wanted)) is not None:
                took, left = time.monotonic() - began, seconds_left(sittings, wanted)
                if minutes is not None and took + seconds_of(kind, sittings) > 60 * minutes:
                    terminal.say(
                        f"{minutes:g} minutes are over; started again it goes on, {left / 60:.0f} minutes more"
                    )
                    return
                share = _progress(bar.batches, took, left, seconds_of(kind, sittings))
                number = max((sitting.number for sitting in sittings), default=0) + 1
                sittings.append(_sit(ground, state, kind, number, plans, seed, share))
                terminal.say(_told(sittings, wanted))


def _progress(show: Callable[[int, int], None], took: float, left: float, expected: float) -> Done:
    return lambda share: show(round(took + share * expected), round(took + left))


def _told(sittings: Sequence[Sitting], wanted: Mapping[str, int]) -> str:
    last, in_all = sittings[-1], sum(wanted.values())
    quiet = 1 - last.dropped / last.measured
    return (
        f"{last.kind}: {last.seconds:.0f} s, {quiet:.0%} quiet; {len(sittings)} sittings of {in_all}, about "
        f"{seconds_left(sittings, wanted) / 60:.0f} minutes left"
    )


def _sit(
    ground: _Ground, state: StateDirectory, kind: str, number: int, plans: Plans, seed: int, done: Done
) -> Sitting:
    started, began, own_seed = datetime.now(UTC), time.monotonic(), seed + 1000 * number
    sat: Sat
    if kind == GATE_KIND:
        sat = attempts(ground.base, plans.gate, seed=own_seed, done=done)
    else:
        changed = ground.changed if kind == EFFECTS_KIND else {}
        sat = compare(ground.server, ground.base, changed, plans.impact, seed=own_seed, done=done)
    seconds = time.monotonic() - began
    samples = sat.samples | probe(ground.base, plans.probe, seed=own_seed)
    summary = noise.summary(sat.noise)
    assert summary is not None, "a sitting has rounds or batches"
    sitting = Sitting(
        number=number,
        kind=kind,
        started_utc=started.isoformat(timespec="seconds"),
        seconds=seconds,
        noise=summary,
        load=os.getloadavg()[0],
        measured=len(sat.noise),
        dropped=sat.dropped,
        trials=sat.trials,
        ratios=sat.ratios,
    )
    state.add(sitting, samples)
    return sitting


@contextmanager
def _ground(
    state: StateDirectory, server: Server, terminal: Terminal, plans: Plans, seed: int, *, effects: bool
) -> Iterator[_Ground]:
    """The base and, if ``effects`` are wanted, a database for each, as the calibration says; if need be it is made."""
    setup = state.setup()
    if setup is not None:
        _require_equal(state, setup, server, plans)
    with ExitStack() as stack:
        base = stack.enter_context(server.scratch("truth"))
        if setup is None:
            setup = _set_up(base, server, terminal, plans, seed)
            state.begin(setup)
        else:
            fill(base, steps_with(None, setup.costs, setup.speed))
        changed = {}
        with terminal.step("make a database for each effect"):
            for effect in EFFECTS if effects else ():
                changed[effect.name] = stack.enter_context(server.scratch(effect.name))
                fill(changed[effect.name], steps_with(effect, setup.costs, setup.speed))
        stack.enter_context(at_rest(base, [SCHEMA], vacuum=False))
        yield _Ground(server=server, base=base, changed=changed)


def _set_up(base: Database, server: Server, terminal: Terminal, plans: Plans, seed: int) -> Setup:
    with server.scratch("speed") as other:
        make_function(other)
        speed = steps_per_us(other)
    fill(base, steps_with(None, {}, speed))
    with terminal.bar("calibrate: what a step of work takes", unit="batches") as bar:
        costs = calibrate(base, speed, plans.calibration, seed, progress=bar.batches)
    return Setup(
        seed=seed,
        plans=plans.record(),
        speed=speed,
        costs=costs,
        server=fingerprint.server(base, server.kind, server.why),
        hardware=fingerprint.hardware(),
        versions=fingerprint.versions(),
        started_utc=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _require_equal(state: StateDirectory, setup: Setup, server: Server, plans: Plans) -> None:
    """What was measured elsewhere does not go on here.

    Raises:
        MeasureError: machine, server or plans differ.
    """
    here = fingerprint.hardware()
    with server.maintenance() as conn:
        version_num = conn.info.server_version
    for what, then, now in (
        ("processor", setup.hardware.cpu_model, here.cpu_model),
        ("number of cores", setup.hardware.cores, here.cores),
        ("server", setup.server.version_num, version_num),
        ("psycopg", setup.versions.get("psycopg"), fingerprint.versions().get("psycopg")),
        ("plan", setup.plans, plans.record()),
    ):
        if then != now:
            raise MeasureError(f"{state.folder}: was begun with another {what} ({then}); choose another --state")
