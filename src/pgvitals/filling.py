"""Bring systems to their newest revisions and fill them, or clone what is kept; and what half a load means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pgvitals import reuse
from pgvitals.dataset import ledger
from pgvitals.dataset.load import FillWith, Outcome, load_parts
from pgvitals.dataset.parts import Shard
from pgvitals.dataset.prepare import make_way
from pgvitals.dataset.recipe import load_recipe
from pgvitals.dataset.snapshot import shape
from pgvitals.dataset.stored import recall
from pgvitals.dataset.version import recipe_version
from pgvitals.errors import DatasetError, LoadInterruptedError, PgvitalsError
from pgvitals.lab import Database
from pgvitals.lab.migrate import script, upgrade
from pgvitals.profile import Profile
from pgvitals.results.records import Dataset
from pgvitals.suite import Suite
from pgvitals.system import System
from pgvitals.terminal import Terminal


def fill(
    suite: Suite,
    database: Database,
    profile: Profile,
    systems: Sequence[System],
    terminal: Terminal,
    *,
    seed: int | None = None,
    fresh: bool = False,
    jobs: int | None = None,
    use_kept: bool = True,
) -> Dataset:
    """Migrate the systems to their heads and load the profile into them, or clone the dataset if it is kept.

    A system that holds this profile and seed already is left as it is, and a load that was interrupted goes on.
    Without ``use_kept`` it is loaded whatever is kept, and not kept.
    """
    dataset = fill_shard(
        suite, database, profile, systems, terminal, seed=seed, fresh=fresh, jobs=jobs, use_kept=use_kept
    )
    assert dataset is not None, "only a shard waits for others"
    return dataset


def fill_shard(
    suite: Suite,
    database: Database,
    profile: Profile,
    systems: Sequence[System],
    terminal: Terminal,
    *,
    seed: int | None = None,
    fresh: bool = False,
    jobs: int | None = None,
    shard: Shard | None = None,
    use_kept: bool = True,
    fill_with: FillWith | None = None,
) -> Dataset | None:
    """The same for one shard of several; None, after a word about it, while parts of the others are missing.

    ``fill_with`` loads the rows elsewhere than in processes of this machine.
    """
    if shard is not None and fresh:
        raise DatasetError("--fresh with --shard would wipe what the other shards have loaded; leave one of them out")
    seed = profile.seed if seed is None else seed
    # Read before a lab is put aside: a recipe that cannot be read costs nobody's rows.
    sizes = {
        (system.name, table.name): table.total for system in systems for table in load_recipe(system, profile).tables
    }
    reusable = None  # a shard's lab is shared, and filled for real
    if use_kept and shard is None:
        reusable = reuse.of(suite, database, profile, systems, seed=seed, fresh=fresh)
    if reusable is not None and (cloned := reusable.take(terminal)):
        return cloned
    _migrate(suite, database, systems, terminal, joining=shard is not None)
    with database.connect() as conn:
        whole = recall(conn)
        missing = [system for system in systems if fresh or not _holds(whole, system, profile, seed)]
        for system in systems:
            if whole is not None and system not in missing:
                _require_shape(whole, system, shape(conn, system.schema_name))
                terminal.say(
                    f"{system.name} holds profile {profile.name}, seed {seed}, already"
                    f"{_unlike(whole, system, sizes)}; --fresh loads it again"
                )
    if not missing:
        return whole
    names = [system.name for system in missing]
    with terminal.bar(f"load {', '.join(names)}", unit="rows") as bar:
        found = load_parts(
            suite,
            database,
            profile,
            systems=names,
            seed=seed,
            fresh=fresh,
            progress=bar.rows,
            jobs=jobs,
            shard=shard,
            fill_with=fill_with,
        )
    for news in found.news:
        terminal.say(news)
    if found.dataset is None and shard is not None:
        _tell_missing(found, shard, terminal)
        return None
    with database.connect() as conn:
        whole = recall(conn)
    if reusable is not None and whole is not None:
        reusable.keep(whole, terminal)
    return whole


def _migrate(suite: Suite, database: Database, systems: Sequence[System], terminal: Terminal, *, joining: bool) -> None:
    """One process at a time; half a load that was begun at another revision gives way."""
    revisions = script(suite)
    names = ", ".join(system.name for system in systems)
    news: list[str | None] = []
    with terminal.step(f"migrate {names}"), database.connect() as conn, ledger.turn(conn):
        for system in systems:
            head = revisions.get_revision(f"{system.name}@head")
            news.append(make_way(conn, system, head.revision, joining=joining) if head else None)
            upgrade(suite, database, f"{system.name}@head")
    for each in filter(None, news):
        terminal.say(each)


def _tell_missing(found: Outcome, shard: Shard, terminal: Terminal) -> None:
    for each in found.missing:
        shards = sorted({position % shard.of + 1 for position in each.parts})
        shown = ", ".join(f"{number}/{shard.of}" for number in shards[:10]) + (", …" if len(shards) > 10 else "")
        terminal.say(
            f"{each.system}: shard {shard} is in; {len(each.parts)} of {each.of} parts are missing, of shards {shown}"
        )


def _holds(dataset: Dataset | None, system: System, profile: Profile, seed: int) -> bool:
    if dataset is None:
        return False
    loaded = {table.system for table in dataset.tables}
    return system.name in loaded and (dataset.profile, dataset.seed) == (profile.name, seed)


def _unlike(dataset: Dataset, system: System, sizes: Mapping[tuple[str, str], int]) -> str:
    """How what is loaded differs from what would be loaded now, for the user."""
    mine = [table for table in dataset.tables if table.system == system.name]
    if any(sizes.get((table.system, table.table), table.rows) != table.rows for table in mine):
        return ", but of other sizes than the profile has now"
    if dataset.recipes.get(system.name, recipe_version(system)) != recipe_version(system):
        return ", made by another version of its recipe"
    return ""


def _require_shape(dataset: Dataset, system: System, now: str) -> None:
    """Whether the tables are the ones that were filled, column by column."""
    if dataset.shapes.get(system.name, now) != now:
        raise DatasetError(
            f"tables or columns of system {system.name!r} were made anew since they were filled, as by `alembic"
            f" downgrade` and `upgrade`; `pgvitals load --system {system.name} --fresh` fills them again"
        )


def interrupted(suite: Suite, database: Database) -> LoadInterruptedError:
    """What an interrupted load leaves, as the error to end with."""
    try:
        with database.connect() as conn:
            halves = ledger.halves(conn)
    except PgvitalsError:
        return LoadInterruptedError("interrupted; `pgvitals load` goes on")
    if not halves:
        return LoadInterruptedError("interrupted; nothing half-done was left behind")
    held = ", ".join(map(str, halves))
    return LoadInterruptedError(f"interrupted; the lab holds {held}; `{load_command(suite, halves[0])}` goes on")


def require_whole(suite: Suite, database: Database, systems: Iterable[System]) -> None:
    """Refuse to work on half a load: it has no indexes, no foreign keys and no triggers.

    Raises:
        DatasetError: a system is not loaded whole.
    """
    with database.connect() as conn:
        halves = {half.system: half for half in ledger.halves(conn)}
    for system in systems:
        if half := halves.get(system.name):
            raise DatasetError(f"the lab holds {half}; `{load_command(suite, half)}` goes on")


def load_command(suite: Suite, half: ledger.Half) -> str:
    """What to type to go on with half a load."""
    known = suite.profiles.profiles.get(half.profile)
    seed = "" if known is not None and known.seed == half.seed else f" --seed {half.seed}"
    return f"pgvitals load --profile {half.profile}{seed}"
