"""Which key seals what a migration converts: the settings' one, and the published one in our own databases only."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from psycopg import sql

from pgvitals.encryption import Context, KeyRing, LocalKeys, fetch_from, unseal
from pgvitals.encryption.keys import LAB_KEK, LAB_KEK_ID
from pgvitals.errors import KeyProviderError
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import current
from pgvitals.suite import Suite

BEFORE = "2de77d93d190"
REFUSED = (
    "database 'somebodys' was not made by pgvitals: the published lab key seals nothing in it; "
    "set PGVITALS_KEK (base64), or PGVITALS_KEK_FILE (a file that only its owner reads); "
    "make one with: openssl rand -base64 32"
)
OWN = bytes(range(32))


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGVITALS_KEK", "PGVITALS_KEK_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def somebodys(server: Server) -> Iterator[Database]:
    """A database that pgvitals knows nothing of."""
    name = sql.Identifier("somebodys")
    with server.maintenance() as conn:
        conn.execute(sql.SQL("create database {} template template0").format(name))
        try:
            yield Database(params=server.state.params, name="somebodys", state_path=server.state.path)
        finally:
            conn.execute(sql.SQL("drop database {} with (force)").format(name))


def migrate(suite: Suite, database: Database, revision: str) -> None:
    """As an application does that has a connection of its own."""
    config = Config(toml_file=str(suite.root / "pyproject.toml"))
    engine = database.engine()
    try:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            connection.commit()
    finally:
        engine.dispose()


def add_client(conn: psycopg.Connection) -> None:
    """A client with a name in the clear."""
    conn.execute(
        "with w as (insert into pazpaz.workspaces (name) values ('practice') returning id) "
        "insert into pazpaz.clients (workspace_id, first_name, last_name) select id, 'Ada', 'Lovelace' from w"
    )


def names(conn: psycopg.Connection, provider: LocalKeys) -> list[str]:
    """The clients' first names, opened with somebody's keys."""
    ring = KeyRing(provider, fetch_from(conn, "pazpaz.workspace_keys"))
    return [
        unseal(ring.opener(str(tenant)), sealed, Context(str(tenant), "clients", "first_name", str(row)))
        for tenant, row, sealed in conn.execute("select workspace_id, id, first_name from pazpaz.clients").fetchall()
    ]


def test_without_settings_a_database_of_ours_is_sealed_with_the_published_key(suite: Suite, database: Database) -> None:
    migrate(suite, database, BEFORE)
    with database.connect() as conn:
        add_client(conn)
        migrate(suite, database, "heads")
        assert names(conn, LocalKeys({LAB_KEK_ID: LAB_KEK})) == ["Ada"]


def test_without_settings_nothing_in_somebodys_database_is_sealed(suite: Suite, somebodys: Database) -> None:
    migrate(suite, somebodys, BEFORE)
    with somebodys.connect() as conn:
        add_client(conn)
        with pytest.raises(KeyProviderError) as refused:
            migrate(suite, somebodys, "heads")
        assert str(refused.value) == REFUSED
        assert conn.execute("select first_name from pazpaz.clients").fetchall() == [("Ada",)]
    assert current(suite, somebodys)["pazpaz"] == BEFORE


def test_somebodys_database_is_sealed_with_the_key_of_the_settings(
    suite: Suite, somebodys: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(suite, somebodys, BEFORE)
    with somebodys.connect() as conn:
        add_client(conn)
        monkeypatch.setenv("PGVITALS_KEK", base64.b64encode(OWN).decode())
        migrate(suite, somebodys, "pazpaz@head")
        assert names(conn, LocalKeys.from_environment()) == ["Ada"]
        with pytest.raises(KeyProviderError, match="needs key-encryption key"):
            names(conn, LocalKeys({LAB_KEK_ID: LAB_KEK}))


def test_alembic_alone_touches_nothing_in_somebodys_database_and_says_so_in_one_line(
    suite: Suite, somebodys: Database
) -> None:
    dsn = somebodys.conninfo()
    left = {name: value for name, value in os.environ.items() if not name.startswith("PGVITALS_LAB")}
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "heads"],
        cwd=suite.root,
        env=left | {"PGVITALS_DSN": dsn},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    (told,) = (done.stdout + done.stderr).strip().splitlines()
    assert "database 'somebodys' was not made by pgvitals, so nothing in it is touched" in told
    with somebodys.connect() as conn:
        assert conn.execute("select count(*) from pg_namespace where nspname = 'pazpaz'").fetchone() == (0,)
