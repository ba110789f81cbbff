"""The rules about applications' engines, asked in a lab, or with somebody's DSN."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa

from pgvitals.audit.engine import EngineRule, Target, ask_engine, load_target
from pgvitals.audit.engine.ask import PATIENCE_S, load_requests
from pgvitals.audit.engine.target import url_of
from pgvitals.audit.engine.watch import Request
from pgvitals.errors import LabError
from pgvitals.lab.attach import server_of
from pgvitals.lab.database import Database
from pgvitals.lab.state import load_state
from pgvitals.results.audit import RuleResult
from pgvitals.system import System


@dataclass(frozen=True, kw_only=True)
class AskedEngine:
    """An application's engine, and what the application does with it."""

    target: Target
    requests: Mapping[str, Request] = field(default_factory=dict)
    patience_s: float = PATIENCE_S


def declared_engine(system: System) -> AskedEngine | None:
    """The engine that a system's policy names; its time limits are looked at and not waited for.

    Raises:
        AuditError: what the policy names is not there, or is none.
    """
    if system.application is None:
        return None
    folder, names = system.folder, system.application
    return AskedEngine(
        target=load_target(f"{folder / names.engine}"),
        requests=load_requests(f"{folder / names.requests}") if names.requests else {},
        patience_s=0.0,
    )


def ask_in_lab(
    database: Database, systems: Sequence[System], asked: AskedEngine | None, rules: Sequence[EngineRule]
) -> tuple[RuleResult, ...]:
    """Ask about the one engine that was asked for, of the first system, or about every one that a policy names.

    Each is asked as its application's role. Requests go to a copy of the lab, as they write.

    Raises:
        AuditError: an engine is none.
        LabError: requests were asked for, and the lab is another machine's, which cannot be copied.
    """
    if not rules:
        return ()
    engines = [(systems[0], asked)] if asked else [(each, declared_engine(each)) for each in systems]
    results: list[RuleResult] = []
    for system, engine in engines:
        if engine is not None:
            with _place(database, engine, must_copy=asked is not None) as (there, requests):
                url = url_of(there, system.roles.app)
                results += _ask(engine, url, system.name, rules, requests)
    return tuple(results)


def ask_with_url(asked: AskedEngine, url: sa.URL, rules: Sequence[EngineRule]) -> tuple[RuleResult, ...]:
    """Ask about an engine of somebody's database, without making its requests."""
    return _ask(asked, url, "application", rules, {})


@contextmanager
def _place(
    database: Database, engine: AskedEngine, *, must_copy: bool
) -> Iterator[tuple[Database, Mapping[str, Request]]]:
    """Where to ask, and the requests to make there."""
    if not engine.requests:
        yield database, {}
    elif database.state_path is not None:
        with server_of(load_state(database.state_path)).scratch("engine", database) as copy:
            yield copy, engine.requests
    elif must_copy:
        raise LabError("a lab of another machine or user cannot be copied; start one with `pgvitals up`")
    else:
        yield database, {}


def _ask(
    engine: AskedEngine, url: sa.URL, system: str, rules: Sequence[EngineRule], requests: Mapping[str, Request]
) -> tuple[RuleResult, ...]:
    return ask_engine(engine.target, url, system=system, rules=rules, patience_s=engine.patience_s, requests=requests)
