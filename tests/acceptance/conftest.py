"""The commands as a user types them: processes of their own, in the repository or a copy of its suite."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pgvitals.lab.state import State, load_state

REPOSITORY = Path(__file__).parents[2]
FOLDERS = ("bench", "fixtures", "loadtests", "notebooks")
PROFILES = """
[quick]
title = "smoke's rows, next to no measuring"
seed = {seed}
as_of = "{as_of}"
{sizes}
[quick.measure]
batches = 2
batch_size = 5
warmup = 1
pytest_rounds = 3
[quick.load]
users = 2
rate = 20
seconds = 0.5
[quick.impact]
rounds = 8
per_arm = 2
clones = 1
looks = 1

[endless]
title = "smoke's rows, and no part comes to its end"
seed = {seed}
as_of = "{as_of}"
{endless_sizes}
[endless.measure]
batches = 30
batch_size = 5
pause_s = 60.0
[endless.load]
rate = 20
seconds = 3600
[endless.impact]
rounds = 100000
"""


RunForked = Callable[[Sequence[str], Path, Mapping[str, str]], subprocess.CompletedProcess[str]]
PRELOADED = "import pgvitals.cli, pgvitals.job, pgvitals.report.html, pgvitals.standing_labs, pgvitals.tables"


@dataclass
class Shell:
    """Runs commands in a folder, with a PGVITALS_HOME of its own."""

    folder: Path
    home: Path
    preloaded: RunForked
    variables: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """The variables of a command."""
        scripts = sysconfig.get_path("scripts")
        path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": path, "PGVITALS_HOME": str(self.home), "PGVITALS_KEEP_GB": ""}
        return {**os.environ, **own, **self.variables}

    def __call__(self, *words: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def typed(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `pgvitals` with these words to its end, without waiting for its imports."""
        return self.preloaded(["pgvitals", *words], self.folder, self.environment())

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command in a session of its own, as a terminal would."""
        return subprocess.Popen(
            words,
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def states(self) -> list[State]:
        """The state files of the servers below this home."""
        before, os.environ["PGVITALS_HOME"] = os.environ["PGVITALS_HOME"], str(self.home)
        try:
            return [load_state(path) for path in sorted(self.home.glob("servers/*/state.json"))]
        finally:
            os.environ["PGVITALS_HOME"] = before

    def leftovers(self) -> list[str]:
        """Files of servers, and processes that work below this home or in this folder."""
        files = [str(path) for path in (self.home / "servers").rglob("*")]
        marks = [os.fsencode(self.home), os.fsencode(self.folder)]
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes()
            except OSError:
                continue  # it has ended meanwhile
            if any(mark in words for mark in marks):
                found.append(words.replace(b"\0", b" ").decode(errors="replace"))
        return files + found

    def with_variables(self, **variables: str) -> Shell:
        """The same with more variables."""
        return replace(self, variables={**self.variables, **variables})


def copy_suite(root: Path) -> Path:
    """A copy of the repository's suite with two more profiles, ``quick`` and ``endless``."""
    for folder in FOLDERS:
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    shutil.copy(REPOSITORY / "pyproject.toml", root)
    path = root / "fixtures" / "profiles.toml"
    smoke = tomllib.loads(path.read_text())["smoke"]

    def sizes(name: str) -> str:
        tables = (
            f"[{name}.sizes.{system}]\n" + "".join(f"{key} = {value}\n" for key, value in table.items())
            for system, table in smoke["sizes"].items()
        )
        return "".join(tables)

    more = PROFILES.format(
        seed=smoke["seed"], as_of=smoke["as_of"], sizes=sizes("quick"), endless_sizes=sizes("endless")
    )
    path.write_text(path.read_text() + more)
    return root


@pytest.fixture(scope="session")
def shell_in(forking: Callable[[str, str], RunForked]) -> Iterator[Callable[[Path], Shell]]:
    """Makes shells with a home each; a server that is left in one at the end is stopped, and a failure."""
    preloaded = forking(PRELOADED, "pgvitals.cli.main()")
    made: list[Shell] = []

    def make(folder: Path) -> Shell:
        home = Path(tempfile.mkdtemp(prefix="acceptance-", dir=os.environ["PGVITALS_HOME"]))
        home.chmod(0o755)  # root's servers run as another user
        made.append(Shell(folder, home, preloaded))
        return made[-1]

    yield make
    left = {shell.home: shell.states() for shell in made if shell.states()}
    ended = [replace(made[0], home=home).typed("down", "--all").returncode for home in left]
    assert (left, ended) == ({}, [])


@pytest.fixture(scope="session")
def repository(shell_in: Callable[[Path], Shell]) -> Shell:
    """A shell in the repository itself; what it writes has to go elsewhere."""
    return shell_in(REPOSITORY)


@pytest.fixture(scope="session")
def copied(shell_in: Callable[[Path], Shell], tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell in a copy of the suite, without a lab."""
    return shell_in(copy_suite(tmp_path_factory.mktemp("suite")))


@pytest.fixture
def fresh(shell_in: Callable[[Path], Shell], tmp_path: Path) -> Shell:
    """A shell in a copy of the suite that the test may change."""
    return shell_in(copy_suite(tmp_path / "suite"))


@pytest.fixture(scope="session")
def lab(shell_in: Callable[[Path], Shell], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell in a copy of the suite whose lab is up and holds the quick profile."""
    shell = shell_in(copy_suite(tmp_path_factory.mktemp("lab")))
    try:
        up = shell("pgvitals", "up", "--postgres", "embedded")
        assert up.returncode == 0, up.stderr
        load = shell("pgvitals", "load", "--profile", "quick")
        assert load.returncode == 0, load.stderr
        yield shell
    finally:
        down = shell("pgvitals", "down")
    assert down.returncode == 0, down.stderr


@dataclass
class Whole:
    """The main job, done once."""

    done: subprocess.CompletedProcess[str]
    path: Path


@pytest.fixture(scope="session")
def whole(repository: Shell, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """`pgvitals run` on the smoke profile, in the repository."""
    path = tmp_path_factory.mktemp("whole") / "run"
    done = repository(
        "pgvitals", "run", "--profile", "smoke", "--postgres", "embedded", "--out", str(path), timeout=900
    )
    return Whole(done, path)
