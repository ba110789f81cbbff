"""One embedded PostgreSQL for the whole session, a fresh database for each test that asks for one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
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
# Imports take seconds, and what is run here often ends within one. A process that has imported what is needed becomes
# the command by forking: everything after the imports is as if it had been typed.
FORKS = """
import gc, json, os, sys
{imports}

gc.freeze()  # or the end of each child would look through everything that was imported
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if not child:
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, path in enumerate(asked["files"], start=1):
            os.dup2(os.open(path, os.O_WRONLY), number)
        sys.argv, sys.path[0] = asked["words"], asked["folder"]
        {main}
        raise SystemExit(0)
    status = os.waitpid(child, 0)[1]
    print(os.waitstatus_to_exitcode(status), flush=True)
"""
RunForked = Callable[[Sequence[str], Path, Mapping[str, str]], subprocess.CompletedProcess[str]]
"""Run a command of these words in a folder with this environment, to its end."""
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
    from pgvitals.lab.binaries import bin_dir

    return f"postgresql: {bin_dir()}"


@pytest.fixture(scope="session")
def forking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], RunForked]]:
    """Make a process with these imports that becomes a command by calling ``main``; they end with the session."""
    started: list[subprocess.Popen[str]] = []

    def fork(imports: str, main: str) -> RunForked:
        files = [tmp_path_factory.mktemp("streams") / name for name in ("stdout", "stderr")]
        script = FORKS.format(imports=imports, main=main)
        process = subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)

        def run(words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
            assert process.stdin is not None
            assert process.stdout is not None
            for path in files:
                path.write_text("")
            asked = {
                "words": words,
                "folder": str(folder),
                "environment": dict(environment),
                "files": [*map(str, files)],
            }
            print(json.dumps(asked), file=process.stdin, flush=True)
            code = int(process.stdout.readline())
            return subprocess.CompletedProcess(words, code, *(path.read_text() for path in files))

        return run

    yield fork
    for process in started:
        process.communicate()
