"""The operating system's page cache of a file: let go of it, and count what is still there (Linux).

Source: posix_fadvise(2), POSIX_FADV_DONTNEED, which drops clean pages only; mincore(2).
"""

from __future__ import annotations

import ctypes
import mmap
import os
from functools import cache
from pathlib import Path

_MAP_PRIVATE, _FAILED = 2, ctypes.c_void_p(-1).value


def release(path: Path) -> None:
    """Write what is dirty of a file to its disk, and drop all of it from the page cache.

    Raises:
        OSError: it cannot be opened or written.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fdatasync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


def resident(path: Path) -> tuple[int, int]:
    """(pages of a file that are in the page cache, pages that it has). Looking brings none in.

    Raises:
        OSError: it cannot be opened or mapped.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        length = os.fstat(handle).st_size
        if not length:
            return 0, 0
        libc = _libc()
        at = libc.mmap(None, length, mmap.PROT_READ, _MAP_PRIVATE, handle, 0)
        if at == _FAILED:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
        try:
            pages = -(-length // mmap.PAGESIZE)
            seen = ctypes.create_string_buffer(pages)
            if libc.mincore(at, length, seen) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
        finally:
            libc.munmap(at, length)
    finally:
        os.close(handle)
    return sum(flags & 1 for flags in seen.raw[:pages]), pages


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_long)
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    libc.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p)
    return libc
