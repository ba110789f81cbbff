"""The policy of a database that nobody here made: a ``system.toml`` outside of a suite, and how one is written.

It may have names that a suite's system may not, and lack what such a database often lacks: a tenant, an application's
role. What a rule asks of a policy and does not find there, it is not applicable to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import Field, ValidationError

from pgvitals.errors import SuiteError
from pgvitals.reading import first_problem, read_toml
from pgvitals.system import Roles, System, Tenant

_WIDTH = 110


class ForeignTenant(Tenant):
    """Whose a row is; empty where rows are nobody's in particular."""

    table: str = ""
    column: str = ""
    setting: str = ""
    actor_setting: str | None = None
    traffic_table: str = ""


class ForeignRoles(Roles):
    """Who owns the tables and who works with them, as far as it is known."""

    owner: str = ""
    app: str = ""


class ForeignSystem(System):
    """A schema of somebody's; its name is the schema's."""

    name: str = Field(min_length=1)
    schema_name: str = Field(alias="schema", min_length=1)
    tenant: Tenant = ForeignTenant()
    roles: Roles = ForeignRoles()


def load_foreign(path: Path) -> ForeignSystem:
    """Read a policy file; it has the keys of a suite's ``system.toml``.

    Raises:
        SuiteError: the file is missing or malformed; the message names the key.
    """
    raw = read_toml(path, SuiteError)
    for key, kind in (("tenant", ForeignTenant), ("roles", ForeignRoles)):
        if isinstance(raw.get(key), dict):
            try:
                raw[key] = kind.model_validate(raw[key])
            except ValidationError as error:
                raise SuiteError(f"{path}: {key}.{first_problem(error)}") from None
    try:
        return ForeignSystem.model_validate({**raw, "name": raw.get("schema", ""), "folder": path.resolve().parent})
    except ValidationError as error:
        raise SuiteError(f"{path}: {first_problem(error)}") from None


def render_policy(system: System, reasons: Mapping[str, str]) -> str:
    """A ``system.toml`` to edit, with a comment above each key that says why it is so.

    Args:
        reasons: key, or table and key with a dot between, -> why.
    """
    return "\n".join(_policy(system, reasons)) + "\n"


def _policy(system: System, reasons: Mapping[str, str]) -> Iterator[str]:
    def told(key: str) -> Iterator[str]:
        for line in _wrapped(reasons.get(key, "")):
            yield f"# {line}"

    yield from told("")
    yield f"title = {_text(system.title)}"
    yield f"schema = {_text(system.schema_name)}"
    for key in ("primary_key", "phi_encryption", "deleted_rows"):
        yield from told(key)
        yield f"{key} = {_text(getattr(system, key))}"
    for key in ("tenant_tables", "shared_tables", "audited_tables", "retention_tables"):
        yield from told(key)
        yield f"{key} = {_list(getattr(system, key))}"
    if system.audit_table is not None or "audit_table" in reasons:
        yield from told("audit_table")
        yield f"audit_table = {_text(system.audit_table)}" if system.audit_table else '# audit_table = ""'
    if system.child_tables:
        yield from ("", "[child_tables]")
        yield from told("child_tables")
        yield from (f"{_key(child)} = {_text(parent)}" for child, parent in system.child_tables.items())
    for name, part, keys in (
        ("tenant", system.tenant, ("table", "column", "type", "setting", "actor_setting", "traffic_table")),
        ("roles", system.roles, ("owner", "app")),
    ):
        yield from ("", f"[{name}]")
        yield from told(name)
        for key in keys:
            value = getattr(part, key)
            if value is not None:
                yield from told(f"{name}.{key}")
                yield f"{key} = {_text(value)}"
    yield from ("", "[phi_columns]")
    yield from told("phi_columns")
    yield from (f"{_key(table)} = {_list(columns)}" for table, columns in system.phi_columns.items())


def _text(value: str) -> str:
    """A basic string; TOML's escapes are those of JSON, and DEL is one more to escape."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(value: str) -> str:
    is_bare = bool(value) and all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in value)
    return value if is_bare else _text(value)


def _list(values: Sequence[str]) -> str:
    line = f"[{', '.join(map(_text, values))}]"
    return line if len(line) <= _WIDTH - 20 else "\n".join(["[", *(f"    {_text(value)}," for value in values), "]"])


def _wrapped(text: str) -> Iterable[str]:
    line = ""
    for word in "".join(letter if letter.isprintable() else " " for letter in text).split():
        if line and len(line) + len(word) + 1 > _WIDTH:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    if line:
        yield line
