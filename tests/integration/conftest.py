"""Homes of their own for tests that start servers; clients and loads in other processes that can be killed."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import psycopg
import pytest
from psycopg import sql

from pgvitals.lab import Database
from pgvitals.lab.binaries import bin_dir
from pgvitals.lab.guard import MARKER_SCHEMA
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

LOAD = """
import json, sys, time
from pathlib import Path
from pgvitals.dataset import parts
from pgvitals.dataset.load import load_parts
from pgvitals.lab import attach
from pgvitals.suite import find_suite

asked = json.loads(sys.argv[1])
parts.PART_ROWS = parts.WIDE_PART_ROWS = asked["part_rows"]
seen = 0

def progress(step):
    global seen
    seen += step.phase == asked["stop_in"]
    if seen == asked["stop_at"]:
        print("here", flush=True)
        time.sleep(3600)

suite = find_suite(Path(asked["suite"]))
shard = parts.parse_shard(asked["shard"]) if asked["shard"] else None
found = load_parts(
    suite, attach(suite), suite.profiles.get("smoke"), systems=asked["systems"], jobs=asked["jobs"], shard=shard,
    progress=progress,
)
print(json.dumps({
    "checksum": found.dataset.checksum if found.dataset else None,
    "missing": {each.system: len(each.parts) for each in found.missing},
}))
"""


RunPytest = Callable[[Sequence[str], Path, Mapping[str, str]], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def run_pytest(forking: Callable[[str, str], RunPytest]) -> RunPytest:
    """Run pytest with some words in a folder with these variables, to its end."""
    # None of these is a plugin of pytest.
    libraries = "alembic.command, pandas, psycopg, pyarrow.parquet, pydantic, rich.table, scipy.special, sqlalchemy.orm"
    become = forking(f"import {libraries}", "import pytest; raise SystemExit(pytest.console_main())")

    def run(words: Sequence[str], folder: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        return become(["pytest", *words], folder, {**os.environ, **variables})

    return run


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


class Loading:
    """A load of the smoke profile in processes of its own, in parts of few rows.

    With ``stop_in`` it stands still at the ``stop_at``-th word of a phase, until it is killed.
    """

    def __init__(
        self,
        database: Database,
        *systems: str,
        jobs: int = 1,
        shard: str = "",
        stop_in: str = "",
        stop_at: int = 1,
        part_rows: int = 1_000,
    ) -> None:
        asked = {
            "suite": str(REPOSITORY),
            "systems": systems,
            "jobs": jobs,
            "shard": shard,
            "stop_in": stop_in,
            "stop_at": stop_at,
            "part_rows": part_rows,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", LOAD, json.dumps(asked)],
            env={**os.environ, **database.environment()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def until_it_stands(self) -> None:
        """Wait until it is where it was to stop."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line == "here\n", self.process.communicate()[1]

    def told(self) -> dict[str, Any]:
        """What it came to."""
        out, err = self.process.communicate(timeout=10 * PATIENCE_S)
        assert self.process.returncode == 0, err
        return dict(json.loads(out))

    def kill(self) -> None:
        """End the whole group at once, and look that nothing of it works on."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        assert psutil.wait_procs(family, timeout=PATIENCE_S)[1] == []


@pytest.fixture
def loading() -> Iterator[Callable[..., Loading]]:
    """Start a load in processes of its own."""
    made: list[Loading] = []

    def start(*given: Any, **how: Any) -> Loading:
        made.append(Loading(*given, **how))
        return made[-1]

    yield start
    for each in made:
        if each.process.poll() is None:
            each.kill()


@pytest.fixture
def schema_dump(tmp_path: Path) -> Callable[[Database], list[str]]:
    """The schema as pg_dump writes it, without our marker: a witness that shares nothing with the code under test."""

    def dump(database: Database) -> list[str]:
        program = shutil.which("pg_dump", path=str(bin_dir()))
        assert program is not None
        arguments = [program, "--schema-only", f"--exclude-schema={MARKER_SCHEMA}", "--dbname", database.conninfo()]
        out = subprocess.run(arguments, capture_output=True, text=True, check=True, cwd=tmp_path)
        assert "CREATE INDEX" in out.stdout
        return [line for line in out.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]

    return dump


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
