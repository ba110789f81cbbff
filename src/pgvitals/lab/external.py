"""Somebody's server, by DSN: we make databases of our own on it and touch nothing else."""

from __future__ import annotations

import contextlib
import shutil
from typing import cast

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from pgvitals.errors import GuardError, LabError
from pgvitals.lab import guard
from pgvitals.lab.database import Database
from pgvitals.lab.server import Server, one_line
from pgvitals.lab.state import State, all_states

MAINTENANCE_DATABASES = ("postgres", "template1")
_ROLE_MARK = "made by pgvitals, dropped with its last database on this server"


def parse(dsn: str) -> dict[str, str]:
    """The DSN's libpq parameters.

    Raises:
        LabError: it is not a DSN. The message does not repeat it: it may hold a password.
    """
    try:
        parsed = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise LabError(
            "the given DSN cannot be parsed; expected 'postgresql://user@host:port/dbname' or 'host=… dbname=…'"
        ) from None
    params = cast("dict[str, str]", {key: str(value) for key, value in parsed.items() if value is not None})
    # libpq would quote host and port in its complaint, and they may be the tail of an unescaped password.
    place = dsn.partition("://")[2].partition("?")[0]
    astray = place.count("@") > 1 or "@" in place.partition("/")[2]
    if astray or params.get("port", "0").strip(",0123456789"):
        raise LabError(
            "the given DSN has no usable host or port; write @ : / ? in a user name or password as %40 %3A %2F %3F"
        )
    return params


def connect(params: dict[str, str]) -> psycopg.Connection:
    """Connect as the DSN says.

    Raises:
        LabError: nobody answers there, or refuses us.
    """
    try:
        return psycopg.connect(**{"connect_timeout": "10", **params}, autocommit=True)  # type: ignore[arg-type]
    except psycopg.Error as error:
        said = one_line(error)
        if password := params.get("password"):
            said = said.replace(password, "…")
        raise LabError(f"the given DSN cannot be reached: {said}") from None


def start(state: State, dsn: str, roles: tuple[str, ...] = ()) -> Server:
    """Use the DSN's server: its database must be a maintenance database, or one of ours.

    Roles belong to the whole server: those of ``roles`` that are not there yet are made and marked as
    ours; the last lab to leave the server drops them.

    Raises:
        GuardError: the DSN names somebody's database, or a role of that name is somebody's.
        LabError: it cannot be reached, or may not create databases and roles.
    """
    params = parse(dsn)
    with connect(params) as conn:
        name = conn.info.dbname
        if name not in MAINTENANCE_DATABASES and not guard.is_ours(conn):
            raise GuardError(
                f"database {name!r} was not made by pgvitals; give the DSN of the server's maintenance database "
                "(…/postgres) instead, and pgvitals makes a database of its own there"
            )
        row = conn.execute(
            "select rolsuper, rolcreatedb and rolcreaterole from pg_roles where rolname = current_user"
        ).fetchone()
        if row is None or not (row[0] or row[1]):
            raise LabError(
                f"user {conn.info.user!r} may not create databases and roles on that server; "
                "ask for CREATEDB and CREATEROLE, or use --postgres embedded"
            )
        foreign = [role for role, ours in _known_roles(conn, roles).items() if not ours]
        if foreign:
            raise GuardError(
                f"role {foreign[0]!r} is on that server already and was not made by pgvitals; it would be granted "
                "privileges, so nothing is done there: take another server, or --postgres embedded"
            )
        state = state.with_changes(params=params, roles=roles)
        try:
            _make_roles(conn, roles)
        except BaseException as error:
            stop(state)
            if isinstance(error, psycopg.Error):
                raise LabError(f"the roles of the systems cannot be made: {one_line(error)}") from None
            raise
    return Server(state=state, halt=stop)


def stop(state: State) -> None:
    """Drop the databases and roles that we made there; a database without our marker is left alone.

    Raises:
        LabError: the server does not answer, or does not let us; the state stays for another try.
    """
    if state.databases or state.unfinished or state.roles:
        with connect(state.params) as conn:
            try:
                _drop_databases(conn, state)
                if not any(_shares_server(other, state) for other in all_states()):
                    _drop_roles(conn, state.roles)
            except psycopg.Error as error:
                raise LabError(f"what we made on the external server cannot be dropped: {one_line(error)}") from None
    shutil.rmtree(state.folder, ignore_errors=True)


def _drop_databases(conn: psycopg.Connection, state: State) -> None:
    for name in (*state.databases, *state.unfinished):
        if conn.execute("select from pg_database where datname = %s", (name,)).fetchone() is None:
            continue
        if name not in state.unfinished:  # these got their random name, but no marker yet
            with Database(params=state.params, name=name).connect() as inside:
                if not guard.is_ours(inside):
                    continue
        conn.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _shares_server(other: State, state: State) -> bool:
    """Whether another lab of this user is on that server: it needs the roles, even before it has migrated."""
    place = ("host", "hostaddr", "port", "service")
    same = [other.params.get(key) == state.params.get(key) for key in place]
    return other.id != state.id and other.kind == state.kind and all(same)


def _known_roles(conn: psycopg.Connection, roles: tuple[str, ...]) -> dict[str, bool]:
    """Those of ``roles`` that the server has, and whether they are ours."""
    rows = conn.execute(
        "select rolname, coalesce(shobj_description(oid, 'pg_authid') = %s, false) from pg_roles "
        "where rolname = any(%s)",
        (_ROLE_MARK, list(roles)),
    ).fetchall()
    return {str(name): bool(ours) for name, ours in rows}


def _make_roles(conn: psycopg.Connection, roles: tuple[str, ...]) -> None:
    there = _known_roles(conn, roles)
    for role in roles:
        if role not in there:
            name = sql.Identifier(role)
            with conn.transaction():
                conn.execute(sql.SQL("create role {} nologin nosuperuser nobypassrls").format(name))
                conn.execute(sql.SQL("comment on role {} is {}").format(name, sql.Literal(_ROLE_MARK)))


def _drop_roles(conn: psycopg.Connection, roles: tuple[str, ...]) -> None:
    for role, ours in _known_roles(conn, roles).items():
        # A lab of somebody else may use it by now; the last one to go takes it along.
        if ours:
            with contextlib.suppress(psycopg.errors.DependentObjectsStillExist, psycopg.errors.UndefinedObject):
                conn.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(role)))
