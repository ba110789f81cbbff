"""Find the lab database that another command left: the way for pytest, locust, alembic and notebooks."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg

from pgvitals.errors import LabError
from pgvitals.lab import external, guard
from pgvitals.lab.database import Database
from pgvitals.lab.reap import halt, reap
from pgvitals.lab.server import Server
from pgvitals.lab.state import State, all_states, load_state
from pgvitals.suite import Suite


def attach(suite: Suite | None = None, postgres: str = "auto") -> Database:
    """The lab database of this process, checked to be ours; see :func:`find` for where it is looked for.

    Raises:
        GuardError: the DSN's database was not made by pgvitals, nor did ``pgvitals up`` make one.
        LabError: there is no lab.
    """
    found = find(suite, postgres)
    if found is None:
        raise LabError("no lab server is up; start one with `pgvitals up`")
    return found


def find(suite: Suite | None = None, postgres: str = "auto") -> Database | None:
    """The lab database to work on, checked to be ours; None if there is none and one may be made.

    In this order: a DSN given as ``postgres``; what a parent process hands over (``PGVITALS_LAB``);
    ``PGVITALS_DSN``: the database of ours that it names, or else the one that ``pgvitals up`` made on
    somebody's server; what ``pgvitals up`` left for this suite (of the kind asked for).

    Raises:
        GuardError: a DSN names somebody's database.
    """
    if postgres not in ("auto", "embedded", "container"):
        return _by_dsn(postgres, standing(suite))
    if path := os.environ.get("PGVITALS_LAB"):
        state = load_state(Path(path))
        return _of(state, os.environ.get("PGVITALS_LAB_DATABASE") or state.lab_database)
    left = standing(suite)
    if postgres == "auto" and (dsn := os.environ.get("PGVITALS_DSN")):
        return _by_dsn(dsn, left)
    if left is None or postgres not in ("auto", left.kind):
        return None
    return _of(left, left.lab_database)


def kind_of(database: Database) -> str:
    """embedded, container or external: what runs the server of a database that was found."""
    return load_state(database.state_path).kind if database.state_path else "external"


def _by_dsn(dsn: str, left: State | None) -> Database | None:
    """The database that a DSN names; for a maintenance database the lab that is up on that server, or None."""
    params = external.parse(dsn)
    with external.connect(params) as conn:
        name = conn.info.dbname
        if guard.is_ours(conn):
            known = [state for state in all_states() if name in state.databases and _same_server(state, conn)]
            return Database(params=params, name=name, state_path=known[-1].path if known else None)
        if name not in external.MAINTENANCE_DATABASES:
            guard.require_ours(conn)
        if left is not None and _same_server(left, conn):
            return _of(left, left.lab_database)
    return None


def _same_server(state: State, conn: psycopg.Connection) -> bool:
    """Whether a state's server is the one that is connected to, by its cluster's identifier."""
    try:
        with psycopg.connect(**state.params) as other:  # type: ignore[arg-type]
            return _identifier(other) == _identifier(conn)
    except psycopg.Error:
        return False


def _identifier(conn: psycopg.Connection) -> int:
    row = conn.execute("select system_identifier from pg_control_system()").fetchone()
    return int(row[0]) if row else 0


def standing(suite: Suite | None) -> State | None:
    """The newest server that ``pgvitals up`` left (for this suite, if given) and that still runs."""
    reap()
    candidates = [state for state in all_states() if state.persistent]
    if suite is not None:
        candidates = [state for state in candidates if state.suite == str(suite.root)]
    return candidates[-1] if candidates else None


def server_of(state: State) -> Server:
    """The running server that a state file describes."""
    return Server(state=state, halt=halt)


def _of(state: State, name: str | None) -> Database:
    if name is None:
        raise LabError(f"lab server {state.id} has no database; run `pgvitals down` and `pgvitals up`")
    database = Database(params=state.params, name=name, state_path=state.path)
    with database.connect() as conn:
        guard.require_ours(conn)
    return database
