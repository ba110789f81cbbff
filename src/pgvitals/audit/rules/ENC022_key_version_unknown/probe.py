# title: Ciphertext whose key is not among the keys
# severity: P1
# why: A value says in its first bytes which version of the key opens it. If the table of keys has no such version for
#   its tenant, nobody can open it any more: not the application, and not who is asked for a copy of the records.
#   Only where values have the header that pgvitals.encryption writes, and there is a table of keys with versions.
# remediation: Bring the key back from a backup; seal values again before a key is removed.
# hipaa: 164.312(a)(2)(iv); 164.312(c)(1)
# reads_rows: yes
# subject: columns of ciphertext that says which key opens it
# promise: each key is there
"""Look each sampled value's key up."""

from typing import Any

import psycopg

from pgvitals.audit.declared import Looked
from pgvitals.audit.probes.attempt import statement
from pgvitals.audit.probes.sealed import SAMPLED_MOST, sample, says_its_key, sealed_columns
from pgvitals.audit.probes.tables import catalog
from pgvitals.results.audit import Finding
from pgvitals.system import System

_KEYS = """
select t.qualified as keys, v.quoted as version, k.quoted as tenant
from tables as t
join columns as v on v.table_oid = t.oid and v.name = 'version' and v.base_type ~ '^(smallint|integer|bigint)'
left join columns as k on k.table_oid = t.oid and k.name = %(tenant_column)s
where t.name ~ 'keys?$'
"""
_TENANTED = """
select c.table_oid::bigint as table_oid, c.quoted from columns as c where c.name = %(tenant_column)s
"""
_MISSING = (
    "select count(*) from (select t.{name} as v, {tenant} as tenant from {table} as t "
    "where t.{name} is not null limit %s) as sampled where not exists (select from {keys} as k "
    "where k.{version} = get_byte(v, 1) * 16777216::bigint + get_byte(v, 2) * 65536 + get_byte(v, 3) * 256 "
    "+ get_byte(v, 4) and {same})"
)


def probe(conn: psycopg.Connection[Any], system: System) -> Looked:
    """One column after the other, against the first table of keys."""
    keys = catalog(conn, system, _KEYS)
    columns = [column for column in sealed_columns(conn, system) if column.is_bytes]
    if columns and not keys:
        return Looked(checked=0, not_applicable="there is no table of keys with versions")
    tenants = {row["table_oid"]: row["quoted"] for row in catalog(conn, system, _TENANTED)}
    findings = []
    checked = 0
    for column in columns:
        if not says_its_key(sample(conn, column)):
            continue
        checked += 1
        own, theirs = tenants.get(column.table_oid), keys[0]["tenant"]
        query = statement(
            _MISSING,
            name=column.quoted,
            table=column.table,
            tenant=f"t.{own}::text" if own else "null",
            keys=keys[0]["keys"],
            version=keys[0]["version"],
            same=f"k.{theirs}::text = sampled.tenant" if own and theirs else "true",
        )
        row = conn.execute(query, (SAMPLED_MOST,)).fetchone()
        if row and row[0]:
            detail = f"{row[0]} of {SAMPLED_MOST} or fewer sampled values name a key that is not in {keys[0]['keys']}"
            remediation = f"-- bring the keys of {column.qualified} back into {keys[0]['keys']}"
            findings.append(Finding(objects=(column.qualified,), detail=detail, remediation=remediation))
    if columns and not checked:
        return Looked(checked=0, not_applicable="no column of ciphertext holds values that say which key opens them")
    return Looked(checked=checked, findings=tuple(findings))
