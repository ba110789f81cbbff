# title: Nonce that was used twice
# severity: P0
# why: In GCM and CTR two values under one nonce give away the difference of their texts, and in GCM the key that
#   authenticates them. Values that are equal as a whole come from a cipher without chance: equal texts show. Counted
#   over up to 20,000 values of each column: what each begins with, format, key and nonce, has to differ.
# remediation: Draw a new nonce of 96 bits from the operating system for each value, and seal again what shares one.
# hipaa: 164.312(a)(2)(iv)
# reads_rows: yes
# subject: columns of ciphertext with values
# promise: no two values begin alike
"""Count the first bytes of the values of each column that should hold ciphertext."""

from typing import Any

import psycopg

from pgvitals.audit.declared import Looked
from pgvitals.audit.probes.attempt import statement
from pgvitals.audit.probes.sealed import Column, nonce_bytes, sample, sealed_columns
from pgvitals.results.audit import Finding
from pgvitals.system import System

COUNTED_MOST = 20_000
_COUNTS = (
    "select count(*), count(distinct substring(v from 1 for %s)), count(distinct v) "
    "from (select t.{name} as v from {table} as t where t.{name} is not null limit %s) as sampled"
)


def probe(conn: psycopg.Connection[Any], system: System) -> Looked:
    """One column of bytes after the other."""
    columns = [column for column in sealed_columns(conn, system) if column.is_bytes]
    findings = []
    checked = 0
    for column in columns:
        total, nonces, values = counts(conn, column)
        checked += total > 0
        if nonces < total:
            equal = f", {total - values} are equal as a whole" if values < total else ""
            findings.append(
                Finding(
                    objects=(column.qualified,),
                    detail=f"of {total} values {total - nonces} share their nonce with another{equal}",
                    remediation=f"-- seal what {column.qualified} holds again, each value under a nonce of its own",
                )
            )
    if columns and not checked:
        return Looked(checked=0, not_applicable="no column of ciphertext holds a value: load some, then ask again")
    return Looked(checked=checked, findings=tuple(findings))


def counts(conn: psycopg.Connection[Any], column: Column) -> tuple[int, int, int]:
    """Values, different beginnings, and different values."""
    first = nonce_bytes(sample(conn, column))
    query = statement(_COUNTS, name=column.quoted, table=column.table)
    row = conn.execute(query, (first, COUNTED_MOST)).fetchone()
    return (0, 0, 0) if row is None else (row[0], row[1], row[2])
