"""Half a load is shown as what it is, and nothing works on it: it has no index and no foreign key."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

PARTS = "select to_regclass('pgvitals.loaded_part') is not null"
HALF = "half a load of practice ("


@pytest.fixture
def half(fresh):
    """A lab whose load was interrupted."""
    assert fresh.typed("up", "--postgres", "embedded").returncode == 0
    loading = fresh.start("pgvitals", "load", "--profile", "small", "--system", "practice", "--jobs", "1")
    while fresh.typed("psql", "-XAtc", PARTS).stdout != "t\n":
        assert loading.poll() is None, loading.communicate()[1]
        time.sleep(0.01)
    os.killpg(loading.pid, signal.SIGINT)
    said = loading.communicate()[1]
    yield fresh, loading.returncode, said
    assert fresh.typed("down").returncode == 0


def test_half_a_load_is_shown_and_nothing_works_on_it(half) -> None:
    shell, code, said = half
    assert code == 130, said
    (told,) = json.loads(shell.typed("status", "--json").stdout)["labs"]
    assert told["profile"] is None
    assert [each.startswith(HALF) for each in told["unfinished"]] == [True]
    assert "half a load of practice" in " ".join(shell.typed("status").stdout.split())
    for words in (
        ("pgvitals", "bench", "--system", "practice"),
        ("pytest", "bench/test_lookups.py", "-p", "no:cacheprovider"),
        ("locust", "-f", "loadtests/locustfile.py", "--headless", "-t", "1s"),
    ):
        done = shell(*words)
        assert done.returncode == 2 or (words[0] == "locust" and done.returncode), done.stderr
        both = " ".join((done.stdout + done.stderr).split())
        assert HALF in both
        assert "`pgvitals load --profile small` goes on" in both
        assert "Traceback" not in both
