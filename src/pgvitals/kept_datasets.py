"""The kept datasets of this user, in labs that are up and parked: what there are, and how to be rid of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from rich.markup import escape
from rich.table import Table

from pgvitals import terminal
from pgvitals.errors import LabError
from pgvitals.lab import kept, parked
from pgvitals.lab.attach import server_of
from pgvitals.lab.kept import Kept
from pgvitals.lab.reap import reap
from pgvitals.lab.state import State, all_states
from pgvitals.report.wording import plural, size


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDataset:
    """One kept dataset and where it is."""

    server: str  # id of the lab server or of the parked cluster
    parked: bool
    suite: str
    profile: str
    seed: int
    revisions: dict[str, str]
    rows: int
    size_bytes: int
    load_s: float
    made_utc: str
    used_utc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What was removed, or with ``dry_run`` would be; ``size_bytes`` counts whole clusters where they go."""

    removed: tuple[KeptDataset, ...]
    size_bytes: int
    dry_run: bool


def describe() -> list[KeptDataset]:
    """Every kept dataset of this user, those of labs that are up first."""
    found = []
    for state in all_states():
        try:
            found += [_record(state.id, state.suite, each) for each in _on(state)]
        except (LabError, psycopg.Error):
            continue  # the table of labs says that it does not answer
    return found + [each for cluster in parked.all_parked() for each in _records(cluster)]


def clean(root: str | None, say: Callable[[str], None], *, dry_run: bool) -> Cleaned:
    """Remove kept datasets, of the suite at ``root`` or of all; ``say`` is told what stays, and why.

    A lab that is up goes on, with its own database as it is. What a running command's server keeps stays.
    """
    reap()
    removed: list[KeptDataset] = []
    size_bytes = 0
    for state in all_states():
        if root in (None, state.suite):
            here = _clean_lab(state, say, dry_run=dry_run)
            removed += here
            size_bytes += sum(each.size_bytes for each in here)
    for cluster in parked.all_parked():
        if root not in (None, cluster.suite):
            continue
        if dry_run or parked.remove(cluster):
            removed += _records(cluster)
            size_bytes += cluster.size_bytes
        else:
            say(f"parked cluster {cluster.id} is in use by another command by now; what it keeps stays")
    if not dry_run:
        parked.prune()
    return Cleaned(removed=tuple(removed), size_bytes=size_bytes, dry_run=dry_run)


def tables(found: Sequence[KeptDataset]) -> list[Table | str]:
    """One table a suite, and a line on how to be rid of them; nothing for nothing."""
    if not found:
        return []
    suites = list(dict.fromkeys(each.suite for each in found))
    total = size(sum(each.size_bytes for each in found))
    limit = size(kept.limit_bytes())
    return [
        *(_table(suite, [each for each in found if each.suite == suite]) for suite in suites),
        f"{plural(len(found), 'dataset')}, {total}; `pgvitals clean` removes them. "
        f"{kept.LIMIT_VARIABLE} limits what is kept, now to {limit}.",
    ]


def _table(suite: str, found: Sequence[KeptDataset]) -> Table:
    rows = [
        (
            escape(each.profile),
            str(each.seed),
            f"{each.rows:,}",
            size(each.size_bytes),
            _age(each.made_utc),
            f"{'parked' if each.parked else 'up'} {each.server}",
            escape("\n".join(f"{system} at {revision}" for system, revision in each.revisions.items())),
        )
        for each in found
    ]
    headings = [("profile", "left"), ("seed", "right"), ("rows", "right"), ("size", "right"), ("loaded", "right")]
    return terminal.table(
        f"Kept datasets of {suite}", [*headings, ("server", "left"), ("systems at revisions", "left")], rows
    )


def _age(iso: str) -> str:
    """How long ago, in its largest unit."""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(iso)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit} ago"
    return "just now"


def _clean_lab(state: State, say: Callable[[str], None], *, dry_run: bool) -> list[KeptDataset]:
    what = f"{state.kind} server {state.id}"
    removed = []
    try:
        here = _on(state)
        if here and not state.persistent:
            say(f"{what} belongs to a command that is running; what it keeps stays")
            return []
        for each in here:
            if not dry_run:
                kept.drop(server_of(state), each)
            removed.append(_record(state.id, state.suite, each))
    except (LabError, psycopg.Error):
        say(f"{what} does not answer; what it keeps stays")
    return removed


def _on(state: State) -> list[Kept]:
    if not any(name.startswith(kept.PREFIX) for name in state.databases):
        return []
    with server_of(state).maintenance() as conn:
        return kept.all_kept(conn, state.databases)


def _records(cluster: parked.Parked) -> list[KeptDataset]:
    return [_record(cluster.id, cluster.suite, each, parked=True) for each in cluster.datasets]


def _record(server: str, suite: str, each: Kept, *, parked: bool = False) -> KeptDataset:
    return KeptDataset(
        server=server,
        parked=parked,
        suite=suite,
        profile=each.label.profile,
        seed=each.label.seed,
        revisions=each.label.revisions,
        rows=each.rows,
        size_bytes=each.size_bytes,
        load_s=each.load_s,
        made_utc=each.made_utc,
        used_utc=each.used_utc,
    )
