"""Ctrl-C, a polite kill, a closed terminal and a hard kill, in every part of the main job."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

PATIENCE_S = 120


def runs(process: psutil.Process) -> bool:
    """Whether it is there, and more than an entry that its parent has not fetched."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass(frozen=True)
class Moment:
    """When to interrupt a run: after a line of its progress, or when a child process is there."""

    only: str
    profile: str = "endless"
    line: str = ""
    child: str = ""
    later_s: float = 0.2


MOMENTS = {
    "server": Moment(only="bench", later_s=0.0),
    "dataset": Moment(only="bench", line="· embedded server"),
    "bench": Moment(only="bench", line="✓ draw parameters"),
    "pytest": Moment(only="bench", profile="quick", child="pytest"),
    "load": Moment(only="load", child="locust", later_s=2.0),
    "impact": Moment(only="impact", line="✓ migrate the clone"),
    "notebooks": Moment(only="bench,notebooks", profile="quick", child="ipykernel_launcher", later_s=1.0),
    "end": Moment(only="audit", profile="quick", line="✓ audit", later_s=0.0),
}


class Running:
    """A main job that works, and everything that belongs to it."""

    def __init__(self, shell, moment: Moment, out: Path) -> None:
        words = ("run", "--profile", moment.profile, "--system", "practice", "--postgres", "embedded")
        self.shell, self.out = shell, out
        self.process = shell.start("pgvitals", *words, "--only", moment.only, "--out", str(out / "run"))
        self.family: set[psutil.Process] = set()
        self.said: list[str] = []
        self._until(lambda: bool(shell.states()))
        if moment.line:
            self._read_until(moment.line)
        if moment.child:
            self._until(lambda: any(moment.child in word for each in self.children() for word in each))
        time.sleep(moment.later_s)
        self.children()
        self.sockets = [Path(state.socket_dir) for state in shell.states() if state.socket_dir]
        for state in shell.states():
            if state.server is not None:
                with contextlib.suppress(psutil.Error):
                    self.family.add(psutil.Process(state.server.pid))

    def children(self) -> list[list[str]]:
        """Command lines of the child processes, which are remembered."""
        lines = []
        with contextlib.suppress(psutil.Error):
            self.family |= set(psutil.Process(self.process.pid).children(recursive=True))
        for each in self.family:
            with contextlib.suppress(psutil.Error):
                lines.append(each.cmdline())
        return lines

    def end(self) -> str:
        """Wait for the end; everything on stderr."""
        out, err = self.process.communicate(timeout=PATIENCE_S)
        assert out == ""
        return "".join(self.said) + err

    def left(self) -> list[object]:
        """Processes and files that outlived it; what is just ending gets a moment."""
        deadline = time.monotonic() + 20
        while True:
            alive = [each for each in self.family if runs(each)]
            files = [*self.sockets, *self.out.glob("*"), *self.out.glob(".*")]
            found = [*alive, *self.shell.leftovers(), *(path for path in files if path.exists())]
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.1)

    def _until(self, there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not there():
            assert time.monotonic() < deadline
            assert self.process.poll() is None, self.end()
            time.sleep(0.02)

    def _read_until(self, line: str) -> None:
        assert self.process.stderr is not None
        for each in self.process.stderr:
            self.said.append(each)
            if each.startswith(line):
                return
        raise AssertionError("".join(self.said))


def to_all(running: Running, number: signal.Signals) -> None:
    """As a terminal does: to the process and its children."""
    os.killpg(running.process.pid, number)


def to_one(running: Running, number: signal.Signals) -> None:
    """As `kill` does."""
    running.process.send_signal(number)


@pytest.mark.parametrize(
    ("moment", "how", "number"),
    [
        ("server", to_one, signal.SIGTERM),
        ("dataset", to_all, signal.SIGINT),
        ("bench", to_one, signal.SIGTERM),
        ("pytest", to_all, signal.SIGINT),
        ("load", to_one, signal.SIGTERM),
        ("impact", to_one, signal.SIGHUP),
        ("notebooks", to_all, signal.SIGINT),
        ("end", to_all, signal.SIGINT),
    ],
)
def test_an_interrupted_run_ends_with_130_and_leaves_nothing(
    copied, tmp_path: Path, moment: str, how: Callable[[Running, signal.Signals], None], number: signal.Signals
) -> None:
    running = Running(copied, MOMENTS[moment], tmp_path)
    how(running, number)
    said = running.end()
    assert running.process.returncode == 130, said
    assert said.splitlines()[-1] == "error: interrupted; nothing half-done was left behind"
    assert "Traceback" not in said
    assert running.left() == []


def test_an_impatient_ctrl_c_does_not_break_the_cleaning_up(copied, tmp_path: Path) -> None:
    running = Running(copied, MOMENTS["bench"], tmp_path)
    while running.process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            to_all(running, signal.SIGINT)
        time.sleep(0.02)
    said = running.end()
    # The last of them may come when Python has let go of its handlers; a shell shows 130 for either.
    assert running.process.returncode in (130, -signal.SIGINT)
    assert "error: interrupted; nothing half-done was left behind" in said
    assert "Traceback" not in said
    assert running.left() == []


def test_what_a_killed_run_left_is_ended_by_the_next_command(copied, tmp_path: Path) -> None:
    running = Running(copied, MOMENTS["load"], tmp_path)
    (server,) = copied.states()
    running.process.kill()
    running.process.communicate()
    assert server.server is not None
    assert server.server.alive()
    status = copied.typed("status")
    assert status.returncode == 0
    assert "no lab server is up" in status.stdout
    assert not server.server.alive()
    (partial,) = tmp_path.glob(".*")
    done = copied.typed(
        *("run", "--profile", "quick", "--system", "practice", "--postgres", "embedded"),
        *("--only", "audit", "--out", str(tmp_path / "next")),
    )
    assert done.returncode == 0, done.stderr
    assert not partial.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["next"]
    subprocess.run(["rm", "-r", str(tmp_path / "next")], check=True)
    assert running.left() == []
