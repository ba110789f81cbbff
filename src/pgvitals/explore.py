"""What a notebook starts from: the run it shows, and the lab for those who want to ask more."""

from __future__ import annotations

import html
import os

import pandas as pd

from pgvitals.lab import attach
from pgvitals.report.fact_review import LOUD, expected_of, value_of
from pgvitals.report.wording import count
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


def facts_about(run: Run, *about: str) -> pd.DataFrame:
    """What the systems claim about some part of their rows, and what the rows say; with no part named, all of it.

    Columns: outcome, system, about, fact, value, expected, of (how many things the value is computed from). Without
    rows where the run's systems claim nothing about that.
    """
    order = {name: number for number, name in enumerate(about)}
    chosen = [fact for fact in run.facts if not about or fact.about in about]
    chosen.sort(key=lambda fact: (fact.system, order.get(fact.about, 0)))
    return pd.DataFrame(
        {
            "outcome": [fact.outcome.value for fact in chosen],
            "system": [fact.system for fact in chosen],
            "about": [fact.about for fact in chosen],
            "fact": [fact.title + (f" ({fact.reason})" if fact.value is None else "") for fact in chosen],
            "value": [value_of(fact) for fact in chosen],
            "expected": [expected_of(fact) for fact in chosen],
            "of": [count(fact.n) for fact in chosen],
        }
    )


class FactTable:
    """Facts as a notebook shows them: what does not hold is marked, and no facts are a sentence."""

    def __init__(self, facts: pd.DataFrame, empty: str) -> None:
        self.facts = facts
        self.empty = empty

    def _repr_html_(self) -> str:
        if self.facts.empty:
            return f"<p>{html.escape(self.empty)}</p>"
        style = self.facts.style.hide(axis="index").format(escape="html").map(_marked, subset=["outcome"])
        style = style.set_table_styles([{"selector": "th, td", "props": "text-align: left"}])
        narrow = [name for name in self.facts if name != "fact"]
        return style.set_properties(subset=narrow, **{"white-space": "nowrap"}).to_html()

    def __repr__(self) -> str:
        return self.empty if self.facts.empty else self.facts.to_string(index=False)


def show_facts(run: Run, *about: str) -> FactTable:
    """The facts about some part of the rows as a table for a notebook; see :func:`facts_about`."""
    found = facts_about(run, *about)
    if len(about) == 1:
        found = found.drop(columns="about")
    return FactTable(found, f"The systems of this run claim nothing about {', '.join(about) or 'their rows'}.")


def show_broken_facts(run: Run) -> FactTable:
    """The facts that do not hold or could not be asked, as a table for a notebook."""
    found = facts_about(run)
    return FactTable(found[found["outcome"].isin([outcome.value for outcome in LOUD])], "No fact fails.")


def _marked(outcome: object) -> str:
    return "font-weight: bold; color: #bf3f0c" if outcome in LOUD else ""


def ask(statement: str, role: str | None = None) -> pd.DataFrame:
    """The answer of the lab that is up (`pgvitals up`), in a read-only session, as ``role`` if given.

    Raises:
        LabError: no lab is up.
    """
    with attach(find_suite()).connect(role, default_transaction_read_only="on") as conn:
        cursor = conn.execute(statement)
        return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])
