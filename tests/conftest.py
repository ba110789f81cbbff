"""One embedded PostgreSQL for the whole session, a fresh database for each test that asks for one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pgvitals.lab import Database, Server, start_server
from pgvitals.lab.migrate import upgrade
from pgvitals.suite import Suite, find_suite

CONDITIONS = {
    "container": (os.environ.get("PGVITALS_TEST_CONTAINER") == "1", "set PGVITALS_TEST_CONTAINER=1 beside an engine"),
    "root": (os.geteuid() == 0, "they start servers as root"),
}
"""Marker -> (whether its tests run here, what it takes). Never skipped for what is merely missing."""
_LEFT_OUT = pytest.StashKey[dict[str, int]]()


def pytest_configure(config: pytest.Config) -> None:
    """Say which tests need more than an ordinary user and the embedded server."""
    for marker, (_, how) in CONDITIONS.items():
        config.addinivalue_line("markers", f"{marker}: {how}")
    config.stash[_LEFT_OUT] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what cannot run here; the summary names it."""
    for marker, (runs, _) in CONDITIONS.items():
        if runs:
            continue
        left_out = [item for item in items if item.get_closest_marker(marker)]
        config.stash[_LEFT_OUT][marker] = len(left_out)
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line for each kind of test that was left out."""
    for marker, count in config.stash[_LEFT_OUT].items():
        if count:
            terminalreporter.write_line(f"NOT RUN: {count} tests marked '{marker}' ({CONDITIONS[marker][1]})")


@pytest.fixture(scope="session", autouse=True)
def _own_state() -> Iterator[None]:
    """Tests see no lab of the user's, and leave none; whoever sets PGVITALS_HOME can look for theirs below it."""
    parent = Path(os.environ.get("PGVITALS_HOME") or "/var/tmp")  # noqa: S108
    parent.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="pgvitals-test-", dir=parent))
    home.chmod(0o755)  # root's servers run as another user
    patch = pytest.MonkeyPatch()
    patch.setenv("PGVITALS_HOME", str(home))
    patch.setenv("PGVITALS_KEEP_GB", "0")  # what one test loads is not there for the next
    for name in ("PGVITALS_DSN", "PGVITALS_LAB", "PGVITALS_LAB_DATABASE"):
        patch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:
        patch.delenv(name)  # a pytest that a test starts is no worker of ours
    yield
    patch.undo()
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def suite() -> Suite:
    """The repository's own suite."""
    return find_suite(Path(__file__).parent)


@pytest.fixture(scope="session")
def server(suite: Suite, _own_state: None) -> Iterator[Server]:
    """An embedded server."""
    with start_server("embedded", suite=suite) as running:
        yield running


@pytest.fixture(scope="session")
def template(server: Server, suite: Suite) -> Iterator[Callable[[str], Database]]:
    """Databases at a revision, each migrated once, to be cloned: which takes a fifth of the time."""
    made: dict[str, Database] = {}
    with ExitStack() as stack:

        def at(revision: str) -> Database:
            if revision not in made:
                database = stack.enter_context(server.scratch("template"))
                upgrade(suite, database, revision)
                made[revision] = database
            return made[revision]

        yield at


@pytest.fixture
def database_at(server: Server, template: Callable[[str], Database]) -> Iterator[Callable[[str], Database]]:
    """Make a database of the test's own at a revision."""
    with ExitStack() as stack:
        yield lambda revision: stack.enter_context(server.scratch("test", template(revision)))


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """An empty database of ours."""
    with server.scratch("test") as made:
        yield made


def pytest_report_header() -> str:
    """Name the binaries that the tests run on."""
    from pgvitals.lab.embedded import bin_dir

    return f"postgresql: {bin_dir()}"
