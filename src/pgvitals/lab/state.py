"""One state file a server, so that a killed run leaves nothing that the next command cannot find and stop.

The file is written before the server starts and removed after it has stopped. It holds the server's
password, hence mode 0600 in a directory of its own.

Formats: 1 told processes apart by a time of day; 2 by clock ticks since boot, and notes unfinished databases.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from pgvitals.errors import LabError

STATE_FORMAT = 2


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


def make_directory(path: Path) -> None:
    """Make ``path`` and what is missing above it; root's are open to the user that its servers run as."""
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(mode=0o755, exist_ok=True)
            if os.geteuid() == 0:
                folder.chmod(0o755)  # whatever the umask


@dataclass(frozen=True, slots=True)
class Process:
    """A process told apart from a later one with the same number by when it started.

    ``started`` counts clock ticks since ``boot``, the kernel's random name of this boot: unlike a time
    of day, it does not move when the clock is set.
    """

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self:
        """The running process with this number.

        Raises:
            ProcessLookupError: there is none.
        """
        return cls(pid, _stat(pid)[1], _boot())

    def alive(self) -> bool:
        """Whether it is still that process, and not a zombie."""
        try:
            status, started = _stat(self.pid)
        except ProcessLookupError:
            return False
        return started == self.started and self.boot == _boot() and status not in "ZX"


def _stat(pid: int) -> tuple[str, int]:
    """(status, start time) of a process: fields 3 and 22 of proc(5)'s stat, counted after the name."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessLookupError(f"no process {pid}") from None
    return fields[0], int(fields[19])


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


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
    unfinished: tuple[str, ...] = ()  # databases being made: named, not yet marked
    scratch: dict[str, Process] = field(default_factory=dict)  # database of a command -> the process that drops it
    roles: tuple[str, ...] = ()  # on somebody's server: ours as far as they carry our mark
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
            make_directory(self.folder)
            partial = self.path.with_suffix(".partial")
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(asdict(self), file, indent=1)
            partial.replace(self.path)
        except OSError as error:
            raise LabError(
                f"{self.folder}: cannot be written ({error.strerror}); set PGVITALS_HOME to a writable directory"
            ) from None

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """One process at a time reads the file, changes it and writes it back."""
        make_directory(self.folder)
        with open(self.folder / "lock", "a") as file:  # noqa: PTH123  # a descriptor to lock, nothing to read
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

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
        if raw["id"] != path.parent.name:
            raise ValueError(f"it names server {raw['id']!r}")
        raw["owner"] = Process(**raw["owner"])
        raw["server"] = Process(**raw["server"]) if raw["server"] else None
        raw["scratch"] = {name: Process(**process) for name, process in raw["scratch"].items()}
        for name in ("databases", "unfinished", "roles"):
            raw[name] = tuple(raw[name])
        return State(**raw)
    except FileNotFoundError:
        raise LabError(f"{path}: no such lab server; `pgvitals up` starts one") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(f"{path}: cannot be read ({error}); remove it by hand if no server runs from there") from None


def all_states() -> list[State]:
    """The state files of this user that can be read, oldest first."""
    found = []
    for path in (home() / "servers").glob("*/state.json"):
        with contextlib.suppress(LabError, FileNotFoundError):  # stopped by somebody else meanwhile
            found.append((path.stat().st_mtime_ns, load_state(path)))
    return [state for _, state in sorted(found, key=lambda pair: pair[0])]
