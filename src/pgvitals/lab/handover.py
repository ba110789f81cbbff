"""What a cluster goes through between two embedded servers: only kept datasets stay, under another password."""

from __future__ import annotations

import contextlib
import re
import secrets
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from psycopg import sql

from pgvitals.errors import LabError
from pgvitals.lab.kept import PREFIX, all_kept, limit_bytes, now_utc
from pgvitals.lab.parked import Parked, directory_bytes
from pgvitals.lab.server import Server
from pgvitals.lab.state import State
from pgvitals.lab.unprivileged import Identity, fingerprint

_MAINTENANCE = ("postgres", "template0", "template1")
_CHANGED = {
    "the attributes of a role were changed": """
        select rolname from pg_roles
        where oid >= 16384 and (rolsuper or rolcreaterole or rolcreatedb or rolcanlogin or rolreplication
            or rolbypassrls or not rolinherit or rolconnlimit <> -1 or rolconfig is not null)""",
    "roles were granted": "select from pg_auth_members where roleid >= 16384 or member >= 16384",
    "settings of a role or of all databases were changed": """
        select from pg_db_role_setting where setrole <> 0 or setdatabase = 0""",
    "settings were changed with ALTER SYSTEM": """
        select from pg_file_settings where sourcefile like '%/postgresql.auto.conf'""",
    "parameters were granted": "select from pg_parameter_acl",
    "it has tablespaces": "select from pg_tablespace where oid >= 16384",
    "it has replication slots": "select from pg_replication_slots",
}
"""What belongs to the whole cluster and would be there for the next lab, where nobody expects it."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A running server that holds kept datasets and nothing else, ready to be shut down and parked."""

    parked: Parked
    binaries: Path


def pack(state: State) -> Packed | None:
    """Drop all but the kept datasets and the roles that they need; None if nothing is kept.

    Raises:
        LabError: the cluster would not be as a new one is.
        psycopg.Error, OSError: the server does not answer, or does not let us.
    """
    held = [name for name in state.databases if name.startswith(PREFIX)]
    if not held or state.server is None or not limit_bytes():
        return None
    with psycopg.connect(**state.params, autocommit=True) as conn:  # type: ignore[arg-type]
        datasets = all_kept(conn, held)
        if not datasets:
            return None
        _drop_the_rest(conn, [each.database for each in datasets])
        for what, question in _CHANGED.items():
            if conn.execute(question.encode()).fetchone() is not None:
                raise LabError(what)
        version = conn.info.parameter_status("server_version") or ""
    binaries = Path(f"/proc/{state.server.pid}/exe").readlink().parent  # whatever PGVITALS_PG_BIN says by now
    parked = Parked(
        id=state.id,
        suite=state.suite,
        binaries=fingerprint(binaries),
        version=version,
        parked_utc=now_utc(),
        size_bytes=0,
        datasets=tuple(datasets),
        password=state.params["password"],
    )
    return Packed(parked, binaries)


def close(packed: Packed, data: Path, identity: Identity) -> Parked:
    """Make a data directory small after its server has shut down, and weigh it.

    PostgreSQL renames old WAL files for use to come, up to gigabytes after a load; a new one is as good.

    Raises:
        LabError: the server did not shut down in good order.
    """
    done = subprocess.run(
        [packed.binaries / "pg_controldata", "-D", str(data)],
        capture_output=True,
        text=True,
        errors="replace",
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        check=False,
        **identity.popen(),
    )
    said = dict(re.findall(r"^(.+?): +(.+)$", done.stdout, re.MULTILINE))
    if said.get("Database cluster state") != "shut down":
        raise LabError("the server did not shut down in good order")
    redo = said["Latest checkpoint's REDO WAL file"]
    segments = sorted(path for path in (data / "pg_wal").iterdir() if re.fullmatch("[0-9A-F]{24}", path.name))
    ahead = [path for path in segments if path.name > redo]
    for path in ahead[1:]:  # the checkpoint's record may reach into the first of them
        path.unlink()
    return replace(packed.parked, size_bytes=directory_bytes(data))


def settle(server: Server, parked: Parked) -> Server:
    """Give a server that was started on a parked cluster another password, and note what it holds.

    Raises:
        LabError: it does not answer.
        psycopg.Error: it does not let us.
    """
    password = secrets.token_urlsafe(24)
    with server.maintenance() as conn:
        hashed = conn.pgconn.encrypt_password(password.encode(), b"postgres", b"scram-sha-256").decode()
        conn.execute(sql.SQL("alter role postgres password {}").format(sql.Literal(hashed)))
    names = tuple(each.database for each in parked.datasets)
    server.state = server.state.with_changes(params={**server.state.params, "password": password}, databases=names)
    with server.maintenance() as conn:
        if [each.database for each in all_kept(conn, names)] == []:
            raise LabError("it holds no kept dataset")
    return server


def _drop_the_rest(conn: psycopg.Connection, kept: Sequence[str]) -> None:
    """The cluster is ours as a whole: what is dropped here would have been deleted with it."""
    names = conn.execute("select datname from pg_database where datname <> all(%s)", ([*_MAINTENANCE, *kept],))
    for (name,) in names.fetchall():
        conn.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
    for (role,) in conn.execute("select rolname from pg_roles where oid >= 16384").fetchall():
        with contextlib.suppress(psycopg.errors.DependentObjectsStillExist):
            conn.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))
