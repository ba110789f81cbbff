"""The functions of the three systems: who may call one that runs with its owner's rights, and what its names mean."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from pgvitals.lab import Server
from pgvitals.lab.migrate import upgrade
from pgvitals.suite import Suite, find_suite

SUITE = find_suite()
OWN = (
    "from pg_proc p where pronamespace = %s::regnamespace "
    "and not exists (select from pg_depend where classid = 'pg_proc'::regclass and objid = p.oid and deptype = 'e')"
)
IN_A_POLICY = (
    "exists (select from pg_depend d where d.classid = 'pg_policy'::regclass "
    "and d.refclassid = 'pg_proc'::regclass and d.refobjid = p.oid)"
)


@pytest.fixture(scope="module")
def conn(server: Server, suite: Suite) -> Iterator[psycopg.Connection]:
    """All systems at their heads."""
    with server.scratch("functions") as database:
        upgrade(suite, database)
        with database.connect() as opened:
            yield opened


def named(conn: psycopg.Connection, schema: str, condition: str, *values: object) -> list[str]:
    """The functions of a schema for which a condition holds, but for those of extensions."""
    found = conn.execute(f"select p.oid::regprocedure::text {OWN} and {condition} order by 1", (schema, *values))
    return [name for (name,) in found.fetchall()]


@pytest.mark.parametrize("system", SUITE.systems)
def test_what_runs_with_the_owners_rights_is_called_by_policies_for_the_application_and_by_nobody_else(
    conn: psycopg.Connection, system: str
) -> None:
    policy = SUITE.system(system)
    roles = [name for (name,) in conn.execute("select rolname from pg_roles where not rolsuper").fetchall()]
    strangers = [role for role in roles if role not in (policy.roles.owner, policy.roles.app)]
    called = "prosecdef and exists (select from unnest(%s::text[]) r where has_function_privilege(r, p.oid, 'execute'))"
    assert named(conn, policy.schema_name, "prosecdef and has_function_privilege('public', p.oid, 'execute')") == []
    assert named(conn, policy.schema_name, called, strangers) == []
    assert named(conn, policy.schema_name, f"{called} and not {IN_A_POLICY}", [policy.roles.app]) == []


@pytest.mark.parametrize("system", SUITE.systems)
def test_no_function_means_something_else_under_its_callers_search_path(conn: psycopg.Connection, system: str) -> None:
    """Resolved when it was made (a body of standard SQL), or under a search path that nobody can write to."""
    fixed = "coalesce(proconfig @> array['search_path=pg_catalog, pg_temp'], false)"
    assert named(conn, SUITE.system(system).schema_name, f"prosqlbody is null and not {fixed}") == []


def test_portal_asks_about_memberships_with_the_owners_rights(conn: psycopg.Connection) -> None:
    assert named(conn, "portal", f"prosecdef and {IN_A_POLICY}") == ["portal.may_be_member(text)"]
