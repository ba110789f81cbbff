"""A policy for a database that nobody here made, from what it declares: tenants, health data, audit trail, retention.

Names, types and references are looked at, never a value. What comes of it is a proposal to edit; each key says what
spoke for it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pgvitals.audit.foreign import ForeignRoles, ForeignSystem, ForeignTenant
from pgvitals.audit.survey import Schema, Table
from pgvitals.audit.words import is_soft_delete, looks_like_audit, looks_like_phi, looks_like_record, tenant_weight

_SETTING = re.compile(r"current_setting\(\s*'([^']+)'")
_INTO = re.compile(r"insert\s+into\s+(?:[\w$\"]+\.)?(?:\"([^\"]+)\"|([\w$]+))", re.IGNORECASE)
_ACTOR = re.compile(r"user|actor|person|principal|operator|sub$")
_CREATED = re.compile(r"^(at|created(_at|_on)?|occurred_at|logged_at|timestamp|changed_at|event_time|ts)$")
_DECISIVE = 10.0
"""What a policy that compares a column weighs, beside a table that merely has it."""
_SHARE = 0.2  # of the tables a tenant column has to be in, where no policy speaks for it
_CONVENTIONS: dict[str, Literal["uuid", "ulid"]] = {
    "uuid": "uuid",
    "character(26)": "ulid",
    "character varying(26)": "ulid",
}
_TYPES: dict[str, Literal["uuid", "text", "bigint", "integer"]] = {
    "uuid": "uuid",
    "bigint": "bigint",
    "integer": "integer",
    "smallint": "integer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inferred:
    """A proposed policy, and why each of its keys is as it is (see :func:`~pgvitals.audit.foreign.render_policy`)."""

    system: ForeignSystem
    reasons: Mapping[str, str]


def infer(schema: Schema) -> Inferred:
    """The policy that a schema's names, types, references, policies and triggers suggest."""
    tables = schema.tables
    by_oid = {table.oid: table for table in tables.values()}
    tenant, why_tenant = _tenant(tables, by_oid)
    audit_table, why_audit = _audit_table(tables)
    tenant_tables = [each.name for each in tables.values() if tenant.column and tenant.column in each.columns]
    children = _children(tables, by_oid, tenant_tables, tenant.table, audit_table)
    placed = {tenant.table, *tenant_tables, *children}
    phi = _phi_columns(tables, tenant.table)
    audited = {each.name for each in tables.values() if audit_table and audit_table in _written(each)}
    retention = [name for name in phi if looks_like_record(name) or any(map(is_soft_delete, tables[name].columns))]
    encrypted = [f"{table}.{name}" for table in phi for name in phi[table] if _type(tables[table], name) == "bytea"]
    hidden = any(is_soft_delete(word) for t in tables.values() for p in t.policies for word in re.findall(r"\w+", p))
    roles, why_roles = _roles(schema)
    primary_key, why_key = _primary_key(tables.values())
    system = ForeignSystem(
        name=schema.name,
        folder=Path(),
        title=f"{schema.name}: inferred from names and types",
        schema=schema.name,
        primary_key=primary_key,
        tenant=tenant,
        roles=roles,
        tenant_tables=tuple(tenant_tables),
        shared_tables=tuple(name for name in tables if tenant.column and name not in placed),
        child_tables=children,
        phi_columns=phi,
        phi_encryption="columns" if encrypted else "storage",
        deleted_rows="hidden" if hidden else "visible",
        audited_tables=tuple(name for name in tables if name in audited or (name in phi and name != audit_table)),
        audit_table=audit_table or None,
        retention_tables=tuple(name for name in retention if name != audit_table),
    )
    reasons = {
        "": "What pgvitals infers of this schema, to be corrected by who knows it. No value of a row was read.",
        "primary_key": why_key,
        "phi_encryption": _told(len(encrypted), "column of health data is bytea", "columns of health data are bytea")
        + ("" if encrypted else '; write "columns" if each has to be encrypted'),
        "deleted_rows": "whether policies hide softly deleted rows",
        "tenant_tables": f"those with the column {tenant.column}" if tenant.column else "no tenant column was found",
        "shared_tables": "those without it, and without a reference to one that has it" if tenant.column else "",
        "audited_tables": f"those with health data, and the {len(audited)} whose triggers write to the audit table",
        "retention_tables": "those with health data whose name says record, or that delete softly",
        "audit_table": why_audit,
        "child_tables": "they belong to a tenant through their parent",
        "tenant": why_tenant,
        "roles": why_roles,
        "phi_columns": "by names and types: what is about a person or somebody's health",
    }
    return Inferred(system=system, reasons={key: why for key, why in reasons.items() if why})


def _tenant(tables: Mapping[str, Table], by_oid: Mapping[int, Table]) -> tuple[ForeignTenant, str]:
    """The column by which rows are somebody's: what policies compare, what is named so, what most tables refer by."""
    weights: Counter[str] = Counter()
    holders = Counter(name for table in tables.values() for name in table.columns)
    policies: Counter[str] = Counter()
    for each in tables.values():
        for words in each.policies:
            policies.update({name for name in re.findall(r"\w+", words) if name in each.columns})
    targets = _targets(tables, by_oid)
    for name, count in holders.items():
        weight = tenant_weight(name) or (0.3 if name in targets and count >= max(3, len(tables) / 2) else 0.0)
        compared = policies[name] if weight or name in targets else 0
        if (weight and count >= max(2, _SHARE * len(tables))) or compared:
            weights[name] = round(1000 * (weight * count + _DECISIVE * compared))
    if not weights:
        return ForeignTenant(), "no column says whose a row is: name it, or leave this as it is"
    column = max(weights, key=lambda name: (weights[name], name))
    table = targets.get(column, "")
    setting, actor = _settings(tables.values())
    having = [each for each in tables.values() if column in each.columns]
    busiest = max(having, key=lambda each: (each.rows, each.name))
    found = ForeignTenant(
        table=table,
        column=column,
        setting=setting,
        actor_setting=actor,
        type=_TYPES.get(busiest.columns[column].type, "text"),
        traffic_table=busiest.name,
    )
    said = [f"{column} is in {len(having)} of {len(tables)} tables"]
    if policies[column]:
        said.append(_told(policies[column], "policy compares it", "policies compare it"))
    if table:
        said.append(f"most refer to {table}")
    if not setting:
        said.append("no policy reads a setting")
    return found, "; ".join(said)


def _targets(tables: Mapping[str, Table], by_oid: Mapping[int, Table]) -> dict[str, str]:
    """The table that columns of a name mostly refer to."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for table in tables.values():
        for reference in table.references:
            if len(reference.columns) == 1 and reference.target in by_oid:
                found[reference.columns[0]][by_oid[reference.target].name] += 1
    return {column: counted.most_common(1)[0][0] for column, counted in found.items()}


def _settings(tables: Iterable[Table]) -> tuple[str, str | None]:
    """The settings that say whose rows are asked for, which policies read, and who acts, which triggers read, too."""
    policies: Counter[str] = Counter()
    triggers: Counter[str] = Counter()
    for table in tables:
        policies.update(
            name for words in (*table.policies, *table.policy_functions) for name in _SETTING.findall(words)
        )
        triggers.update(name for words in table.triggers for name in _SETTING.findall(words))
    actors = [name for name, _ in (policies + triggers).most_common() if _ACTOR.search(name.rpartition(".")[2])]
    tenants = [name for name, _ in policies.most_common() if name not in actors]
    return (tenants[0] if tenants else ""), (actors[0] if actors else None)


def _children(
    tables: Mapping[str, Table],
    by_oid: Mapping[int, Table],
    tenant_tables: Iterable[str],
    tenant_table: str,
    audit_table: str,
) -> dict[str, str]:
    """Tables without the tenant's column that cannot be without a row of one that has it, or of another such child."""
    owned = set(tenant_tables)
    children: dict[str, str] = {}
    while True:
        found = {
            name: parent
            for name, table in tables.items()
            if name not in owned and name not in children and name not in (tenant_table, audit_table)
            if (parent := _parent(table, by_oid, owned | children.keys()))
        }
        if not found:
            return dict(sorted(children.items()))
        children.update(found)


def _parent(table: Table, by_oid: Mapping[int, Table], owned: set[str]) -> str:
    """The table that a row goes with: the one whose end ends it, else the first that it must refer to."""
    sure = [
        (not reference.cascades, by_oid[reference.target].name)
        for reference in table.references
        if reference.target in by_oid and by_oid[reference.target].name in owned - {table.name}
        if all(table.columns[name].is_not_null for name in reference.columns if name in table.columns)
    ]
    return min(sure)[1] if sure else ""


def _audit_table(tables: Mapping[str, Table]) -> tuple[str, str]:
    """The table that triggers write to, or that is named like a trail and says when."""
    written = Counter(name for table in tables.values() for name in _written(table))
    named = [
        name
        for name, table in tables.items()
        if looks_like_audit(name) and any(map(_CREATED.match, map(str.lower, table.columns)))
    ]
    best = max(named, key=lambda name: (written[name], -len(name), name), default="")
    if not best:
        return "", "no table looks like an audit trail"
    others = [name for name in named if name != best]
    said = _told(written[best], "table's triggers write to it", "tables' triggers write to it")
    return best, said + (f"; {', '.join(others)} may be one, too" if others else "")


def _written(table: Table) -> set[str]:
    """The tables that the functions of its triggers name in an INSERT."""
    return {quoted or plain for source in table.triggers for quoted, plain in _INTO.findall(source)}


def _phi_columns(tables: Mapping[str, Table], tenant_table: str) -> dict[str, tuple[str, ...]]:
    found = {
        name: tuple(c.name for c in table.columns.values() if looks_like_phi(name, c.name, c.type))
        for name, table in tables.items()
        if name != tenant_table and not looks_like_audit(name)
    }
    return {name: columns for name, columns in found.items() if columns}


def _roles(schema: Schema) -> tuple[ForeignRoles, str]:
    owners = Counter(table.owner for table in schema.tables.values())
    owner, owned = owners.most_common(1)[0] if owners else ("", 0)
    app = max(schema.writers, key=lambda role: (schema.writers[role], role), default="")
    said = f"{owner} owns {owned} of {len(schema.tables)} tables; "
    if not app:
        return ForeignRoles(owner=owner), said + "no role but owners and superusers was granted writes"
    return ForeignRoles(owner=owner, app=app), said + f"{app} may write {schema.writers[app]} of them"


def _primary_key(tables: Iterable[Table]) -> tuple[Literal["uuid", "ulid", "any"], str]:
    """A convention, if nearly all keys of one column keep it."""
    types = [_type(table, table.primary_key[0]) for table in tables if len(table.primary_key) == 1]
    if not types:
        return "any", "no primary key of one column"
    kind, count = Counter(types).most_common(1)[0]
    said = f"{count} of {len(types)} primary keys of one column are {kind}"
    if kind in _CONVENTIONS and count >= 0.75 * len(types):
        return _CONVENTIONS[kind], said
    return "any", said


def _type(table: Table, column: str) -> str:
    return table.columns[column].type


def _told(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
