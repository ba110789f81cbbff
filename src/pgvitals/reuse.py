"""Clone a kept dataset instead of loading it again, and keep what was loaded.

How datasets are kept is the business of :mod:`pgvitals.lab.kept`. Here is decided which one holds the wanted
rows, and whether a lab database may be put aside for a clone of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
from alembic.script import ScriptDirectory

from pgvitals.dataset.load import load
from pgvitals.dataset.stored import recall
from pgvitals.dataset.version import migrations_version, recipe_version
from pgvitals.encryption import lab_provider
from pgvitals.errors import KeyProviderError, LabError
from pgvitals.lab import Database, Server, guard, kept
from pgvitals.lab.attach import server_of
from pgvitals.lab.kept import Kept, Label
from pgvitals.lab.migrate import script, upgrade
from pgvitals.lab.state import load_state
from pgvitals.profile import Profile
from pgvitals.report.wording import duration, moment
from pgvitals.results.records import Dataset
from pgvitals.suite import Suite
from pgvitals.system import System
from pgvitals.terminal import Terminal

_CONTENT = """
    select array(select nspname::text from pg_namespace where oid >= 16384 and nspname !~ '^pg_'),
           (select count(*) from pg_class c where c.oid >= 16384 and c.relnamespace = 'public'::regnamespace
                and c.relname not like 'alembic_version%'
                and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e'))
           + (select count(*) from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
                where d.datname = current_database()),
           (select count(*) from pg_class c where c.oid >= 16384 and c.relnamespace <> 'pg_toast'::regnamespace)
           + (select count(*) from pg_proc where oid >= 16384)
           + (select count(*) from pg_extension where oid >= 16384)
"""
"""Schemas; relations in public that are not Alembic's, and settings of the database; everything that was made."""


def label(
    suite: Suite,
    profile: Profile,
    systems: Sequence[System],
    seed: int,
    revisions: Mapping[str, str] | None = None,
) -> Label:
    """What a dataset of these systems at ``revisions`` (default: their heads) is kept under."""
    scripts = script(suite)
    at = dict(revisions) if revisions is not None else {each.name: _head(scripts, each) for each in systems}
    facts = {
        "systems": [
            {
                "name": each.name,
                "revision": at[each.name],
                "recipe": recipe_version(each),
                "migrations": migrations_version(each),
                "schema": each.schema_name,
                "roles": list(each.roles.all),
                "sizes": profile.sizes.get(each.name, {}),
            }
            for each in sorted(systems, key=lambda each: each.name)
        ],
        "profile": [profile.name, profile.zipf, profile.as_of],
        "seed": seed,
        "key": _key_encryption_key(),
        "numpy": np.__version__,
        "migrating": [
            _digest(Path(scripts.env_py_location)),
            *map(_digest, sorted(Path(kept.__file__).parent.glob("*.py"))),
        ],
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
    return Label(key=key, profile=profile.name, seed=seed, revisions=dict(sorted(at.items())))


@dataclass(kw_only=True)
class Reuse:
    """A lab database that may be put aside for a clone, and the dataset that is wanted in it."""

    server: Server
    lab: Database
    label: Label
    schemas: frozenset[str]  # of the wanted systems
    anew: bool
    """Whether the database is as new, so that a dataset that is loaded into it may be kept."""

    def take(self, terminal: Terminal) -> Dataset | None:
        """Clone the wanted dataset into the lab's place; None (and why, if that is news) where it has to be loaded.

        A database that is to be emptied is made anew in either case, unless somebody is connected to it.
        """
        try:
            found = kept.find(self.server, self.label.key)
            if found is not None:
                return self._clone(found, terminal)
            if not self.anew:
                self._replace_by(None)
                self.anew = True
        except (LabError, psycopg.Error) as error:
            terminal.say(f"loaded in place, not cloned: {_why(error)}")
        return None

    def keep(self, dataset: Dataset, terminal: Terminal) -> None:
        """Keep what was loaded into the lab, if the server stays or can be parked; say why if it cannot be."""
        if self.anew:
            _keep(self.server, self.lab, self.label, dataset, terminal)

    def _clone(self, found: Kept, terminal: Terminal) -> Dataset | None:
        with terminal.step(
            f"clone profile {found.label.profile}, seed {found.label.seed}, "
            f"loaded {moment(found.made_utc)} in {duration(found.load_s)}"
        ):
            return self._replace_by(found)

    def _replace_by(self, found: Kept | None) -> Dataset | None:
        source = kept.source_of(self.server, found) if found else None
        fresh = self.server.provisional("lab", source)
        try:
            dataset = _require_kept(self.server, found, fresh) if found is not None else None
            if not _Content.of(self.lab).replaceable(self.schemas, anew=self.anew):  # a clone took a while
                raise LabError("another command has changed the lab meanwhile")
            kept.replace_by(self.server, self.lab, fresh)
        except BaseException:
            self.server.drop(fresh)
            raise
        if found is not None:
            kept.used(self.server, found)
        return dataset


def of(
    suite: Suite, database: Database, profile: Profile, systems: Sequence[System], *, seed: int, fresh: bool
) -> Reuse | None:
    """How a lab database may be filled by cloning; None if it may not.

    It may while nothing was made in it, and with ``fresh`` if it holds these systems and nothing else.
    """
    if database.state_path is None or not kept.limit_bytes():
        return None
    schemas = frozenset(each.schema_name for each in systems)
    content = _Content.of(database)
    if not content.replaceable(schemas, anew=not fresh):
        return None
    return Reuse(
        server=server_of(load_state(database.state_path)),
        lab=database,
        label=label(suite, profile, systems, seed),
        schemas=schemas,
        anew=content.anew,
    )


@dataclass(frozen=True, kw_only=True)
class _Content:
    """What stands in a lab database."""

    schemas: frozenset[str]
    strangers: int
    objects: int

    @classmethod
    def of(cls, database: Database) -> _Content:
        with database.connect() as conn:
            guard.require_ours(conn)
            schemas, strangers, objects = conn.execute(_CONTENT).fetchone() or ([], 0, 0)
        return cls(schemas=frozenset(schemas), strangers=strangers, objects=objects)

    @property
    def anew(self) -> bool:
        """Whether nothing was made in it but our marker's table."""
        return self.schemas == {guard.MARKER_SCHEMA} and (self.strangers, self.objects) == (0, 1)

    def replaceable(self, schemas: frozenset[str], *, anew: bool) -> bool:
        """Whether another may take its place: an empty one, or (unless ``anew``) one of these schemas alone."""
        return self.anew or not (anew or self.strangers or self.schemas - schemas - {guard.MARKER_SCHEMA})


@contextmanager
def loaded_at(
    suite: Suite, server: Server, system: System, profile: Profile, revision: str, terminal: Terminal, *, seed: int
) -> Iterator[Database]:
    """A database for the time of the block with one system at ``revision``, cloned or loaded.

    Raises:
        MigrationError: the revision fails.
    """
    with ExitStack() as stack:
        wanted = label(suite, profile, [system], seed, {system.name: revision}) if kept.limit_bytes() else None
        if wanted is not None and (made := _cloned(server, wanted, stack, terminal)):
            yield made
            return
        made = stack.enter_context(server.scratch("before"))
        with terminal.step(f"migrate {system.name} to {revision}"):
            upgrade(suite, made, revision)
        with terminal.bar(f"load {system.name} at {revision}", unit="rows") as bar:
            dataset = load(suite, made, profile, systems=[system.name], seed=seed, progress=bar.rows)
        if wanted is not None:
            _keep(server, made, wanted, dataset, terminal)
        yield made


def _cloned(server: Server, wanted: Label, stack: ExitStack, terminal: Terminal) -> Database | None:
    try:
        found = kept.find(server, wanted.key)
        if found is None:
            return None
        (system, revision), *_ = wanted.revisions.items()
        with terminal.step(f"clone {system} at {revision}, loaded {moment(found.made_utc)}"):
            made = stack.enter_context(server.scratch("before", kept.source_of(server, found)))
            _require_kept(server, found, made)
            kept.used(server, found)
    except (LabError, psycopg.Error) as error:
        terminal.say(f"loaded, not cloned: {_why(error)}")
        return None
    return made


def _require_kept(server: Server, found: Kept, copy: Database) -> Dataset:
    """The record in a clone of what was kept.

    Raises:
        LabError: it is of something else; what was kept is dropped.
    """
    with copy.connect() as conn:
        dataset = recall(conn)
    if dataset is None or not _is(dataset, found.label):
        kept.drop(server, found)
        raise LabError("what was kept is not what it is said to be")
    return dataset


def _is(dataset: Dataset | None, label: Label) -> bool:
    """Whether a database's own record is of what it is kept as."""
    wanted = (label.profile, label.seed, label.revisions)
    return dataset is not None and (dataset.profile, dataset.seed, dataset.revisions) == wanted


def _keep(server: Server, source: Database, label: Label, dataset: Dataset, terminal: Terminal) -> None:
    if server.kind != "embedded" and not server.state.persistent:
        return  # it ends with this command, and what is kept on it, too
    rows = sum(table.rows for table in dataset.tables)

    def verify(conn: psycopg.Connection) -> None:
        copied = recall(conn)
        if copied is None or not _is(copied, label) or copied.checksum != dataset.checksum:
            raise LabError("another command has loaded the lab anew meanwhile")

    try:
        with terminal.step("keep the dataset for the next time"):
            kept.keep(server, source, label, rows=rows, load_s=dataset.load_s, verify=verify)
    except (LabError, psycopg.Error) as error:
        terminal.say(f"the dataset is not kept for the next time: {_why(error)}")


def _why(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _head(scripts: ScriptDirectory, system: System) -> str:
    found = scripts.get_revision(f"{system.name}@head")
    return found.revision if found is not None else ""


def _key_encryption_key() -> str:
    try:
        return lab_provider().kek_id
    except KeyProviderError:  # said where a key is needed; a dataset without sealed columns needs none
        return ""


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
