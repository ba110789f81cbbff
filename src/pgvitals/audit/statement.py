"""From a rule's SQL to the statement that is sent: the vocabulary in front, the policy as parameters."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from pgvitals.system import System

_PARAMETER = re.compile(r"%\((?P<name>\w+)\)s")
_LITERAL_PERCENT = re.compile(r"%(?!\(\w+\)s)")

Parameters = dict[str, str | list[str]]

_POLICY: dict[str, Callable[[System], str | list[str]]] = {
    "system": lambda system: system.name,
    "schema": lambda system: system.schema_name,
    "primary_key": lambda system: system.primary_key,
    "tenant_table": lambda system: system.tenant.table,
    "tenant_column": lambda system: system.tenant.column,
    "tenant_setting": lambda system: system.tenant.setting,
    "tenant_type": lambda system: system.tenant.type,
    "tenant_tables": lambda system: list(system.tenant_tables),
    "shared_tables": lambda system: list(system.shared_tables),
    "audited_tables": lambda system: list(system.audited_tables),
    "retention_tables": lambda system: list(system.retention_tables),
    "phi_columns": lambda system: [f"{t}.{name}" for t, names in system.phi_columns.items() for name in names],
    "owner_role": lambda system: system.roles.owner,
    "app_role": lambda system: system.roles.app,
}


def parameters(system: System) -> Parameters:
    """What a rule may ask of a system's policy, as ``%(name)s``; lists arrive as ``text[]``.

    ``phi_columns`` are ``table.column``, without quotes.
    """
    return {name: read(system) for name, read in _POLICY.items()}


def unknown_parameters(sql: str) -> list[str]:
    """Names in ``%(name)s`` that no system has."""
    return sorted({found["name"] for found in _PARAMETER.finditer(sql)} - set(_POLICY))


def violations(sql: str, terms: str = "") -> str:
    """The statement that returns a rule's violations: ``object``, ``detail``, ``remediation``."""
    return _compose("object::text, detail::text, remediation::text", sql, terms)


def checked(sql: str, terms: str = "") -> str:
    """The statement that counts what a rule looked at, as one JSON object a row."""
    return _compose("to_jsonb(answer) as counted", sql, terms)


def _compose(columns: str, sql: str, terms: str) -> str:
    vocabulary = ",\n".join(part for part in (_vocabulary(), terms.strip()) if part)
    text = f"with recursive\n{vocabulary}\nselect {columns}\nfrom (\n{sql}\n) as answer"
    # In a rule a % is a %: only %(name)s is a parameter, so format('%I') needs no doubling.
    return _LITERAL_PERCENT.sub("%%", text)


@cache
def _vocabulary() -> str:
    return (Path(__file__).parent / "vocabulary.sql").read_text(encoding="utf-8").strip()
