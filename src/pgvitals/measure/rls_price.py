"""What row-level security costs: every lookup of isolated tables with its policies and without, side by side.

Arms on one heap, in interleaved rounds with the same parameters: the application's role under its policies; a role
that no policy is for, with the tenant's predicate in the statement; that one again as a placebo; and, where the
predicate had to be added, that role with the statement as it is.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from pgvitals.errors import MeasureError
from pgvitals.lab import Database
from pgvitals.measure.paired import Rounds, quiet, stacked, visit
from pgvitals.measure.prepare import at_rest
from pgvitals.measure.rls_arms import PLACEBO, POLICY, UNPROTECTED, WITHOUT, Priced, owner_exempt, price_arms
from pgvitals.measure.rls_words import Leaking, leaking, price_words
from pgvitals.measure.runner import Call, Runner
from pgvitals.measure.sampler import quiet_collector
from pgvitals.measure.task import Task, make_tasks
from pgvitals.profile import Profile
from pgvitals.results.records import Interval
from pgvitals.results.rls import RlsLookup, RlsPrice
from pgvitals.revisions import queries_at, tell_left_out
from pgvitals.stats.compare import (
    ContrastVerdict,
    contrast,
    correct_for_many,
    count_alarms,
    p95_log_ratios,
    typical_log_ratios,
    void_if_placebo_alarms,
)
from pgvitals.stats.percentile import percentile
from pgvitals.stats.signed_rank import hodges_lehmann
from pgvitals.suite import Suite
from pgvitals.system import System
from pgvitals.terminal import Terminal

MARGIN = 0.03
"""The arms share one heap; what differs less counts as the same."""
_SETTING_ROUNDS, _SETTING_VISIT = 30, 20


def measure_rls(
    suite: Suite, database: Database, system: System, profile: Profile, terminal: Terminal, *, seed: int
) -> RlsPrice:
    """Price the policies of one system.

    Args:
        database: a copy of ours, for this alone: FORCE is taken off its tables.

    Raises:
        MeasureError: no table is isolated, no lookup can be priced, or one fails.
    """
    plan = profile.impact
    chosen = queries_at(suite, database, [system])
    tell_left_out(terminal, chosen.left_out)
    with owner_exempt(database, system) as isolated, at_rest(database, [system.schema_name]):
        with terminal.step(f"{system.name}: what the policies do to the plans"):
            tasks = make_tasks(
                database,
                chosen.queries,
                {system.name: system},
                parameter_sets=2 * plan.rounds * plan.per_arm,
                seed=seed,
            )
            found = {task.query.name: price_arms(database, task, isolated) for task in tasks}
            with database.connect() as conn:
                leaks = leaking(conn, system.schema_name)
        priced = [each for each in found.values() if isinstance(each, Priced)]
        if not priced:
            raise MeasureError(f"no lookup of system {system.name!r} can be priced; see `pgvitals rls --help`")
        with terminal.bar(f"{system.name}: {len(priced)} lookups with and without policies", unit="rounds") as bar:
            visited = visit(
                {each.task.query.key: each.arms for each in priced},
                rounds=plan.rounds,
                per_arm=plan.per_arm,
                rng=np.random.default_rng([seed, plan.rounds]),
                done=lambda done: bar.batches(done, plan.rounds),
            )
        setting_us, setting = setting_price(database, priced[0].task)
    kept = quiet(visited.noise)
    rounds = {key: stacked(latencies, [0] * len(latencies)).only(kept) for key, latencies in visited.latencies.items()}
    return RlsPrice(
        system=system.name,
        margin=MARGIN,
        setting_us=setting_us,
        setting=setting,
        placebo_alarms=count_alarms(_contrast(each, PLACEBO) for each in rounds.values()),
        rounds_measured=len(visited.noise),
        rounds_dropped=int((~kept).sum()),
        lookups=_judge(priced, rounds, leaks),
        left_out={name: each for name, each in found.items() if isinstance(each, str)},
    )


def setting_price(database: Database, task: Task) -> tuple[float, Interval]:
    """Microseconds that a request takes longer for setting its tenant, with a 95 % interval over rounds.

    Raises:
        MeasureError: the setting cannot be made.
    """
    call = task.calls[0]
    bare = replace(call, settings=())
    differences = []
    with Runner(database, task.role) as runner, quiet_collector():
        for number in range(_SETTING_ROUNDS + 1):
            order = (call, bare, bare, call) if number % 2 else (bare, call, call, bare)
            times: dict[bool, list[float]] = {True: [], False: []}
            for each in order:
                times[bool(each.settings)] += [_opened_us(runner, each) for _ in range(_SETTING_VISIT)]
            if number:  # the first round warms up
                differences.append(float(np.median(times[True]) - np.median(times[False])))
    centre, interval = hodges_lehmann(differences)
    assert interval is not None, "thirty rounds have one"
    return centre, interval


def _opened_us(runner: Runner, call: Call) -> float:
    """Microseconds of an empty transaction, as its request opens and ends it."""

    start = time.perf_counter_ns()
    runner.begin(call)
    runner.end(call)
    return (time.perf_counter_ns() - start) / 1e3


def _contrast(rounds: Rounds, arm: int) -> ContrastVerdict:
    first, second = rounds.arms[WITHOUT], rounds.arms[arm]
    return contrast(typical_log_ratios(first, second), p95_log_ratios(first, second), margin=MARGIN)


def _judge(priced: Sequence[Priced], rounds: Mapping[str, Rounds], leaks: Leaking) -> tuple[RlsLookup, ...]:
    verdicts = correct_for_many([_contrast(rounds[each.task.query.key], POLICY) for each in priced])
    return tuple(
        _record(each, rounds[each.task.query.key], verdict, leaks)
        for each, verdict in zip(priced, verdicts, strict=True)
    )


def _record(each: Priced, rounds: Rounds, corrected: ContrastVerdict, leaks: Leaking) -> RlsLookup:
    verdict = void_if_placebo_alarms(corrected, _contrast(rounds, PLACEBO))
    assert verdict.typical.interval is not None, "a profile's least number of rounds has an interval"
    assert verdict.p95.interval is not None, "a profile's least number of rounds has an interval"
    without, policy = rounds.arms[WITHOUT].ravel(), rounds.arms[POLICY].ravel()
    unprotected = rounds.arms[UNPROTECTED].ravel() if len(rounds.arms) > UNPROTECTED else None
    query = each.task.query
    return RlsLookup(
        system=query.system,
        query=query.name,
        title=query.title,
        tables=each.tables,
        against=each.against,
        policy_p50_ms=percentile(policy, 0.50),
        without_p50_ms=percentile(without, 0.50),
        policy_p95_ms=percentile(policy, 0.95),
        without_p95_ms=percentile(without, 0.95),
        unprotected_p50_ms=None if unprotected is None else percentile(unprotected, 0.50),
        unprotected_p95_ms=None if unprotected is None else percentile(unprotected, 0.95),
        typical_ratio=verdict.typical.ratio,
        typical=verdict.typical.interval,
        p95_ratio=verdict.p95.ratio,
        p95=verdict.p95.interval,
        rounds=verdict.rounds,
        verdict=verdict.verdict,
        reason=verdict.reason,
        checked=each.checked,
        policy_rows=each.policy_rows,
        unprotected_rows=each.unprotected_rows,
        words=price_words(each.without_plan[0], each.policy_plan[0], leaks),
        policy_plan=each.policy_plan[1],
        without_plan=each.without_plan[1],
    )
