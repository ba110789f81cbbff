"""Kept datasets: databases that hold a loaded dataset as it was loaded, to be cloned instead of loaded again.

The comment on such a database says what it holds. It is written last, and a clone does not carry it: a
database without it is none to clone from, whatever its name. docs/decisions/0008-kept-datasets.md.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self

import psycopg
from psycopg import sql

from pgvitals.errors import LabError
from pgvitals.lab.database import Database
from pgvitals.lab.server import Server

FORMAT = 1
LABEL = "kept"
PREFIX = f"pgvitals_{LABEL}_"
LIMIT_VARIABLE = "PGVITALS_KEEP_GB"
DEFAULT_LIMIT_GB = 20.0
MOST_DATASETS = 16
UNSEEN_BYTES = 2**30
"""On a server whose disk cannot be seen from here, nothing larger is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Which rows: ``key`` is a digest of all that they follow from, the rest is what a person wants to know."""

    key: str
    profile: str
    seed: int
    revisions: dict[str, str]  # system -> Alembic revision

    def same_but_older(self, other: Label) -> bool:
        """Whether ``other`` is what this one was before a recipe, a migration or a size was edited."""
        return self.key != other.key and replace(self, key=other.key) == other


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One kept dataset."""

    database: str
    label: Label
    rows: int
    size_bytes: int
    load_s: float
    made_utc: str
    used_utc: str

    @classmethod
    def read(cls, database: str, comment: str) -> Self | None:
        """What a comment on a database says; None if it is not one of ours, or another pgvitals' format."""
        try:
            raw = json.loads(comment)
            return cls.from_json(raw | {"database": database}) if raw.pop("format") == FORMAT else None
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """The reverse of ``dataclasses.asdict``.

        Raises:
            KeyError, TypeError: it is not that.
        """
        return cls(**{**raw, "label": Label(**raw["label"])})

    def comment(self) -> str:
        """What :meth:`read` reads."""
        fields = asdict(self)
        del fields["database"]
        return json.dumps({"format": FORMAT, **fields})


def limit_bytes() -> int:
    """How much may be kept on a server, and be parked on this machine: ``PGVITALS_KEEP_GB``; 0 keeps nothing.

    Raises:
        LabError: it is no number.
    """
    text = os.environ.get(LIMIT_VARIABLE) or str(DEFAULT_LIMIT_GB)
    try:
        limit = int(float(text) * 2**30)
    except (ValueError, OverflowError):
        limit = -1
    if limit < 0:
        raise LabError(f"{LIMIT_VARIABLE}={text}: expected a number of GB, or 0 to keep no datasets")
    return limit


def now_utc() -> str:
    """The time as records keep it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def all_kept(conn: psycopg.Connection, names: Iterable[str]) -> list[Kept]:
    """Those databases among ``names`` that are whole kept datasets, the last used first."""
    rows = conn.execute(
        "select datname, shobj_description(oid, 'pg_database') from pg_database where datname = any(%s)",
        ([name for name in names if name.startswith(PREFIX)],),
    ).fetchall()
    found = [kept for name, comment in rows if comment and (kept := Kept.read(name, comment))]
    return sorted(found, key=lambda kept: (kept.used_utc, kept.made_utc, kept.database), reverse=True)


def find(server: Server, key: str) -> Kept | None:
    """The server's kept dataset of this key."""
    with server.maintenance() as conn:
        return next((kept for kept in all_kept(conn, server.refresh().databases) if kept.label.key == key), None)


def keep(
    server: Server,
    source: Database,
    label: Label,
    *,
    rows: int,
    load_s: float,
    verify: Callable[[psycopg.Connection], None] = lambda conn: None,
) -> Kept:
    """Clone ``source``, which nobody may be connected to and nobody may have changed since it was loaded.

    What is kept under an older key of the same label is dropped, and then the longest unused, until it fits.
    ``verify`` sees the copy before it counts as kept, and raises LabError if it is something else.

    Raises:
        LabError: somebody is connected, or there is no room.
    """
    with server.maintenance() as conn:
        size_bytes = _size(conn, source.name)
        _make_room(server, conn, label, size_bytes)
    try:
        copy = server.provisional(LABEL, source)
    except LabError as error:
        raise LabError(_connected(error)) from None
    try:
        with copy.connect() as conn:
            verify(conn)
        moment = now_utc()
        kept = Kept(
            database=copy.name,
            label=label,
            rows=rows,
            size_bytes=size_bytes,
            load_s=round(load_s, 3),
            made_utc=moment,
            used_utc=moment,
        )
        name = sql.Identifier(copy.name)
        with server.maintenance() as conn:
            conn.execute(sql.SQL("alter database {} set default_transaction_read_only = on").format(name))
            _write_comment(conn, kept)
    except BaseException:
        server.drop(copy)
        raise
    server.confirm(copy)
    return kept


def source_of(server: Server, kept: Kept) -> Database:
    """The database to clone from."""
    return Database(params=server.state.params, name=kept.database, state_path=server.state.path)


def used(server: Server, kept: Kept) -> None:
    """Note that a dataset was of use: the longest unused goes first."""
    with server.maintenance() as conn:
        _write_comment(conn, replace(kept, used_utc=now_utc()))


def replace_by(server: Server, lab: Database, fresh: Database) -> None:
    """Put ``fresh`` in the place of ``lab``, under its name, and drop what was there.

    Raises:
        LabError: somebody is connected to either; ``lab`` is as it was.
    """
    try:
        server.exchange(fresh, lab)
    except LabError as error:
        raise LabError(_connected(error)) from None
    server.drop(fresh)  # the name is the old one's now


def drop(server: Server, kept: Kept) -> None:
    """Drop a kept dataset.

    Raises:
        GuardError: the database is not ours.
    """
    server.drop(source_of(server, kept))


def _make_room(server: Server, conn: psycopg.Connection, label: Label, size_bytes: int) -> None:
    limit, free = limit_bytes(), free_bytes(server)
    if size_bytes > limit:
        raise LabError(f"it takes {_gb(size_bytes)}, {LIMIT_VARIABLE} allows {_gb(limit)}")
    if free is None and size_bytes > UNSEEN_BYTES:
        raise LabError(f"it takes {_gb(size_bytes)}, and how much disk space that server has cannot be seen from here")
    if free is not None and free < 2 * size_bytes:
        raise LabError(f"it takes {_gb(size_bytes)}, and of disk space only {_gb(free)} are free")
    left = []
    for kept in all_kept(conn, server.refresh().databases):
        if kept.label == label or label.same_but_older(kept.label):
            drop(server, kept)
        else:
            left.append(kept)
    while left and (len(left) >= MOST_DATASETS or sum(kept.size_bytes for kept in left) + size_bytes > limit):
        drop(server, left.pop())


def free_bytes(server: Server) -> int | None:
    """Free disk space of an embedded server's data; None of others: theirs may be on another machine."""
    folder = server.state.data_dir
    return shutil.disk_usage(folder).free if folder else None


def _size(conn: psycopg.Connection, name: str) -> int:
    row = conn.execute("select pg_database_size(%s)", (name,)).fetchone()
    return int(row[0]) if row else 0


def _gb(value: float) -> str:
    return f"{value / 2**30:.3g} GB"


def _write_comment(conn: psycopg.Connection, kept: Kept) -> None:
    conn.execute(
        sql.SQL("comment on database {} is {}").format(sql.Identifier(kept.database), sql.Literal(kept.comment()))
    )


def _connected(error: LabError) -> str:
    return "somebody is connected to the database" if "being accessed by other users" in str(error) else str(error)
