"""A rotation of a whole workspace: everything that its models declare as sealed, as the application's role."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from pgvitals.encryption import (
    KeyRing,
    LocalKeys,
    fetch_from,
    key_context,
    random_key,
    rotate,
    sealed_table,
    sealed_tables,
)
from pgvitals.errors import RotationError
from pgvitals.lab import Database
from pgvitals.lab.migrate import upgrade
from pgvitals.suite import Suite, load_module

KEYS = "pazpaz.workspace_keys"
SETTING = "app.current_workspace_id"
PROVIDER = LocalKeys({"kek": bytes(range(32))})
MORNING = dt.datetime(2030, 1, 7, 9, tzinfo=dt.UTC)
BIRTH = dt.date(1980, 2, 29)
OTHER_BYTES = {("workspace_keys", "wrapped_key"), ("clients", "email_index")}
Texts = dict[tuple[str, str], Any]


@pytest.fixture(scope="module")
def models(suite: Suite) -> ModuleType:
    return load_module(suite.system("pazpaz").folder / "models.py", "pazpaz_models")


@pytest.fixture
def application(suite: Suite, database: Database) -> Iterator[sessionmaker[Session]]:
    """Sessions as the application's role, with its key ring."""
    upgrade(suite, database, "pazpaz@head")
    engine = database.engine("pazpaz_app")
    ring = KeyRing(PROVIDER, fetch_from(engine, KEYS, setting=SETTING))
    yield sessionmaker(engine, info={"key_ring": ring})
    engine.dispose()


def enter(session: Session, workspace: UUID) -> None:
    """Work for a workspace until the transaction ends."""
    session.execute(sa.select(sa.func.set_config(SETTING, str(workspace), True)))


def attributes(models: ModuleType, table: str) -> tuple[type, tuple[str, ...]]:
    """A sealed table's model, and the names of its sealed attributes."""
    model = next(each.class_ for each in models.Base.registry.mappers if each.local_table.name == table)
    return model, sealed_table(model).columns


def sealed(models: ModuleType, table: str) -> dict[str, Any]:
    """A value for each sealed attribute, not the same in any two."""
    _, columns = attributes(models, table)
    return {column: BIRTH if column == "date_of_birth" else f"{table} {column} é" for column in columns}


def fill(session: Session, models: ModuleType, workspace: UUID) -> None:
    """A workspace with its keys, and a row of each sealed table in which nothing is empty."""
    enter(session, workspace)
    keys = [
        models.WorkspaceKey(
            purpose=purpose,
            version=1,
            kek_id=PROVIDER.kek_id,
            wrapped_key=PROVIDER.wrap(random_key(), key_context(str(workspace), purpose, 1)),
        )
        for purpose in ("data", "index")
    ]
    session.add(models.Workspace(id=workspace, name="practice", keys=keys))
    session.flush()
    of: dict[str, Any] = {"workspace_id": workspace}
    client = models.Client(**of, **sealed(models, "clients"))
    session.add(client)
    session.flush()
    of |= {"client_id": client.id}
    visit = {"scheduled_start": MORNING, "scheduled_end": MORNING + dt.timedelta(hours=1), "location_type": "clinic"}
    session.add(models.Appointment(**of, **visit, **sealed(models, "appointments")))
    version = models.SessionVersion(workspace_id=workspace, version_number=1, **sealed(models, "session_versions"))
    session.add(models.Session(**of, session_date=MORNING, versions=[version], **sealed(models, "sessions")))


def read(session: Session, models: ModuleType, workspace: UUID) -> tuple[Texts, set[int]]:
    """What every sealed attribute holds, opened, and the key versions that they carry."""
    enter(session, workspace)
    texts: Texts = {}
    versions = set()
    for table in sealed_tables(models.Base):
        name = table.name.rpartition(".")[2]
        model, columns = attributes(models, name)
        row = session.scalars(sa.select(model)).one()
        for column in columns:
            texts[name, column] = getattr(row, column)
            versions.add(getattr(row, f"{column}_sealed").version)
    return texts, versions


def test_the_models_declare_every_column_of_bytes_that_is_sealed(
    application: sessionmaker[Session], models: ModuleType
) -> None:
    with application() as session:
        found = session.execute(
            sa.text(
                "select table_name, column_name from information_schema.columns "
                "where table_schema = 'pazpaz' and data_type = 'bytea'"
            )
        ).all()
    declared = {(each.name, column) for each in sealed_tables(models.Base) for column in each.columns}
    assert {(f"pazpaz.{table}", column) for table, column in found if (table, column) not in OTHER_BYTES} == declared


def test_a_rotation_leaves_nothing_of_a_workspace_out(
    application: sessionmaker[Session], models: ModuleType, database: Database
) -> None:
    workspaces = uuid4(), uuid4()
    for workspace in workspaces:
        with application.begin() as session:
            fill(session, models, workspace)
    with application() as session:
        texts, versions = read(session, models, workspaces[0])
    assert versions == {1}
    assert len(texts) == 19
    assert all(texts.values())
    tables = sealed_tables(models.Base)
    with database.connect(role="pazpaz_app") as conn:
        how: dict[str, Any] = {"provider": PROVIDER, "key_table": KEYS, "setting": SETTING, "settle_s": 0.0}
        for left_out in tables:
            given = [table for table in tables if table != left_out]
            with pytest.raises(
                RotationError, match=rf"stays live: {left_out.name}\.{left_out.columns[0]} \(1 values\)"
            ):
                rotate(conn, models.Base, tenant=str(workspaces[0]), tables=given, **how)
            with application() as session:
                assert read(session, models, workspaces[0])[0] == texts
            # Back to where it was, for the next one.
            rotate(conn, models.Base, tenant=str(workspaces[0]), **how)
        done = rotate(conn, models.Base, tenant=str(workspaces[0]), **how)
    assert (done.rows, done.resumed) == (4, False)
    for workspace, carried in ((workspaces[0], {done.version}), (workspaces[1], {1})):
        with application() as session:
            assert read(session, models, workspace) == (texts, carried)
