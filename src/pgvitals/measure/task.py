"""A query with the parameter sets that it will be run with, made ready before any clock starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from threading import Event
from typing import Any

import psycopg
from psycopg import sql

from pgvitals.dataset.unfiltered import is_exempt
from pgvitals.errors import MeasureError
from pgvitals.lab.database import Database
from pgvitals.measure.params import draw, draw_of_tenants, tenant_of, tenant_ranks
from pgvitals.measure.plan_changes import TENANTS
from pgvitals.measure.runner import Call, Runner, failure
from pgvitals.query import Query
from pgvitals.system import System

_MOST_HANDS = 4
_CANCEL_EVERY_S = 0.1
ACTOR = "actor_id"
"""The column of a parameter set that holds the acting user, for systems with an ``actor_setting``."""


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """Parameter sets of one tenant alone, in the order that they are used in, and the budget for it, if it has one."""

    tenant: str  # largest | middle | smallest, of those that the query's parameters are drawn from
    rank: int
    calls: tuple[Call, ...]
    budget_p95_ms: float | None

    @property
    def arm(self) -> str:
        """What ``samples.parquet`` has for ``arm``."""
        return f"{self.tenant} tenant"


@dataclass(frozen=True, kw_only=True)
class Task:
    """A query with the parameter sets that it will be run with, in this order, again and again.

    ``ranks`` holds the rank of each set's tenant by size, or is empty where nobody asks for it. ``strata`` are of
    single tenants, beside the parameters that are weighted by traffic; none where nobody asks for them.
    """

    query: Query
    system: System
    parameters: tuple[dict[str, Any], ...]
    ranks: tuple[int | None, ...] = ()
    strata: tuple[Stratum, ...] = ()

    @property
    def role(self) -> str:
        """The PostgreSQL role that runs it."""
        return self.system.roles.app if self.query.role == "app" else self.system.roles.owner

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        """One request for each parameter set."""
        return _calls(self.query, self.system, self.parameters)


def shown_ranks(ranks: Iterable[int | None]) -> dict[str, int]:
    """``largest``, ``middle``, ``smallest`` -> its rank, of the tenants in a draw; the ends where there are two."""
    known = sorted({rank for rank in ranks if rank is not None})
    if len(known) < len(TENANTS):
        return dict(zip((TENANTS[0], TENANTS[-1]), known, strict=False))
    return dict(zip(TENANTS, (known[0], known[len(known) // 2], known[-1]), strict=True))


def make_tasks(
    database: Database,
    queries: Sequence[Query],
    systems: dict[str, System],
    *,
    parameter_sets: int,
    seed: int,
    ranked: bool = True,
    tenant_sets: int = 0,
) -> list[Task]:
    """Draw the parameters of every query and, if ``ranked``, look up the rank of each tenant.

    Several are drawn at a time: to read a table and order it by a hash takes one core of the server. Where FORCE has
    to be taken off for that, one would wait for the other.

    ``tenant_sets``: how many to draw beside them for each of the largest, a middle and the smallest tenant.

    Raises:
        MeasureError: a query's ``params`` fail or give nothing, or a system was not migrated.
    """
    with ExitStack() as stack:
        first = stack.enter_context(database.connect())
        ranks = {name: tenant_ranks(first, system) for name, system in systems.items()} if ranked else {}
        hands = max(1, min(len(queries), os.cpu_count() or 1, _MOST_HANDS)) if is_exempt(first) else 1
        connections = [first, *(stack.enter_context(database.connect()) for _ in range(1, hands))]

        def make(conn: psycopg.Connection, query: Query) -> Task:
            return make_task(
                conn,
                query,
                systems[query.system],
                ranks.get(query.system),
                parameter_sets=parameter_sets,
                seed=seed,
                tenant_sets=tenant_sets,
            )

        made = _side_by_side(make, [queries[hand::hands] for hand in range(hands)], connections)
        return [made[position % hands][position // hands] for position in range(len(queries))]


def _side_by_side(
    make: Callable[[psycopg.Connection, Query], Task],
    piles: Sequence[Sequence[Query]],
    connections: Sequence[psycopg.Connection],
) -> list[list[Task]]:
    """A pile of queries for each connection; an error or an interrupt ends the statements of the others."""
    over = Event()

    def work(pile: Sequence[Query], conn: psycopg.Connection) -> list[Task]:
        return [make(conn, query) for query in pile if not over.is_set()]

    with ThreadPoolExecutor(len(connections)) as pool:
        working = [pool.submit(work, *each) for each in zip(piles, connections, strict=True)]
        try:
            for each in wait(working, return_when=FIRST_EXCEPTION).done:
                each.result()
            return [each.result() for each in working]
        except BaseException:
            over.set()
            while wait(working, timeout=_CANCEL_EVERY_S).not_done:  # one may have been between two statements
                for conn in connections:
                    with suppress(psycopg.Error):
                        conn.cancel()
            raise


def make_task(
    conn: psycopg.Connection,
    query: Query,
    system: System,
    ranks: Mapping[Any, int] | None,
    *,
    parameter_sets: int,
    seed: int,
    tenant_sets: int = 0,
) -> Task:
    """Draw the parameters of one query; ``ranks`` as :func:`~pgvitals.measure.params.tenant_ranks` gives them.

    Raises:
        MeasureError: its ``params`` fail or give nothing, or it has a budget for a tenant that there is not.
    """
    parameters = draw(conn, query, parameter_sets, seed)
    return Task(
        query=query,
        system=system,
        parameters=tuple(parameters),
        ranks=() if ranks is None else tuple(ranks.get(tenant_of(system, row)) for row in parameters),
        strata=_strata(conn, query, system, ranks, parameters, tenant_sets, seed) if ranks and tenant_sets else (),
    )


def _strata(
    conn: psycopg.Connection,
    query: Query,
    system: System,
    ranks: Mapping[Any, int],
    parameters: Sequence[dict[str, Any]],
    sets: int,
    seed: int,
) -> tuple[Stratum, ...]:
    """The largest, the middle and the smallest tenant of a draw; none where there is but one, or no tenant at all.

    Their sets come in another order than the draw's: one right after the other, the second would find everything warm.
    """
    of_rank = {ranks[tenant]: tenant for row in parameters if (tenant := tenant_of(system, row)) in ranks}
    shown = shown_ranks(of_rank) if len(of_rank) > 1 else {}
    for tenant in query.tenant_budgets_ms:
        if tenant not in shown:
            raise MeasureError(
                f"{query.path}: 'budget_p95_ms_{tenant}', but its parameters are of {len(of_rank)} tenant(s); "
                f"take it out, or let 'params' give {system.tenant.column!r} of more of them"
            )
    if not shown:
        return ()
    drawn = draw_of_tenants(
        conn, query, system.tenant.column, [of_rank[rank] for rank in shown.values()], sets, seed + 1
    )
    return tuple(
        Stratum(
            tenant=tenant,
            rank=rank,
            calls=_calls(query, system, drawn[of_rank[rank]]),
            budget_p95_ms=query.tenant_budgets_ms.get(tenant),
        )
        for tenant, rank in shown.items()
    )


def _calls(query: Query, system: System, parameters: Iterable[dict[str, Any]]) -> tuple[Call, ...]:
    return tuple(
        Call(query=query, sql=query.sql, parameters=row, settings=_settings(system, row), writes=query.writes)
        for row in parameters
    )


def written_tables(database: Database, task: Task) -> tuple[tuple[str, str], ...]:
    """(schema, table) of what a write touches, triggers and cascades included; it is executed once to see.

    Raises:
        MeasureError: the write fails.
    """
    with Runner(database, task.role) as runner:
        try:
            runner.begin(task.calls[0])
            runner.execute(task.calls[0])
            rows = runner.ask(
                sql.SQL(
                    "select schemaname, relname from pg_stat_xact_user_tables "
                    "where n_tup_ins + n_tup_upd + n_tup_del > 0 order by 1, 2"
                )
            ).fetchall()
        except psycopg.Error as error:
            raise MeasureError(failure(task.query, error)) from None
        finally:
            runner.abandon()
    return tuple((str(schema), str(table)) for schema, table in rows)


def shares(task: Task, users: int) -> tuple[tuple[int, ...], ...]:
    """Positions of parameter sets dealt out to users, so that no two hold equal ones.

    Two writes of the same row, or of the same value of a unique key, wait for each other. Where there are
    fewer different sets than users, some users have to share.
    """
    numbers: dict[str, int] = {}
    of = [numbers.setdefault(repr(sorted(each.items())), len(numbers)) for each in task.parameters]
    return tuple(
        tuple(position for position, number in enumerate(of) if number % users == user % len(numbers))
        for user in range(users)
    )


def _settings(system: System, parameters: dict[str, Any]) -> tuple[str, ...]:
    """Names and values, in turns, of what a request sets for its transaction: its tenant, and who acts."""
    found: list[str] = []
    if (tenant := tenant_of(system, parameters)) is not None:
        found += (system.tenant.setting, str(tenant))
    if system.tenant.actor_setting is not None and (actor := parameters.get(ACTOR)) is not None:
        found += (system.tenant.actor_setting, str(actor))
    return tuple(found)
