"""Child processes that do not outlive a killed parent."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def dies_with_parent() -> None:
    """For ``preexec_fn``: the kernel kills this process when the one that started it is gone (Linux; prctl(2)).

    A parent that ends in an orderly way ends its children itself; this is for ``kill -9``.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
