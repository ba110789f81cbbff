"""Somebody's server: we make and drop what is ours there, and not a byte of theirs changes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from pgvitals.errors import GuardError, LabError
from pgvitals.lab import Server, attach, external, guard, start_server
from pgvitals.lab.attach import server_of
from pgvitals.lab.migrate import current, upgrade
from pgvitals.lab.reap import reap
from pgvitals.lab.state import Process, State, all_states, new_id
from pgvitals.suite import Suite

SECRET = "planted-secret"
ROLES = {"pazpaz_owner", "pazpaz_app", "pazpaz_retention", "practice_owner", "practice_app"}
CATALOG = """
select 'database', oid::text, datname, datacl::text, datdba::regrole::text from pg_database
union all select 'role', oid::text, rolname, rolsuper::text, rolpassword from pg_authid
union all select 'member', roleid::regrole::text, member::regrole::text, null, null from pg_auth_members
union all select 'setting', setdatabase::text, setrole::text, setconfig::text, null from pg_db_role_setting
union all select 'class', oid::text, relname, relfilenode::text, relacl::text from pg_class where relkind <> 'i'
union all select 'namespace', oid::text, nspname, nspacl::text, null from pg_namespace
union all select 'extension', extname, extversion, null, null from pg_extension
order by 1, 2, 3
"""


@dataclass(frozen=True)
class Elsewhere:
    """Somebody's cluster with a database ``hospital``; the tests know its superuser's DSN, the lab does not."""

    server: Server

    def dsn(self, database: str = "postgres", user: str = "postgres", password: str | None = None) -> str:
        """A DSN over TCP, as one is given it."""
        params = self.server.state.params
        secret = quote(params["password"] if password is None else password, safe="")
        return f"postgresql://{user}:{secret}@127.0.0.1:{params['port']}/{database}"

    def run(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run SQL as the superuser."""
        with psycopg.connect(**{**self.server.state.params, "dbname": database}, autocommit=True) as conn:  # type: ignore[arg-type]
            cursor = conn.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def all_there_is(self) -> object:
        """The catalogs of both databases, and somebody's rows."""
        catalogs = [self.run(CATALOG, database) for database in ("postgres", "hospital")]
        return catalogs, self.run("select xmin::text, * from patients order by id", "hospital")

    def ours(self) -> list[str]:
        """Databases and roles there that look like ours."""
        found = "select datname from pg_database where datname like 'pgvitals%' union all select rolname from pg_roles"
        return sorted(name for (name,) in self.run(found) if name.startswith("pgvitals") or name in ROLES)


@pytest.fixture(scope="module")
def cluster(suite: Suite, _own_state: None) -> Iterator[Elsewhere]:
    with start_server("embedded", suite=suite) as server:
        place = Elsewhere(server)
        place.run("create database hospital")
        place.run(
            "create table patients (id int primary key, name text); insert into patients values (1, 'Ada'), (2, 'Eve')",
            "hospital",
        )
        place.run("create role nurse; grant select on patients to nurse", "hospital")
        yield place


@pytest.fixture
def elsewhere(cluster: Elsewhere, lab_home: Any) -> Iterator[Elsewhere]:
    """The cluster, which after the test has to be as it was before; the lab keeps its states elsewhere."""
    before = cluster.all_there_is()
    yield cluster
    assert cluster.all_there_is() == before
    assert all_states() == []


@pytest.fixture
def maker(cluster: Elsewhere) -> Iterator[str]:
    """The DSN of a user who may create databases and roles, and is no superuser."""
    cluster.run(f"create role maker login createdb createrole password '{SECRET}'")
    yield cluster.dsn(user="maker", password=SECRET)
    cluster.run("drop role maker")


def started(dsn: str, suite: Suite) -> None:
    with start_server(dsn, suite=suite):
        pass


# What is not ours


def test_a_foreign_database_is_refused_and_nothing_in_it_changes(
    elsewhere: Elsewhere, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = elsewhere.dsn("hospital")
    for refused in (lambda: attach(suite, dsn), lambda: started(dsn, suite)):
        with pytest.raises(GuardError, match="database 'hospital' was not made by pgvitals") as caught:
            refused()
        assert "…/postgres" in str(caught.value)
        assert elsewhere.server.state.params["password"] not in str(caught.value)
    monkeypatch.setenv("PGVITALS_DSN", dsn)
    with pytest.raises(GuardError, match="database 'hospital'"):
        attach(suite)


def test_the_command_refuses_it_in_one_line(elsewhere: Elsewhere, suite: Suite) -> None:
    load = "import sys; from pgvitals.cli import main; sys.argv[1:] = ['load', '--postgres', sys.stdin.read()]; main()"
    done = subprocess.run(
        [sys.executable, "-c", load],
        input=elsewhere.dsn("hospital"),
        cwd=suite.root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "database 'hospital' was not made by pgvitals" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert elsewhere.server.state.params["password"] not in done.stdout + done.stderr


def test_a_role_that_is_somebodys_is_not_taken_over(elsewhere: Elsewhere, suite: Suite) -> None:
    elsewhere.run("create role pazpaz_app login")
    try:
        with pytest.raises(GuardError, match="role 'pazpaz_app' is on that server already"):
            started(elsewhere.dsn(), suite)
        assert elsewhere.ours() == ["pazpaz_app"]
    finally:
        elsewhere.run("drop role pazpaz_app")


# What is ours


def test_a_maintenance_database_leads_to_one_of_our_own_that_is_gone_afterwards(
    elsewhere: Elsewhere, suite: Suite
) -> None:
    with start_server(elsewhere.dsn(), suite=suite) as server:
        assert (server.kind, server.why) == ("external", "asked for with --postgres DSN")
        lab = server.create("lab")
        upgrade(suite, lab)
        assert set(current(suite, lab)) == set(suite.systems)
        with server.scratch("copy", source=lab) as clone, clone.connect("pazpaz_app") as conn:
            assert conn.execute("select current_user, count(*) from pazpaz.clients").fetchone() == ("pazpaz_app", 0)
        assert elsewhere.ours() == sorted({lab.name, *ROLES})


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_lab_that_is_broken_off_takes_everything_along(
    elsewhere: Elsewhere, suite: Suite, error: type[BaseException]
) -> None:
    def work() -> None:
        with start_server(elsewhere.dsn(), suite=suite) as server:
            upgrade(suite, server.create("lab"), "pazpaz@head")
            raise error

    with pytest.raises(error):
        work()
    assert elsewhere.ours() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, psycopg.errors.InsufficientPrivilege])
def test_roles_that_were_half_made_are_dropped(
    elsewhere: Elsewhere, suite: Suite, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    whole = external._make_roles

    def half(conn: psycopg.Connection, roles: tuple[str, ...]) -> None:
        whole(conn, roles[:1])
        assert len(elsewhere.ours()) == 1
        raise error

    monkeypatch.setattr(external, "_make_roles", half)
    with pytest.raises((KeyboardInterrupt, LabError)):
        started(elsewhere.dsn(), suite)
    assert elsewhere.ours() == []


def test_roles_go_although_the_last_database_went_before_them(elsewhere: Elsewhere, suite: Suite) -> None:
    with start_server(elsewhere.dsn(), suite=suite) as server:
        with server.scratch("lab") as lab:
            upgrade(suite, lab)
        assert set(elsewhere.ours()) >= ROLES
    assert elsewhere.ours() == []


def test_a_user_who_is_no_superuser_can_do_all_this_too(maker: str, elsewhere: Elsewhere, suite: Suite) -> None:
    with start_server(maker, suite=suite) as server:
        lab = server.create("lab")
        upgrade(suite, lab, "pazpaz@head")
        with server.scratch("copy", source=lab) as clone, clone.connect("pazpaz_app") as conn:
            assert conn.execute("select count(*) from pazpaz.clients").fetchone() == (0,)
    assert elsewhere.ours() == []


def test_a_database_that_cannot_be_made_is_one_line_and_not_looked_for_later(
    maker: str, elsewhere: Elsewhere, suite: Suite
) -> None:
    with start_server(maker, suite=suite) as server:
        elsewhere.run("alter role maker nocreatedb")
        with pytest.raises(
            LabError, match="cannot create a database on the external server: permission denied"
        ) as caught:
            server.create("lab")
        assert "\n" not in str(caught.value)
        assert (server.state.databases, server.state.unfinished) == ((), ())
    assert elsewhere.ours() == []


def test_two_labs_on_one_server_share_the_roles_until_the_last_one_goes(elsewhere: Elsewhere, suite: Suite) -> None:
    with start_server(elsewhere.dsn(), suite=suite) as first:
        with start_server(elsewhere.dsn(), suite=suite) as second:
            upgrade(suite, second.create("lab"))
        assert set(elsewhere.ours()) == ROLES  # the first has made nothing that needs them yet
        lab = first.create("lab")
        upgrade(suite, lab)
        with start_server(elsewhere.dsn(), suite=suite):
            pass
        with lab.connect("practice_app") as conn:
            assert conn.execute("select current_user").fetchone() == ("practice_app",)
    assert elsewhere.ours() == []


def test_a_database_of_ours_is_found_again_by_its_dsn(
    elsewhere: Elsewhere, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_server(elsewhere.dsn(), suite=suite) as server:
        lab = server.create("lab")
        for found in (attach(suite, elsewhere.dsn(lab.name)), attach(None, elsewhere.dsn(lab.name))):
            assert (found.name, found.state_path) == (lab.name, server.state.path)
        monkeypatch.setenv("PGVITALS_DSN", elsewhere.dsn(lab.name))
        assert attach(suite).name == lab.name
        with start_server(suite=suite) as again:  # which makes others beside it
            assert again.why == "PGVITALS_DSN is set"
            with again.scratch("other") as other, other.connect() as conn:
                assert guard.is_ours(conn)
            with again.scratch("copy", source=lab) as copy, copy.connect() as conn:
                assert guard.is_ours(conn)


# Killed


def test_what_a_killed_client_left_there_is_dropped_by_the_next(
    client: Callable[..., Any], elsewhere: Elsewhere
) -> None:
    user = client("create", elsewhere.dsn())
    (name,) = user.state().databases
    assert elsewhere.ours() == sorted({name, *ROLES})
    user.end(signal.SIGKILL)
    assert len(reap()) == 1
    assert elsewhere.ours() == []


def left_by_the_dead(elsewhere: Elsewhere, **changes: Any) -> State:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        owner = Process.of(process.pid)
        process.kill()
    state = State(
        id=new_id(), kind="external", why="", suite="", persistent=False, owner=owner,
        params={**external.parse(elsewhere.dsn())}, **changes,
    )  # fmt: skip
    state.save()
    return state


def test_a_database_that_was_named_but_not_yet_marked_is_dropped(elsewhere: Elsewhere) -> None:
    elsewhere.run("create database pgvitals_half")
    state = left_by_the_dead(elsewhere, unfinished=("pgvitals_half", "pgvitals_never_made"))
    assert reap() == [state]
    assert elsewhere.ours() == []


def test_a_database_of_that_name_without_our_marker_is_left_alone(elsewhere: Elsewhere) -> None:
    elsewhere.run("create database pgvitals_theirs")
    try:
        state = left_by_the_dead(elsewhere, databases=("pgvitals_theirs", "hospital"))
        assert reap() == [state]
        assert elsewhere.ours() == ["pgvitals_theirs"]
    finally:
        elsewhere.run("drop database pgvitals_theirs")


def test_a_database_that_cannot_be_dropped_now_is_dropped_by_a_later_try(maker: str, elsewhere: Elsewhere) -> None:
    elsewhere.run("create database pgvitals_stuck")
    state = left_by_the_dead(elsewhere, unfinished=("pgvitals_stuck",)).with_changes(params=external.parse(maker))
    with pytest.raises(LabError, match="cannot be dropped: must be owner") as caught:
        server_of(state).stop()
    assert "\n" not in str(caught.value)
    assert (reap(), len(all_states())) == ([], 1)
    elsewhere.run("alter database pgvitals_stuck owner to maker")
    assert reap() == [state]
    assert elsewhere.ours() == []


# Refused in one line, and never with a password


def refusal(dsn: str, suite: Suite) -> str:
    found = []
    for act in (lambda: attach(suite, dsn), lambda: started(dsn, suite)):
        with pytest.raises(LabError) as caught:
            act()
        found.append(str(caught.value))
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert not any(SECRET in message or "\n" in message for message in found)
    return found[-1]


@pytest.mark.parametrize("may", ["", "createdb", "createrole"])
def test_a_user_who_may_not_create_databases_and_roles_is_told_so(elsewhere: Elsewhere, suite: Suite, may: str) -> None:
    elsewhere.run(f"create role visitor login {may} password '{SECRET}'")
    try:
        with pytest.raises(LabError, match=r"user 'visitor' may not create databases and roles.*ask for CREATEDB"):
            started(elsewhere.dsn(user="visitor", password=SECRET), suite)
    finally:
        elsewhere.run("drop role visitor")


def test_a_wrong_password_is_not_repeated(elsewhere: Elsewhere, suite: Suite) -> None:
    assert "password authentication failed" in refusal(elsewhere.dsn(password=SECRET), suite)


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        (f"postgresql://me:{SECRET}@127.0.0.1:1/postgres", "cannot be reached: "),
        (f"host=127.0.0.1 port=1 user=me password={SECRET}", "cannot be reached: "),
        (f"host=/nowhere user=me password={SECRET}", "cannot be reached: "),
        (f"host=127.0.0.1 port=1 sslmode={SECRET} password={SECRET}", "cannot be reached: "),
        (f"postgresql://me:a/{SECRET}@127.0.0.1:1/postgres", "no usable host or port"),
        (f"postgresql://me:a@{SECRET}@127.0.0.1:1/postgres", "no usable host or port"),
        (f"postgresql://me:a?{SECRET}@127.0.0.1:1/postgres", "cannot be reached: "),
        (f"postgresql://me:7/{SECRET}@127.0.0.1:1/postgres", "no usable host or port"),
        (f"postgresql://me:{SECRET}@127.0.0.1:port/postgres", "no usable host or port"),
        (f"postgresql://me:%zz{SECRET}@127.0.0.1/postgres", "cannot be parsed"),
        (f"host=127.0.0.1 port=1 password=two {SECRET}", "cannot be parsed"),
        (f"host=127.0.0.1 port=1 {SECRET}=x", "cannot be parsed"),
        (f"127.0.0.1:1 password={SECRET}", "cannot be parsed"),
    ],
)
def test_a_dsn_that_leads_nowhere_is_not_repeated(dsn: str, said: str, suite: Suite, lab_home: Any) -> None:
    assert said in refusal(dsn, suite)
    assert all_states() == []


@pytest.mark.parametrize("word", ["postgres", f"me:{SECRET}@127.0.0.1", f"me:{SECRET}"])
def test_what_is_no_dsn_at_all_is_told_from_one(word: str, suite: Suite, lab_home: Any) -> None:
    with pytest.raises(LabError, match="expected auto, embedded, container or a DSN") as caught:
        started(word, suite)
    assert SECRET not in str(caught.value)


def test_a_special_character_in_a_password_is_written_in_percent_code(elsewhere: Elsewhere, suite: Suite) -> None:
    password = "a@b:c/d?e#f"
    elsewhere.run(f"create role odd login superuser password '{password}'")
    try:
        with start_server(elsewhere.dsn(user="odd", password=password), suite=suite) as server:
            assert server.state.params["password"] == password
    finally:
        elsewhere.run("drop role odd")
