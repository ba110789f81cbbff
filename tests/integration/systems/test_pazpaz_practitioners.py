"""Who treats whom after the hardening of a filled database, and whose conflict a visit of nobody is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID

import psycopg
import pytest

from pgvitals.lab import Database
from pgvitals.lab.migrate import upgrade
from pgvitals.suite import Suite

Row = Callable[..., UUID]
BEFORE = "92df859932f2"
SEALED = {"first_name": b"\x01" * 40, "last_name": b"\x01" * 40}


class Workspace:
    """A workspace before the hardening."""

    def __init__(self, conn: psycopg.Connection, pazpaz_row: Row, *roles: str) -> None:
        self.conn, self.row = conn, pazpaz_row
        self.id = pazpaz_row(conn, "workspaces")
        self.users = [self.user(role, f"{n}@example.org") for n, role in enumerate(roles)]
        self.client = pazpaz_row(conn, "clients", workspace_id=self.id, **SEALED)

    def user(self, role: str, email: str) -> UUID:
        return self.row(self.conn, "users", workspace_id=self.id, role=role, email=email)

    def visit(self, start: str, end: str, status: str = "scheduled") -> UUID:
        times = {"scheduled_start": f"2030-01-07T{start}Z", "scheduled_end": f"2030-01-07T{end}Z", "status": status}
        return self.row(self.conn, "appointments", workspace_id=self.id, client_id=self.client, **times)

    def session(self, visit: UUID, author: UUID) -> None:
        of = {"workspace_id": self.id, "client_id": self.client}
        self.row(self.conn, "sessions", **of, appointment_id=visit, created_by_user_id=author)


@pytest.fixture
def workspace(suite: Suite, database: Database, pazpaz_row: Row) -> Iterator[Callable[..., Workspace]]:
    """Make a workspace with users of these roles."""
    upgrade(suite, database, BEFORE)
    with database.connect() as conn:
        yield lambda *roles: Workspace(conn, pazpaz_row, *roles)


def practitioners(suite: Suite, database: Database) -> dict[UUID, UUID | None]:
    """Visit -> its practitioner, after the hardening."""
    upgrade(suite, database, "pazpaz_hardening")
    with database.connect() as conn:
        return dict(conn.execute("select id, practitioner_id from pazpaz.appointments").fetchall())


def test_who_documented_a_visit_treated(suite: Suite, database: Database, workspace: Callable[..., Workspace]) -> None:
    here, elsewhere = workspace("owner", "practitioner", "practitioner"), workspace("practitioner", "practitioner")
    visit, other = here.visit("09:00", "10:00", "completed"), elsewhere.visit("09:00", "10:00", "completed")
    here.session(visit, here.users[2])
    elsewhere.session(other, elsewhere.users[0])
    assert practitioners(suite, database) == {visit: here.users[2], other: elsewhere.users[0]}


@pytest.mark.parametrize(
    ("roles", "who"),
    [
        (("owner", "practitioner", "assistant"), 1),
        (("owner", "assistant"), 0),
        (("owner", "practitioner", "practitioner"), None),
        (("assistant",), None),
    ],
)
def test_without_a_session_it_is_the_only_one_who_treats_there(
    suite: Suite, database: Database, workspace: Callable[..., Workspace], roles: tuple[str, ...], who: int | None
) -> None:
    here = workspace(*roles)
    visit = here.visit("09:00", "10:00")
    assert practitioners(suite, database) == {visit: None if who is None else here.users[who]}


def test_two_visits_at_once_are_left_to_people(
    suite: Suite, database: Database, workspace: Callable[..., Workspace]
) -> None:
    here = workspace("owner")
    twice = [here.visit("09:00", "10:00"), here.visit("09:30", "10:30")]
    then, cancelled = here.visit("10:30", "11:00"), here.visit("09:00", "10:00", "cancelled")
    found = practitioners(suite, database)
    assert found == {**dict.fromkeys(twice), then: here.users[0], cancelled: here.users[0]}


def test_a_visit_of_nobody_is_a_conflict_for_everybody(
    suite: Suite, database: Database, workspace: Callable[..., Workspace]
) -> None:
    here = workspace("practitioner", "practitioner")
    visit = here.visit("09:00", "10:00")
    assert practitioners(suite, database)[visit] is None
    (query,) = (each for each in suite.queries if each.name == "conflict_check_hardened")
    with database.connect(role="pazpaz_app") as conn:
        conn.execute("select set_config('app.current_workspace_id', %s, false)", (str(here.id),))
        for who in here.users:
            asked = {"workspace_id": here.id, "practitioner_id": who}
            at = [
                {"start": f"2030-01-07T{a}Z", "end": f"2030-01-07T{b}Z"}
                for a, b in (("09:30", "11:00"), ("10:00", "11:00"))
            ]
            found = [conn.execute(query.sql, asked | times).fetchall() for times in at]
            assert [[row[0] for row in rows] for rows in found] == [[visit], []]
