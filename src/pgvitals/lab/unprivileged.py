"""PostgreSQL refuses to run as root: find a user to run it as, and binaries that this user can reach."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgvitals.errors import LabError


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
    """
    if _runs(bin_dir, identity):
        return bin_dir
    source = bin_dir.parent
    stamp = int((bin_dir / "postgres").stat().st_mtime)
    target = home / "binaries" / f"{source.parent.name}-{stamp}"
    if not target.exists():
        partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
        try:
            partial.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            shutil.copytree(source, partial, symlinks=True)
            for path in (partial, *partial.rglob("*")):
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
            partial.rename(target)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            if not target.exists():
                raise LabError(f"{target}: PostgreSQL's binaries cannot be copied there ({error.strerror})") from None
    if not _runs(target / "bin", identity):
        raise LabError(f"{target}: the unprivileged user cannot run PostgreSQL from there; set PGVITALS_HOME elsewhere")
    return target / "bin"


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
