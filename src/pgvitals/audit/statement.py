"""From a rule's SQL to the one statement that is sent: the vocabulary in front, the policy as parameters.

Counting what was looked at and finding what is wrong are one statement, so what both need is computed once: on
thousands of tables that is most of the time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from pgvitals.system import System

VOCABULARY = Path(__file__).parent / "vocabulary"

_PARAMETER = re.compile(r"%\((?P<name>\w+)\)s(?!::)")
_LITERAL_PERCENT = re.compile(r"%(?!\(\w+\)s)")
_TERM = re.compile(r"^(?P<name>\w+) as (?:materialized )?\($", re.MULTILINE)

Parameters = dict[str, str | list[str]]

_TEXTS: dict[str, Callable[[System], str]] = {
    "system": lambda system: system.name,
    "schema": lambda system: system.schema_name,
    "primary_key": lambda system: system.primary_key,
    "tenant_table": lambda system: system.tenant.table,
    "tenant_column": lambda system: system.tenant.column,
    "tenant_setting": lambda system: system.tenant.setting,
    "tenant_type": lambda system: system.tenant.type,
    "audit_table": lambda system: system.audit_table or "",
    "deleted_rows": lambda system: system.deleted_rows,
    "phi_encryption": lambda system: system.phi_encryption,
    "owner_role": lambda system: system.roles.owner,
    "app_role": lambda system: system.roles.app,
}
_LISTS: dict[str, Callable[[System], list[str]]] = {
    "optional_tenant_tables": lambda system: list(system.tenant.optional_in),
    "tenant_tables": lambda system: list(system.tenant_tables),
    "shared_tables": lambda system: list(system.shared_tables),
    "child_tables": lambda system: list(system.child_tables),
    "child_parents": lambda system: list(system.child_tables.values()),
    "audited_tables": lambda system: list(system.audited_tables),
    "retention_tables": lambda system: list(system.retention_tables),
    "reserved_columns": lambda system: _columns(system.reserved_columns),
    "phi_columns": lambda system: _columns(system.phi_columns),
    "documented_tables": lambda system: [each.table for each in system.documented_constraints],
    "documented_names": lambda system: [each.name for each in system.documented_constraints],
    "documented_checks": lambda system: [each.check for each in system.documented_constraints],
}


def parameters(system: System) -> Parameters:
    """What a rule may ask of a system's policy, as ``%(name)s``; lists arrive as ``text[]``.

    Columns of tables are ``table.column``, without quotes; lists of one thing's parts are in the same order.
    """
    texts = {name: read(system) for name, read in _TEXTS.items()}
    return {**texts, **{name: read(system) for name, read in _LISTS.items()}}


def server_parameters(told: Mapping[str, str]) -> Parameters:
    """``%(told_settings)s``, a JSON object: the settings that are told and not asked."""
    return {"told_settings": json.dumps(dict(told))}


def unknown_parameters(sql: str, *, of_server: bool = False) -> list[str]:
    """Names in ``%(name)s`` that no system has; a rule of the server may name none of a system's."""
    known = {"told_settings"} if of_server else {*_TEXTS, *_LISTS}
    return sorted({found["name"] for found in re.finditer(r"%\((?P<name>\w+)\)s", sql)} - known)


@cache
def question(sql: str, checked: str, terms: str = "") -> str:
    """The statement that asks a rule, of one row: what it ``counted`` and what it found ``broken``, both JSON arrays.

    ``counted`` holds the rows of ``checked`` as objects, ``broken`` an object with ``object``, ``detail`` and
    ``remediation`` for each row of ``sql``.
    """
    parts = [
        _with(sql, checked, terms, terms=terms),
        "select (select jsonb_agg(to_jsonb(answer)) from (",
        checked,
        ") as answer) as counted, (select coalesce(jsonb_agg(jsonb_build_object(",
        "'object', object::text, 'detail', detail::text, 'remediation', remediation::text)), '[]') from (",
        sql,
        ") as answer) as broken",
    ]
    return _sent("\n".join(parts))


def listing(sql: str) -> str:
    """A query on the vocabulary, for its rows."""
    return _sent(f"{_with(sql)}\n{sql}")


def together(rules: Mapping[str, tuple[str, str]]) -> str:
    """The statement that asks several rules at once, for (id, object) rows; of each its query and its terms."""
    asked = [
        f"select '{name}' as rule, object::text from ({'with recursive ' + terms if terms else ''} {sql}) as answer"  # noqa: S608
        for name, (sql, terms) in rules.items()
    ]
    text = "\nunion all\n".join(asked)
    return _sent(f"{_with(text)}\n{text}")


def _sent(sql: str) -> str:
    """With the types of its parameters, which PostgreSQL does not always guess."""
    # In a rule a % is a %: only %(name)s is a parameter, so format('%I') needs no doubling.
    text = _LITERAL_PERCENT.sub("%%", sql)
    return _PARAMETER.sub(lambda found: f"{found[0]}::{'text[]' if found['name'] in _LISTS else 'text'}", text)


def _columns(of: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [f"{table}.{name}" for table, names in of.items() for name in names]


def _with(*named_in: str, terms: str = "") -> str:
    """The terms of the vocabulary that are named, and what these name in turn, then a rule's own."""
    known = vocabulary()
    wanted: set[str] = set()
    texts = [*named_in]
    while texts:
        found = (set(re.findall(r"\w+", texts.pop())) & known.keys()) - wanted
        wanted |= found
        texts.extend(known[name] for name in found)
    parts = [text for name, text in known.items() if name in wanted]
    parts += [terms] if terms else []
    return "with recursive\n" + ",\n".join(parts) if parts else ""


@cache
def vocabulary() -> dict[str, str]:
    """The common table expressions of ``vocabulary/*.sql``, by name, in their order."""
    found: dict[str, str] = {}
    for path in sorted(VOCABULARY.glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        starts = [*_TERM.finditer(text)]
        ends = [each.start() for each in starts[1:]] + [len(text)]
        for term, end in zip(starts, ends, strict=True):
            # What stands above the next term speaks of that one.
            body = re.sub(r"(\n--[^\n]*)*\s*$", "", text[term.start() : end]).rstrip().rstrip(",")
            found[term["name"]] = body
    return found
