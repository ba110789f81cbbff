"""Homes of their own for tests that start servers, and clients in other processes that can be killed."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from pgvitals.lab.reap import reap
from pgvitals.lab.state import State, home, load_state

REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 60
REQUIRED: dict[str, dict[str, Any]] = {
    "workspaces": {"name": "practice"},
    "workspace_keys": {"purpose": "data", "version": 1, "kek_id": "lab", "wrapped_key": b"wrapped"},
    "users": {"email": "somebody@example.org", "full_name": "Somebody"},
    "clients": {"first_name": "Ada", "last_name": "Lovelace"},
    "services": {"name": "a service", "default_duration_minutes": 45},
    "locations": {"name": "a place", "location_type": "clinic"},
    "appointments": {
        "scheduled_start": "2030-01-07T09:00Z",
        "scheduled_end": "2030-01-07T10:00Z",
        "location_type": "clinic",
    },
    "sessions": {"session_date": "2030-01-07T09:00Z"},
    "session_versions": {"version_number": 1},
    "session_attachments": {"file_name": "a.pdf", "file_type": "pdf", "file_size_bytes": 1, "s3_key": "a"},
    "audit_events": {"event_type": "clients.read", "resource_type": "clients", "action": "read"},
}
"""What a row of pazpaz has to have; names of clients are bytes from a2341bb8aa45 on."""
MAIN = """
import sys
from pathlib import Path
from pgvitals.lab.choose import launch
from pgvitals.suite import find_suite
from pgvitals.workbench import bring_up

how, postgres, root = sys.argv[1:]
suite = find_suite(Path(root))
server = bring_up(suite, postgres) if how == "up" else launch(postgres, suite=suite, persistent=how == "half-up")
try:
    if how == "create":
        server.create("left")
    print(server.state.path, flush=True)
    sys.stdin.readline()
finally:
    server.stop()
"""


class Client:
    """Another process that has started a server, and that ends as the test wants."""

    def __init__(self, how: str, postgres: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", MAIN, how, postgres, str(REPOSITORY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def state(self) -> State:
        """The state of its server, once that is up."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, self.process.communicate()[1]
        return load_state(Path(line))

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; returns the exit status."""
        self.process.send_signal(number)
        self.process.communicate()
        return self.process.returncode


class Home:
    """A PGVITALS_HOME that one test uses, and what is in it or belongs to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: set[str] = set()

    def ids(self) -> set[str]:
        """Names of the servers that have a folder here now."""
        found = {folder.name for folder in (self.path / "servers").glob("*")}
        self.seen |= found
        return found

    def until(self, moment: str) -> None:
        """Wait until some file of some server is there: ``until('data/postmaster.pid')``."""
        deadline = time.monotonic() + PATIENCE_S
        while not (any(self.path.glob(f"servers/*/{moment}")) and self.ids()):
            assert time.monotonic() < deadline, f"waited {PATIENCE_S} s for {moment}"
            time.sleep(0.002)

    def processes(self) -> list[str]:
        """Command lines of the processes that work below this home."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue  # it has ended meanwhile
            if any(os.fsencode(self.path) in word for word in words):
                found.append(b" ".join(words).decode(errors="replace"))
        return found

    def leftovers(self) -> list[str]:
        """What is left of the servers that were seen here: processes, folders, socket directories, passwords."""
        sockets = [f"/tmp/pgvitals-{id_}" for id_ in self.seen | self.ids()]  # noqa: S108
        folders = [str(path) for path in (self.path / "servers").rglob("*")]
        return self.processes() + folders + [path for path in sockets if Path(path).exists()]


@pytest.fixture
def lab_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A PGVITALS_HOME of the test's own, with a name that needs quoting."""
    made = Path(tempfile.mkdtemp(prefix="größer than one's ", dir=home()))
    made.chmod(0o755)  # root's servers run as another user
    monkeypatch.setenv("PGVITALS_HOME", str(made))
    yield Home(made)
    shutil.rmtree(made)


@pytest.fixture
def client(lab_home: Home) -> Iterator[Callable[..., Client]]:
    """Start a client: ``run`` (ends with it), ``create`` (and a database), ``up`` (stays), ``half-up``."""
    with ExitStack() as stack:
        stack.callback(reap)  # what the killed ones leave, while their home is still there

        def start(how: str, postgres: str = "embedded") -> Client:
            made = Client(how, postgres)
            stack.callback(made.end, signal.SIGKILL)
            return made

        yield start


@pytest.fixture
def abandoned_sockets() -> Iterator[None]:
    """Docker's client leaves a socket open where nobody answers; it is collected here, not in the next test."""
    yield
    gc.collect()


@pytest.fixture
def pazpaz_row() -> Callable[..., UUID]:
    """Insert one row into a table of pazpaz, with what it has to have; returns its id."""

    def insert(conn: psycopg.Connection, table: str, **values: Any) -> UUID:
        given = REQUIRED.get(table, {}) | values
        row = conn.execute(
            sql.SQL("insert into pazpaz.{} ({}) values ({}) returning id").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, given)),
                sql.SQL(", ").join(sql.Placeholder() * len(given)),
            ),
            list(given.values()),
        ).fetchone()
        assert row is not None
        return UUID(str(row[0]))

    return insert
