"""What ``--engine`` and ``--requests`` name: an attribute of a module or of a Python file."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import Pool, QueuePool

from pgvitals.errors import AuditError
from pgvitals.lab.database import Database
from pgvitals.suite import load_module

AnyEngine = sa.Engine | AsyncEngine

GIVEN: WeakKeyDictionary[Pool, frozenset[str]] = WeakKeyDictionary()
"""Pools made while :func:`watching` -> the limits that whoever made them gave, as keywords of ``QueuePool``."""
_NOT_GIVEN = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An engine, or a function that makes one for a URL; ``name`` is how it was asked for."""

    name: str
    found: AnyEngine | Callable[[sa.URL], AnyEngine]

    @property
    def is_made(self) -> bool:
        """Whether it is an engine already, which knows its own database."""
        return isinstance(self.found, (sa.Engine, AsyncEngine))

    def engine(self, url: sa.URL) -> AnyEngine:
        """The engine; one that is made here is for ``url``.

        Raises:
            AuditError: the function fails, or what it returns is no engine.
        """
        if isinstance(self.found, (sa.Engine, AsyncEngine)):
            return self.found
        try:
            with watching():
                made = self.found(url)
        except Exception as error:
            raise AuditError(
                f"--engine {self.name}: fails with {type(error).__name__} when called with a URL"
            ) from error
        if not isinstance(made, (sa.Engine, AsyncEngine)):
            raise AuditError(f"--engine {self.name}: returns {type(made).__name__}, not an engine of SQLAlchemy")
        return made


def load_target(name: str) -> Target:
    """The engine, or the function that makes one, of ``module:attribute`` or ``file.py:attribute``.

    Raises:
        AuditError: there is no such thing, or it is neither.
    """
    found = load_attribute("--engine", name)
    if not isinstance(found, (sa.Engine, AsyncEngine)) and not callable(found):
        raise AuditError(f"--engine {name}: is {type(found).__name__}, neither an engine nor a function that makes one")
    return Target(name=name, found=found)


def load_attribute(option: str, name: str) -> Any:
    """What ``module:attribute`` or ``file.py:attribute`` names; modules are looked for in the working directory, too.

    Raises:
        AuditError: it cannot be imported, or has no such attribute. The message does not repeat what an import says.
    """
    place, colon, attribute = name.rpartition(":")
    if not colon or not place or not attribute.isidentifier():
        raise AuditError(f"{option} {name!r}: expected module:attribute or path/to/file.py:attribute")
    try:
        with watching():
            module = _import(place)
    except Exception as error:
        cause = error.__cause__ or error
        raise AuditError(f"{option} {name}: {place} does not import: {type(cause).__name__}") from error
    if not hasattr(module, attribute):
        raise AuditError(f"{option} {name}: {place} has no attribute {attribute!r}")
    return getattr(module, attribute)


@contextmanager
def watching() -> Iterator[None]:
    """Note which limits the pools are given that are made in the block: the defaults look like any other number."""
    original = QueuePool.__init__

    # create_engine looks at the names of these parameters for what it may pass on.
    def noted(
        self: QueuePool,
        creator: Any,
        pool_size: Any = _NOT_GIVEN,
        max_overflow: Any = _NOT_GIVEN,
        timeout: Any = _NOT_GIVEN,
        use_lifo: bool = False,
        **rest: Any,
    ) -> None:
        limits = {"pool_size": pool_size, "max_overflow": max_overflow, "timeout": timeout}
        given = {name: value for name, value in limits.items() if value is not _NOT_GIVEN}
        original(self, creator, use_lifo=use_lifo, **given, **rest)
        GIVEN[self] = frozenset(given)

    QueuePool.__init__ = noted  # type: ignore[method-assign]
    try:
        yield
    finally:
        QueuePool.__init__ = original  # type: ignore[method-assign]


def _import(place: str) -> ModuleType:
    path = Path(place)
    if path.suffix == ".py":
        return load_module(path.resolve(), f"engine_{path.stem}")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return importlib.import_module(place)


def url_of(database: Database, role: str) -> sa.URL:
    """How an engine reaches a database of ours as ``role``: ``postgresql+psycopg://…``, which holds a secret."""
    return make_url(conninfo_to_dict(database.conninfo(role)))


def make_url(params: Mapping[str, object]) -> sa.URL:
    """The URL of libpq's parameters."""
    known = {key: str(value) for key, value in params.items() if value is not None}
    taken = {key: known.pop(key, None) for key in ("user", "password", "port", "dbname")}
    if not known.get("host", "").startswith("/"):  # a socket's folder has no place in a URL but its query
        taken["host"] = known.pop("host", None)
    return sa.URL.create(
        "postgresql+psycopg",
        username=taken["user"],
        password=taken["password"],
        host=taken.get("host"),
        port=int(taken["port"]) if taken["port"] else None,
        database=taken["dbname"],
        query=known,
    )
