"""A small clinic of our own: two tenants, sealed notes under forced row-level security, and a role that owns them."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from pgvitals.encryption import Context, KeyRing, LocalKeys, fetch_from, key_context, random_key, seal, unseal
from pgvitals.lab import Database, Server

SETTING = "app.tenant"
KEY_TABLE = "clinic.workspace_keys"
SCHEMA = """
create schema clinic authorization {role};
set role {role};
create table clinic.workspace_keys (
    id uuid primary key default gen_random_uuid(), workspace_id uuid not null, purpose varchar(20) not null,
    version integer not null, kek_id varchar(255) not null, wrapped_key bytea not null, retired_at timestamptz,
    unique (workspace_id, purpose, version));
create table clinic.clients (
    id uuid primary key default gen_random_uuid(), workspace_id uuid not null, first_name bytea not null, email bytea,
    email_index bytea, date_of_birth bytea, visits integer not null default 0, unique (workspace_id, email_index));
create table clinic.remarks (id bigint primary key, workspace_id uuid not null, body bytea);
alter table clinic.workspace_keys enable row level security, force row level security;
alter table clinic.clients enable row level security, force row level security;
alter table clinic.remarks enable row level security, force row level security;
create policy own on clinic.workspace_keys using (workspace_id = nullif(current_setting('app.tenant', true), '')::uuid);
create policy own on clinic.clients using (workspace_id = nullif(current_setting('app.tenant', true), '')::uuid);
create policy own on clinic.remarks using (workspace_id = nullif(current_setting('app.tenant', true), '')::uuid);
reset role;
"""


@dataclass(kw_only=True)
class Clinic:
    """The database, its owner's role and two tenants with a data key and an index key each."""

    database: Database
    role: str
    one: str = field(default_factory=lambda: str(uuid.uuid4()))
    two: str = field(default_factory=lambda: str(uuid.uuid4()))
    provider: LocalKeys = field(default_factory=lambda: LocalKeys({"kek-1": bytes(range(32))}))
    engines: list[sa.Engine] = field(default_factory=list)

    def connect(self, tenant: str | None = None) -> psycopg.Connection:
        """A connection of the owner, who is subject to row-level security as everybody else; sees one tenant."""
        return self.database.connect(self.role, **({SETTING: tenant} if tenant else {}))

    def engine(self, tenant: str | None = None, **options: Any) -> sa.Engine:
        """An engine of the owner that sees one tenant, or none."""

        def connect() -> psycopg.Connection:
            connection = self.connect(tenant)
            connection.autocommit = False
            return connection

        made = sa.create_engine("postgresql+psycopg://", creator=connect, **options)
        self.engines.append(made)
        return made

    def ring(self, **options: float) -> KeyRing:
        """A ring for any thread and any tenant."""
        return KeyRing(self.provider, fetch_from(self.engine(), KEY_TABLE, setting=SETTING), **options)

    def add_key(self, tenant: str, version: int, purpose: str = "data") -> bytes:
        """Store a new key."""
        key = random_key()
        wrapped = self.provider.wrap(key, key_context(tenant, purpose, version))
        with self.connect(tenant) as conn:
            conn.execute(
                "insert into clinic.workspace_keys (workspace_id, purpose, version, kek_id, wrapped_key) "
                "values (%s, %s, %s, %s, %s)",
                (tenant, purpose, version, self.provider.kek_id, wrapped),
            )
        return key

    def versions(self, tenant: str) -> dict[int, bool]:
        """Version of each data key, and whether it is retired."""
        with self.connect(tenant) as conn:
            rows = conn.execute(
                "select version, retired_at is not null from clinic.workspace_keys where purpose = 'data'"
            )
            return dict(rows.fetchall())

    def add_clients(self, tenant: str, count: int) -> dict[uuid.UUID, str]:
        """Insert rows sealed under the newest key, without the ORM; returns their names."""
        version, key = self.ring().data_key(tenant)
        names = {uuid.uuid4(): f"Näme {number}" for number in range(count)}
        with self.connect(tenant) as conn, conn.cursor() as cursor:
            cursor.executemany(
                "insert into clinic.clients (id, workspace_id, first_name, email) values (%s, %s, %s, %s)",
                [
                    (
                        row,
                        tenant,
                        seal(key, version, name, Context(tenant, "clients", "first_name", str(row))),
                        seal(key, version, f"{row}@example.com", Context(tenant, "clients", "email", str(row)))
                        if number % 2
                        else None,
                    )
                    for number, (row, name) in enumerate(names.items())
                ],
            )
        return names

    def names(self, tenant: str, ring: KeyRing | None = None) -> dict[uuid.UUID, str]:
        """Every client's name, opened."""
        opener = (ring or self.ring()).opener(tenant)
        with self.connect(tenant) as conn:
            rows = conn.execute("select id, first_name from clinic.clients").fetchall()
        return {row: unseal(opener, sealed, Context(tenant, "clients", "first_name", str(row))) for row, sealed in rows}

    def carried(self, tenant: str) -> set[int]:
        """The key versions that the clients' names and addresses carry."""
        with self.connect(tenant) as conn:
            rows = conn.execute(
                "select unnest(array[substr(first_name, 2, 4), substr(email, 2, 4)]) from clinic.clients"
            ).fetchall()
        return {int.from_bytes(each, "big") for (each,) in rows if each is not None}


@contextmanager
def _role(server: Server) -> Iterator[str]:
    name = f"pgvitals_sealer_{secrets.token_hex(4)}"
    with server.maintenance() as conn:
        conn.execute(sql.SQL("create role {}").format(sql.Identifier(name)))
        try:
            yield name
        finally:
            conn.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def sealer(server: Server) -> Iterator[str]:
    """A role that owns the clinic's tables."""
    with _role(server) as name:
        yield name


@pytest.fixture
def clinic(database: Database, sealer: str) -> Iterator[Clinic]:
    """Empty tables, and keys of version 1 for two tenants."""
    with database.connect() as conn:
        conn.execute(sql.SQL(SCHEMA).format(role=sql.Identifier(sealer)))
    made = Clinic(database=database, role=sealer)
    for tenant in (made.one, made.two):
        made.add_key(tenant, 1)
        made.add_key(tenant, 1, "index")
    yield made
    for engine in made.engines:
        engine.dispose()
