"""One embedded PostgreSQL for the whole session, a fresh database for each test that asks for one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgvitals.lab import Database, Server, start_server
from pgvitals.suite import Suite, find_suite


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests see no lab of the user's, and leave none."""
    home = Path("/var/tmp") if os.geteuid() == 0 else tmp_path_factory.mktemp("state")  # noqa: S108
    patch = pytest.MonkeyPatch()
    patch.setenv("PGVITALS_HOME", str(home / f"pgvitals-test-{os.getpid()}"))
    for name in ("PGVITALS_DSN", "PGVITALS_LAB", "PGVITALS_LAB_DATABASE"):
        patch.delenv(name, raising=False)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def suite() -> Suite:
    """The repository's own suite."""
    return find_suite(Path(__file__).parent)


@pytest.fixture(scope="session")
def server(suite: Suite, _own_state: None) -> Iterator[Server]:
    """An embedded server."""
    with start_server("embedded", suite=suite) as running:
        yield running


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """An empty database of ours."""
    with server.scratch("test") as made:
        yield made


def pytest_report_header() -> str:
    """Name the binaries that the tests run on."""
    from pgvitals.lab.embedded import bin_dir

    return f"postgresql: {bin_dir()}"
