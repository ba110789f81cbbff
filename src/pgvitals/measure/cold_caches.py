"""Empty the caches of a system's tables and indexes: the server's buffers and the operating system's page cache.

Only on an embedded server, whose files are ours and within reach. From PostgreSQL 17 on the server evicts buffers
itself (pg_buffercache_evict); before, blocks of another table are read until none of ours is left. Either way it
is looked at afterwards. What pgvitals needs for this lives in a database of its own, which goes at the end.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import psycopg

from pgvitals.errors import LabError
from pgvitals.lab import Database, Server, page_cache
from pgvitals.refusal import refusal

EVICTS_FROM = 170000
_PASSES = 30  # the clock takes at most five to let a buffer go; more says that somebody holds it
_MOST_LEFT = 0.5

_RELATIONS = """
    with own as (
        select oid, reltoastrelid from pg_class
        where relnamespace = %s::regnamespace and relkind in ('r', 'm')
    ), tables as (
        select oid from own union select reltoastrelid from own where reltoastrelid <> 0
    ), relations as (
        select oid from tables union select indexrelid from pg_index where indrelid in (select oid from tables)
    )
    select oid::bigint, pg_relation_filenode(oid)::bigint, pg_relation_filepath(oid) from relations order by 1
"""
_OURS = "reldatabase = %(database)s and relfilenode = any(%(nodes)s)"
_EVICT = f"select count(pg_buffercache_evict(bufferid)) from pg_buffercache where {_OURS}"  # noqa: S608
_COUNT = f"select count(*) from pg_buffercache where {_OURS}"  # noqa: S608
_FILLER = """
    create extension pg_prewarm;
    create unlogged table filler (block text);
    alter table filler alter column block set storage plain;
    insert into filler select repeat('x', 8000) from generate_series(1, (
        select setting::bigint from pg_settings where name = 'shared_buffers'));
    checkpoint;
"""
_DISPLACE = "select pg_prewarm('filler')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What an emptying left behind: buffers of the server, pages in the page cache."""

    buffers: int
    pages: int


@dataclass(frozen=True, kw_only=True)
class Caches:
    """The caches of one system's relations."""

    schema: str
    relations: tuple[int, ...]  # oids
    files: tuple[Path, ...]
    method: str  # evict | displace
    _drop_buffers: Callable[[], int]

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(path.stat().st_size for path in self.files)

    @property
    def pages(self) -> int:
        """Of all files, as the operating system counts them."""
        return sum(-(-path.stat().st_size // mmap.PAGESIZE) for path in self.files)

    def empty(self) -> Left:
        """Evict what the server holds, then let go of the files, and look at what is left.

        Raises:
            LabError: the files cannot be reached, or stay in memory all the same.
        """
        buffers = self._drop_buffers()
        try:
            for path in self.files:
                page_cache.release(path)
            seen = [page_cache.resident(path) for path in self.files]
        except OSError as error:
            raise LabError(f"{error.filename}: cannot be taken out of the page cache ({error.strerror})") from None
        left, pages = (sum(each) for each in zip(*seen, strict=True)) if seen else (0, 0)
        if left > _MOST_LEFT * pages:
            raise LabError(
                f"{left / pages:.0%} of the lab's files stay in memory, as on a RAM disk; "
                "set PGVITALS_HOME to a directory on a disk"
            )
        return Left(buffers=buffers, pages=left)


def require_reachable(kind: str) -> None:
    """Check that a server of this kind (embedded, container or external) has its files where we are.

    Raises:
        LabError: it has not.
    """
    if kind != "embedded":
        whose = "a container" if kind == "container" else "somebody's server"
        raise LabError(
            f"bench --cold empties caches, and the files of {whose} are out of reach; it takes an embedded server: "
            "`pgvitals bench --cold --postgres embedded`"
        )


@contextmanager
def caches_of(server: Server, database: Database, schemas: Sequence[str]) -> Iterator[dict[str, Caches]]:
    """By schema, its caches; for an embedded server alone.

    Raises:
        LabError: the server's files are out of reach.
    """
    require_reachable(server.kind)
    data = Path(str(server.state.data_dir))
    with server.scratch("cold") as beside, beside.connect() as conn:
        evicts = conn.info.server_version >= EVICTS_FROM
        try:
            conn.execute("create extension pg_buffercache")
            if not evicts:
                conn.execute(_FILLER)
        except psycopg.Error as error:
            raise LabError(f"the caches cannot be looked at: {refusal(error)}") from None
        yield {schema: _caches(conn, database, data, schema, evicts=evicts) for schema in schemas}


def disk_bytes(server: Server) -> int | None:
    """Bytes that the server's processes have read from a disk so far; None where the kernel does not tell."""
    if server.state.server is None:
        return None
    try:
        processes = psutil.Process(server.state.server.pid).children()
        return sum(int(each.io_counters().read_bytes) for each in processes)
    except (psutil.Error, OSError, AttributeError, NotImplementedError):
        return None


def _caches(conn: psycopg.Connection, database: Database, data: Path, schema: str, *, evicts: bool) -> Caches:
    with database.connect() as own:
        found = own.execute(_RELATIONS, (schema,)).fetchall()
        row = own.execute("select oid::bigint from pg_database where datname = current_database()").fetchone()
    ours = {"database": row[0] if row else 0, "nodes": [node for _, node, _ in found]}
    return Caches(
        schema=schema,
        relations=tuple(oid for oid, _, _ in found),
        files=tuple(path for _, _, main in found for path in _forks(data / main)),
        method="evict" if evicts else "displace",
        _drop_buffers=partial(_drop, conn, ours, evicts=evicts),
    )


def _drop(conn: psycopg.Connection, ours: dict[str, object], *, evicts: bool) -> int:
    """Evict every buffer of ours; how many are left."""
    if evicts:
        conn.execute(_EVICT, ours)
        return _held(conn, ours)
    for _ in range(_PASSES):
        conn.execute(_DISPLACE)
        if not _held(conn, ours):
            return 0
    return _held(conn, ours)


def _held(conn: psycopg.Connection, ours: dict[str, object]) -> int:
    row = conn.execute(_COUNT, ours).fetchone()
    return int(row[0]) if row else 0


def _forks(main: Path) -> Iterator[Path]:
    """The files of a relation: its segments, its free space map and its visibility map."""
    own = re.compile(rf"{re.escape(main.name)}(_(fsm|vm|init))?(\.\d+)?")
    yield from sorted(path for path in main.parent.glob(f"{main.name}*") if own.fullmatch(path.name))
