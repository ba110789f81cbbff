"""Hold a tenant's data keys until a transaction ends, so that none of them is retired under its writes.

A rotation retires a key version when no row carries it. A transaction that sealed under that version and commits a
moment later would leave a row that nobody opens. So whoever writes takes a shared advisory lock, and the rotation
takes the same lock exclusively before it looks and retires: it waits for the writers that are under way, and writers
that come later see the new key. Readers hold nothing, unless they want to.
"""

from __future__ import annotations

import hashlib
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
import sqlalchemy as sa
from psycopg.rows import tuple_row

from pgvitals.encryption.ring import Fetch, KeyRing
from pgvitals.encryption.stored import StoredKeys, fetch_from

Connection = psycopg.Connection[Any] | sa.Connection

_sealing: WeakKeyDictionary[Any, dict[tuple[KeyRing, str], tuple[int, bytes]]] = WeakKeyDictionary()
"""What each open transaction or savepoint of SQLAlchemy holds; a savepoint's locks go when it is rolled back."""


def lock_of(tenant: str) -> int:
    """The advisory lock of a tenant's data keys: a bigint."""
    digest = hashlib.blake2b(tenant.encode(), digest_size=8, person=b"pgvitals keys").digest()
    return int.from_bytes(digest, "big", signed=True)


def hold(connection: Connection, tenant: str) -> str:
    """Keep every data key of the tenant from being retired until the transaction (or savepoint) ends.

    A long reader may want it, too: a report that opens for minutes what it read at its start. Returns the
    transaction's isolation level, as PostgreSQL spells it.
    """
    statement = "select current_setting('transaction_isolation'), pg_advisory_xact_lock_shared(%s)"
    if isinstance(connection, psycopg.Connection):
        with connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(statement, (lock_of(tenant),)).fetchone()
    else:
        row = connection.exec_driver_sql(statement, (lock_of(tenant),)).one()
    return str(row[0]) if row else ""


def sealing_key(connection: Connection, ring: KeyRing, tenant: str) -> tuple[int, bytes]:
    """Version and key to seal with in this transaction, held until it ends: what every writer calls.

    Two short statements; over SQLAlchemy once for each transaction (or savepoint) and tenant. Above READ COMMITTED the
    ring has to fetch over an engine: the transaction's own snapshot may be older than a retirement.

    Raises:
        UnknownKeyError: the tenant has no live data key.
        KeyProviderError: it does not unwrap.
    """
    if isinstance(connection, psycopg.Connection):
        return _held(connection, ring, tenant)
    transaction = connection.get_nested_transaction() or connection.get_transaction()
    if transaction is None:
        return _held(connection, ring, tenant)
    keys = _sealing.setdefault(transaction, {})
    if (ring, tenant) not in keys:
        keys[ring, tenant] = _held(connection, ring, tenant)
    return keys[ring, tenant]


def _held(connection: Connection, ring: KeyRing, tenant: str) -> tuple[int, bytes]:
    isolation = hold(connection, tenant)
    ring.refresh(tenant, fetch_over(ring, connection) if isolation.startswith("read") else None)
    return ring.data_key(tenant)


def fetch_over(ring: KeyRing, connection: Connection) -> Fetch:
    """The ring's own fetch, over this connection where it can: a pool that is used up holds nobody up."""
    return fetch_from(connection, ring.fetch.table) if isinstance(ring.fetch, StoredKeys) else ring.fetch
