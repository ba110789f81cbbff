"""Which recipe made the rows: a digest of everything that they follow from, apart from sizes and seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

from pgvitals.errors import DatasetError
from pgvitals.system import System

_ENGINE = Path(__file__).parent
_FOLDERS = (_ENGINE, _ENGINE.parent / "encryption")


def recipe_version(system: System) -> str:
    """16 hexadecimal digits over the system's recipe, the engine's own modules and Faker's version.

    Equal digests make equal rows, on any machine; a changed comment makes another digest.

    Raises:
        DatasetError: a file of the recipe cannot be read.
    """
    apart = {system.migrations_path, system.folder / "facts"}  # facts are asked of the rows, and make none
    files = [path for path in _files(system.folder) if apart.isdisjoint(path.parents)]
    return _digest(_engine(), *_contents(system.folder, files))


def migrations_version(system: System) -> str:
    """16 hexadecimal digits over the system's migrations and what lies beside them: an edited one is another."""
    return _digest(*_contents(system.folder, _files(system.migrations_path)))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]


@cache
def _engine() -> str:
    files = [path for folder in _FOLDERS for path in folder.rglob("*.py")]
    return _digest(version("faker"), *_contents(_ENGINE.parent, files))


def _contents(root: Path, files: Iterable[Path]) -> list[str]:
    try:
        return [
            f"{path.relative_to(root).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}"
            for path in sorted(files)
        ]
    except OSError as error:
        raise DatasetError(f"{error.filename}: cannot be read ({error.strerror})") from None


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
