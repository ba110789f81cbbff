"""Ends what killed runs left behind: servers whose owner is gone, files whose server is gone."""

from __future__ import annotations

from pgvitals.errors import LabError
from pgvitals.lab import container, embedded, external
from pgvitals.lab.state import State, all_states

_HALT = {"embedded": embedded.stop, "container": container.stop, "external": external.stop}


def halt(state: State) -> None:
    """Stop the server of ``state`` and forget it."""
    _HALT[state.kind](state)


def reap() -> list[State]:
    """Stop every non-persistent server whose owner has died; returns what was stopped.

    One that cannot be stopped now (its engine or host does not answer) keeps its file for the next try.
    """
    ended = []
    for state in all_states():
        lost_server = state.kind == "embedded" and state.server is not None and not state.server.alive()
        if (state.persistent and not lost_server) or state.owner.alive():
            continue
        try:
            halt(state)
        except LabError:
            continue
        ended.append(state)
    return ended
