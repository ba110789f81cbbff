"""Data keys are rotated beside readers and writers: nobody sees an error or a wrong text, and nothing is lost."""

from __future__ import annotations

import math
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pgvitals.encryption import (
    Batch,
    Context,
    KeyRing,
    LocalKeys,
    Rotation,
    SealedTable,
    SealedText,
    encrypted_date,
    encrypted_text,
    fetch_from,
    hold,
    reseal,
    rewrap,
    rotate,
    seal,
    sealed_table,
    sealed_tables,
    sealing_key,
    unseal,
)
from pgvitals.errors import KeyProviderError, NotSealableError, RetiredKeyError, RotationError, UnknownKeyError

CLIENTS = SealedTable(name="clinic.clients", columns=("first_name", "email", "date_of_birth"))
REMARKS = SealedTable(name="clinic.remarks", columns=("body",))
PATIENCE_S = 60


class Base(DeclarativeBase):
    """Of this module's tables."""

    metadata = sa.MetaData(schema="clinic")


class Client(Base):
    """Somebody."""

    __tablename__ = "clients"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    practice: Mapped[uuid.UUID] = mapped_column("workspace_id")
    __tenant_attribute__ = "practice"
    first_name = encrypted_text()
    email = encrypted_text(nullable=True)
    date_of_birth = encrypted_date(nullable=True)


class Remark(Base):
    """About somebody."""

    __tablename__ = "remarks"

    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    workspace_id: Mapped[uuid.UUID]
    body = encrypted_text(nullable=True)


class KilledError(Exception):
    """What ends a rotation in the middle."""


def rotated(clinic, source: Any = None, **options: Any) -> Rotation:
    """Rotate the first tenant's key, in small batches and without a pause before the end."""
    chosen: dict[str, Any] = {"batch_rows": 7, "settle_s": 0.0, "patience_s": PATIENCE_S, "provider": clinic.provider}
    with clinic.connect() as conn:
        return rotate(
            source or conn,
            options.pop("models", Base),
            tenant=clinic.one,
            key_table="clinic.workspace_keys",
            setting="app.tenant",
            **{**chosen, **options},
        )


def name_of(clinic, row: object) -> Context:
    """Where a client's name belongs."""
    return Context(clinic.one, "clients", "first_name", str(row))


def rename(clinic, conn: psycopg.Connection, ring: KeyRing, row: uuid.UUID, name: str) -> None:
    """What a writer does: take the key, seal, store, commit."""
    with conn.transaction():
        version, key = sealing_key(conn, ring, clinic.one)
        value = seal(key, version, name, name_of(clinic, row))
        conn.execute("update clinic.clients set first_name = %s where id = %s", (value, row))


def test_every_value_is_sealed_again_and_the_old_key_retired(clinic):
    names = clinic.add_clients(clinic.one, 40)
    others = clinic.add_clients(clinic.two, 5)
    add_remarks(clinic, clinic.one, 10)

    done = rotated(clinic)

    assert done == Rotation(
        version=2, retired=(1,), rows=50, batches=math.ceil(40 / 7) + math.ceil(10 / 7), resumed=False
    )
    assert clinic.versions(clinic.one) == {1: True, 2: False}
    assert clinic.carried(clinic.one) == {2}
    assert clinic.names(clinic.one) == names
    assert remarks(clinic, clinic.one) == [f"remark {number}" for number in range(10)]
    assert clinic.versions(clinic.two) == {1: False}
    assert clinic.carried(clinic.two) == {1}
    assert clinic.names(clinic.two) == others


def test_what_was_sealed_under_the_retired_key_opens_no_more(clinic):
    clinic.add_clients(clinic.one, 1)
    with clinic.connect(clinic.one) as conn:
        before = conn.execute("select id, first_name from clinic.clients").fetchone()
    assert before is not None
    rotated(clinic)
    with pytest.raises(RetiredKeyError, match=r"^clients\.first_name: sealed with key version 1, which is retired"):
        unseal(clinic.ring().opener(clinic.one), before[1], name_of(clinic, before[0]))


def test_a_tenant_without_rows_gets_a_new_key_too(clinic):
    assert rotated(clinic).rows == 0
    assert clinic.versions(clinic.one) == {1: True, 2: False}


def test_rotating_again_makes_the_next_version(clinic):
    names = clinic.add_clients(clinic.one, 3)
    rotated(clinic)
    assert rotated(clinic).version == 3
    assert clinic.versions(clinic.one) == {1: True, 2: True, 3: False}
    assert clinic.names(clinic.one) == names


@pytest.mark.parametrize("autocommit", [True, False])
def test_any_idle_connection_will_do_and_is_left_idle(clinic, autocommit):
    names = clinic.add_clients(clinic.one, 20)
    with clinic.connect() as conn:
        conn.autocommit = autocommit
        rotated(clinic, conn)
        assert conn.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
        assert conn.execute("select count(*) from pg_cursors where name like 'pgvitals%%'").fetchone() == (0,)
    assert clinic.carried(clinic.one) == {2}
    assert clinic.names(clinic.one) == names


def test_an_engine_will_do(clinic):
    names = clinic.add_clients(clinic.one, 20)
    engine = clinic.engine()
    assert rotated(clinic, engine).rows == 20
    assert engine.pool.checkedout() == 0
    assert clinic.names(clinic.one) == names


def test_a_connection_in_a_transaction_is_refused(clinic):
    with clinic.connect() as conn, conn.transaction():
        with pytest.raises(RotationError, match="the connection is in a transaction"):
            rotated(clinic, conn)
        with pytest.raises(RotationError, match="the connection is in a transaction"):
            rewrap(conn, tenant=clinic.one, provider=clinic.provider)


def test_readers_see_right_texts_throughout(clinic):
    """Each with a ring of its own, one that is kept and one that is new each time: no cache hides an error."""
    names = clinic.add_clients(clinic.one, 60)
    stop = threading.Event()
    kept = clinic.ring()

    def read(ring: KeyRing | None) -> int:
        reads = 0
        with clinic.connect(clinic.one) as conn:
            while not stop.is_set() or reads == 0:
                with conn.transaction():
                    hold(conn, clinic.one)
                    opener = (ring or KeyRing(clinic.provider, fetch_from(conn, "clinic.workspace_keys"))).opener(
                        clinic.one
                    )
                    found = {
                        row: unseal(opener, name, name_of(clinic, row))
                        for row, name in conn.execute("select id, first_name from clinic.clients")
                    }
                assert found == names
                reads += 1
        return reads

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read, ring) for ring in (None, kept)]
        try:
            for _ in range(3):
                rotated(clinic)
        finally:
            stop.set()
        assert all(reader.result() for reader in readers)
    assert clinic.versions(clinic.one) == {1: True, 2: True, 3: True, 4: False}


def test_models_are_read_right_throughout_without_holding_anything(clinic):
    names = clinic.add_clients(clinic.one, 30)
    stop = threading.Event()
    engine, ring = clinic.engine(clinic.one), clinic.ring()

    def read() -> int:
        reads = 0
        while not stop.is_set() or reads == 0:
            with Session(engine, info={"key_ring": ring}) as session:
                clients = session.scalars(sa.select(Client)).all()
                ring.forget()  # the worst moment to look for keys: after the rows were read
                assert {each.id: each.first_name for each in clients} == names
            reads += 1
        return reads

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        try:
            for _ in range(3):
                rotated(clinic)
        finally:
            stop.set()
        assert reader.result()


def test_a_rotation_that_was_killed_goes_on_where_it_was(clinic):
    names = clinic.add_clients(clinic.one, 40)
    seen: list[Batch] = []

    def kill(batch: Batch) -> None:
        seen.append(batch)
        if len(seen) == 3:
            raise KilledError

    with pytest.raises(KilledError):
        rotated(clinic, after_batch=kill)
    assert clinic.versions(clinic.one) == {1: False, 2: False}
    assert clinic.carried(clinic.one) == {1, 2}
    assert clinic.names(clinic.one) == names

    done = rotated(clinic)

    assert (done.version, done.resumed, done.rows) == (2, True, 40 - 21)
    assert clinic.versions(clinic.one) == {1: True, 2: False}
    assert clinic.carried(clinic.one) == {2}
    assert clinic.names(clinic.one) == names


def test_a_rotation_whose_connection_is_cut_says_so_and_goes_on_later(clinic):
    names = clinic.add_clients(clinic.one, 40)
    with clinic.connect() as conn:
        pid = conn.info.backend_pid

        def cut(batch: Batch) -> None:
            with clinic.database.connect() as other:
                other.execute("select pg_terminate_backend(%s, 10000)", (pid,))

        with pytest.raises(RotationError, match=r"^the rotation stopped: .*; run it again: it continues"):
            rotated(clinic, conn, after_batch=cut)
    assert clinic.carried(clinic.one) == {1, 2}
    assert rotated(clinic).resumed
    assert clinic.names(clinic.one) == names


def test_a_writer_of_the_same_rows_loses_no_update(clinic):
    names = clinic.add_clients(clinic.one, 30)
    rows = list(names)
    stop = threading.Event()

    def write(mine: list[uuid.UUID]) -> int:
        writes = 0
        ring = clinic.ring()
        with clinic.connect(clinic.one) as conn:
            while not stop.is_set() or writes < len(mine):
                row = mine[writes % len(mine)]
                rename(clinic, conn, ring, row, f"written {writes}")
                names[row] = f"written {writes}"
                writes += 1
        return writes

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write, rows[::2]), pool.submit(write, rows[1::2])]
        try:
            for _ in range(3):
                rotated(clinic)
        finally:
            stop.set()
        assert all(writer.result() for writer in writers)
    assert clinic.versions(clinic.one) == {1: True, 2: True, 3: True, 4: False}
    assert clinic.carried(clinic.one) == {4}
    assert clinic.names(clinic.one) == names


def test_a_row_that_changed_between_read_and_write_is_not_overwritten(clinic, monkeypatch):
    names = clinic.add_clients(clinic.one, 5)
    changed = min(names)
    ring = clinic.ring()
    meanwhile = iter([changed])

    def interrupted(key: bytes, version: int, text: str, context: Context) -> bytes:
        for row in meanwhile:
            with clinic.connect(clinic.one) as conn:
                rename(clinic, conn, ring, row, "meanwhile")
        return seal(key, version, text, context)

    monkeypatch.setattr(reseal, "seal", interrupted)
    batches: list[Batch] = []
    rotated(clinic, after_batch=batches.append)
    assert (batches[0].rows, batches[0].left) == (4, 1)
    assert clinic.names(clinic.one) == {**names, changed: "meanwhile"}
    assert clinic.carried(clinic.one) == {2}


def test_a_row_that_somebody_holds_is_left_for_the_next_pass(clinic):
    names = clinic.add_clients(clinic.one, 5)
    held = min(names)
    batches: list[Batch] = []
    with clinic.connect(clinic.one) as conn:
        holding = conn.transaction()
        holding.__enter__()
        conn.execute("select from clinic.clients where id = %s for update", (held,))

        def let_go(batch: Batch) -> None:
            batches.append(batch)
            if len(batches) == 1:
                holding.__exit__(None, None, None)

        rotated(clinic, after_batch=let_go)
    assert [(batch.rows, batch.left) for batch in batches] == [(4, 1), (1, 0)]
    assert clinic.names(clinic.one) == names
    assert clinic.carried(clinic.one) == {2}


def test_a_row_that_is_held_for_too_long_stops_the_rotation_and_not_the_next_one(clinic):
    names = clinic.add_clients(clinic.one, 5)
    with clinic.connect(clinic.one) as conn, conn.transaction():
        conn.execute("select from clinic.clients where id = %s for update", (min(names),))
        with pytest.raises(RotationError, match=r"kept 1 rows from the rotation for 0\.2 s; .* it continues"):
            rotated(clinic, patience_s=0.2)
    assert clinic.versions(clinic.one) == {1: False, 2: False}
    assert rotated(clinic).resumed
    assert clinic.names(clinic.one) == names


def test_a_writer_that_has_the_old_key_in_its_hand_is_waited_for(clinic):
    names = clinic.add_clients(clinic.one, 3)
    late = uuid.uuid4()
    waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    with clinic.connect(clinic.one) as writer, clinic.database.connect() as watcher, ThreadPoolExecutor(1) as pool:
        with writer.transaction():
            version, key = sealing_key(writer, clinic.ring(), clinic.one)
            rotation = pool.submit(rotated, clinic)
            while watcher.execute(waiting).fetchone() == (0,):
                assert not rotation.done()
            value = seal(key, version, "late", name_of(clinic, late))
            writer.execute(
                "insert into clinic.clients (id, workspace_id, first_name) values (%s, %s, %s)",
                (late, clinic.one, value),
            )
            assert version == 1
            assert clinic.versions(clinic.one) == {1: False, 2: False}
        assert rotation.result().rows == 4
    assert clinic.carried(clinic.one) == {2}
    assert clinic.names(clinic.one) == {**names, late: "late"}


def test_a_writer_that_is_never_done_keeps_the_old_key_live(clinic):
    with clinic.connect(clinic.one) as writer, writer.transaction():
        sealing_key(writer, clinic.ring(), clinic.one)
        with pytest.raises(RotationError, match=r"kept the keys from the rotation for 0\.2 s"):
            rotated(clinic, patience_s=0.2)
        assert clinic.versions(clinic.one) == {1: False, 2: False}


def test_a_ring_that_missed_the_rotation_does_not_seal_with_the_retired_key(clinic):
    names = clinic.add_clients(clinic.one, 2)
    stale = clinic.ring(max_age_s=math.inf)
    assert stale.data_key(clinic.one)[0] == 1
    rotated(clinic)
    assert stale.data_key(clinic.one)[0] == 1
    with Session(clinic.engine(clinic.one), info={"key_ring": stale}) as session:
        session.get_one(Client, min(names)).first_name = "after"
        session.commit()
    assert clinic.carried(clinic.one) == {2}
    assert clinic.names(clinic.one) == {**names, min(names): "after"}


def test_two_rotations_at_once_help_each_other(clinic):
    names = clinic.add_clients(clinic.one, 60)
    started = threading.Barrier(2)

    def one() -> Rotation:
        started.wait(PATIENCE_S)
        return rotated(clinic)

    with ThreadPoolExecutor(2) as pool:
        done = [each.result() for each in [pool.submit(one), pool.submit(one)]]
    live = [version for version, retired in clinic.versions(clinic.one).items() if not retired]
    assert live == [max(each.version for each in done)]
    assert clinic.carried(clinic.one) == set(live)
    assert clinic.names(clinic.one) == names


def test_a_value_that_does_not_open_keeps_the_old_key_live_and_holds_up_nothing_else(clinic):
    names = clinic.add_clients(clinic.one, 10)
    broken, source = sorted(names)[:2]
    with clinic.connect(clinic.one) as conn:
        copied = "(select first_name from clinic.clients where id = %s)"
        conn.execute(f"update clinic.clients set first_name = {copied} where id = %s", (source, broken))
    with pytest.raises(RotationError) as refusal:
        rotated(clinic)
    assert str(refusal.value).startswith(
        f"1 rows do not open, the first: row {broken} of clinic.clients: clients.first_name: a sealed value does not "
    )
    assert "Key version 1 stays live; restore or clear the rows" in str(refusal.value)
    assert clinic.versions(clinic.one) == {1: False, 2: False}
    with clinic.connect(clinic.one) as conn:
        old = conn.execute("select count(*) from clinic.clients where substr(first_name, 2, 4) = '\\x00000001'")
        assert old.fetchone() == (1,)
        conn.execute("delete from clinic.clients where id = %s", (broken,))
    del names[broken]
    assert rotated(clinic).resumed
    assert clinic.names(clinic.one) == names


def add_remarks(clinic, tenant: str, count: int) -> None:
    version, key = clinic.ring().data_key(tenant)
    with clinic.connect(tenant) as conn:
        for number in range(count):
            body = seal(key, version, f"remark {number}", Context(tenant, "remarks", "body", str(number)))
            conn.execute("insert into clinic.remarks values (%s, %s, %s)", (number, tenant, body))


def remarks(clinic, tenant: str) -> list[str]:
    """Every remark, opened."""
    opener = clinic.ring().opener(tenant)
    with clinic.connect(tenant) as conn:
        rows = conn.execute("select id, body from clinic.remarks order by id").fetchall()
    return [unseal(opener, body, Context(tenant, "remarks", "body", str(row))) for row, body in rows]


@pytest.mark.parametrize(
    ("tables", "left_out"),
    [
        ([CLIENTS], r"clinic\.remarks\.body \(3 values\)"),
        ([REMARKS], r"clinic\.clients\.first_name \(10 values\), clinic\.clients\.email \(5 values\)"),
        (
            [SealedTable(name="clinic.clients", columns=("first_name",)), REMARKS],
            r"clinic\.clients\.email \(5 values\)",
        ),
        ([], r"clinic\.clients\.first_name \(10 values\), clinic\.clients\.email \(5 values\), clinic\.remarks"),
    ],
)
def test_what_is_left_out_keeps_the_old_key_live_and_everything_readable(clinic, tables, left_out):
    names = clinic.add_clients(clinic.one, 10)
    add_remarks(clinic, clinic.one, 3)
    with pytest.raises(RotationError, match=f"sealed with key version 1, which stays live: {left_out}.* it continues"):
        rotated(clinic, tables=tables)
    assert clinic.versions(clinic.one) == {1: False, 2: False}
    assert clinic.names(clinic.one) == names
    assert remarks(clinic, clinic.one) == ["remark 0", "remark 1", "remark 2"]
    assert rotated(clinic).resumed
    assert clinic.versions(clinic.one) == {1: True, 2: False}
    assert clinic.names(clinic.one) == names
    assert remarks(clinic, clinic.one) == ["remark 0", "remark 1", "remark 2"]


def test_what_is_left_out_and_holds_nothing_of_the_tenant_keeps_nothing(clinic):
    clinic.add_clients(clinic.one, 2)
    add_remarks(clinic, clinic.two, 3)
    assert rotated(clinic, tables=[CLIENTS]).retired == (1,)
    assert remarks(clinic, clinic.two) == ["remark 0", "remark 1", "remark 2"]


def test_a_sealed_column_of_no_model_is_refused_before_anything_is_done(clinic):
    class Models(DeclarativeBase):
        metadata = sa.MetaData(schema="clinic")

    sa.Table("clients", Models.metadata, sa.Column("first_name", SealedText()))
    with pytest.raises(NotSealableError, match=r"^clinic\.clients has a sealed column and no model"):
        rotated(clinic, models=Models)
    assert clinic.versions(clinic.one) == {1: False}


def test_a_table_of_the_model_is_what_a_rotation_needs(clinic):
    names = clinic.add_clients(clinic.one, 3)
    assert sealed_table(Client) == SealedTable(
        name="clinic.clients",
        columns=("first_name", "email", "date_of_birth"),
        tenant_column="workspace_id",
        key_column="id",
    )
    assert sealed_tables(Base) == (CLIENTS, REMARKS)
    assert rotated(clinic, tables=[sealed_table(Client)]).rows == 3
    assert clinic.names(clinic.one) == names


def test_without_the_tenant_setting_the_key_is_hidden(clinic):
    with (
        clinic.connect() as conn,
        pytest.raises(UnknownKeyError, match=r"clinic\.workspace_keys shows no live data key"),
    ):
        rotate(conn, Base, tenant=clinic.one, provider=clinic.provider, key_table="clinic.workspace_keys")


def test_what_the_server_refuses_is_told_on_one_line(clinic):
    clinic.add_clients(clinic.one, 1)
    with pytest.raises(RotationError, match=r'the rotation stopped: relation "clinic\.nowhere" does not exist'):
        rotated(clinic, tables=[SealedTable(name="clinic.nowhere", columns=("text",))])
    with clinic.database.connect() as conn:
        conn.execute(sql.SQL("revoke update on clinic.clients from {}").format(sql.Identifier(clinic.role)))
    with pytest.raises(RotationError, match="permission denied for table clients"):
        rotated(clinic)


def test_a_new_key_encryption_key_wraps_the_keys_again_and_touches_no_row(clinic):
    names = clinic.add_clients(clinic.one, 5)
    clinic.add_clients(clinic.two, 1)
    rotated(clinic)  # a retired key is wrapped again, too
    both = LocalKeys({"kek-2": bytes(range(1, 33)), "kek-1": bytes(range(32))})
    options = {"provider": both, "key_table": "clinic.workspace_keys", "setting": "app.tenant"}
    with clinic.connect(clinic.one) as conn:
        before = conn.execute("select id, xmin, first_name from clinic.clients order by 1").fetchall()

    with clinic.connect() as conn:
        assert rewrap(conn, tenant=clinic.one, **options) == 3
        assert rewrap(conn, tenant=clinic.one, **options) == 0

    with clinic.connect(clinic.one) as conn:
        assert conn.execute("select distinct kek_id from clinic.workspace_keys").fetchall() == [("kek-2",)]
        assert conn.execute("select id, xmin, first_name from clinic.clients order by 1").fetchall() == before
        only_new = KeyRing(LocalKeys({"kek-2": bytes(range(1, 33))}), fetch_from(conn, "clinic.workspace_keys"))
        assert clinic.names(clinic.one, only_new) == names
        old = KeyRing(clinic.provider, fetch_from(conn, "clinic.workspace_keys"))
        with pytest.raises(KeyProviderError, match="needs key-encryption key 'kek-2'"):
            old.data_key(clinic.one)
    assert clinic.ring().data_key(clinic.two)[0] == 1


def test_a_key_that_does_not_unwrap_leaves_all_of_the_tenants_keys_as_they_were(clinic):
    stranger = LocalKeys({"kek-3": bytes(32)})
    with clinic.connect() as conn, pytest.raises(KeyProviderError, match="needs key-encryption key 'kek-1'"):
        rewrap(conn, tenant=clinic.one, provider=stranger, key_table="clinic.workspace_keys", setting="app.tenant")
    assert clinic.ring().data_key(clinic.one)[0] == 1
