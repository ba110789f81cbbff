"""Rounds of a paired comparison: several arms of one query, side by side, with the same parameters.

A round visits the arms forth and back (ABBA), so that a linear drift inside it cancels; ratios are taken inside a
round. Rounds in which processes waited for a CPU are dropped whole, without a look at their latencies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pgvitals.lab.database import Database
from pgvitals.measure.noise import NoiseProbe
from pgvitals.measure.runner import Call, Runner
from pgvitals.measure.sampler import quiet_collector
from pgvitals.profile import LEAST_ROUNDS
from pgvitals.stats.compare import abba_order
from pgvitals.stats.samples import BoolArray, FloatArray, IntArray
from pgvitals.stats.validity import BatchNoise, Limits

_WARMUP = 12
_RECONNECT_EVERY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One side of a comparison: where, as whom, and what is sent.

    The calls at the same position of two arms have the same parameters.
    """

    database: Database
    role: str
    calls: tuple[Call, ...]


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """Latencies in ms of one query, (rounds, executions) an arm; ``group`` numbers the set-up of each round."""

    arms: tuple[FloatArray, ...]
    group: IntArray

    def only(self, kept: BoolArray) -> Rounds:
        """Some of the rounds."""
        return Rounds(arms=tuple(arm[kept] for arm in self.arms), group=self.group[kept])


@dataclass(frozen=True, kw_only=True)
class Visited:
    """Some rounds of several queries: by key the latencies of every round and arm, and the noise of each round."""

    latencies: dict[str, list[tuple[FloatArray, ...]]]
    noise: list[BatchNoise]


def visit(
    arms: Mapping[str, Sequence[Arm]],
    *,
    rounds: int,
    per_arm: int,
    rng: np.random.Generator,
    first: int = 0,
    done: Callable[[int], None] = lambda _: None,
) -> Visited:
    """Measure ``rounds`` rounds of every query; every connection is remade every second round.

    Args:
        arms: by the query's key; queries may have different numbers of arms.
        per_arm: executions at a visit; a round visits each arm twice.
        rng: of the order of arms, queries and connections.
        first: the number of the first round, which says where in ``calls`` it begins.
        done: called after each round with the number of the next one.

    Raises:
        MeasureError: a query fails.
    """
    found: dict[str, list[tuple[FloatArray, ...]]] = {key: [] for key in arms}
    orders = {count: abba_order(rng, rounds, arms=count) for count in sorted({len(each) for each in arms.values()})}
    noise: list[BatchNoise] = []
    runners: dict[tuple[int, str, str], Runner] = {}
    keys = list(arms)
    try:
        for number in range(rounds):
            if number % _RECONNECT_EVERY == 0:
                _close(runners)
                runners = _open(arms, rng)
            probe = NoiseProbe()
            for position in rng.permutation(len(keys)):
                each = arms[keys[position]]
                order = orders[len(each)][number]
                found[keys[position]].append(_round(runners, each, order, per_arm, first + number))
            noise.append(probe.read())
            done(first + number + 1)
    finally:
        _close(runners)
    return Visited(latencies=found, noise=noise)


def quiet(noise: Sequence[BatchNoise]) -> BoolArray:
    """Rounds without CPU pressure; all of them where too few are left to say anything.

    Latencies are not looked at. Where noise cannot be avoided, the placebo and the intervals have to tell.
    """
    limit = Limits().cpu_pressure
    kept = np.array([each.cpu_pressure is None or each.cpu_pressure < limit for each in noise], dtype=np.bool_)
    return kept if kept.sum() >= LEAST_ROUNDS else np.ones_like(kept)


def stacked(latencies: Sequence[tuple[FloatArray, ...]], group: Sequence[int]) -> Rounds:
    """The rounds of one query as arrays; ``group`` has one entry a round."""
    return Rounds(arms=tuple(np.array(arm) for arm in zip(*latencies, strict=True)), group=np.array(group))


def _round(
    runners: Mapping[tuple[int, str, str], Runner], arms: Sequence[Arm], order: IntArray, per_arm: int, number: int
) -> tuple[FloatArray, ...]:
    """One round of one query: each arm twice, with the same parameters in the same order."""
    visits: tuple[list[float], ...] = tuple([] for _ in arms)
    with quiet_collector():
        for position in order:
            arm, taken = arms[position], visits[position]
            runner = runners[_place(int(position), arm)]
            start = 2 * number * per_arm + len(taken)
            for step in range(start, start + per_arm):
                taken.append(runner.run(arm.calls[step % len(arm.calls)]).service_ns / 1e6)
    return tuple(np.array(taken) for taken in visits)


def _open(arms: Mapping[str, Sequence[Arm]], rng: np.random.Generator) -> dict[tuple[int, str, str], Runner]:
    """A warm connection for each number of an arm, its database and its role."""
    runners: dict[tuple[int, str, str], Runner] = {}
    places = [(number, arm) for each in arms.values() for number, arm in enumerate(each)]
    try:
        for position in rng.permutation(len(places)):
            number, arm = places[position]
            place = _place(number, arm)
            if place not in runners:
                runners[place] = Runner(arm.database, arm.role)
            for step in range(_WARMUP):
                runners[place].run(arm.calls[step % len(arm.calls)])
    except BaseException:
        _close(runners)
        raise
    return runners


def _place(number: int, arm: Arm) -> tuple[int, str, str]:
    return number, arm.database.name, arm.role


def _close(runners: Mapping[tuple[int, str, str], Runner]) -> None:
    for runner in runners.values():
        runner.close()
