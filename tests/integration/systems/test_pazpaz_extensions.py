"""Extensions belong to the database: going back takes away what going up brought, and nothing that was there before."""

from __future__ import annotations

import psycopg
import pytest

from pgvitals.lab import Database
from pgvitals.lab.migrate import downgrade, upgrade
from pgvitals.suite import Suite

NEEDED = ["btree_gist", "pgcrypto"]
BY_OTHERS = (
    "create table public.bookings (room int, hours int4range, exclude using gist (room with =, hours with &&))",
    "create function public.digest_of(name text) returns bytea language sql return public.digest(name, 'sha256')",
)


def extensions(conn: psycopg.Connection) -> list[str]:
    found = conn.execute("select extname from pg_extension where extname <> 'plpgsql' order by 1")
    return [name for (name,) in found]


def test_going_back_takes_away_the_extensions_that_going_up_brought(suite: Suite, database: Database) -> None:
    with database.connect() as conn:
        upgrade(suite, database, "pazpaz@head")
        assert extensions(conn) == NEEDED
        downgrade(suite, database, "pazpaz@base")
        assert extensions(conn) == []


@pytest.mark.parametrize("used", [False, True], ids=["unused", "used by others"])
def test_an_extension_that_was_there_before_stays(suite: Suite, database: Database, used: bool) -> None:
    with database.connect() as conn:
        for statement in (*(f"create extension {name}" for name in NEEDED), *(BY_OTHERS if used else ())):
            conn.execute(statement)
        upgrade(suite, database, "pazpaz@head")
        downgrade(suite, database, "pazpaz@base")
        assert extensions(conn) == NEEDED
