"""Give a tenant a new data key while its readers and writers go on; give its keys a new key-encryption key.

A rotation publishes the new version, seals every old value again in batches, and retires the old version when no row
carries it. It remembers nothing but what is in the tables: killed, it goes on where rows still carry the old version
when `rotate` is called again. Two at the same time help each other.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from sqlalchemy.orm import DeclarativeBase

from pgvitals.encryption.cipher import random_key
from pgvitals.encryption.fence import lock_of
from pgvitals.encryption.keys import KeyProvider, key_context
from pgvitals.encryption.orm import sealed_tables
from pgvitals.encryption.reseal import Batch, Resealing, SealedTable, left_out_of
from pgvitals.encryption.ring import DATA, KeyRing
from pgvitals.encryption.stored import KEY_TABLE, fetch_from
from pgvitals.errors import RotationError, UnknownKeyError
from pgvitals.refusal import refusal

BATCH_ROWS = 200
SETTLE_S = 5.0
PATIENCE_S = 60.0
_PAUSE_S = 0.25
_LOCK_TIMEOUT = "250ms"
"""Writers queue behind the rotation while it waits for the keys: for so long, then not for the pause."""

_VERSIONS = "select version, retired_at is null from {keys} where workspace_id = %s and purpose = 'data' order by 1"
_PUBLISH = """
insert into {keys} (workspace_id, purpose, version, kek_id, wrapped_key) values (%s, 'data', %s, %s, %s)
on conflict do nothing
"""
_RETIRE = """
update {keys} set retired_at = clock_timestamp()
where workspace_id = %s and purpose = 'data' and version = any(%s) and retired_at is null
"""
_WRAPPED = """
select purpose, version, wrapped_key from {keys} where workspace_id = %s and kek_id <> %s order by 1, 2 for update
"""
_REWRAP = """
update {keys} set kek_id = %s, wrapped_key = %s where workspace_id = %s and purpose = %s and version = %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What a rotation did; ``resumed`` if it went on with one that had not ended."""

    version: int
    retired: tuple[int, ...]
    rows: int
    batches: int
    resumed: bool


def rotate(
    source: psycopg.Connection[Any] | sa.Engine,
    models: type[DeclarativeBase],
    *,
    tenant: str,
    provider: KeyProvider,
    tables: Sequence[SealedTable] | None = None,
    key_table: str = KEY_TABLE,
    setting: str | None = None,
    batch_rows: int = BATCH_ROWS,
    settle_s: float = SETTLE_S,
    patience_s: float = PATIENCE_S,
    after_batch: Callable[[Batch], None] | None = None,
) -> Rotation:
    """Replace a tenant's data key: publish a new version, seal every value again under it, retire the old one.

    What is sealed is what ``models`` declare (`sealed_tables`). With ``tables`` only those are sealed again; the old
    version is retired all the same only when no sealed column of the models carries it. ``setting`` is set to the
    tenant in each transaction, for row-level security. The role needs to select, insert and update ``key_table``, and
    to select and update what is sealed.

    ``settle_s`` is how long readers have between the last batch and the retirement to open what they read before it
    (`hold` gives them longer). ``patience_s`` is how long other transactions may keep rows or keys from the rotation.

    Raises:
        RotationError: a value does not open, ``tables`` leave out a column that carries the old version, somebody
            holds rows or keys for too long, or the connection is in a transaction. The old version stays live; what
            was committed stays.
        NotSealableError: the models say not whose the rows of a sealed column are.
        UnknownKeyError: the tenant has no live data key.
        KeyProviderError: a key does not unwrap.
    """
    declared = sealed_tables(models)
    with _told(), _idle(source) as connection:
        work = _Work(connection, tenant, key_table, setting, provider)
        version, old, resumed = work.publish()
        with work.begin():
            work.ring.refresh(tenant)
        parts = work.parts(declared if tables is None else tables, old)
        left_out = work.parts([] if tables is None else left_out_of(tables, declared), old)
        done = _Done()
        settled = False
        while True:
            left = done.with_pass(parts, batch_rows, after_batch)
            if done.broken:
                raise RotationError(
                    f"{done.broken} rows do not open, the first: {done.first_broken}. Key version "
                    f"{', '.join(map(str, old))} stays live; restore or clear the rows, then run the rotation again: "
                    "it continues"
                )
            if not left:
                if not settled:
                    time.sleep(settle_s)
                    settled = True
                if work.retire(old, parts, left_out):
                    break
            if time.monotonic() - done.moved > patience_s:
                raise RotationError(
                    f"other transactions have kept {f'{left} rows' if left else 'the keys'} from the rotation for "
                    f"{patience_s:g} s; end them (pg_stat_activity), then run it again: it continues"
                )
            time.sleep(_PAUSE_S)
    return Rotation(version=version, retired=old, rows=done.rows, batches=done.batches, resumed=resumed)


def rewrap(
    source: psycopg.Connection[Any] | sa.Engine,
    *,
    tenant: str,
    provider: KeyProvider,
    key_table: str = KEY_TABLE,
    setting: str | None = None,
) -> int:
    """Wrap a tenant's keys with the provider's current key-encryption key; returns how many there were to wrap.

    No row is touched: the data keys stay what they are. Retired keys are wrapped again, too, so that the old
    key-encryption key can be destroyed once every tenant is done.

    Raises:
        KeyProviderError: a key does not unwrap; none of the tenant's keys is changed.
        RotationError: the connection is in a transaction.
    """
    with _told(), _idle(source) as connection:
        work = _Work(connection, tenant, key_table, setting, provider)
        with work.begin(), connection.cursor(row_factory=tuple_row) as cursor:
            found = cursor.execute(work.statement(_WRAPPED), (tenant, provider.kek_id)).fetchall()
            for purpose, version, wrapped in found:
                context = key_context(tenant, purpose, version)
                again = provider.wrap(provider.unwrap(bytes(wrapped), context), context)
                cursor.execute(work.statement(_REWRAP), (provider.kek_id, again, tenant, purpose, version))
    return len(found)


@dataclass(slots=True)
class _Done:
    """What all passes over the tables have done so far."""

    rows: int = 0
    batches: int = 0
    broken: int = 0
    first_broken: str = ""
    moved: float = field(default_factory=time.monotonic)
    """When a row was last sealed."""

    def with_pass(
        self, parts: Sequence[Resealing], batch_rows: int, after_batch: Callable[[Batch], None] | None
    ) -> int:
        """Go once through all tables; returns how many rows others kept."""
        left = 0
        for part in parts:
            # Closed whatever happens: its cursor lives on the server.
            with closing(part.batches(batch_rows)) as batches:
                for batch in batches:
                    self.rows, self.batches, left = self.rows + batch.rows, self.batches + 1, left + batch.left
                    if batch.broken:
                        self.broken, self.first_broken = self.broken + batch.broken, self.first_broken or batch.what
                    if batch.rows:
                        self.moved = time.monotonic()
                    if after_batch is not None:
                        after_batch(batch)
        return left


@dataclass(slots=True)
class _Work:
    """One tenant's keys, over one connection."""

    connection: psycopg.Connection[Any]
    tenant: str
    key_table: str
    setting: str | None
    provider: KeyProvider
    ring: KeyRing = None  # type: ignore[assignment] # made below, of the others

    def __post_init__(self) -> None:
        # Fetched once, when all versions are known: a batch must not ask, it may see another moment.
        self.ring = KeyRing(self.provider, fetch_from(self.connection, self.key_table), max_age_s=math.inf)

    @contextmanager
    def begin(self) -> Iterator[None]:
        """A transaction that sees the tenant, and in each statement what others have committed."""
        with self.connection.transaction():
            self.connection.execute("set transaction isolation level read committed")
            if self.setting is not None:
                self.connection.execute("select set_config(%s, %s, true)", (self.setting, self.tenant))
            yield

    def statement(self, text: str) -> sql.Composed:
        """With the key table's name."""
        return sql.SQL(text).format(keys=sql.Identifier(*self.key_table.split(".")))

    def publish(self) -> tuple[int, tuple[int, ...], bool]:
        """The version to seal with, the older live ones, and whether somebody published it before."""
        with self.begin():
            versions = self._versions()
            live = [version for version, alive in versions.items() if alive]
            if not live:
                raise UnknownKeyError(
                    f"{self.key_table} shows no live data key of this tenant: row-level security hides it (which "
                    "setting does it read?), or none was ever made"
                )
            resumed = len(live) > 1
            if not resumed:
                version = max(versions) + 1
                context = key_context(self.tenant, DATA, version)
                wrapped = self.provider.wrap(random_key(), context)
                self.connection.execute(self.statement(_PUBLISH), (self.tenant, version, self.provider.kek_id, wrapped))
                live = [version for version, alive in self._versions().items() if alive]
        return live[-1], tuple(live[:-1]), resumed

    def parts(self, tables: Sequence[SealedTable], old: Sequence[int]) -> list[Resealing]:
        """What there is to do, or to look at, in each table."""
        return [
            Resealing(self.connection, self.begin, table, tenant=self.tenant, ring=self.ring, old=old)
            for table in tables
        ]

    def retire(self, old: Sequence[int], parts: Sequence[Resealing], left_out: Sequence[Resealing]) -> bool:
        """Retire these versions if no row carries them and none will: no transaction seals meanwhile.

        Raises:
            RotationError: what was left out carries them.
        """
        try:
            with self.begin():
                self.connection.execute("select set_config('lock_timeout', %s, true)", (_LOCK_TIMEOUT,))
                self.connection.execute("select pg_advisory_xact_lock(%s)", (lock_of(self.tenant),))
                if any(part.carried() for part in parts):
                    return False
                if carrying := [told for part in left_out for told in part.told()]:
                    raise RotationError(
                        f"left out, and sealed with key version {', '.join(map(str, old))}, which stays live: "
                        f"{', '.join(carrying)}; run the rotation again for all tables: it continues"
                    )
                self.connection.execute(self.statement(_RETIRE), (self.tenant, list(old)))
                return True
        except psycopg.errors.LockNotAvailable:
            return False  # somebody who writes holds the keys

    def _versions(self) -> dict[int, bool]:
        with self.connection.cursor(row_factory=tuple_row) as cursor:
            return dict(cursor.execute(self.statement(_VERSIONS), (self.tenant,)).fetchall())


@contextmanager
def _idle(source: psycopg.Connection[Any] | sa.Engine) -> Iterator[psycopg.Connection[Any]]:
    """A connection that is in no transaction; an engine's goes back to its pool."""
    if isinstance(source, sa.Engine):
        pooled = source.raw_connection()
        try:
            driver = pooled.driver_connection
            if not isinstance(driver, psycopg.Connection):
                raise RotationError(f"a rotation needs psycopg, the engine's driver is {source.dialect.driver}")
            with _idle(driver) as connection:
                yield connection
        finally:
            pooled.close()
        return
    if source.info.transaction_status is not TransactionStatus.IDLE:
        raise RotationError("the connection is in a transaction; a rotation commits its own, commit or roll back first")
    yield source


@contextmanager
def _told() -> Iterator[None]:
    """What the server refuses is told on one line, without the values of rows."""
    try:
        yield
    except psycopg.Error as error:
        raise RotationError(f"the rotation stopped: {refusal(error)}; run it again: it continues") from None
