"""What a migration really changes: the same rows before and after it, measured side by side.

Two databases hold the same rows, one at each revision. Rounds visit clones of both (and a second
clone of the one before, the placebo) in ABBA order with the same parameters; ratios are taken inside
a round. Clones of the same database differ by a few per cent, so the clones are remade several times.
A lookup that is still open is measured further, look by look.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack

from alembic.script.revision import RevisionError
from alembic.util import CommandError

from pgvitals.errors import MeasureError, MigrationError
from pgvitals.impact.looks import ALPHA, measure_looks
from pgvitals.impact.rounds import AFTER, BEFORE, MARGIN, PLACEBO, Comparison
from pgvitals.impact.sizes import compare_sizes, sizes
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import script, upgrade
from pgvitals.measure.params import tenant_ranks
from pgvitals.measure.plan import shape_for_largest
from pgvitals.measure.prepare import at_rest
from pgvitals.measure.runner import Runner
from pgvitals.measure.task import Task, make_task
from pgvitals.profile import ImpactPlan, Profile
from pgvitals.query import Query
from pgvitals.results.records import Contrast, Impact
from pgvitals.reuse import loaded_at
from pgvitals.revisions import tell_left_out
from pgvitals.stats.compare import count_alarms
from pgvitals.stats.looks import Look
from pgvitals.stats.percentile import percentile
from pgvitals.suite import Suite
from pgvitals.system import System
from pgvitals.terminal import Terminal


def check_revisions(suite: Suite, system: System, start: str, end: str) -> None:
    """Make sure that ``start`` comes before ``end`` on the system's branch.

    Raises:
        MigrationError: a revision is unknown, of another system, or they are in the wrong order.
    """
    revisions = script(suite)
    try:
        known = [each.revision for each in revisions.iterate_revisions(f"{system.name}@head", "base")][::-1]
    except (CommandError, RevisionError):
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
    """Load (or clone) ``profile`` at revision ``start``, migrate a clone to ``end``, and compare every lookup.

    Raises:
        MigrationError: a revision is unknown or fails.
        MeasureError: no query of the system runs at both revisions.
    """
    check_revisions(suite, system, start, end)
    with ExitStack() as stack:
        before = stack.enter_context(loaded_at(suite, server, system, profile, start, terminal, seed=seed))
        after = stack.enter_context(server.scratch("after", before))
        began = time.monotonic()
        with terminal.step(f"migrate the clone to {end}"):
            upgrade(suite, after, end)
        migration_s = time.monotonic() - began
        for database in (before, after):
            stack.enter_context(at_rest(database, [system.schema_name]))
        relations = compare_sizes(sizes(before, system.schema_name), sizes(after, system.schema_name))
        queries, left_out = _queries(suite, system, start, end)
        tell_left_out(terminal, left_out)
        tasks, not_before, broken = _tasks(before, after, queries, system, profile.impact, terminal, seed)
        compared = Comparison(server, (before, after, before), profile.impact, seed)
        looks = measure_looks(compared, before, tasks, profile.impact, terminal, seed)
        return Impact(
            system=system.name,
            from_revision=start,
            to_revision=end,
            migration_s=migration_s,
            margin=MARGIN,
            looks=profile.impact.looks,
            rounds_measured=len(compared.noise),
            rounds_dropped=compared.dropped,
            pinned=compared.pinned,
            placebo_alarms=count_alarms(compared.contrast(key, PLACEBO, ALPHA / profile.impact.looks) for key in looks),
            contrasts=tuple(_record(task, compared, looks[task.query.key], before, after) for task in tasks),
            relations=relations,
            not_before=not_before,
            broken=broken,
            left_out=left_out,
        )


def _queries(suite: Suite, system: System, start: str, end: str) -> tuple[list[Query], dict[str, str]]:
    """The queries that are meant to run at both ends, and name -> limit of those that are not.

    Raises:
        MeasureError: there is none.
    """
    queries = suite.queries_of((system,))
    left_out = {
        query.name: why
        for revision in (end, start)
        for query in queries
        if (why := suite.branches.obstacle(query, revision))
    }
    both = [query for query in queries if query.name not in left_out]
    if not both:
        raise MeasureError(f"no query of system {system.name!r} is meant to run at both {start} and {end}")
    return both, left_out


def _tasks(
    before: Database,
    after: Database,
    queries: Sequence[Query],
    system: System,
    plan: ImpactPlan,
    terminal: Terminal,
    seed: int,
) -> tuple[list[Task], tuple[str, ...], tuple[str, ...]]:
    """The queries that run at both revisions; those that do not before; those that broke after.

    Every pair of executions has parameters of its own, so that the interval knows of their variety.
    """
    usable: list[Task] = []
    not_before: list[str] = []
    broken: list[str] = []
    with before.connect() as conn:
        ranks = tenant_ranks(conn, system)
    for query in queries:
        try:
            with before.connect() as conn:
                task = make_task(conn, query, system, ranks, parameter_sets=2 * plan.rounds * plan.per_arm, seed=seed)
            _try(before, task)
        except MeasureError as error:
            terminal.say(f"not compared, it does not run before: {error}")
            not_before.append(query.name)
            continue
        try:
            _try(after, task)
        except MeasureError as error:
            terminal.say(f"BROKEN by the migration: {error}")
            broken.append(query.name)
            continue
        usable.append(task)
    if not usable and not broken:
        raise MeasureError(f"no query of system {system.name!r} runs at both revisions")
    return usable, tuple(not_before), tuple(broken)


def _try(database: Database, task: Task) -> None:
    with Runner(database, task.role) as runner:
        runner.run(task.calls[0])


def _record(task: Task, compared: Comparison, look: Look, before: Database, after: Database) -> Contrast:
    verdict, rounds = look.verdict, compared.rounds(task.query.key, (BEFORE, AFTER))
    old, new = (arm.ravel() for arm in rounds.arms)
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
        look=look.number,
        verdict=verdict.verdict,
        reason=verdict.reason,
        before_plan=shape_for_largest(before, task),
        after_plan=shape_for_largest(after, task),
        ends=task.query.ends,
    )
