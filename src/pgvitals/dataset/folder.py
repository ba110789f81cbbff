"""A folder that appears when everything in it is written, and not before."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pgvitals.errors import DatasetError

_PARTIAL = ".pgvitals-partial-"


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """A folder beside it to write to, which takes its name at the end; whatever goes wrong, it is removed.

    Raises:
        DatasetError: the name is taken by a file, a mount point or a folder that is not empty; a file of the
            folder cannot be written, as on a full disk.
    """
    folder = folder.absolute()
    half = folder.with_name(f".{folder.name}{_PARTIAL}{os.getpid()}")
    try:
        _require_free(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        half.mkdir()
        try:
            yield half
            half.rename(folder)  # an empty folder of that name gives way
        except BaseException:
            shutil.rmtree(half, ignore_errors=True)
            raise
    except OSError as error:  # pyarrow's have a number and no strerror
        why = os.strerror(error.errno) if error.errno else type(error).__name__
        where = error.filename or folder
        raise DatasetError(f"{where}: cannot be written ({why}); free space or name another directory") from None


def _require_free(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise DatasetError(f"{folder}: exists and is no directory; name a new one")
    if folder.is_dir() and any(folder.iterdir()):
        raise DatasetError(f"{folder}: exists and is not empty; name a new directory")
    if folder.is_mount():
        raise DatasetError(f"{folder}: a mount point cannot be made by renaming; name a directory in it")


def _sweep(folder: Path) -> None:
    """Remove what killed commands left half-written of this folder (their process is gone)."""
    of_this = re.compile(re.escape(f".{folder.name}{_PARTIAL}") + r"(\d+)")
    for path in folder.parent.iterdir():
        found = of_this.fullmatch(path.name)
        if found and not Path(f"/proc/{found[1]}").exists():
            shutil.rmtree(path, ignore_errors=True)
