"""Run the load test in a Locust process of its own, and bring back its record."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pgvitals.child import dies_with_parent
from pgvitals.errors import LoadTestError
from pgvitals.lab.database import Database
from pgvitals.load import output
from pgvitals.load.settings import Settings
from pgvitals.profile import LoadPlan
from pgvitals.results.outcome import EXIT_CODES, Outcome
from pgvitals.results.records import Load
from pgvitals.suite import Suite
from pgvitals.system import System

_REPORTED = {EXIT_CODES[outcome] for outcome in (Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE)}
_LIMIT_S = 180.0  # on top of the plan: start, warm-up and late answers have their own limits in the process
_GRACE_S = 5.0  # for a stopped process to leave by itself
_LOG_LINE = re.compile(r"^\[[^\]]*\] \S+/(?:DEBUG|INFO|WARNING)/")


def run(
    suite: Suite,
    database: Database,
    *,
    plan: LoadPlan,
    seed: int,
    systems: Sequence[System] | None = None,
    out: Path,
) -> Load:
    """Run the suite's locustfile headless and write ``load.json`` and ``load.hlog`` into ``out``.

    A suite without ``locustfile.py`` gets the one of the package. The process finds the database
    through its environment and gets no secret in its arguments.

    Raises:
        LoadTestError: Locust is not installed, or the process failed, hung or left no record; the
            message holds the last line that it said.
    """
    if importlib.util.find_spec("locust") is None:
        raise LoadTestError("load test: Locust is not installed; install the extra: pip install 'pgvitals[load]'")
    for name in (output.RECORD, output.LOG):
        (out / name).unlink(missing_ok=True)
    settings = Settings(
        rate=plan.rate,
        seconds=plan.seconds,
        seed=seed,
        systems=tuple(system.name for system in systems or ()),
        out=out.absolute(),
    )
    own = suite.root / suite.config.loadtests / "locustfile.py"
    locustfile = own if own.is_file() else Path(__file__).with_name("locustfile.py")
    command = [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "-u", str(plan.users)]
    code, stderr = _finish(
        [*command, "--only-summary", "--loglevel", "WARNING"],
        {**_inherited(), **database.environment(), **settings.variables()},
        suite.root,
        plan.seconds + _LIMIT_S,
    )
    if code not in _REPORTED or not (out / output.RECORD).is_file():
        raise LoadTestError(_last_words(stderr) or f"load test: locust ended with exit code {code}")
    return output.read(out)


def _inherited() -> dict[str, str]:
    """This process's environment without settings of Locust, which would change what is measured."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}


def _finish(command: list[str], environment: dict[str, str], folder: Path, limit_s: float) -> tuple[int, str]:
    """Run to the end; returns exit code and stderr. The process does not outlive this call."""
    with subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
        preexec_fn=dies_with_parent,
    ) as process:
        try:
            _, stderr = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            raise LoadTestError(f"load test: locust did not end within {limit_s:.0f} s and was stopped") from None
        finally:
            _end_group(process)
    return process.returncode, stderr


def _end_group(process: subprocess.Popen[str]) -> None:
    """Ask what still runs of the process group to leave, then make it."""
    if process.poll() is not None:
        return  # the group's number may be another's by now
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
            return
        os.killpg(process.pid, signal.SIGKILL)


def _last_words(stderr: str) -> str:
    """Our own error line if there is one, else the last line that is not an ordinary log line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    for line in reversed(lines):
        if line.startswith("error: "):
            return line.removeprefix("error: ")
    said = [line for line in lines if not _LOG_LINE.match(line)]
    return f"load test: {said[-1]}" if said else ""
