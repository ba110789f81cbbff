"""Never touch what we did not make.

A database of ours carries a marker: a table with a random id, made by us when we created the database.
The marker also names the database's oid and the cluster's system identifier, so that a dump of a lab
database restored elsewhere, or a lab database cloned by hand, is not taken for ours.
"""

from __future__ import annotations

import uuid

import psycopg
from psycopg import sql

from pgvitals.errors import GuardError

MARKER_SCHEMA = "pgvitals"
_MARKER = sql.Identifier(MARKER_SCHEMA, "marker")
_IDENTITY = """
    select (select oid::bigint from pg_database where datname = current_database()),
           (select system_identifier from pg_control_system())
"""


def stamp(conn: psycopg.Connection) -> str:
    """Write the marker into the database of ``conn``, which must just have been created by us."""
    marker = str(uuid.uuid4())
    with conn.transaction():
        conn.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(MARKER_SCHEMA)))
        conn.execute(
            sql.SQL(
                "create table if not exists {} (id uuid not null, database_oid bigint not null, "
                "system_identifier bigint not null, created_at timestamptz not null default now())"
            ).format(_MARKER)
        )
        conn.execute(sql.SQL("delete from {}").format(_MARKER))
        conn.execute(
            sql.SQL("insert into {} (id, database_oid, system_identifier) select %s, i.* from ({}) i").format(
                _MARKER, sql.SQL(_IDENTITY)
            ),
            (marker,),
        )
    return marker


def is_ours(conn: psycopg.Connection) -> bool:
    """Whether the database of ``conn`` carries a marker that fits this database in this cluster."""
    try:
        with conn.transaction():
            found = conn.execute("select to_regclass(%s)", (f"{MARKER_SCHEMA}.marker",)).fetchone()
            if found is None or found[0] is None:
                return False
            row = conn.execute(
                sql.SQL(
                    "select (select count(*) from {m}) = 1 "
                    "and exists (select from {m} where (database_oid, system_identifier) = ({i}))"
                ).format(m=_MARKER, i=sql.SQL(_IDENTITY))
            ).fetchone()
    except psycopg.ProgrammingError:  # somebody's own table of that name, or one that we may not read
        return False
    return row is not None and bool(row[0])


def require_ours(conn: psycopg.Connection) -> None:
    """Refuse any database that we did not make.

    Raises:
        GuardError: it carries no fitting marker.
    """
    if not is_ours(conn):
        raise GuardError(
            f"database {conn.info.dbname!r} was not made by pgvitals, so nothing in it is touched; "
            "`pgvitals up --postgres DSN` with the DSN of a maintenance database (…/postgres) makes one of its own"
        )
