"""A loaded lab database to work on: the one that is up, or one made for this command alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pgvitals.dataset.load import load
from pgvitals.dataset.stored import recall, remember
from pgvitals.errors import DatasetError
from pgvitals.lab import Database, Server, attach, start_server
from pgvitals.lab import external as external_server
from pgvitals.lab.attach import server_of, standing
from pgvitals.lab.choose import launch
from pgvitals.lab.migrate import current, upgrade
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
    kind: str  # of the server
    why: str


def fill(
    suite: Suite,
    database: Database,
    profile: Profile,
    systems: Sequence[System],
    terminal: Terminal,
    *,
    seed: int | None = None,
    fresh: bool = False,
) -> Dataset:
    """Migrate the systems to their heads and load the profile into them."""
    with terminal.step(f"migrate {', '.join(system.name for system in systems)}"):
        for system in systems:
            upgrade(suite, database, f"{system.name}@head")
    with terminal.bar("load", unit="rows") as progress:
        dataset = load(
            suite,
            database,
            profile,
            systems=[system.name for system in systems],
            seed=seed,
            fresh=fresh,
            progress=progress.rows,
        )
    with database.connect() as conn:
        remember(conn, dataset)
    return dataset


@contextmanager
def workbench(
    suite: Suite, postgres: str, profile: Profile, systems: Sequence[System], terminal: Terminal, *, seed: int
) -> Iterator[Workbench]:
    """The lab that is up (or that a DSN names), else a server for the time of the block, filled from ``seed``.

    Raises:
        DatasetError: the lab that is up holds no dataset of these systems.
    """
    if _reachable(suite, postgres):
        database = attach(suite, postgres)
        left = standing(suite)
        yield _filled(suite, database, systems, left.kind if left else "external", "the lab that is up")
        return
    with start_server(postgres, suite=suite) as server:
        terminal.say(f"{server.kind} server: {server.why} (no lab is up; this one ends with the command)")
        database = lab_database(server)
        dataset = fill(suite, database, profile, systems, terminal, seed=seed)
        yield Workbench(database=database, dataset=dataset, kind=server.kind, why=server.why)


@contextmanager
def any_server(suite: Suite, postgres: str, terminal: Terminal) -> Iterator[Server]:
    """A server to make databases on: the one that is up, else one for the time of the block."""
    left = standing(suite) if postgres == "auto" else None
    if left is not None:
        terminal.say(f"{left.kind} server: the lab that is up")
        yield server_of(left)
        return
    with start_server(postgres, suite=suite) as server:
        terminal.say(f"{server.kind} server: {server.why}")
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


def _reachable(suite: Suite, postgres: str) -> bool:
    """Whether there is a database of ours to attach to, rather than a server to make one on."""
    if postgres in ("embedded", "container"):
        return False
    if postgres == "auto":
        return standing(suite) is not None
    with external_server.connect(external_server.parse(postgres)) as conn:
        return conn.info.dbname not in external_server.MAINTENANCE_DATABASES


def _filled(suite: Suite, database: Database, systems: Sequence[System], kind: str, why: str) -> Workbench:
    with database.connect() as conn:
        dataset = recall(conn)
    if dataset is None:
        raise DatasetError("the lab holds no dataset yet; fill it with `pgvitals load`")
    held = {table.system for table in dataset.tables}
    for system in systems:
        if system.name not in held:
            raise DatasetError(
                f"the lab holds no rows of system {system.name!r}; `pgvitals load --system {system.name}`"
            )
    revisions = current(suite, database)
    return Workbench(
        database=database,
        dataset=Dataset(
            profile=dataset.profile,
            seed=dataset.seed,
            checksum=dataset.checksum,
            tables=dataset.tables,
            load_s=dataset.load_s,
            revisions=revisions,
        ),
        kind=kind,
        why=why,
    )
