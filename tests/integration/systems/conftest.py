"""All systems at their heads, with a few thousand generated rows that the tests only read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pgvitals.dataset.load import load
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import upgrade
from pgvitals.profile import Profile
from pgvitals.suite import Suite

SMALLER = 5
TENANTS = {"pazpaz": "workspaces", "practice": "tenants", "portal": "organizations"}
FEW = 4


@pytest.fixture(scope="session")
def few(suite: Suite) -> Profile:
    """The smoke profile with a fifth of the rows and four tenants a system."""
    smoke = suite.profiles.get("smoke")
    sizes = {
        system: {name: FEW if name == TENANTS[system] else max(2 * FEW, n // SMALLER) for name, n in of.items()}
        for system, of in smoke.sizes.items()
    }
    return smoke.model_copy(update={"sizes": sizes})


@pytest.fixture(scope="package")
def loaded(server: Server, suite: Suite, few: Profile) -> Iterator[Database]:
    """Every system migrated to its head and filled; tests leave it as it is."""
    with server.scratch("loaded") as database:
        upgrade(suite, database)
        load(suite, database, few)
        yield database
