"""`bench --as-is`: it is written down, and runs with and without it are not taken for the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pgvitals.report.run_conditions import conditions_key, differences
from pgvitals.request import Request
from pgvitals.results.records import RunInfo
from pgvitals.suite import find_suite
from pgvitals.terminal import Terminal


@pytest.fixture
def request_() -> Request:
    """`pgvitals bench` on the repository's own suite."""
    suite = find_suite(Path(__file__).parent)
    return Request(
        suite=suite,
        asked_profile="smoke",
        asked_seed=None,
        systems=suite.select(None),
        postgres="auto",
        command="pgvitals bench",
        out=None,
        terminal=Terminal(quiet=True),
    )


def info(request: Request) -> RunInfo:
    return RunInfo(
        name="run",
        started_utc="2025-10-01T10:15:00Z",
        command="pgvitals bench",
        config=request.config(),
        phases={},
        durations_s={},
        versions={},
        git_revision=None,
    )


def test_a_run_says_that_tables_were_measured_as_they_stood(request_: Request) -> None:
    assert "as_is" not in request_.config()
    assert replace(request_, as_is=True).config()["as_is"] is True


def test_runs_with_and_without_it_are_of_other_conditions(request_: Request) -> None:
    rested, standing = info(request_), info(replace(request_, as_is=True))
    assert conditions_key(rested) != conditions_key(standing)
    (named,) = differences(rested, standing)
    assert (named.what, named.voids) == ("tables before measuring", False)
    assert (named.before, named.after) == ("vacuumed and analyzed", "as it stood")
    assert differences(standing, standing) == ()
