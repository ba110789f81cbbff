"""One state file a server, so that a killed run leaves nothing that the next command cannot find and stop.

The file is written before the server starts and removed after it has stopped. It holds the server's
password, hence mode 0600 in a directory of its own.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import psutil

from pgvitals.errors import LabError

STATE_FORMAT = 1


def home() -> Path:
    """Where servers live: ``PGVITALS_HOME``, else a state directory of the user (of the system, for root).

    Root's own home is usually closed to the unprivileged user that PostgreSQL has to run as.
    """
    if chosen := os.environ.get("PGVITALS_HOME"):
        return Path(chosen).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/pgvitals")
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "pgvitals"


@dataclass(frozen=True, slots=True)
class Process:
    """A process told apart from a later one with the same number by its start time (s since the epoch)."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """The running process with this number."""
        return cls(pid, psutil.Process(pid).create_time())

    def alive(self) -> bool:
        """Whether it is still that process, and not a zombie."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < 1.0
            return bool(same and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is known of one server."""

    id: str
    kind: str
    why: str
    suite: str
    persistent: bool  # left by `pgvitals up`; otherwise it ends with its owner
    owner: Process
    params: dict[str, str] = field(default_factory=dict, repr=False)  # libpq parameters of the server
    server: Process | None = None
    data_dir: str | None = None
    socket_dir: str | None = None
    databases: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()  # that we brought to somebody's server
    lab_database: str | None = None
    format: int = STATE_FORMAT

    @property
    def folder(self) -> Path:
        """Directory of this server below :func:`home`."""
        return home() / "servers" / self.id

    @property
    def path(self) -> Path:
        """The state file."""
        return self.folder / "state.json"

    def save(self) -> None:
        """Write the file, whole or not at all.

        Raises:
            LabError: the state directory cannot be written.
        """
        try:
            home().mkdir(mode=0o755, parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            partial = self.path.with_suffix(".partial")
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(asdict(self), file, indent=1)
            partial.replace(self.path)
        except OSError as error:
            raise LabError(
                f"{self.folder}: cannot be written ({error.strerror}); set PGVITALS_HOME to a writable directory"
            ) from None

    def with_changes(self, **changes: Any) -> State:
        """A changed copy, saved."""
        changed = replace(self, **changes)
        changed.save()
        return changed


def new_id() -> str:
    """A short random name of a server."""
    return secrets.token_hex(4)


def load_state(path: Path) -> State:
    """Read one state file.

    Raises:
        LabError: it is missing or damaged.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw.get("format") != STATE_FORMAT:
            raise LabError(f"{path}: state of another pgvitals (format {raw.get('format')!r}); remove it by hand")
        raw["owner"] = Process(**raw["owner"])
        raw["server"] = Process(**raw["server"]) if raw["server"] else None
        raw["databases"], raw["roles"] = tuple(raw["databases"]), tuple(raw["roles"])
        return State(**raw)
    except FileNotFoundError:
        raise LabError(f"{path}: no such lab server; `pgvitals up` starts one") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(f"{path}: cannot be read ({error}); remove it by hand if no server runs from there") from None


def all_states() -> list[State]:
    """The state files of this user that can be read, oldest first."""
    states = []
    for path in sorted((home() / "servers").glob("*/state.json"), key=lambda p: p.stat().st_mtime):
        try:
            states.append(load_state(path))
        except LabError:
            continue
    return states
