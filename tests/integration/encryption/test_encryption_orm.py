"""Sealed attributes of a model on a real PostgreSQL: set and read as text, stored as ciphertext of one row."""

from __future__ import annotations

import datetime as dt
import pickle
import uuid
from typing import Any

import pytest
import sqlalchemy as sa
import sqlalchemy.dialects.postgresql
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg.rows import dict_row
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    defer,
    mapped_column,
    sessionmaker,
)

from pgvitals.encryption import (
    Context,
    KeyRing,
    Sealed,
    SealedText,
    blind_index,
    encrypted_date,
    encrypted_text,
    fetch_from,
    seal,
    sealing_key,
    unseal,
)
from pgvitals.errors import (
    BrokenSealError,
    KeyRingMissingError,
    NotSealableError,
    NotSealedError,
    RetiredKeyError,
    SealFormatError,
    UnknownKeyError,
)


class Base(DeclarativeBase):
    """Of this module's tables."""

    metadata = sa.MetaData(schema="clinic")


class WithEmail:
    """A mixin may declare sealed attributes, too."""

    email = encrypted_text(nullable=True, index="email_index")


def not_in_the_future(value: dt.date) -> None:
    """A model's own rule."""
    if value.year > 2100:
        raise ValueError("a date of birth lies in the past")


class Client(WithEmail, Base):
    """Somebody."""

    __tablename__ = "clients"
    __table_args__ = (sa.UniqueConstraint("workspace_id", "email_index"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.text("gen_random_uuid()"))
    workspace_id: Mapped[uuid.UUID]
    first_name = encrypted_text()
    date_of_birth = encrypted_date(nullable=True, check=not_in_the_future)
    visits: Mapped[int] = mapped_column(server_default=sa.text("0"))


class Remark(Base):
    """Names its tenant differently, and has a key that is no UUID."""

    __tablename__ = "remarks"
    __tenant_attribute__ = "practice"

    number: Mapped[int] = mapped_column("id", sa.BigInteger, primary_key=True, autoincrement=False)
    practice: Mapped[uuid.UUID] = mapped_column("workspace_id")
    body = encrypted_text(nullable=True)


@pytest.fixture
def ring(clinic) -> KeyRing:
    return clinic.ring()


@pytest.fixture
def sessions(clinic, ring) -> sessionmaker[Session]:
    return sessionmaker(clinic.engine(clinic.one), info={"key_ring": ring})


@pytest.fixture
def ada(clinic, sessions) -> uuid.UUID:
    """The id of a stored client."""
    with sessions.begin() as session:
        client = Client(
            workspace_id=uuid.UUID(clinic.one),
            first_name="Ada",
            email="Ada@Example.com",
            date_of_birth=dt.date(1815, 12, 10),
        )
        session.add(client)
        session.flush()
        return client.id


def stored(clinic, row: object) -> dict[str, Any]:
    """What the database holds of a client."""
    with clinic.connect(clinic.one) as conn, conn.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute("select * from clinic.clients where id = %s", (row,)).fetchone()
    assert found is not None
    return found


def here(clinic, column: str, row: object, table: str = "clients") -> Context:
    """Where a value of the first tenant belongs."""
    return Context(clinic.one, table, column, str(row))


def test_a_row_is_stored_sealed_and_read_as_text(clinic, ring, sessions, ada):
    found = stored(clinic, ada)
    for column, text in (("first_name", "Ada"), ("email", "Ada@Example.com"), ("date_of_birth", "1815-12-10")):
        assert text.encode() not in found[column]
        assert unseal(ring.opener(clinic.one), found[column], here(clinic, column, ada)) == text
    assert found["email_index"] == blind_index(ring.index_key(clinic.one), "ada@example.com")
    with sessions() as session:
        client = session.get_one(Client, ada)
        assert (client.first_name, client.email, client.date_of_birth) == (
            "Ada",
            "Ada@Example.com",
            dt.date(1815, 12, 10),
        )


def test_values_are_readable_before_they_are_sealed():
    client = Client(first_name="Ada", date_of_birth=dt.date(1815, 12, 10))
    assert (client.first_name, client.email, client.date_of_birth) == ("Ada", None, dt.date(1815, 12, 10))


def test_a_given_id_stays_and_a_missing_one_is_drawn(clinic, sessions):
    mine = uuid.uuid4()
    with sessions.begin() as session:
        given = Client(id=mine, workspace_id=uuid.UUID(clinic.one), first_name="Ada")
        drawn = Client(workspace_id=uuid.UUID(clinic.one), first_name="Grace")
        session.add_all([given, drawn])
        session.flush()
        assert given.id == mine
        drawn_id = drawn.id
    with sessions() as session:
        names = {each.id: each.first_name for each in session.scalars(sa.select(Client))}
        assert names == {mine: "Ada", drawn_id: "Grace"}


def test_only_what_changed_is_sealed_again(clinic, sessions, ada):
    before = stored(clinic, ada)
    with sessions.begin() as session:
        client = session.get_one(Client, ada)
        client.first_name = "Augusta Ada"
        client.email = "Ada@Example.com"  # as it is
        client.visits = 7
    after = stored(clinic, ada)
    assert {column for column in after if after[column] != before[column]} == {"first_name", "visits"}
    with sessions() as session:
        assert session.get_one(Client, ada).first_name == "Augusta Ada"


def test_setting_the_same_text_is_no_change(sessions, ada):
    with sessions() as session:
        client = session.get_one(Client, ada)
        client.first_name = "Ada"
        client.date_of_birth = dt.date(1815, 12, 10)
        assert not session.is_modified(client)


def test_none_is_stored_as_null_and_clears_the_index(clinic, sessions, ada):
    with sessions.begin() as session:
        client = session.get_one(Client, ada)
        client.email = client.date_of_birth = None
    found = stored(clinic, ada)
    assert (found["email"], found["email_index"], found["date_of_birth"]) == (None, None, None)
    with sessions() as session:
        assert session.get_one(Client, ada).email is None


def test_a_required_text_cannot_be_none(clinic, sessions):
    with pytest.raises(sa.exc.IntegrityError, match="first_name"), sessions.begin() as session:
        session.add(Client(workspace_id=uuid.UUID(clinic.one), first_name=None))


def test_the_index_follows_the_address(clinic, ring, sessions, ada):
    with sessions.begin() as session:
        session.get_one(Client, ada).email = "countess@example.com"
    assert stored(clinic, ada)["email_index"] == blind_index(ring.index_key(clinic.one), "countess@example.com")


def test_an_index_that_is_set_by_hand_is_put_right(clinic, ring, sessions, ada):
    with sessions.begin() as session:
        session.get_one(Client, ada).email_index = bytes(32)
    assert stored(clinic, ada)["email_index"] == blind_index(ring.index_key(clinic.one), "ada@example.com")


def test_a_blank_address_has_no_index(clinic, sessions):
    with sessions.begin() as session:
        for _ in range(2):
            session.add(Client(workspace_id=uuid.UUID(clinic.one), first_name="Ada", email="  "))
    with sessions() as session:
        assert session.scalars(sa.select(Client.email_index)).all() == [None, None]
        assert {each.email for each in session.scalars(sa.select(Client))} == {"  "}


def test_a_client_is_found_by_the_index_and_the_same_address_is_refused(clinic, ring, sessions, ada):
    index = blind_index(ring.index_key(clinic.one), " ADA@example.com")
    with sessions() as session:
        assert session.scalars(sa.select(Client).where(Client.email_index == index)).one().id == ada
    with pytest.raises(sa.exc.IntegrityError, match="email_index"), sessions.begin() as session:
        session.add(Client(workspace_id=uuid.UUID(clinic.one), first_name="Eve", email="ada@EXAMPLE.com"))


def test_a_row_that_the_database_refused_can_be_corrected_and_added_again(clinic, sessions, ada):
    client = Client(workspace_id=uuid.UUID(clinic.one), first_name="Eve", email="ada@example.com")
    with pytest.raises(sa.exc.IntegrityError), sessions.begin() as session:
        session.add(client)
    client.email = "eve@example.com"
    with sessions.begin() as session:
        session.add(client)
    with sessions() as session:
        found = session.scalars(sa.select(Client).where(Client.id != ada)).one()
        assert (found.first_name, found.email) == ("Eve", "eve@example.com")


def test_a_row_that_was_refused_before_a_rotation_is_sealed_with_the_new_key_after_it(clinic, sessions, ada):
    client = Client(workspace_id=uuid.UUID(clinic.one), first_name="Eve", email="ada@example.com")
    with pytest.raises(sa.exc.IntegrityError), sessions.begin() as session:
        session.add(client)
    clinic.add_key(clinic.one, 2)
    client.email = None
    with sessions.begin() as session:
        session.add(client)
        session.flush()
        assert client.first_name_sealed.version == 2
    with sessions() as session:
        assert session.scalars(sa.select(Client).where(Client.id != ada)).one().first_name == "Eve"


def test_expired_and_refreshed_attributes_are_read_again(clinic, sessions, ada):
    with sessions() as session:
        client = session.get_one(Client, ada)
        client.first_name = "Unsaved"
        session.expire(client)
        assert client.first_name == "Ada"
        client.first_name = "Unsaved"
        session.refresh(client)
        assert client.first_name == "Ada"
        client.first_name = "Rolled back"
        session.flush()
        session.rollback()
        assert client.first_name == "Ada"


def test_a_text_survives_the_commit_that_expires_it(clinic, sessions):
    with sessions() as session:
        client = Client(workspace_id=uuid.UUID(clinic.one), first_name="Ada")
        session.add(client)
        session.commit()
        assert client.first_name == "Ada"


def test_a_detached_client_still_opens(sessions, ada):
    with sessions() as session:
        client = session.get_one(Client, ada)
        assert client.first_name == "Ada"
    assert sa.inspect(client).detached
    assert client.first_name == "Ada"
    assert client.email == "Ada@Example.com"  # was not read before


def test_a_pickled_client_carries_no_key_and_no_text(sessions, ada):
    with sessions() as session:
        client = session.get_one(Client, ada)
        assert client.first_name == "Ada"
    frozen = pickle.dumps(client)
    assert b"Ada" not in frozen
    thawed = pickle.loads(frozen)  # noqa: S301 - our own
    with pytest.raises(KeyRingMissingError):
        thawed.first_name  # noqa: B018
    with sessions() as session:
        assert session.merge(thawed, load=False).first_name == "Ada"


def test_a_merged_client_is_stored_as_changed(sessions, ada):
    with sessions() as session:
        client = session.get_one(Client, ada)
    client.first_name = "Augusta"
    with sessions.begin() as session:
        session.merge(client)
    with sessions() as session:
        assert session.get_one(Client, ada).first_name == "Augusta"


def test_selecting_the_attribute_returns_sealed_values(clinic, ring, sessions, ada):
    with sessions() as session:
        row, sealed = session.execute(sa.select(Client.id, Client.first_name)).one()
    assert isinstance(sealed, Sealed)
    assert repr(sealed) == f"Sealed(key version 1, {len('Ada') + 33} bytes)"
    assert sealed.open(ring.opener(clinic.one), here(clinic, "first_name", row)) == "Ada"


def test_a_deferred_attribute_is_loaded_when_it_is_read(sessions, ada):
    with sessions() as session:
        client = session.scalars(sa.select(Client).options(defer(Client.first_name))).one()
        assert "first_name_sealed" in sa.inspect(client).unloaded
        assert client.first_name == "Ada"


def test_nothing_is_opened_that_is_not_read(clinic, sessions, ada):
    with clinic.connect(clinic.one) as conn:
        conn.execute("update clinic.clients set email = 'never sealed'::bytea")
    with sessions() as session:
        client = session.get_one(Client, ada)
        assert client.first_name == "Ada"
        with pytest.raises(SealFormatError, match=r"^clients\.email: 12 bytes are no sealed value"):
            client.email  # noqa: B018


def test_bytes_copied_from_another_client_are_refused_and_never_read(clinic, sessions, ada):
    with sessions() as session:
        source = session.get_one(Client, ada)
        assert source.first_name == "Ada"
        eve = Client(workspace_id=uuid.UUID(clinic.one), first_name="Eve")
        session.add(eve)
        session.flush()
        eve.first_name_sealed = source.first_name_sealed
        with pytest.raises(BrokenSealError, match=r"^clients\.first_name: "):
            eve.first_name  # noqa: B018
        with pytest.raises(BrokenSealError):
            session.flush()


def test_a_text_that_waits_is_sealed_for_each_client_that_it_is_copied_to(clinic, sessions):
    one, other = (Client(workspace_id=uuid.UUID(clinic.one), first_name="Ada") for _ in range(2))
    other.first_name_sealed = one.first_name_sealed
    with sessions.begin() as session:
        session.add_all([one, other])
    with sessions() as session:
        assert [each.first_name for each in session.scalars(sa.select(Client))] == ["Ada", "Ada"]
        assert len(set(session.scalars(sa.select(Client.first_name)))) == 2


def test_bytes_moved_to_another_row_in_the_database_do_not_open(clinic, sessions, ada):
    with sessions.begin() as session:
        session.add(Client(workspace_id=uuid.UUID(clinic.one), first_name="Eve"))
    with clinic.connect(clinic.one) as conn:
        copied = "(select first_name from clinic.clients where id = %s)"
        conn.execute(f"update clinic.clients set first_name = {copied}", (ada,))
    with sessions() as session:
        eve = session.scalars(sa.select(Client).where(Client.id != ada)).one()
        assert session.get_one(Client, ada).first_name == "Ada"
        with pytest.raises(BrokenSealError):
            eve.first_name  # noqa: B018


@pytest.mark.parametrize("name", ["workspace_id", "id"])
def test_the_tenant_and_the_key_of_a_sealed_row_cannot_change(sessions, ada, name):
    with sessions() as session:
        client = session.get_one(Client, ada)
        session.expire(client)
        setattr(client, name, uuid.uuid4())
        with pytest.raises(NotSealableError, match=rf"^Client\.{name} is part of what seals the row"):
            session.flush()


def test_the_tenant_may_be_set_to_what_it_is(clinic, sessions, ada):
    with sessions.begin() as session:
        client = session.get_one(Client, ada)
        session.expire(client)
        client.workspace_id = uuid.UUID(clinic.one)
        client.first_name = "Augusta"
    with sessions() as session:
        assert session.get_one(Client, ada).first_name == "Augusta"


def test_a_row_without_a_tenant_cannot_be_sealed(sessions):
    with pytest.raises(NotSealableError, match=r"^Client\.workspace_id is not set"), sessions.begin() as session:
        session.add(Client(first_name="Ada"))


def test_the_tenant_may_have_another_name_and_the_key_another_type(clinic, ring, sessions):
    with sessions.begin() as session:
        session.add(Remark(number=5, practice=uuid.UUID(clinic.one), body="quiet"))
    with sessions() as session:
        remark = session.scalars(sa.select(Remark)).one()
        assert remark.body == "quiet"
        assert remark.body_sealed.open(ring.opener(clinic.one), here(clinic, "body", 5, "remarks")) == "quiet"


def test_a_key_that_is_no_uuid_has_to_be_given(clinic, sessions):
    with (
        pytest.raises(NotSealableError, match=r"Remark\.number must be set before the flush"),
        sessions.begin() as session,
    ):
        session.add(Remark(practice=uuid.UUID(clinic.one), body="quiet"))


@pytest.mark.parametrize("value", ["Ada", b"Ada", b"\1\0\0\0\1" + bytes(40), 5])
def test_plain_values_are_never_stored_nor_compared(clinic, sessions, ada, value):
    attempts = [
        sa.insert(Client).values(id=uuid.uuid4(), workspace_id=uuid.UUID(clinic.one), first_name=value),
        sa.update(Client).values(first_name=value),
        sa.select(Client.id).where(Client.first_name == value),
        sa.insert(Client.__table__).values(id=uuid.uuid4(), workspace_id=uuid.UUID(clinic.one), first_name=value),
    ]
    with sessions() as session:
        for attempt in attempts:
            with pytest.raises(NotSealedError, match=f"plain {type(value).__name__} was about to be stored") as refusal:
                session.execute(attempt)
            assert "Ada" not in str(refusal.value)
        client = session.get_one(Client, ada)
        client.first_name_sealed = value
        with pytest.raises(SealFormatError, match=r"set first_name"):
            client.first_name  # noqa: B018
        with pytest.raises(NotSealedError):
            session.flush()


def test_a_plain_value_as_a_literal_is_refused():
    statement = sa.select(Client.id).where(Client.first_name == "Ada")
    with pytest.raises(sa.exc.CompileError, match="Could not render"):
        statement.compile(dialect=sa.dialects.postgresql.dialect(), compile_kwargs={"literal_binds": True})


def test_a_statement_stores_what_was_sealed_before(clinic, ring, sessions):
    row = uuid.uuid4()
    with sessions.begin() as session:
        version, key = sealing_key(session.connection(), ring, clinic.one)
        value = Sealed(seal(key, version, "Ada", here(clinic, "first_name", row)))
        session.execute(sa.insert(Client).values(id=row, workspace_id=uuid.UUID(clinic.one), first_name=value))
    with sessions() as session:
        assert session.get_one(Client, row).first_name == "Ada"


def test_many_rows_are_sealed_with_one_look_at_the_keys(clinic, sessions):
    seen: list[str] = []
    engine = sessions.kw["bind"]
    sa.event.listen(engine, "before_cursor_execute", lambda conn, cursor, statement, *rest: seen.append(statement))
    with sessions.begin() as session:
        session.add_all(Client(workspace_id=uuid.UUID(clinic.one), first_name=f"Client {n}") for n in range(50))
        session.flush()
        session.add(Client(workspace_id=uuid.UUID(clinic.one), first_name="One more"))
    assert sum("pg_advisory_xact_lock_shared" in each for each in seen) == 1
    assert sum("workspace_keys" in each for each in seen) == 1


def test_a_session_without_a_key_ring_says_where_to_put_one(clinic, ada):
    with Session(clinic.engine(clinic.one)) as session:
        client = session.get_one(Client, ada)
        with pytest.raises(KeyRingMissingError, match=r"sessionmaker\(engine, info=\{'key_ring': KeyRing"):
            client.first_name  # noqa: B018
        client.first_name = "Augusta"
        with pytest.raises(KeyRingMissingError):
            session.flush()


def test_a_tenant_whose_keys_are_hidden_cannot_write(clinic):
    engine = clinic.engine(clinic.two)
    ring = KeyRing(clinic.provider, fetch_from(engine, "clinic.workspace_keys"))
    with Session(engine, info={"key_ring": ring}) as session:
        session.add(Client(workspace_id=uuid.UUID(clinic.one), first_name="Ada"))
        with pytest.raises(UnknownKeyError, match="row-level security"):
            session.flush()


def test_a_retired_key_is_a_clear_error(clinic, sessions, ada):
    clinic.add_key(clinic.one, 2)
    with clinic.connect(clinic.one) as conn:
        conn.execute("update clinic.workspace_keys set retired_at = now() where purpose = 'data' and version = 1")
    with Session(clinic.engine(clinic.one), info={"key_ring": clinic.ring()}) as session:
        client = session.get_one(Client, ada)
        with pytest.raises(RetiredKeyError, match=r"^clients\.first_name: sealed with key version 1, which is retired"):
            client.first_name  # noqa: B018
        client.first_name = "Ada again"  # what nobody can read any more can be replaced
        session.commit()
        assert client.first_name == "Ada again"


def test_what_was_read_before_a_rotation_and_opened_after_it_is_read_again(clinic, sessions, ada):
    with Session(clinic.engine(clinic.one), info={"key_ring": clinic.ring()}) as session:
        client = session.get_one(Client, ada)
        key = clinic.add_key(clinic.one, 2)
        with clinic.connect(clinic.one) as conn:
            moved = seal(key, 2, "Ada", here(clinic, "first_name", ada))
            conn.execute("update clinic.clients set first_name = %s", (moved,))
            conn.execute("update clinic.workspace_keys set retired_at = now() where purpose = 'data' and version = 1")
        assert client.first_name == "Ada"
        assert client.first_name_sealed.version == 2


def test_a_value_of_another_kind_is_refused_without_showing_it(sessions, ada):
    for name, value in (("first_name", 5), ("first_name", b"Ada"), ("date_of_birth", "1815-12-10")):
        with pytest.raises(NotSealableError, match=rf"^Client\.{name} takes (str|date), got {type(value).__name__}$"):
            Client(**{name: value})
    with pytest.raises(NotSealableError, match="got datetime"):
        Client(date_of_birth=dt.datetime(1815, 12, 10, tzinfo=dt.UTC))


def test_a_text_that_is_no_date_is_refused_without_showing_it(clinic, ring, sessions, ada):
    version, key = ring.data_key(clinic.one)
    with clinic.connect(clinic.one) as conn:
        conn.execute(
            "update clinic.clients set date_of_birth = %s",
            (seal(key, version, "christmas", here(clinic, "date_of_birth", ada)),),
        )
    with sessions() as session, pytest.raises(SealFormatError, match="what was sealed is no date") as refusal:
        session.get_one(Client, ada).date_of_birth  # noqa: B018
    assert "christmas" not in str(refusal.value)


def test_the_models_own_rule_is_asked_first():
    with pytest.raises(ValueError, match="lies in the past"):
        Client(date_of_birth=dt.date(2101, 1, 1))


def test_a_text_that_waits_is_neither_pickled_nor_printed():
    client = Client(first_name="Ada")
    with pytest.raises(NotSealedError):
        pickle.dumps(client.first_name_sealed)
    assert repr(client.first_name_sealed) == "Sealed(waiting)"


def test_a_key_ring_may_read_over_the_sessions_own_connection(clinic, ada):
    with Session(clinic.engine(clinic.one)) as session:
        session.info["key_ring"] = KeyRing(clinic.provider, fetch_from(session.connection(), "clinic.workspace_keys"))
        assert session.get_one(Client, ada).first_name == "Ada"


def test_writing_takes_no_second_connection(clinic, ada):
    limited = clinic.engine(clinic.one, pool_size=1, max_overflow=0, pool_timeout=0.1)
    ring = KeyRing(clinic.provider, fetch_from(limited, "clinic.workspace_keys"))
    with Session(limited, info={"key_ring": ring}) as session:
        client = session.get_one(Client, ada)
        assert client.first_name == "Ada"
        client.first_name = "Augusta"
        session.commit()


def test_alembic_sees_bytea(clinic):
    metadata = sa.MetaData(schema="clinic")
    for table in (Client.__table__, Remark.__table__):
        table.to_metadata(metadata)
    with clinic.engine().connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, parents: name == "clinic" if kind == "schema" else True,
                "include_object": lambda thing, name, kind, reflected, other: name != "workspace_keys",
            },
        )
        assert compare_metadata(context, metadata) == []
        changed = sa.MetaData(schema="clinic")
        Client.__table__.to_metadata(changed).c.first_name.type = sa.Text()
        assert any("modify_type" in str(each) for each in compare_metadata(context, changed))


def test_a_model_has_to_name_its_tenant_and_to_have_one_key():
    class Other(DeclarativeBase):
        pass

    class NoTenant(Other):
        __tablename__ = "no_tenant"
        id: Mapped[int] = mapped_column(primary_key=True)
        text = encrypted_text()

    class TwoKeys(Other):
        __tablename__ = "two_keys"
        one: Mapped[int] = mapped_column(primary_key=True)
        two: Mapped[int] = mapped_column(primary_key=True)
        workspace_id: Mapped[int]
        text = encrypted_text()

    with pytest.raises(
        NotSealableError, match="no attribute 'workspace_id' that names its tenant; set __tenant_attribute__"
    ):
        NoTenant.__dict__["text"].context_of(NoTenant(id=1))
    with pytest.raises(NotSealableError, match="primary key of one column"):
        TwoKeys.__dict__["text"].context_of(TwoKeys(one=1, two=2, workspace_id=1))


def test_a_sealed_value_is_made_of_bytes_only():
    with pytest.raises(NotSealedError, match="got str"):
        Sealed("Ada")  # type: ignore[arg-type]
    assert SealedText().python_type is Sealed


def test_a_snapshot_that_is_older_than_a_retirement_does_not_seal_with_the_retired_key(clinic, ring, ada):
    engine = clinic.engine(clinic.one).execution_options(isolation_level="REPEATABLE READ")
    with Session(engine, info={"key_ring": ring}) as session:
        assert session.get_one(Client, ada).first_name == "Ada"
        clinic.add_key(clinic.one, 2)
        with clinic.connect(clinic.one) as conn:
            conn.execute("update clinic.workspace_keys set retired_at = now() where purpose = 'data' and version = 1")
        client = Client(workspace_id=uuid.UUID(clinic.one), first_name="Grace")
        session.add(client)
        session.flush()
        assert client.first_name_sealed.version == 2


def test_keys_are_held_again_after_a_savepoint_was_rolled_back(clinic, sessions):
    held = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
    with sessions() as session:
        savepoint = session.begin_nested()
        session.add(Client(workspace_id=uuid.UUID(clinic.one), first_name="Ada"))
        session.flush()
        assert session.scalar(sa.text(held)) == 1
        savepoint.rollback()
        assert session.scalar(sa.text(held)) == 0
        session.add(Client(workspace_id=uuid.UUID(clinic.one), first_name="Grace"))
        session.flush()
        assert session.scalar(sa.text(held)) == 1


@pytest.mark.parametrize("kind", ["psycopg", "connection", "engine"])
def test_stored_keys_are_read_over_whatever_is_at_hand(clinic, kind):
    expected = [("data", 1, False), ("index", 1, False)]
    engine = clinic.engine(clinic.one if kind == "connection" else None)
    with clinic.connect(clinic.one) as conn, engine.connect() as connection:
        conn.row_factory = dict_row
        source = {"psycopg": conn, "connection": connection, "engine": engine}[kind]
        setting = "app.tenant" if kind == "engine" else None
        rows = fetch_from(source, "clinic.workspace_keys", setting=setting)(clinic.one)
    assert sorted((purpose, version, retired) for purpose, version, _, retired in rows) == expected
