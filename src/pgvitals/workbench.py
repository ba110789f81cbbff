"""A loaded lab database to work on: the one that is up, or one made for this command alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from pgvitals.dataset.stored import recall
from pgvitals.errors import DatasetError
from pgvitals.filling import fill, require_whole
from pgvitals.lab import Database, Server, start_server
from pgvitals.lab.attach import find, kind_of, server_of, standing
from pgvitals.lab.choose import launch
from pgvitals.lab.migrate import current
from pgvitals.profile import Profile
from pgvitals.results.records import Dataset
from pgvitals.suite import Suite
from pgvitals.system import System
from pgvitals.terminal import Terminal


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """A migrated and filled database of ours, and what it holds."""

    database: Database
    dataset: Dataset
    profile: Profile
    kind: str  # of the server
    why: str


@contextmanager
def workbench(
    suite: Suite,
    postgres: str,
    profile: Profile | None,
    systems: Sequence[System],
    terminal: Terminal,
    seed: int | None,
) -> Iterator[Workbench]:
    """The lab that is up (or that a DSN names), else a server for the time of the block, filled.

    Args:
        profile: what the lab has to hold; None takes what it holds, or the default for a new one.
        seed: of a new lab's data; None takes the profile's.

    Raises:
        DatasetError: the lab that is up holds no dataset of these systems, or another profile's, or no tables.
    """
    database = find(suite, postgres)
    if database is not None:
        terminal.say(f"{kind_of(database)} server: the lab that is up")
        yield _filled(suite, database, profile, systems)
        return
    chosen = profile or suite.profiles.get(None)
    terminal.say(f"no lab is up (`pgvitals up`): a server for this command alone, filled with profile {chosen.name}")
    with started(suite, postgres, terminal) as server:
        made = lab_database(server)
        dataset = fill(suite, made, chosen, systems, terminal, seed=seed)
        yield Workbench(database=made, dataset=dataset, profile=chosen, kind=server.kind, why=server.why)


@contextmanager
def started(suite: Suite, postgres: str, terminal: Terminal) -> Iterator[Server]:
    """A server for the time of the block, with word of what it is and why."""
    with ExitStack() as stack:
        with terminal.step("start a server"):
            server = stack.enter_context(start_server(postgres, suite=suite))
        terminal.say(f"{server.kind} server: {server.why}")
        yield server


@contextmanager
def any_server(suite: Suite, postgres: str, terminal: Terminal) -> Iterator[Server]:
    """A server to make databases on: the one that is up, else one for the time of the block."""
    left = standing(suite)
    if left is not None and postgres in ("auto", left.kind):
        terminal.say(f"{left.kind} server: the lab that is up")
        yield server_of(left)
        return
    with started(suite, postgres, terminal) as server:
        yield server


def bring_up(suite: Suite, postgres: str) -> Server:
    """Start a server that stays, with an empty lab database."""
    server = launch(postgres, suite=suite, persistent=True)
    try:
        lab_database(server)
    except BaseException:
        server.stop()
        raise
    return server


def lab_database(server: Server) -> Database:
    """Make the server's lab database and note it in the state."""
    database = server.create("lab")
    server.state = server.state.with_changes(lab_database=database.name)
    return database


def _filled(suite: Suite, database: Database, profile: Profile | None, systems: Sequence[System]) -> Workbench:
    require_whole(suite, database, systems)
    with database.connect() as conn:
        dataset = recall(conn)
    if dataset is None:
        raise DatasetError("the lab holds no dataset yet; fill it with `pgvitals load`")
    if profile is not None and profile.name != dataset.profile:
        raise DatasetError(
            f"the lab holds profile {dataset.profile!r}, not {profile.name!r}; "
            f"`pgvitals load --profile {profile.name} --fresh` changes that"
        )
    held = {table.system for table in dataset.tables}
    for system in systems:
        if system.name not in held:
            raise DatasetError(
                f"the lab holds no rows of system {system.name!r}; `pgvitals load --system {system.name}`"
            )
    revisions = current(suite, database)
    for system in systems:
        if system.name not in revisions:
            raise DatasetError(
                f"the lab's tables of system {system.name!r} are gone, as after `alembic downgrade`; "
                f"`pgvitals load --system {system.name} --fresh` makes and fills them"
            )
    return Workbench(
        database=database,
        dataset=replace(dataset, revisions=revisions),
        profile=profile or suite.profiles.get(dataset.profile),
        kind=kind_of(database),
        why="the lab that is up",
    )
