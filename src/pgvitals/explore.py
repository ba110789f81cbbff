"""What a notebook starts from: the run it shows, and the lab for those who want to ask more."""

from __future__ import annotations

import os

import pandas as pd

from pgvitals.errors import ResultsError
from pgvitals.lab import attach
from pgvitals.results.rundir import Run
from pgvitals.results.rundir import load_run as load_run_from
from pgvitals.suite import find_suite


def load_run(name: str = "latest") -> Run:
    """A run by directory or name; ``latest`` is the newest one with measured lookups.

    While the main job executes the notebooks, ``latest`` is its own run (``PGVITALS_RUN``).

    Raises:
        ResultsError: there is no such run.
    """
    if name != "latest":
        return load_run_from(name, find_suite().reports)
    if handed := os.environ.get("PGVITALS_RUN"):
        return load_run_from(handed)
    reports = find_suite().reports
    measured = sorted((reports / "runs").glob("[!.]*/latency.json"), key=lambda path: path.stat().st_mtime)
    if not measured:
        raise ResultsError(f"{reports / 'runs'}: no run has measured lookups yet; `pgvitals bench` makes one")
    return load_run_from(measured[-1].parent)


def query(statement: str, role: str | None = None) -> pd.DataFrame:
    """Ask the lab that is up (`pgvitals up`), in a read-only session, as ``role`` if given.

    Raises:
        LabError: no lab is up.
    """
    with attach(find_suite()).connect(role, default_transaction_read_only="on") as conn:
        cursor = conn.execute(statement)
        return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])
