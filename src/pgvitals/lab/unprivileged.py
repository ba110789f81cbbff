"""PostgreSQL refuses to run as root: find a user to run it as, and binaries that this user can reach."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgvitals.errors import LabError
from pgvitals.lab.state import make_directory


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a server process runs as; None means as ourselves."""

    uid: int | None = None
    gid: int | None = None

    def popen(self) -> dict[str, Any]:
        """Arguments for :class:`subprocess.Popen`."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Hand a path over to this user."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def server_identity() -> Identity:
    """Ourselves, or for root the user ``postgres`` (``nobody`` where there is none).

    Raises:
        LabError: root, and neither user exists.
    """
    if os.geteuid() != 0:
        return Identity()
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Identity(entry.pw_uid, entry.pw_gid)
    raise LabError("PostgreSQL does not run as root and there is no user 'postgres' or 'nobody'; create one")


def reachable_bin(bin_dir: Path, identity: Identity, home: Path) -> Path:
    """``bin_dir``, or a copy of its installation below ``home`` if the user cannot reach it.

    A virtual environment in root's home is closed to everyone else; 40 MB are copied once.

    Raises:
        LabError: they cannot be copied, or not be run from there either.
    """
    if _runs(bin_dir, identity):
        return bin_dir
    target = home / "binaries" / fingerprint(bin_dir)
    if not target.exists():
        partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
        try:
            make_directory(target.parent)
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(bin_dir.parent, partial, symlinks=True)
            _open_up(partial)
            partial.rename(target)
        except OSError as error:
            if not target.exists():
                raise LabError(f"{target}: PostgreSQL's binaries cannot be copied there ({error.strerror})") from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    if not _runs(target / "bin", identity):
        raise LabError(f"{target}: the unprivileged user cannot run PostgreSQL from there; set PGVITALS_HOME elsewhere")
    return target / "bin"


def fingerprint(bin_dir: Path) -> str:
    """A name of an installation that another installation, or a newer one in the same place, does not share."""
    facts = (bin_dir / "postgres").stat()
    identity = f"{bin_dir.resolve()} {facts.st_size} {facts.st_mtime_ns}"
    return hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:16]


def _open_up(tree: Path) -> None:
    """Let everybody read what is there, and run what its owner may run."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))


def _runs(bin_dir: Path, identity: Identity) -> bool:
    try:
        done = subprocess.run(
            [bin_dir / "postgres", "--version"],
            capture_output=True,
            timeout=20,
            cwd="/",
            check=False,
            **identity.popen(),
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
