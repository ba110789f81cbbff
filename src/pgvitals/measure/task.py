"""A query with the parameter sets that it will be run with, made ready before any clock starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg
from psycopg import sql

from pgvitals.errors import MeasureError
from pgvitals.lab.database import Database
from pgvitals.measure.params import draw, tenant_of, tenant_ranks
from pgvitals.measure.runner import Call, Runner, failure
from pgvitals.query import Query
from pgvitals.system import System

ACTOR = "actor_id"
"""The column of a parameter set that holds the acting user, for systems with an ``actor_setting``."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A query with the parameter sets that it will be run with, in this order, again and again.

    ``ranks`` holds the rank of each set's tenant by size, or is empty where nobody asks for it.
    """

    query: Query
    system: System
    parameters: tuple[dict[str, Any], ...]
    ranks: tuple[int | None, ...] = ()

    @property
    def role(self) -> str:
        """The PostgreSQL role that runs it."""
        return self.system.roles.app if self.query.role == "app" else self.system.roles.owner

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        """One request for each parameter set."""
        return tuple(
            Call(
                query=self.query,
                sql=self.query.sql,
                parameters=parameters,
                settings=_settings(self.system, parameters),
                writes=self.query.writes,
            )
            for parameters in self.parameters
        )


def make_tasks(
    database: Database,
    queries: Sequence[Query],
    systems: dict[str, System],
    *,
    parameter_sets: int,
    seed: int,
    ranked: bool = True,
) -> list[Task]:
    """Draw the parameters of every query and, if ``ranked``, look up the rank of each tenant.

    Raises:
        MeasureError: a query's ``params`` fail or give nothing, or a system was not migrated.
    """
    with database.connect() as conn:
        ranks = {name: tenant_ranks(conn, system) for name, system in systems.items()} if ranked else {}
        return [
            make_task(
                conn, query, systems[query.system], ranks.get(query.system), parameter_sets=parameter_sets, seed=seed
            )
            for query in queries
        ]


def make_task(
    conn: psycopg.Connection,
    query: Query,
    system: System,
    ranks: Mapping[Any, int] | None,
    *,
    parameter_sets: int,
    seed: int,
) -> Task:
    """Draw the parameters of one query; ``ranks`` as :func:`~pgvitals.measure.params.tenant_ranks` gives them.

    Raises:
        MeasureError: its ``params`` fail or give nothing.
    """
    parameters = draw(conn, query, parameter_sets, seed)
    return Task(
        query=query,
        system=system,
        parameters=tuple(parameters),
        ranks=() if ranks is None else tuple(ranks.get(tenant_of(system, row)) for row in parameters),
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
