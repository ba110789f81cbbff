"""Which queries run at a revision: the branch of each system, and the limits that query files name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pgvitals.errors import QueryHeaderError, SuiteError
from pgvitals.lab.database import Database
from pgvitals.lab.migrate import current, script
from pgvitals.query import Query
from pgvitals.suite import Suite
from pgvitals.system import System
from pgvitals.terminal import Terminal


class Limited(Protocol):
    """A file of a system that is for some revisions only: from ``since`` to ``until``, both included."""

    @property
    def system(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def since(self) -> str: ...
    @property
    def until(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Branches:
    """The revisions of every system, and what lies below each.

    ``of`` holds a system's revisions from base to head; ``below`` a revision's ancestors and itself.
    """

    of: Mapping[str, tuple[str, ...]]
    below: Mapping[str, frozenset[str]]

    def check(self, query: Limited, error: type[SuiteError] = QueryHeaderError) -> None:
        """Make sure that a query's (or another file's) limits are revisions of its system, in order.

        Raises:
            SuiteError: (as ``error``) a revision is unknown or another system's, or none lies between the limits.
        """
        known = self.of.get(query.system, ())
        for key, revision in (("since", query.since), ("until", query.until)):
            if revision and revision not in known:
                there_are = ", ".join(known) or "no revision at all"
                raise error(
                    f"{query.path}: {key!r} names revision {revision!r}; system {query.system!r} has: {there_are}"
                )
        if query.since and query.until and query.since not in self.below[query.until]:
            raise error(f"{query.path}: 'since' {query.since} does not come before 'until' {query.until}")

    def obstacle(self, query: Limited, revision: str) -> str:
        """Why a query does not run at a revision of its system, as its header has it; empty if it does."""
        if query.since and query.since not in self.below[revision]:
            return f"since {query.since}"
        if query.until and revision not in self.below[query.until]:
            return f"until {query.until}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The queries that run somewhere, and ``system/name`` -> why of those that do not."""

    queries: tuple[Query, ...]
    left_out: dict[str, str]


def read_branches(suite: Suite) -> Branches:
    """The suite's revisions, from its migration files; models are not loaded.

    Raises:
        MigrationError: the suite has no ``[tool.alembic]`` table, or a revision file that cannot be used.
    """
    of: dict[str, list[str]] = {}
    below: dict[str, frozenset[str]] = {}
    for each in reversed(list(script(suite).walk_revisions())):  # parents first
        above = each.down_revision or ()
        parents = (above,) if isinstance(above, str) else tuple(above)
        below[each.revision] = frozenset([each.revision]).union(*(below[parent] for parent in parents))
        for label in each.branch_labels:
            of.setdefault(label, []).append(each.revision)
    return Branches(of={name: tuple(revisions) for name, revisions in of.items()}, below=below)


def queries_at(suite: Suite, database: Database, systems: Iterable[System]) -> Choice:
    """The queries of ``systems`` that run at the revisions where a database stands.

    Raises:
        QueryHeaderError: a query names a revision that its system does not have.
        MigrationError: the database stands at a revision that the suite does not have.
    """
    queries = suite.queries_of(tuple(systems))
    limited = any(query.since or query.until for query in queries)
    return choose(suite, queries, current(suite, database) if limited else {})


def tell_left_out(terminal: Terminal, left_out: Mapping[str, str]) -> None:
    """One line about the queries that are not for this revision, if there are any."""
    if left_out:
        names = ", ".join(f"{name} ({why})" for name, why in left_out.items())
        terminal.say(f"not at this revision: {names}")


def choose(suite: Suite, queries: Sequence[Query], revisions: Mapping[str, str]) -> Choice:
    """Those of ``queries`` that run at ``revisions`` (system -> revision).

    A system that has no revision there keeps its queries: that it was never migrated is said where they run.
    """
    left_out = {}
    for query in queries:
        revision = revisions.get(query.system)
        if revision and (why := suite.branches.obstacle(query, revision)):
            left_out[query.key] = why
    return Choice(queries=tuple(query for query in queries if query.key not in left_out), left_out=left_out)
