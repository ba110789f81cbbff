"""The portal's engine: connections that forget, statements that end, a pool with a limit."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import selectinload

from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import upgrade
from pgvitals.suite import Suite, load_module
from pgvitals.ulid import new_ulid

MINE, THEIRS = new_ulid(), new_ulid()
ORGANIZATION = "select current_setting('app.current_org_id', true)"
STATE = {
    "a setting": ("set app.current_org_id = 'left behind'", ORGANIZATION),
    "a temporary table": ("create temp table left_behind ()", "select to_regclass('pg_temp.left_behind')::text"),
    "a prepared statement": ("prepare left_behind as select 1", "select min(name) from pg_prepared_statements"),
    "a lock": ("select pg_advisory_lock(1)", "select min(mode) from pg_locks where locktype = 'advisory'"),
    "a cursor": ("declare left_behind cursor with hold for select 1", "select min(name) from pg_cursors"),
    "a channel": ("listen left_behind", "select min(channel) from pg_listening_channels() as channel"),
    "another role": ("set role portal_owner", "select nullif(current_user::text, 'portal_app')"),
    "no time limit": ("set statement_timeout = 0", "select nullif(current_setting('statement_timeout'), '30s')"),
}


@pytest.fixture(scope="module")
def portal(server: Server, suite: Suite) -> Iterator[Database]:
    """The portal at its head with two organizations; nobody is their member."""
    with server.scratch("portal_engine") as database:
        upgrade(suite, database, "portal@head")
        with database.connect() as conn:
            for id_, slug in ((MINE, "mine"), (THEIRS, "theirs")):
                conn.execute("insert into portal.organizations (id, name, slug) values (%s, 'o', %s)", (id_, slug))
        yield database


@pytest.fixture(scope="module")
def engines(suite: Suite) -> Any:
    """The module under test."""
    return load_module(suite.system("portal").folder / "engine.py", "portal_engine")


@pytest.fixture
def opened(portal: Database, engines: Any) -> Callable[..., Any]:
    """Makes an engine for the application's role, and closes it."""
    params = portal.params
    query = {"options": "-c role=portal_app"}
    if "/" in params["host"]:
        query["host"] = params["host"]
    url = sa.URL.create(
        "postgresql+psycopg",
        username=params["user"],
        password=params.get("password"),
        host=None if "host" in query else params["host"],
        port=int(params["port"]),
        database=portal.name,
        query=query,
    )

    @asynccontextmanager
    async def open_(**limits: float) -> AsyncIterator[AsyncEngine]:
        engine = engines.make_engine(url, **limits)
        try:
            yield engine
        finally:
            await engine.dispose()

    return open_


async def one(engine: AsyncEngine, statement: str) -> Any:
    """The only value of a query, asked on a connection of the pool."""
    async with engine.connect() as connection:
        return await connection.scalar(sa.text(statement))


async def leave(engine: AsyncEngine, statement: str) -> int:
    """Execute and commit a statement; returns which server process did it."""
    async with engine.connect() as connection:
        await connection.execute(sa.text(statement))
        await connection.commit()
        return int(await connection.scalar(sa.text("select pg_backend_pid()")) or 0)


@pytest.mark.parametrize("what", STATE)
def test_nothing_of_one_user_of_a_connection_reaches_the_next(opened: Callable[..., Any], what: str) -> None:
    left, question = STATE[what]

    async def test() -> None:
        async with opened() as engine:
            process = await leave(engine, left)
            assert await one(engine, question) in (None, "")
            assert await one(engine, "select pg_backend_pid()") == process, "it is another connection"

    asyncio.run(test())


@pytest.mark.parametrize("what", STATE)
def test_without_the_reset_all_of_it_would(opened: Callable[..., Any], engines: Any, what: str) -> None:
    left, question = STATE[what]

    async def test() -> None:
        async with opened() as engine:
            sa.event.remove(engine.sync_engine, "reset", engines.forget)
            process = await leave(engine, left)
            assert await one(engine, question) not in (None, "")
            assert await one(engine, "select pg_backend_pid()") == process

    asyncio.run(test())


def test_a_connection_that_was_reset_still_works_in_transactions(opened: Callable[..., Any], portal: Database) -> None:
    async def test() -> None:
        async with opened() as engine:
            await leave(engine, "select 1")
            async with engine.connect() as connection:
                await connection.execute(sa.text(f"set app.current_org_id = '{MINE}'"))
                renamed = await connection.execute(sa.text("update portal.organizations set name = 'lost'"))
                assert renamed.rowcount == 1

    asyncio.run(test())
    with portal.connect() as conn:
        assert conn.execute("select count(*) from portal.organizations where name = 'lost'").fetchone() == (0,)


def test_psycopg_prepares_no_statement_however_often_it_is_executed(opened: Callable[..., Any]) -> None:
    async def test() -> None:
        async with opened() as engine, engine.connect() as connection:
            for number in range(20):
                await connection.execute(sa.text("select cast(:number as int)"), {"number": number})
            assert await connection.scalar(sa.text("select count(*) from pg_prepared_statements")) == 0

    asyncio.run(test())


def test_the_limits_are_those_that_the_audit_asked_for(opened: Callable[..., Any]) -> None:
    async def test() -> None:
        async with opened() as engine:
            pool = engine.sync_engine.pool
            assert (pool.size(), pool._max_overflow, pool._timeout) == (5, 10, 30)
            assert await one(engine, "show statement_timeout") == "30s"
            assert await one(engine, "show lock_timeout") == "10s"

    asyncio.run(test())


def test_the_limits_come_beside_the_options_of_the_url(opened: Callable[..., Any]) -> None:
    async def test() -> None:
        async with opened() as engine:
            assert await one(engine, "select current_user::text") == "portal_app"

    asyncio.run(test())


def test_a_statement_that_takes_too_long_is_ended(opened: Callable[..., Any]) -> None:
    async def test() -> None:
        async with opened(statement_timeout_s=0.05) as engine:
            with pytest.raises(sa.exc.OperationalError, match="statement timeout") as ended:
                await one(engine, "select pg_sleep(60)")
            assert isinstance(ended.value.orig, psycopg.errors.QueryCanceled)
            assert await one(engine, "select 1") == 1

    asyncio.run(test())


def test_a_lock_that_does_not_come_is_not_waited_for(opened: Callable[..., Any], portal: Database) -> None:
    async def test() -> None:
        async with opened(lock_timeout_s=0.05) as engine:
            with pytest.raises(sa.exc.OperationalError, match="lock timeout") as ended:
                await one(engine, "select count(*) from portal.tasks")
            assert isinstance(ended.value.orig, psycopg.errors.LockNotAvailable)

    with portal.connect(autocommit=False) as owner:
        owner.execute("lock table portal.tasks in access exclusive mode")
        asyncio.run(test())


def test_the_sixteenth_connection_waits_and_is_refused(opened: Callable[..., Any]) -> None:
    async def test() -> None:
        async with opened(pool_timeout_s=0.05) as engine, AsyncExitStack() as stack:
            for _ in range(15):
                await stack.enter_async_context(engine.connect())
            with pytest.raises(sa.exc.TimeoutError, match="size 5 overflow 10"):
                await one(engine, "select 1")
            await stack.aclose()
            assert await one(engine, "select 1") == 1

    asyncio.run(test())


async def sleeping(portal: Database) -> int:
    """How many processes of the application sleep in this database."""
    with portal.connect() as conn:
        found = conn.execute(
            "select count(*) from pg_stat_activity where datname = %s and state = 'active' and wait_event = 'PgSleep'",
            (portal.name,),
        ).fetchone()
    return int(found[0]) if found else 0


async def until(portal: Database, count: int) -> None:
    """Wait until so many sleep."""
    while await sleeping(portal) != count:
        await asyncio.sleep(0.01)


@pytest.mark.timeout(60)
def test_a_cancelled_request_leaves_a_clean_pool(opened: Callable[..., Any], engines: Any, portal: Database) -> None:
    async def request(engine: AsyncEngine) -> None:
        async with engines.session_for(engine, THEIRS) as session:
            await session.execute(sa.text("update portal.organizations set name = 'cancelled'"))
            await session.execute(sa.text("set app.current_org_id = 'left behind'"))
            await session.execute(sa.text("select pg_sleep(60)"))

    async def test() -> None:
        async with opened() as engine:
            task = asyncio.create_task(request(engine))
            await until(portal, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(portal, 0)
            assert engine.sync_engine.pool.checkedout() == 0
            async with AsyncExitStack() as stack:
                for _ in range(15):
                    connection = await stack.enter_async_context(engine.connect())
                    assert await connection.scalar(sa.text(ORGANIZATION)) in (None, "")

    asyncio.run(test())
    with portal.connect() as conn:
        assert conn.execute("select count(*) from portal.organizations where name = 'cancelled'").fetchone() == (0,)


def test_a_request_sees_its_organization_and_is_named_in_the_audit_trail(
    opened: Callable[..., Any], engines: Any, portal: Database
) -> None:
    user, member = new_ulid(), new_ulid()

    async def test() -> None:
        async with opened() as engine:
            async with engines.session_for(engine, THEIRS) as session:
                await session.execute(
                    sa.text(
                        "insert into portal.users (id, email, full_name, password_hash) values (:id, :id, 'f', 'h')"
                    ),
                    {"id": user},
                )
                await session.execute(
                    sa.text(
                        "insert into portal.organization_members (id, organization_id, user_id)"
                        " values (:id, :organization_id, :user_id)"
                    ),
                    {"id": member, "organization_id": THEIRS, "user_id": user},
                )
            async with engines.session_for(engine, THEIRS, user) as session:
                changed = await session.execute(sa.text("update portal.users set status = 'locked'"))
                assert changed.rowcount == 1
            async with engines.session_for(engine, MINE, user) as session:
                assert (await session.scalars(sa.text("select id from portal.organizations"))).all() == [MINE]
                assert (await session.scalars(sa.text("select id from portal.users"))).all() == []
            assert await one(engine, "select count(*) from portal.organizations") == 0

    asyncio.run(test())
    with portal.connect() as conn:
        trail = conn.execute(
            "select operation, organization_id, actor_user_id from portal.audit_logs where row_id = %s order by at",
            (user,),
        ).fetchall()
    assert trail == [("insert", THEIRS, None), ("update", THEIRS, user)]


def test_a_request_that_fails_writes_nothing(opened: Callable[..., Any], engines: Any, portal: Database) -> None:
    async def test() -> None:
        async with opened() as engine, engines.session_for(engine, MINE) as session:
            await session.execute(sa.text("update portal.organizations set name = 'failed'"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(test())
    with portal.connect() as conn:
        assert conn.execute("select count(*) from portal.organizations where name = 'failed'").fetchone() == (0,)


def test_the_models_sign_somebody_up_and_read_them_back(
    opened: Callable[..., Any], engines: Any, suite: Suite, portal: Database
) -> None:
    models = load_module(suite.system("portal").folder / "models.py", "portal_models_signing_up")
    born = dt.date(1980, 2, 29)

    async def test() -> None:
        async with opened() as engine:
            async with engines.session_for(engine, MINE) as session:
                user = models.User(email="somebody@example.org", full_name="Somebody", password_hash="h")
                user.memberships.append(models.OrganizationMember(organization_id=MINE))
                session.add(user)
                await session.flush()
                patient = models.Patient(
                    organization_id=MINE, user=user, mrn="1", first_name="Some", last_name="Body", date_of_birth=born
                )
                patient.contact_methods.append(models.ContactMethod(kind="email", value=user.email))
                session.add(patient)
            async with engines.session_for(engine, MINE) as session:
                question = sa.select(models.Patient).options(selectinload(models.Patient.contact_methods))
                found = (await session.scalars(question)).one()
                assert (found.date_of_birth, found.contact_methods[0].value) == (born, "somebody@example.org")
                assert sorted([found.user_id, found.id, found.contact_methods[0].id]) == [
                    found.user_id,
                    found.id,
                    found.contact_methods[0].id,
                ], "ULIDs sort as their rows were made"
            async with engines.session_for(engine, THEIRS) as session:
                assert (await session.scalars(sa.select(models.Patient))).all() == []

    asyncio.run(test())
    with portal.connect() as conn:
        assert conn.execute("select count(*) from portal.audit_logs where table_name = 'patients'").fetchone() == (1,)
