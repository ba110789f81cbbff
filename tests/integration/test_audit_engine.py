"""Rules about engines: each finds its own bad engine and is silent about the good one; the portal's forgets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from pgvitals.audit.engine import EngineRule, Target, ask_engine, load_engine_rules
from pgvitals.audit.engine.target import url_of
from pgvitals.audit.engine.trial import try_engine_rules
from pgvitals.lab import Database, Server
from pgvitals.results.audit import RuleResult
from pgvitals.results.outcome import Outcome
from pgvitals.suite import Suite, load_module

RULES = {rule.id: rule for rule in load_engine_rules()}
PATIENCE_S = 2


@pytest.fixture(scope="module")
def database(server: Server) -> Iterator[Database]:
    """A database for engines to connect to, and a role that owns nothing."""
    with server.scratch("engine") as made, made.connect() as conn:
        conn.execute("create role engine_app nologin")
        yield made
        conn.execute("drop role engine_app")


@pytest.fixture
def url(database: Database) -> sa.URL:
    """How they do."""
    return url_of(database, "engine_app")


Ask = Callable[..., RuleResult]


@pytest.fixture
def ask(url: sa.URL) -> Ask:
    """What one rule says about an engine."""

    def ask_one(rule: str, found: Any, **how: Any) -> RuleResult:
        target = Target(name="app:engine", found=found)
        asked = {"system": "s", "rules": [RULES[rule]], "patience_s": PATIENCE_S, **how}
        (result,) = ask_engine(target, url, **asked)
        return result

    return ask_one


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_a_rule_finds_its_bad_engine_once_and_is_silent_about_the_good_one(rule: EngineRule, url: sa.URL) -> None:
    (trial,) = try_engine_rules(url, [rule])
    assert trial.found, trial.bad.evidence
    assert trial.is_silent, trial.good.evidence
    assert trial.bad.findings[0].remediation.startswith("-- ")


def test_limits_left_to_the_default_are_found_although_they_look_like_any_other(ask: Ask) -> None:
    found = ask("APP001", lambda url: sa.create_engine(url, pool_size=5))
    assert found.findings[0].detail == (
        "max_overflow, pool_timeout left to the default (pool_size 5, max_overflow 10, pool_timeout 30)"
    )


def test_of_an_engine_that_was_there_before_it_is_said_that_nobody_watched(ask: Ask, url: sa.URL) -> None:
    found = ask("APP001", sa.create_engine(url))
    assert found.outcome is Outcome.PASS
    assert found.evidence.endswith("whether they were given or are defaults cannot be told here")


def test_an_engine_without_a_pool_has_no_limits(ask: Ask) -> None:
    found = ask("APP001", lambda url: sa.create_engine(url, poolclass=sa.NullPool))
    assert "its pool is a NullPool" in found.findings[0].detail


def test_a_time_limit_is_waited_for_and_seen_to_end_what_takes_longer(ask: Ask) -> None:
    limits = {"options": "-c statement_timeout=60ms -c lock_timeout=50ms -c role=engine_app"}
    for rule, told in (("APP002", "pg_sleep was ended after 0.1 s"), ("APP003", "the wait for a lock was ended after")):
        found = ask(rule, lambda url: sa.create_engine(url.update_query_dict(limits)))
        assert found.outcome is Outcome.PASS
        assert told in found.evidence


def test_a_time_limit_that_comes_late_is_told_and_not_waited_for(ask: Ask) -> None:
    found = ask("APP002", lambda url: sa.create_engine(url, connect_args={"options": "-c statement_timeout=1h"}))
    assert found.outcome is Outcome.PASS
    assert "it is 3600 s; not waited for, as that is over 2 s" in found.evidence


def test_a_pool_of_one_connection_cannot_wait_for_itself(ask: Ask) -> None:
    limits = {"options": "-c lock_timeout=50ms"}
    alone = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.05}
    found = ask("APP003", lambda url: sa.create_engine(url.update_query_dict(limits), **alone))
    assert "not tried, as the pool has one connection alone" in found.evidence


def leaks(found: RuleResult) -> str:
    return found.findings[0].detail.removeprefix("the next checkout finds ") if found.findings else ""


def test_an_ordinary_pool_rolls_back_and_keeps_all_the_rest(ask: Ask) -> None:
    found = ask("APP004", lambda url: sa.create_engine(url))
    assert leaks(found) == (
        "a setting, a time limit, a temporary table, a prepared statement, an advisory lock, an open cursor, "
        "a channel it listens on"
    )


def test_a_connection_that_is_never_given_out_again_leaks_nothing(ask: Ask) -> None:
    found = ask("APP004", lambda url: sa.create_engine(url, poolclass=sa.NullPool))
    assert found.outcome is Outcome.PASS
    assert "7 times the connection was not given out again" in found.evidence


def test_what_the_role_may_not_leave_is_not_tried_and_said(ask: Ask, database: Database) -> None:
    with database.connect() as conn:
        conn.execute(f'revoke temporary on database "{database.name}" from public')
        found = ask("APP004", lambda url: sa.create_engine(url))
        conn.execute(f'grant temporary on database "{database.name}" to public')
    assert "not tried: a temporary table (permission denied to create temporary tables in database" in found.evidence
    assert found.checked == 6


def test_the_probes_leave_nothing_in_the_pool_themselves(ask: Ask, url: sa.URL) -> None:
    engine = sa.create_engine(url, pool_size=1)
    ask("APP004", engine)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from pg_prepared_statements")) == 0
        assert connection.scalar(sa.text("select current_setting('pgvitals.left', true)")) is None
    engine.dispose()


def test_the_portal_s_engine_forgets_and_a_leaky_variant_of_it_does_not(ask: Ask, suite: Suite) -> None:
    portal = load_module(suite.system("portal").folder / "engine.py", "portal_engine_audited")

    def leaky(url: sa.URL) -> AsyncEngine:
        engine: AsyncEngine = portal.make_engine(url)
        sa.event.remove(engine.sync_engine, "reset", portal.forget)
        return engine

    results = {rule: ask(rule, portal.make_engine) for rule in ("APP001", "APP002", "APP003", "APP004")}
    assert {rule: each.outcome for rule, each in results.items()} == dict.fromkeys(results, Outcome.PASS)
    found = ask("APP004", leaky)
    assert found.outcome is Outcome.FAIL
    assert leaks(found).startswith("a setting, a time limit, a temporary table")


def test_an_asynchronous_engine_of_another_driver_is_asked_the_same(ask: Ask) -> None:
    def made(url: sa.URL) -> AsyncEngine:
        query = {key: value for key, value in url.query.items() if key == "host"}
        return create_async_engine(url.set(drivername="postgresql+asyncpg", query=query))

    found = ask("APP004", made)
    assert found.outcome is Outcome.FAIL
    assert "a setting" in leaks(found)


def test_requests_of_coroutines_are_watched_too(ask: Ask) -> None:
    async def lazily(engine: AsyncEngine, rows: int) -> None:
        async with engine.connect() as connection:
            for _ in range(rows):
                await connection.execute(sa.text("select 1"))

    found = ask("APP005", lambda url: create_async_engine(url), requests={"lazily": lazily})
    assert found.findings[0].objects == ("lazily",)
    assert found.findings[0].detail == "sends 1 statements for 1 row and 10 for 10"


def test_writes_that_commit_by_themselves_are_as_many_transactions(ask: Ask) -> None:
    def write(engine: sa.Engine, rows: int) -> None:
        with engine.connect() as connection:
            connection.execute(sa.text("create temporary table if not exists w (n int)"))
            for _ in range(rows):
                connection.execute(sa.text("with one as (select 1 as n) insert into w select n from one"))

    def made(url: sa.URL) -> sa.Engine:
        return sa.create_engine(url, isolation_level="AUTOCOMMIT")

    assert ask("APP006", made, requests={"write": write}).findings[0].detail == "commits 2 writes in 2 transactions"


def test_without_requests_it_is_said_how_they_are_given(ask: Ask) -> None:
    found = ask("APP005", lambda url: sa.create_engine(url))
    assert (found.outcome, found.evidence) == (
        Outcome.NOT_APPLICABLE,
        "no requests were given to look at: --requests file.py:attribute",
    )


def test_a_request_that_fails_is_an_error_without_its_message(ask: Ask) -> None:
    def fail(engine: sa.Engine, rows: int) -> None:
        raise ValueError("ada@example.org")

    found = ask("APP005", lambda url: sa.create_engine(url), requests={"fail": fail})
    assert (found.outcome, found.evidence) == (Outcome.ERROR, "failed with ValueError")


def test_a_server_that_refuses_is_an_error_without_the_password(ask: Ask) -> None:
    def made(url: sa.URL) -> sa.Engine:
        return sa.create_engine(url.set(database="nowhere", password="hunter2"))

    found = ask("APP002", made)
    assert found.outcome is Outcome.ERROR
    assert "hunter2" not in found.evidence
