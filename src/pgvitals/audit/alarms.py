"""What all rules say about one schema, in one statement: for a schema that is known to be good."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import psycopg

from pgvitals.audit.rule import Rule
from pgvitals.audit.statement import parameters, together
from pgvitals.refusal import refusal
from pgvitals.system import System


def alarms(conn: psycopg.Connection[Any], system: System, rules: Sequence[Rule]) -> set[str]:
    """The findings, as ``KEY001 on object``. Left out are probes, and rules of the server or of a newer one."""
    version = conn.info.server_version // 10000
    asked = tuple(rule for rule in rules if rule.sql and not rule.of_server and rule.min_version <= version)
    if not asked:
        return set()
    try:
        with conn.transaction(), conn.cursor(binary=True) as cursor:
            cursor.execute("set transaction read only; set local enable_nestloop = off; set local jit = off")
            cursor.execute("select pg_catalog.set_config('search_path', '', true)")
            return {f"{rule} on {name}" for rule, name in cursor.execute(_statement(asked), parameters(system))}
    except psycopg.Error as error:
        return {f"all rules together: {refusal(error)}"}


@cache
def _statement(rules: tuple[Rule, ...]) -> str:
    return together({rule.id: (rule.sql, rule.terms) for rule in rules})
