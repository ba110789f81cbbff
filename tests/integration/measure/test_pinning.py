"""Client and backends on one core, and what others took of it."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pgvitals.lab import Database
from pgvitals.measure.noise import NoiseProbe
from pgvitals.measure.pinning import one_core

RNG = np.random.default_rng(1)


def test_client_and_backends_share_a_core_and_the_client_is_free_again_after_it(shared: Database) -> None:
    before = os.sched_getaffinity(0)
    with shared.connect() as one, shared.connect() as other:
        with one_core(RNG) as core:
            assert not core.shared
            assert core.mark() is None
            assert core.join(one)
            assert core.join(other)
            for process in (0, one.info.backend_pid, other.info.backend_pid):
                assert os.sched_getaffinity(process) == {core.number}
            mark, probe = core.mark(), NoiseProbe(core)
            one.execute("select sum(i) from generate_series(1, 100000) i")
            seen, taken = probe.read().cpu_pressure, core.taken(mark)
        assert os.sched_getaffinity(0) == before
    assert taken is not None
    assert 0 <= taken <= 1
    assert seen is not None
    assert 0 <= seen <= 1


@pytest.mark.parametrize(("host", "pid"), [("127.0.0.1", 1), ("/run/elsewhere", 1), ("/run/elsewhere", 2**22 + 1)])
def test_a_backend_that_is_none_of_ours_is_left_alone_and_so_are_we(host: str, pid: int, shared: Database) -> None:
    """Behind TCP it may be on another machine, behind a socket in a container: the number is another process's here."""
    before = os.sched_getaffinity(0)
    stranger: Any = SimpleNamespace(info=SimpleNamespace(host=host, backend_pid=pid))
    with one_core(RNG) as core, shared.connect() as ours:
        assert not core.join(stranger)
        assert not core.join(ours)
        assert core.mark() is None
        assert core.taken(None) is None
        assert os.sched_getaffinity(0) == before
