"""Fill the systems of a suite: rows in parts, then indexes and keys; by one process, several, or several machines.

A system is whole only if the database's record says so. A load that was killed at any moment goes on where it was;
one whose rows the tables refuse leaves them as empty and as indexed as before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from psycopg import Connection

from pgvitals.dataset import ledger
from pgvitals.dataset.crew import Crew, default_jobs
from pgvitals.dataset.finish import finish
from pgvitals.dataset.ledger import Loading
from pgvitals.dataset.parts import Part, Shard, in_turns
from pgvitals.dataset.prepare import Plan, begin_or_join, make_plan, undo
from pgvitals.dataset.progress import Log, Progress, Timing
from pgvitals.dataset.recipe import Recipe, load_recipe
from pgvitals.dataset.stored import recall
from pgvitals.dataset.worker import Filler, Work
from pgvitals.errors import DatasetError, RowsRefusedError
from pgvitals.lab.database import Database
from pgvitals.lab.guard import require_ours
from pgvitals.lab.migrate import current
from pgvitals.profile import Profile
from pgvitals.results.records import Dataset
from pgvitals.suite import Suite
from pgvitals.system import System

FillWith = Callable[[Work, Sequence[Part], Callable[[Part, float], None]], list[Part]]
"""Loads parts elsewhere: tells of each that is in and its seconds, returns those that others are at."""


@dataclass(frozen=True, kw_only=True)
class Missing:
    """What a system still lacks: ``parts`` by their position, of ``of``."""

    system: str
    parts: tuple[int, ...]
    of: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a load came to; ``dataset`` is None while ``missing`` parts are up to other shards."""

    dataset: Dataset | None
    missing: tuple[Missing, ...]
    timings: tuple[Timing, ...]
    news: tuple[str, ...]  # of loads that were there, for the user


def load(
    suite: Suite,
    database: Database,
    profile: Profile,
    *,
    systems: Sequence[str] | None = None,
    seed: int | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    jobs: int | None = None,
    shard: Shard | None = None,
) -> Dataset:
    """Fill migrated, empty systems from their recipes; see :func:`load_parts`.

    Raises:
        DatasetError: also if parts are missing that belong to other shards.
    """
    found = load_parts(
        suite, database, profile, systems=systems, seed=seed, fresh=fresh, progress=progress, jobs=jobs, shard=shard
    )
    if found.dataset is None:
        raise DatasetError(f"system {found.missing[0].system!r} waits for the parts of other shards")
    return found.dataset


def load_timed(
    suite: Suite,
    database: Database,
    profile: Profile,
    *,
    systems: Sequence[str] | None = None,
    seed: int | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    jobs: int | None = None,
) -> tuple[Dataset, tuple[Timing, ...]]:
    """Fill migrated, empty systems and say what took how long; see :func:`load_parts`."""
    found = load_parts(suite, database, profile, systems=systems, seed=seed, fresh=fresh, progress=progress, jobs=jobs)
    assert found.dataset is not None, "without shards a load ends whole, or with an error"
    return found.dataset, found.timings


def load_parts(
    suite: Suite,
    database: Database,
    profile: Profile,
    *,
    systems: Sequence[str] | None = None,
    seed: int | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    jobs: int | None = None,
    shard: Shard | None = None,
    fill_with: FillWith | None = None,
) -> Outcome:
    """Load what is missing of some systems, or begin; whoever brings the last part finishes them.

    A system is filled at whatever revision it stands: columns and tables that it does not have yet are
    left out. ``load_s`` of the result ends with VACUUM ANALYZE, before the checksums are taken.

    Args:
        fresh: empty the systems first, also of half a load.
        jobs: processes that fill, and connections that build; None takes what pays.
        shard: load only this share of the parts.
        fill_with: load the parts by this instead of ``jobs`` processes.

    Raises:
        DatasetError: a system is not migrated or holds rows already, or the server failed.
        RowsRefusedError: a recipe does not fit its tables, or its rows do not; nothing is left of them.
        ProfileError: the profile's sizes do not fit the recipe.
    """
    if shard is not None and fresh:
        raise DatasetError("--fresh with --shard would wipe what the other shards have loaded; leave one of them out")
    chosen = suite.select(list(systems) if systems is not None else None)
    recipes = [(system, load_recipe(system, profile)) for system in chosen]
    rows = sum(table.total for _, recipe in recipes for table in recipe.tables)
    jobs = jobs or default_jobs(rows if shard is None else rows // shard.of)
    with ExitStack() as stack:
        crew = stack.enter_context(Crew(jobs)) if jobs > 1 and fill_with is None else None
        conn = stack.enter_context(database.connect())
        require_ours(conn)
        this = _Load(
            suite=suite,
            database=database,
            profile=profile,
            seed=profile.seed if seed is None else seed,
            conn=conn,
            log=Log(progress or (lambda step: None)),
            jobs=jobs,
            shard=shard,
            fill_with=fill_with or (crew.fill if crew else None),
        )
        return this.run(recipes, fresh=fresh)


@dataclass(kw_only=True)
class _Load:
    """One process's part in a load, over one connection that holds its locks."""

    suite: Suite
    database: Database
    profile: Profile
    seed: int
    conn: Connection
    log: Log
    jobs: int
    shard: Shard | None
    fill_with: FillWith | None

    def run(self, recipes: Sequence[tuple[System, Recipe]], *, fresh: bool) -> Outcome:
        started = time.perf_counter()
        with ledger.turn(self.conn):
            at = current(self.suite, self.database)
            plans = [
                make_plan(self.conn, system, recipe, self.profile, seed=self.seed, revision=at.get(system.name))
                for system, recipe in recipes
            ]
            self.log.rows_total = sum(part.rows for plan in plans for part in plan.parts if self._is_mine(part))
            for plan in plans:
                self.log.say(plan.system.name, "prepare", "")
            loads, news = begin_or_join(self.conn, plans, fresh=fresh, joining=self.shard is not None)
            ledger.go_to_work(self.conn, loads)
        try:
            self._fill(plans, loads)
            with ledger.turn(self.conn):
                return self._end(plans, loads, news, started)
        except RowsRefusedError:
            self._undo(plans, loads)
            raise

    def _fill(self, plans: Sequence[Plan], loads: dict[str, Loading]) -> None:
        mine: list[Part] = []
        for plan in plans:
            there = ledger.done(self.conn, plan.system.name)
            mine += [part for part in plan.parts if self._is_mine(part) and (part.table, part.number) not in there]
            for table in plan.tables:
                self.log.took(plan.system.name, "rows", table.name, 0, 0.0)
        self.log.rows_done = self.log.rows_total - sum(part.rows for part in mine)
        work = Work(
            suite=self.suite.root,
            database=self.database,
            profile=self.profile,
            seed=self.seed,
            loads={plan.system.name: (loads[plan.system.name].id, plan.identity["recipe"]) for plan in plans},
        )
        left: Sequence[Part] = in_turns(mine)
        if self.fill_with is not None:
            left = self.fill_with(work, left, self._is_in)
        if left:
            with Filler(work) as filler:
                left = [part for part in left if not self._one(filler, part, wait=False)]
                for part in left:
                    self._one(filler, part, wait=True)

    def _is_mine(self, part: Part) -> bool:
        return self.shard is None or self.shard.has(part)

    def _one(self, filler: Filler, part: Part, *, wait: bool) -> bool:
        started = time.perf_counter()
        filled = filler.fill(part, lambda part, rows: self.log.sent(part.system, part.table, rows), wait=wait)
        self.log.took(part.system, "rows", part.table, 0, time.perf_counter() - started)
        return filled

    def _is_in(self, part: Part, seconds: float) -> None:
        self.log.took(part.system, "rows", part.table, 0, seconds)
        self.log.sent(part.system, part.table, part.rows)

    def _end(self, plans: Sequence[Plan], loads: dict[str, Loading], news: tuple[str, ...], started: float) -> Outcome:
        """Finish what is complete and say what is not; in one's turn."""
        missing = []
        for plan in plans:
            if ledger.find(self.conn, plan.system.name) is None:
                return self._finished_by_another(plans, news)
            there = ledger.done(self.conn, plan.system.name)
            lacking = tuple(part.position for part in plan.parts if (part.table, part.number) not in there)
            if lacking:
                missing.append(Missing(system=plan.system.name, parts=lacking, of=len(plan.parts)))
        dataset = None
        if not missing:
            dataset = finish(self.database, self.conn, plans, loads, jobs=self.jobs, log=self.log, started=started)
        return Outcome(dataset=dataset, missing=tuple(missing), timings=self.log.timings, news=news)

    def _finished_by_another(self, plans: Sequence[Plan], news: tuple[str, ...]) -> Outcome:
        recipes = {plan.system.name: plan.identity["recipe"] for plan in plans}
        dataset = recall(self.conn)
        wanted = (self.profile.name, self.seed)
        if (
            dataset is None
            or (dataset.profile, dataset.seed) != wanted
            or not recipes.items() <= dataset.recipes.items()
        ):
            raise DatasetError("another process began this load anew while this one was at work; `pgvitals load` again")
        return Outcome(dataset=dataset, missing=(), timings=self.log.timings, news=news)

    def _undo(self, plans: Sequence[Plan], loads: dict[str, Loading]) -> None:
        """The rows do not fit: leave nothing of them, unless other processes are still at it."""
        ledger.leave_work(self.conn, loads)
        with ledger.turn(self.conn):
            for plan in plans:
                found = ledger.find(self.conn, plan.system.name)
                if found == loads[plan.system.name] and ledger.alone(self.conn, plan.system.name):
                    undo(self.conn, plan.system, found)
