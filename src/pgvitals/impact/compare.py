"""What a migration really changes: the same rows before and after it, measured side by side.

Two databases hold the same rows, one at each revision. Rounds visit clones of both (and a second
clone of the one before, the placebo) in ABBA order with the same parameters; ratios are taken inside
a round. Clones of the same database differ by a few per cent, so the clones are remade several times.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from alembic.util import CommandError

from pgvitals.dataset.load import load
from pgvitals.errors import MeasureError, MigrationError
from pgvitals.impact.sizes import compare_sizes, sizes
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import script, upgrade
from pgvitals.measure.plan import capture
from pgvitals.measure.prepare import at_rest
from pgvitals.measure.runner import Runner, Task, make_tasks
from pgvitals.measure.sampler import quiet_collector
from pgvitals.profile import ImpactPlan, Profile
from pgvitals.results.records import Contrast, Impact, Relation
from pgvitals.stats.compare import (
    ContrastVerdict,
    abba_order,
    contrast,
    correct_for_many,
    count_alarms,
    p95_log_ratios,
    typical_log_ratios,
    void_if_placebo_alarms,
)
from pgvitals.stats.percentile import percentile
from pgvitals.stats.samples import FloatArray, IntArray
from pgvitals.suite import Suite
from pgvitals.system import System
from pgvitals.terminal import Bar, Terminal

MARGIN = 0.05
"""Clones of one database differ by up to 4 % on p95; within this, two arms count as the same."""

BEFORE, AFTER, PLACEBO = 0, 1, 2
_WARMUP = 12
_RECONNECT_EVERY = 2


@dataclass(frozen=True, kw_only=True)
class _Rounds:
    """Latencies in ms of one query: (rounds, queries) an arm; ``group`` numbers the clones of each round."""

    arms: tuple[FloatArray, FloatArray, FloatArray]
    group: IntArray


def check_revisions(suite: Suite, system: System, start: str, end: str) -> None:
    """Make sure that ``start`` comes before ``end`` on the system's branch.

    Raises:
        MigrationError: a revision is unknown, of another system, or they are in the wrong order.
    """
    revisions = script(suite)
    try:
        known = [each.revision for each in revisions.iterate_revisions(f"{system.name}@head", "base")][::-1]
    except CommandError:
        raise MigrationError(
            f"system {system.name!r} has no Alembic branch of that label below {system.migrations_path}"
        ) from None
    for revision in (start, end):
        if revision not in known:
            raise MigrationError(f"system {system.name!r} has no revision {revision!r}; it has: {', '.join(known)}")
    if known.index(start) >= known.index(end):
        raise MigrationError(f"--from {start} must come before --to {end} in: {', '.join(known)}")


def measure_impact(
    suite: Suite,
    server: Server,
    system: System,
    profile: Profile,
    start: str,
    end: str,
    terminal: Terminal,
    *,
    seed: int,
) -> Impact:
    """Load ``profile`` at revision ``start``, migrate a clone to ``end``, and compare every lookup.

    Raises:
        MigrationError: a revision is unknown or fails.
        MeasureError: no query of the system runs at both revisions.
    """
    check_revisions(suite, system, start, end)
    with ExitStack() as stack:
        before = stack.enter_context(server.scratch("before"))
        with terminal.step(f"migrate {system.name} to {start}"):
            upgrade(suite, before, start)
        with terminal.bar(f"load {system.name} at {start}", unit="rows") as bar:
            load(suite, before, profile, systems=[system.name], seed=seed, progress=bar.rows)
        after = stack.enter_context(server.scratch("after", before))
        began = time.monotonic()
        with terminal.step(f"migrate the clone to {end}"):
            upgrade(suite, after, end)
        migration_s = time.monotonic() - began
        for database in (before, after):
            with at_rest(database, [system.schema_name]):
                pass
        relations = compare_sizes(sizes(before, system.schema_name), sizes(after, system.schema_name))
        tasks = _tasks(before, after, suite, system, profile, terminal, seed)
        measured = _measure(server, before, after, tasks, profile.impact, terminal, seed)
        return _judge(system, start, end, migration_s, tasks, measured, relations, before, after)


def _tasks(
    before: Database, after: Database, suite: Suite, system: System, profile: Profile, terminal: Terminal, seed: int
) -> list[Task]:
    """The system's queries that run at both revisions; the others are named."""
    usable: list[Task] = []
    for query in suite.queries_of((system,)):
        try:
            (task,) = make_tasks(
                before, [query], {system.name: system}, parameter_sets=profile.measure.parameter_sets, seed=seed
            )
            for database in (before, after):
                with Runner(database, system, task.role) as runner:
                    runner.run(query, task.parameters[0])
        except MeasureError as error:
            terminal.say(f"not compared: {error}")
            continue
        usable.append(task)
    if not usable:
        raise MeasureError(f"no query of system {system.name!r} runs at both revisions")
    return usable


def _measure(
    server: Server,
    before: Database,
    after: Database,
    tasks: Sequence[Task],
    plan: ImpactPlan,
    terminal: Terminal,
    seed: int,
) -> dict[str, _Rounds]:
    rng = np.random.default_rng([seed, plan.rounds])
    groups = np.array_split(np.arange(plan.rounds), plan.clones)
    found: dict[str, list[tuple[FloatArray, FloatArray, FloatArray]]] = {task.query.key: [] for task in tasks}
    labels: list[int] = []
    with terminal.bar(f"compare {len(tasks)} lookups on {plan.clones} sets of clones", unit="rounds") as bar:
        for number, group in enumerate(groups):
            if not len(group):
                continue
            with ExitStack() as stack:
                # Made in a changing order: where a clone lies on disk must not depend on its arm.
                sources = {BEFORE: before, AFTER: after, PLACEBO: before}
                clones: dict[int, Database] = {}
                for arm in rng.permutation(3):
                    clones[int(arm)] = stack.enter_context(server.scratch(f"arm{arm}", sources[int(arm)]))
                for arm in range(3):
                    stack.enter_context(at_rest(clones[arm], [tasks[0].system.schema_name], vacuum=False))
                _group(clones, tasks, plan, rng, len(group), found, bar, len(labels))
            labels += [number] * len(group)
    return {
        key: _Rounds(
            arms=(
                np.array([each[BEFORE] for each in rounds]),
                np.array([each[AFTER] for each in rounds]),
                np.array([each[PLACEBO] for each in rounds]),
            ),
            group=np.array(labels),
        )
        for key, rounds in found.items()
    }


def _group(
    clones: dict[int, Database],
    tasks: Sequence[Task],
    plan: ImpactPlan,
    rng: np.random.Generator,
    rounds: int,
    found: dict[str, list[tuple[FloatArray, FloatArray, FloatArray]]],
    bar: Bar,
    done: int,
) -> None:
    """Rounds on one set of clones; every connection is remade every second round."""
    order = abba_order(rng, rounds, arms=3)
    runners: dict[tuple[int, str], Runner] = {}
    try:
        for number in range(rounds):
            if number % _RECONNECT_EVERY == 0:
                _close(runners)
                runners = _open(clones, tasks, rng)
            for position in rng.permutation(len(tasks)):
                task = tasks[position]
                found[task.query.key].append(_round(runners, task, order[number], plan.per_arm, done + number))
            bar.batches(done + number + 1, plan.rounds)
    finally:
        _close(runners)


def _round(
    runners: dict[tuple[int, str], Runner], task: Task, order: IntArray, per_arm: int, number: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """One round of one query: each arm twice, with the same parameters in the same order."""
    count = len(task.parameters)
    visits: dict[int, list[float]] = {BEFORE: [], AFTER: [], PLACEBO: []}
    with quiet_collector():
        for arm in order:
            runner = runners[int(arm), task.role]
            half = len(visits[int(arm)])
            for step in range(per_arm):
                parameters = task.parameters[(2 * number * per_arm + half + step) % count]
                visits[int(arm)].append(runner.run(task.query, parameters).service_ns / 1e6)
    return np.array(visits[BEFORE]), np.array(visits[AFTER]), np.array(visits[PLACEBO])


def _open(
    clones: dict[int, Database], tasks: Sequence[Task], rng: np.random.Generator
) -> dict[tuple[int, str], Runner]:
    runners: dict[tuple[int, str], Runner] = {}
    try:
        for arm in rng.permutation(3):
            for role in {task.role for task in tasks}:
                runner = Runner(clones[int(arm)], tasks[0].system, role)
                runners[int(arm), role] = runner
                for task in tasks:
                    if task.role == role:
                        for step in range(_WARMUP):
                            runner.run(task.query, task.parameters[step % len(task.parameters)])
    except BaseException:
        _close(runners)
        raise
    return runners


def _close(runners: dict[tuple[int, str], Runner]) -> None:
    for runner in runners.values():
        runner.close()


def _judge(
    system: System,
    start: str,
    end: str,
    migration_s: float,
    tasks: Sequence[Task],
    measured: dict[str, _Rounds],
    relations: tuple[Relation, ...],
    before: Database,
    after: Database,
) -> Impact:
    raw, placebos = [], []
    for task in tasks:
        rounds = measured[task.query.key]
        raw.append(_contrast(rounds, AFTER))
        placebos.append(_contrast(rounds, PLACEBO))
    corrected = correct_for_many(raw)
    contrasts = []
    for task, verdict, placebo in zip(tasks, corrected, placebos, strict=True):
        final = void_if_placebo_alarms(verdict, placebo)
        contrasts.append(_record(task, measured[task.query.key], final, before, after))
    return Impact(
        system=system.name,
        from_revision=start,
        to_revision=end,
        migration_s=migration_s,
        margin=MARGIN,
        placebo_alarms=count_alarms(placebos),
        contrasts=tuple(contrasts),
        relations=relations,
    )


def _contrast(rounds: _Rounds, arm: int) -> ContrastVerdict:
    first, second = rounds.arms[BEFORE], rounds.arms[arm]
    return contrast(
        typical_log_ratios(first, second), p95_log_ratios(first, second), margin=MARGIN, restarts=rounds.group
    )


def _record(task: Task, rounds: _Rounds, verdict: ContrastVerdict, before: Database, after: Database) -> Contrast:
    old, new = rounds.arms[BEFORE].ravel(), rounds.arms[AFTER].ravel()
    assert verdict.typical.interval is not None, "a profile's least number of rounds has an interval"
    assert verdict.p95.interval is not None, "a profile's least number of rounds has an interval"
    return Contrast(
        system=task.system.name,
        query=task.query.name,
        title=task.query.title,
        before_p50_ms=percentile(old, 0.50),
        after_p50_ms=percentile(new, 0.50),
        before_p95_ms=percentile(old, 0.95),
        after_p95_ms=percentile(new, 0.95),
        typical_ratio=verdict.typical.ratio,
        typical=verdict.typical.interval,
        p95_ratio=verdict.p95.ratio,
        p95=verdict.p95.interval,
        rounds=verdict.rounds,
        verdict=verdict.verdict,
        reason=verdict.reason,
        before_plan=capture(before, task)[0]["shape"],
        after_plan=capture(after, task)[0]["shape"],
    )
