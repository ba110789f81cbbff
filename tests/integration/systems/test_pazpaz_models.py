"""pazpaz's models at the head: sealed attributes, relationships, and a workspace that the application makes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload, sessionmaker

from pgvitals.encryption import KeyRing, LocalKeys, blind_index, fetch_from, key_context, lab_provider, random_key
from pgvitals.lab import Database
from pgvitals.lab.migrate import upgrade
from pgvitals.suite import Suite, load_module

KEYS = "pazpaz.workspace_keys"
SETTING = "app.current_workspace_id"
START = dt.datetime(2030, 1, 7, 9, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


@pytest.fixture(scope="module")
def models(suite: Suite) -> ModuleType:
    return load_module(suite.system("pazpaz").folder / "models.py", "pazpaz_models")


@pytest.fixture
def application(suite: Suite, database: Database) -> Iterator[sessionmaker[Session]]:
    """Sessions as the application's role, with its key ring."""
    upgrade(suite, database, "pazpaz@head")
    engine = database.engine("pazpaz_app")
    ring = KeyRing(lab_provider(), fetch_from(engine, KEYS, setting=SETTING))
    yield sessionmaker(engine, info={"key_ring": ring})
    engine.dispose()


def enter(session: Session, workspace: UUID) -> None:
    """Work for a workspace until the transaction ends."""
    session.execute(sa.select(sa.func.set_config(SETTING, str(workspace), True)))


def found(session: Session, models: ModuleType, workspace: UUID) -> Any:
    """A workspace with its keys, one client and her visit, made by the application itself."""
    enter(session, workspace)
    provider = lab_provider()
    assert isinstance(provider, LocalKeys)
    session.add(
        models.Workspace(
            id=workspace,
            name="practice",
            keys=[
                models.WorkspaceKey(
                    purpose=purpose,
                    version=1,
                    kek_id=provider.kek_id,
                    wrapped_key=provider.wrap(random_key(), key_context(str(workspace), purpose, 1)),
                )
                for purpose in ("data", "index")
            ],
            users=[models.User(email="p@example.org", full_name="Practitioner")],
        )
    )
    session.flush()
    practitioner = session.scalars(sa.select(models.User)).one()
    client = models.Client(workspace_id=workspace, first_name="Ada", last_name="Lovelace", email="Ada@example.org")
    client.date_of_birth = dt.date(1985, 12, 10)
    for number in range(3):
        visit = models.Appointment(
            workspace_id=workspace,
            practitioner=practitioner,
            scheduled_start=START + number * HOUR,
            scheduled_end=START + (number + 1) * HOUR,
            location_type="clinic",
            notes=f"visit {number}",
        )
        client.appointments.append(visit)
    client.sessions.append(
        models.Session(
            workspace_id=workspace,
            session_date=START,
            subjective="slept badly",
            plan="rest",
            versions=[
                models.SessionVersion(workspace_id=workspace, version_number=n, plan=f"plan {n}") for n in (2, 1)
            ],
            attachments=[
                models.SessionAttachment(
                    workspace_id=workspace, file_name="a.pdf", file_type="pdf", file_size_bytes=1, s3_key="a"
                )
            ],
        )
    )
    session.add(client)
    session.flush()
    return client


def test_the_application_makes_a_workspace_and_reads_back_what_it_sealed(
    application: sessionmaker[Session], models: ModuleType
) -> None:
    workspace = uuid4()
    with application.begin() as session:
        found(session, models, workspace)
    with application.begin() as session:
        enter(session, workspace)
        client = session.scalars(sa.select(models.Client)).one()
        assert client.full_name == "Ada Lovelace"
        assert client.date_of_birth == dt.date(1985, 12, 10)
        assert [visit.notes for visit in client.appointments] == ["visit 0", "visit 1", "visit 2"]
        (treated,) = client.sessions
        assert (treated.subjective, treated.objective, treated.plan) == ("slept badly", None, "rest")
        assert [version.plan for version in treated.versions] == ["plan 1", "plan 2"]
        assert [attached.file_name for attached in treated.attachments] == ["a.pdf"]
        events = session.scalars(sa.select(models.AuditEvent)).all()
        assert {event.workspace_ref for event in events} == {workspace}
        assert {event.event_type for event in events} >= {"workspaces.insert", "clients.insert", "sessions.insert"}


def test_a_client_is_found_by_the_blind_index_of_her_email(
    application: sessionmaker[Session], models: ModuleType
) -> None:
    workspace = uuid4()
    with application.begin() as session:
        client = found(session, models, workspace)
        ring: KeyRing = session.info["key_ring"]
        index = blind_index(ring.index_key(str(workspace)), "ADA@example.org ")
        by_email = sa.select(models.Client.id).where(
            models.Client.workspace_id == workspace, models.Client.email_index == index
        )
        assert session.scalars(by_email).all() == [client.id]


def statements_for(session: Session, workspace: UUID, appointments: sa.Select[Any]) -> int:
    """How many statements it takes to read the appointments and each one's client."""
    enter(session, workspace)
    statements: list[str] = []
    sa.event.listen(session.connection(), "before_cursor_execute", lambda *args: statements.append(args[2]))
    for visit in session.scalars(appointments):
        assert visit.client.workspace_id == workspace
    return len(statements)


def test_clients_of_appointments_come_one_by_one_or_all_at_once(
    application: sessionmaker[Session], models: ModuleType
) -> None:
    workspace, visits = uuid4(), sa.select(models.Appointment)
    with application.begin() as session:
        for visit in found(session, models, workspace).appointments[1:]:
            visit.client = models.Client(workspace_id=workspace, first_name="Another", last_name="Client")
    with application.begin() as session:
        assert statements_for(session, workspace, visits) == 1 + 3
    with application.begin() as session:
        assert statements_for(session, workspace, visits.options(selectinload(models.Appointment.client))) == 2


@pytest.mark.parametrize("days", [-60_000, 2])
def test_a_date_of_birth_that_cannot_be_is_refused_by_the_model(models: ModuleType, days: int) -> None:
    born = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=days)
    with pytest.raises(ValueError, match="a date of birth lies between 1900-01-01 and today") as refused:
        models.Client(date_of_birth=born)
    assert str(born) not in str(refused.value)


def test_a_date_of_birth_of_today_or_none_is_fine(models: ModuleType) -> None:
    models.Client(date_of_birth=dt.datetime.now(dt.UTC).date())
    models.Client(date_of_birth=None)


def test_a_workspace_goes_as_a_whole_whatever_of_it_is_loaded(
    application: sessionmaker[Session], models: ModuleType
) -> None:
    workspace = uuid4()
    with application.begin() as session:
        found(session, models, workspace)
    with application.begin() as session:
        enter(session, workspace)
        loaded = session.get_one(models.Workspace, workspace, options=[selectinload(models.Workspace.clients)])
        assert [len(client.appointments) for client in loaded.clients] == [3]
        session.delete(loaded)
    with application() as session:
        enter(session, workspace)
        tables = (models.Workspace, models.Client, models.Appointment)
        assert [session.scalars(sa.select(each)).all() for each in tables] == [[], [], []]


def test_what_has_to_be_kept_is_deleted_neither_by_itself_nor_by_way_of_a_list(
    application: sessionmaker[Session], models: ModuleType
) -> None:
    workspace = uuid4()
    with application.begin() as session:
        found(session, models, workspace)
    with application() as session:
        enter(session, workspace)
        client = session.scalars(sa.select(models.Client)).one()
        visits = len(client.appointments)
        session.delete(client)
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied for table clients"):
            session.flush()
    with application() as session:
        enter(session, workspace)
        client = session.scalars(sa.select(models.Client)).one()
        client.appointments.pop()
        with pytest.raises(sa.exc.IntegrityError, match="client_id"):
            session.flush()
    with application() as session:
        enter(session, workspace)
        assert len(session.scalars(sa.select(models.Client)).one().appointments) == visits
