"""A lookup with its tenant said in the statement: what an application without row-level security would send.

Every isolated table is read through a subquery with the predicate. The planner takes such a subquery apart, so that
the plan is that of the predicate in the WHERE clause; where the statement has it already, nothing changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_NO_CODE = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_ALIAS = re.compile(r"\s+(?:as\s+)?(?P<alias>[a-z_]\w*)", re.IGNORECASE)
_KEYWORDS = frozenset(
    [
        *("where", "join", "left", "right", "inner", "full", "cross", "natural", "on", "using", "lateral", "set", "as"),
        *("order", "group", "limit", "offset", "having", "union", "intersect", "except", "for", "window", "fetch"),
        *("tablesample", "returning", "and", "or"),
    ]
)


def with_predicates(statement: str, schema: str, predicates: Mapping[str, str]) -> str:
    """The statement with each table of ``predicates`` read through ``(select * from table where predicate)``.

    Args:
        statement: names every table with its schema.
        predicates: table -> condition, in which ``{row}`` stands for the table's name or alias.
    """
    code = _NO_CODE.sub(lambda found: " " * len(found[0]), statement)
    names = "|".join(map(re.escape, predicates))
    parts, rest = [], 0
    for found in re.finditer(rf"\b{re.escape(schema)}\.(?P<table>{names})\b(?!\s*\.)", code):
        table = found["table"]
        alias = _ALIAS.match(code, found.end())
        named = alias is not None and alias["alias"].lower() not in _KEYWORDS
        row = alias["alias"] if alias is not None and named else table  # what conditions of the plan call it
        parts += [
            statement[rest : found.start()],
            f"(select {row}.* from {schema}.{table} {row} where {predicates[table].format(row=row)})",  # noqa: S608
            "" if named else f" {table}",
        ]
        rest = found.end()
    return "".join((*parts, statement[rest:]))


def of_tenant(schema: str, column: str, parent: tuple[str, str, str] | None) -> str:
    """The predicate of a table's tenant; ``%(column)s`` is a parameter.

    Args:
        parent: for a table without a tenant column: the table that says whose it is, its key, and the column here
            that refers to it.
    """
    if parent is None:
        return f"{{row}}.{column} = %({column})s"
    table, key, refers = parent
    return (
        f"exists (select from {schema}.{table} pgvitals_parent "
        f"where pgvitals_parent.{key} = {{row}}.{refers} and pgvitals_parent.{column} = %({column})s)"
    )
