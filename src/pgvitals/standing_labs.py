"""What `pgvitals status` tells: the lab servers of this user and what they hold."""

from __future__ import annotations

from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from pgvitals import terminal
from pgvitals.dataset import ledger
from pgvitals.dataset.stored import recall
from pgvitals.errors import LabError
from pgvitals.lab import Database
from pgvitals.lab.reap import reap
from pgvitals.lab.state import State, all_states
from pgvitals.report.wording import size


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """One server that is up."""

    id: str
    kind: str
    suite: str
    stays: bool  # until `pgvitals down`; otherwise it belongs to a command that is running
    answers: bool
    database: str | None
    size_bytes: int | None
    profile: str | None
    rows: int | None
    unfinished: tuple[str, ...]
    """Of each system that is loaded in part: that it is, and how much of it."""


def describe() -> list[Lab]:
    """Every lab server of this user, after ending what killed runs left."""
    reap()
    return [_lab(state) for state in all_states()]


def table(labs: list[Lab]) -> Table | str:
    """The labs, one a line, or a line that there is none."""
    if not labs:
        return "no lab server is up; `pgvitals up` starts one"
    rows = [
        (
            lab.id,
            lab.kind,
            "up" if lab.answers else "[red]does not answer[/]",
            "until `down`" if lab.stays else "while its command runs",
            _held(lab),
            size(lab.size_bytes),
            escape(lab.suite),
        )
        for lab in labs
    ]
    headings = ("server", "kind", "state", "stays", "dataset", "size", "suite")
    return terminal.table("Lab servers", [(heading, "left") for heading in headings], rows)


def _held(lab: Lab) -> str:
    whole = [escape(f"{lab.profile}, {lab.rows:,} rows")] if lab.profile and lab.rows is not None else []
    return "\n".join([*whole, *(f"[yellow]{escape(each)}[/]" for each in lab.unfinished)]) or "empty"


def _lab(state: State) -> Lab:
    answers, size_bytes, dataset, halves = False, None, None, list[ledger.Half]()
    if state.lab_database:
        try:
            with Database(params=state.params, name=state.lab_database).connect() as conn:
                row = conn.execute("select pg_database_size(current_database())").fetchone()
                answers, size_bytes = True, int(row[0]) if row else None
                dataset, halves = recall(conn), ledger.halves(conn)
        except LabError:
            answers = False
    return Lab(
        id=state.id,
        kind=state.kind,
        suite=state.suite,
        stays=state.persistent,
        answers=answers,
        database=state.lab_database,
        size_bytes=size_bytes,
        profile=dataset.profile if dataset else None,
        rows=sum(each.rows for each in dataset.tables) if dataset else None,
        unfinished=tuple(map(str, halves)),
    )
