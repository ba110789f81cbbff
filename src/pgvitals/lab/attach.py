"""Find the lab database that another command left: the way for pytest, locust, alembic and notebooks."""

from __future__ import annotations

import os
from pathlib import Path

from pgvitals.errors import GuardError, LabError
from pgvitals.lab import external, guard
from pgvitals.lab.database import Database
from pgvitals.lab.reap import halt, reap
from pgvitals.lab.server import Server
from pgvitals.lab.state import State, all_states, load_state
from pgvitals.suite import Suite


def attach(suite: Suite | None = None, postgres: str = "auto") -> Database:
    """The lab database of this process, checked to be ours.

    In this order: a DSN given as ``postgres``; what a parent process hands over (``PGVITALS_LAB``);
    ``PGVITALS_DSN``: the database of ours that it names, or else the one that ``pgvitals up`` made on
    somebody's server; what ``pgvitals up`` left for this suite.

    Raises:
        GuardError: the DSN's database was not made by pgvitals, nor did ``pgvitals up`` make one.
        LabError: there is no lab.
    """
    if postgres not in ("auto", "embedded", "container"):
        return external.existing(postgres)
    if path := os.environ.get("PGVITALS_LAB"):
        state = load_state(Path(path))
        return _of(state, os.environ.get("PGVITALS_LAB_DATABASE") or state.lab_database)
    left = standing(suite)
    if dsn := os.environ.get("PGVITALS_DSN"):
        try:
            return external.existing(dsn)
        except GuardError:
            if left is None or left.kind != "external":
                raise
    if left is None:
        raise LabError("no lab server is up; start one with `pgvitals up`")
    return _of(left, left.lab_database)


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
