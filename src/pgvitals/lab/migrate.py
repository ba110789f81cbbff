"""Alembic, in process: bring one of our databases to a revision and say where it stands."""

from __future__ import annotations

import io
from collections.abc import Mapping

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import StatementError

from pgvitals.errors import MigrationError, PgvitalsError
from pgvitals.lab import guard
from pgvitals.lab.database import Database
from pgvitals.lab.server import one_line
from pgvitals.refusal import refusal
from pgvitals.suite import Suite


def script(suite: Suite) -> ScriptDirectory:
    """The suite's revisions.

    Raises:
        MigrationError: the suite has no ``[tool.alembic]`` table, or a revision file that cannot be used.
    """
    try:
        found = ScriptDirectory.from_config(_config(suite))
        found.get_heads()  # reads the files: it would do so at the first question
    except CommandError as error:
        raise MigrationError(f"{suite.root / 'pyproject.toml'}: [tool.alembic]: {one_line(error)}") from None
    except Exception as error:
        raise MigrationError(f"a revision file fails: {type(error).__name__}: {one_line(error)}") from error
    return found


def upgrade(suite: Suite, database: Database, revision: str = "heads", *, x: Mapping[str, str] | None = None) -> None:
    """Upgrade to ``revision``: an id, ``heads``, or ``<system>@head``; ``x`` are ``-x key=value`` arguments.

    Raises:
        MigrationError: the revision is unknown, or a statement or a revision file failed.
        GuardError: the database is not ours.
    """
    _migrate(suite, database, revision, x or {}, up=True)


def downgrade(suite: Suite, database: Database, revision: str, *, x: Mapping[str, str] | None = None) -> None:
    """Downgrade to ``revision``: an id, ``base``, or ``<system>@base``."""
    _migrate(suite, database, revision, x or {}, up=False)


def current(suite: Suite, database: Database) -> dict[str, str]:
    """System -> the revision it stands at; a system that was never migrated is left out.

    Raises:
        MigrationError: it stands at a revision that the suite does not have.
    """
    engine = database.engine()
    try:
        with engine.connect() as connection:
            heads = MigrationContext.configure(connection).get_current_heads()
    finally:
        engine.dispose()
    revisions = script(suite)
    found: dict[str, str] = {}
    for head in heads:
        for label in _labels(revisions, head):
            found[label] = head
    return dict(sorted(found.items()))


def _labels(revisions: ScriptDirectory, head: str) -> set[str]:
    try:
        found = revisions.get_revision(head)
    except CommandError as error:
        raise MigrationError(f"the database stands at revision {head!r}: {one_line(error)}") from None
    return set(found.branch_labels) if found is not None else set()


def _config(suite: Suite, x: Mapping[str, str] | None = None) -> Config:
    path = suite.root / "pyproject.toml"
    config = Config(toml_file=str(path), stdout=io.StringIO())
    config.attributes["x"] = dict(x or {})
    return config


def _migrate(suite: Suite, database: Database, revision: str, x: Mapping[str, str], *, up: bool) -> None:
    with database.connect() as conn:
        guard.require_ours(conn)
    engine = database.engine()
    config = _config(suite, x)
    try:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            (command.upgrade if up else command.downgrade)(config, revision)
            connection.commit()
    except CommandError as error:
        raise MigrationError(f"revision {revision!r}: {one_line(error)}") from None
    except (StatementError, psycopg.Error) as error:
        raise MigrationError(f"migrating to {revision!r} failed: {refusal(error)}") from None
    except PgvitalsError:
        raise
    except Exception as error:
        raise MigrationError(f"migrating to {revision!r} failed: {type(error).__name__}: {one_line(error)}") from error
    finally:
        engine.dispose()


def tables(database: Database, schema: str) -> list[str]:
    """Base tables of a schema, sorted by name."""
    engine = database.engine()
    try:
        with engine.connect() as connection:
            return sorted(sa.inspect(connection).get_table_names(schema=schema))
    finally:
        engine.dispose()
