"""Rounds of a paired comparison: several arms of one query, side by side, with the same parameters.

A round visits the arms forth and back (ABBA), so that a linear drift inside it cancels; ratios are taken inside a
round. Client and backends share a core where that can be had. Rounds in which others took more than a little of
it (elsewhere: in which processes waited for a CPU) are dropped whole, without a look at their latencies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from pgvitals.lab.database import Database
from pgvitals.measure.noise import NoiseProbe
from pgvitals.measure.pinning import one_core
from pgvitals.measure.runner import Call, Runner
from pgvitals.measure.sampler import quiet_collector
from pgvitals.stats.compare import abba_order
from pgvitals.stats.samples import BoolArray, FloatArray, IntArray
from pgvitals.stats.validity import BatchNoise, Limits

_WARMUP = 12
_RECONNECT_EVERY = 2
_ENOUGH = 50  # rounds, disturbed or not


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
    noise: list[BatchNoise]  # its CPU pressure is the share of the core that others took, where one was shared
    pinned: bool  # client and backends shared a core in all of them


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
    pinned = True
    keys = list(arms)
    with ExitStack() as connected:
        for number in range(rounds):
            if number % _RECONNECT_EVERY == 0:
                connected.close()
                runners = _open(arms, rng, connected)
                core = connected.enter_context(one_core(rng))
                pinned &= all(core.join(each.connection) for each in runners.values())
                _warm_up(runners, arms)
            probe = NoiseProbe(core)
            for position in rng.permutation(len(keys)):
                each = arms[keys[position]]
                order = orders[len(each)][number]
                found[keys[position]].append(_round(runners, each, order, per_arm, first + number))
            noise.append(probe.read())
            done(first + number + 1)
    return Visited(latencies=found, noise=noise, pinned=pinned)


def quiet(noise: Sequence[BatchNoise]) -> BoolArray:
    """Rounds without CPU pressure, or whose core others left alone; where those are few, the quietest.

    Latencies are not looked at. Where noise cannot be avoided, the placebo and the intervals have to tell. Too few
    rounds say nothing, least of all for one of many lookups; but noise adds to both arms, so that a change of the p95
    looks smaller than it is. Of 8 lookups with a p95 of +10 %, measured for 400 rounds beside two busy processes on two
    cores, 4 were found by the 31 rounds under the limit, 7 by the quietest quarter, 4 by the quietest half.
    """
    pressure = np.array([each.cpu_pressure or 0.0 for each in noise])
    kept = pressure < Limits().cpu_pressure
    least = max(_ENOUGH, -(-len(pressure) // 4))
    kept[np.argsort(pressure, kind="stable")[:least]] = True
    return kept


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


def _open(
    arms: Mapping[str, Sequence[Arm]], rng: np.random.Generator, connected: ExitStack
) -> dict[tuple[int, str, str], Runner]:
    """A connection for each number of an arm, its database and its role, made in random order."""
    places = {_place(number, arm): arm for each in arms.values() for number, arm in enumerate(each)}
    names = list(places)
    return {
        names[position]: connected.enter_context(Runner(places[names[position]].database, places[names[position]].role))
        for position in rng.permutation(len(names))
    }


def _warm_up(runners: Mapping[tuple[int, str, str], Runner], arms: Mapping[str, Sequence[Arm]]) -> None:
    for each in arms.values():
        for number, arm in enumerate(each):
            for step in range(_WARMUP):
                runners[_place(number, arm)].run(arm.calls[step % len(arm.calls)])


def _place(number: int, arm: Arm) -> tuple[int, str, str]:
    return number, arm.database.name, arm.role
