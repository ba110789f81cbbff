"""Which server to measure on: ``--postgres auto | embedded | container | DSN``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from pgvitals.errors import LabError
from pgvitals.lab import container, embedded, external
from pgvitals.lab.reap import reap, retire
from pgvitals.lab.server import Server
from pgvitals.lab.state import Process, State, new_id
from pgvitals.suite import Suite


def launch(postgres: str, *, suite: Suite, persistent: bool) -> Server:
    """Start (or reach) a server and say in its ``why`` how it was chosen.

    ``auto``: ``PGVITALS_DSN`` if set; else a container if a Docker engine answers and has or can pull
    the image; else the embedded server.

    Raises:
        LabError: the asked one is not to be had.
    """
    reap()
    kind, why, dsn = _choose(postgres)
    state = State(
        id=new_id(),
        kind=kind,
        why=why,
        suite=str(suite.root),
        persistent=persistent,
        owner=Process.of(os.getpid()),
    )
    if kind == "external":
        roles = [role for system in suite.systems.values() for role in system.roles.all]
        return external.start(state, dsn, tuple(roles))
    if kind == "embedded":
        return embedded.start(state)
    try:
        return container.start(state)
    except LabError as error:
        if postgres != "auto":
            raise
        return embedded.start(replace(state, id=new_id(), kind="embedded", why=_instead(error)))


@contextmanager
def start_server(postgres: str = "auto", *, suite: Suite) -> Iterator[Server]:
    """A server for the time of a ``with`` block; it is stopped however the block ends (an embedded one: retired)."""
    server = launch(postgres, suite=suite, persistent=False)
    try:
        yield server
    finally:
        try:
            retire(server.refresh())
        except KeyboardInterrupt:  # it came while we were at it; a stopped server may be stopped again
            server.stop()
            raise


def _choose(postgres: str) -> tuple[str, str, str]:
    """(kind, why, DSN) of what was asked for."""
    if postgres in ("embedded", "container"):
        return postgres, f"asked for with --postgres {postgres}", ""
    if postgres != "auto":
        if "=" not in postgres and "://" not in postgres:
            shown = repr(postgres) if postgres.isidentifier() else "(not repeated: it may hold a password)"
            raise LabError(f"--postgres {shown}: expected auto, embedded, container or a DSN")
        return "external", "asked for with --postgres DSN", postgres
    if dsn := os.environ.get("PGVITALS_DSN"):
        return "external", "PGVITALS_DSN is set", dsn
    try:
        container.require_image()
    except LabError as error:
        return "embedded", _instead(error), ""
    return "container", f"a Docker engine answers and has {container.image_name()}", ""


def _instead(error: LabError) -> str:
    """Why there is no container, without the engine's own words: they name hosts and addresses."""
    return f"no container: {str(error).split(' (')[0].split('; ')[0]}"
