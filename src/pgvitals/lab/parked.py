"""Parked clusters: data directories of embedded servers that have ended, with the datasets kept in them.

An embedded server that ends in good order and holds kept datasets leaves its data directory behind; the
next one with the same binaries, for the same suite, takes it over instead of making a cluster. Both are one
rename, so that two commands never share a directory and none is there by half.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pgvitals.errors import LabError
from pgvitals.lab.kept import Kept, limit_bytes
from pgvitals.lab.state import home, make_directory

FORMAT = 1
MOST_CLUSTERS = 3
_FILE = "parked.json"
_OURS = re.compile(r"[0-9a-f]{8}|\.gone-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """One parked cluster."""

    id: str
    suite: str
    binaries: str  # which ones it was made with and runs on
    version: str
    parked_utc: str
    size_bytes: int
    datasets: tuple[Kept, ...]
    password: str = field(repr=False)
    format: int = FORMAT

    @property
    def folder(self) -> Path:
        """Its directory below :func:`home`."""
        return _parent() / self.id

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"


def all_parked() -> list[Parked]:
    """Those of this user that can be read, the last parked first."""
    found = [parked for folder in _folders() if (parked := _read(folder)) is not None]
    return sorted(found, key=lambda parked: (parked.parked_utc, parked.id), reverse=True)


def park(folder: Path, parked: Parked) -> None:
    """Park the directory of a server that has shut down, its data directory in it; makes room among the others.

    Raises:
        OSError: it cannot be moved.
    """
    handle = os.open(folder / _FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(asdict(parked), file, indent=1)
    make_directory(_parent())
    folder.rename(parked.folder)
    for path in parked.folder.iterdir():
        if path.name not in (_FILE, "data"):
            path.unlink(missing_ok=True)
    prune()


def take(suite: str, binaries: str, uid: int, data: Path) -> Parked | None:
    """Move a parked data directory to ``data``: of those that fit, the one with most rows.

    Args:
        uid: whom it has to belong to.
    """
    fitting = [each for each in all_parked() if (each.suite, each.binaries) == (suite, binaries)]
    for parked in sorted(fitting, key=lambda each: -sum(kept.rows for kept in each.datasets)):
        try:
            if parked.data.stat().st_uid != uid:
                continue
            parked.data.rename(data)
        except OSError:  # somebody else was faster
            continue
        _remove(parked.folder)
        return parked
    return None


def remove(parked: Parked) -> bool:
    """Delete a parked cluster; False if another command has taken it meanwhile."""
    try:
        gone = parked.folder.with_name(f".gone-{secrets.token_hex(4)}")
        parked.folder.rename(gone)  # at once, so that nobody takes what is half deleted
    except OSError:
        return False
    held = (gone / "data").exists()
    _remove(gone)
    return held


def prune() -> None:
    """Delete what is broken, of a suite that is gone, or in a later one too; then the oldest, down to the limits."""
    readable: list[Parked] = []
    for folder in _folders():
        if (parked := _read(folder)) is not None:
            readable.append(parked)
        elif _read(folder) is None:  # not one that was just being moved here
            _remove(folder)
    known = sorted(readable, key=lambda parked: (parked.parked_utc, parked.id), reverse=True)
    seen: set[tuple[str, str, str]] = set()
    total = count = 0
    for parked in known:
        keys = {(parked.suite, parked.binaries, kept.label.key) for kept in parked.datasets}
        fits = count < MOST_CLUSTERS and total + parked.size_bytes <= limit_bytes()
        if fits and not keys <= seen and Path(parked.suite).is_dir():
            count, total, seen = count + 1, total + parked.size_bytes, seen | keys
        else:
            remove(parked)


def directory_bytes(folder: Path) -> int:
    """The sizes of all files below ``folder``."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def _parent() -> Path:
    return home() / "parked"


def _folders() -> Iterator[Path]:
    """Directories by names that we give; a link, or a directory of another name, is not ours."""
    with contextlib.suppress(FileNotFoundError):
        for path in sorted(_parent().iterdir()):
            if _OURS.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                yield path


def _read(folder: Path) -> Parked | None:
    try:
        raw: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        if (raw["format"], raw["id"]) != (FORMAT, folder.name) or not (folder / "data" / "PG_VERSION").is_file():
            return None
        return Parked(**{**raw, "datasets": tuple(map(Kept.from_json, raw["datasets"]))})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, LabError):
        return None


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
