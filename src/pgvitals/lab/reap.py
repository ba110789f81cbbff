"""Ends what killed runs left behind: servers whose owner is gone, files whose server is gone."""

from __future__ import annotations

import contextlib

import psycopg

from pgvitals.errors import LabError
from pgvitals.lab import container, embedded, external
from pgvitals.lab.server import Server
from pgvitals.lab.state import State, all_states

_HALT = {"embedded": embedded.stop, "container": container.stop, "external": external.stop}


def halt(state: State) -> None:
    """Stop the server of ``state`` and forget it."""
    _HALT[state.kind](state)


def retire(state: State) -> str | None:
    """Stop a server in good order: an embedded one is parked if it holds kept datasets. Returns why not, if not."""
    if state.kind == "embedded":
        return embedded.retire(state)
    halt(state)
    return None


def reap() -> list[State]:
    """Stop every server that nobody is left to stop; returns what was stopped.

    That is one whose owner died, unless `pgvitals up` left it standing: it goes only if it was broken
    off before it had its database, or if the server itself has ended. One that cannot be stopped now
    (its engine or host does not answer) keeps its file for the next try. On servers that stay, the
    scratch databases of killed commands are dropped.
    """
    ended = []
    for state in all_states():
        if state.owner.alive() or (state.persistent and _stands(state)):
            if state.scratch:
                with contextlib.suppress(LabError, psycopg.Error):
                    Server(state=state, halt=halt).drop_orphans()
            continue
        try:
            halt(state)
        except LabError:
            continue
        ended.append(state)
    return ended


def _stands(state: State) -> bool:
    lost = state.kind == "embedded" and state.server is not None and not state.server.alive()
    return state.lab_database is not None and not lost
