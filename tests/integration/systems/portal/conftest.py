"""Portals of two organizations, one row or more in every table, at any revision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import upgrade
from pgvitals.suite import Suite
from pgvitals.ulid import new_ulid

CANARY = "CANARY"
"""Stands in every column that says something about a person."""
HEALTH = ("first_name", "last_name", "phone", "email", "address_line1", "address_line2", "city", "zip_code")


class Organization:
    """Rows in every table, all of one organization; ``ids`` has the key of the first one, by table."""

    def __init__(self, conn: psycopg.Connection, name: str) -> None:
        self.conn = conn
        self.ids: dict[str, str] = {}
        org = self.add("organizations", name=name, slug=name)
        for person in ("patient", "provider", "staff", "proxy"):
            self.user(f"{name} {person}", person)
        patient, provider = self.ids["patients"], self.ids["providers"]
        proxy, user = self.ids["proxies"], self.ids["users"]
        self.add("user_devices", organization_id=org, user_id=user, platform="ios")
        self.add("user_sessions", user_id=user, token_hash=name, expires_at="2100-01-01")
        self.add("user_consents", user_id=user, document="privacy", version="1")
        self.add("contact_methods", patient_id=patient, kind="phone", value=CANARY)
        self.add("care_team_assignments", patient_id=patient, provider_id=provider, role="primary")
        self.add("patient_proxy_assignments", patient_id=patient, proxy_id=proxy, relationship=CANARY)
        self.add(
            "appointments",
            organization_id=org,
            patient_id=patient,
            provider_id=provider,
            scheduled_start="2025-10-01 09:00Z",
            scheduled_end="2025-10-01 09:30Z",
            **dict.fromkeys(("location", "reason", "notes"), CANARY),
        )
        self.add(
            "documents",
            organization_id=org,
            patient_id=patient,
            kind="referral",
            title=CANARY,
            storage_key=CANARY,
            sha256="0" * 64,
            content_type="application/pdf",
            size_bytes=1,
        )
        self.add("tasks", organization_id=org, patient_id=patient, title=CANARY, description=CANARY)
        self.add(
            "call_logs",
            organization_id=org,
            patient_id=patient,
            direction="inbound",
            phone=CANARY,
            notes=CANARY,
            started_at="2025-10-01 09:00Z",
        )
        self.add("support_tickets", organization_id=org, requester_user_id=user, subject=CANARY, body=CANARY)
        self.add("invitations", organization_id=org, email=CANARY, token_hash=name, expires_at="2100-01-01")
        self.add(
            "audit_logs", organization_id=org, table_name="patients", row_id=patient, operation="insert", changed={}
        )

    @property
    def id(self) -> str:
        return self.ids["organizations"]

    def user(self, name: str, role: str) -> None:
        """A user, the membership, and who it is."""
        user = self.add("users", email=f"{CANARY} {name}", full_name=CANARY, phone=CANARY, password_hash="h")
        self.add("organization_members", organization_id=self.id, user_id=user, role=role)
        table = {"patient": "patients", "provider": "providers", "staff": "staff", "proxy": "proxies"}[role]
        more = {
            "patients": {"mrn": name, "date_of_birth": "1980-02-29"} | dict.fromkeys(HEALTH, CANARY),
            "providers": {"npi": "1234567893", "specialty": "Cardiology"},
            "staff": {"job_title": "Reception"},
            "proxies": {"phone": CANARY},
        }[table]
        self.add(
            table, **{"organization_id": self.id, "user_id": user, "first_name": CANARY, "last_name": CANARY} | more
        )

    def add(self, table: str, **values: Any) -> str:
        """Insert a row; columns that the revision does not have are left out."""
        there = {
            name
            for (name,) in self.conn.execute(
                "select attname from pg_attribute where attrelid = %s::regclass", (f"portal.{table}",)
            )
        }
        values = {"id": new_ulid()} | {
            name: Jsonb(value) if isinstance(value, dict) else value for name, value in values.items() if name in there
        }
        columns = sql.SQL(", ").join(map(sql.Identifier, values))
        given = sql.SQL(", ").join([sql.Placeholder()] * len(values))
        insert = sql.SQL("insert into {} ({}) values ({})").format(sql.Identifier("portal", table), columns, given)
        self.conn.execute(insert, list(values.values()))
        self.ids.setdefault(table, str(values["id"]))
        return str(values["id"])


@dataclass(frozen=True)
class Portal:
    """A filled database and its organizations."""

    database: Database
    mine: Organization
    theirs: Organization

    @contextmanager
    def session(
        self, organization: str | None = None, actor: str | None = None, role: str | None = "portal_app"
    ) -> Iterator[psycopg.Connection]:
        """A transaction of the application (or of the superuser: no role) that is undone."""
        with self.database.connect(role=role, autocommit=False) as conn:
            for name, value in (("app.current_org_id", organization), ("app.current_user_id", actor)):
                if value is not None:
                    conn.execute("select set_config(%s, %s, true)", (name, value))
            yield conn
            conn.rollback()


def filled(suite: Suite, database: Database, revision: str) -> Portal:
    """Two organizations, made by a superuser; the triggers of the revision record nothing of it."""
    upgrade(suite, database, revision)
    with database.connect() as conn:
        conn.execute("set session_replication_role = replica")
        return Portal(database, Organization(conn, "mine"), Organization(conn, "theirs"))


@pytest.fixture(scope="package")
def portal_at(server: Server, suite: Suite) -> Iterator[Callable[[str], Portal]]:
    """The portal at a revision, shared by the tests that undo what they do."""
    standing: dict[str, Portal] = {}
    with ExitStack() as stack:

        def at(revision: str) -> Portal:
            if revision not in standing:
                database = stack.enter_context(server.scratch(f"portal_{revision}"))
                standing[revision] = filled(suite, database, revision)
            return standing[revision]

        yield at


@pytest.fixture
def own_portal(suite: Suite, database: Database) -> Callable[[str], Portal]:
    """A portal at a revision for one test alone."""
    return lambda revision: filled(suite, database, revision)


@pytest.fixture
def head(portal_at: Callable[[str], Portal]) -> Portal:
    """The portal at its head, shared by the tests that undo what they do."""
    return portal_at("portal_hardening")
