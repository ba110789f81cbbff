"""What a notebook starts from: the run it shows, and the lab for those who want to ask more."""

from __future__ import annotations

import os

import pandas as pd

from pgvitals.lab import attach
from pgvitals.results.rundir import Run, latest_measured
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
    return load_run_from(latest_measured(find_suite().reports))


def ask(statement: str, role: str | None = None) -> pd.DataFrame:
    """The answer of the lab that is up (`pgvitals up`), in a read-only session, as ``role`` if given.

    Raises:
        LabError: no lab is up.
    """
    with attach(find_suite()).connect(role, default_transaction_read_only="on") as conn:
        cursor = conn.execute(statement)
        return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])
