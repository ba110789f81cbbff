# title: Ciphertext that can be read
# severity: P0
# why: A column of bytes named like ciphertext may hold the text as it is, in base64, or under a cipher that is none.
#   Up to 500 values of each column are looked at: whether they are text, or hold a run of it, as they are or decoded;
#   and whether their bytes together are as evenly spread as chance has them.
# remediation: Encrypt what is there with a real cipher (AES-256-GCM) under a key that the database never sees.
# hipaa: 164.312(a)(2)(iv)
# cis: 6.11
# reads_rows: yes
# subject: columns of ciphertext with values
# promise: their sampled bytes are no text, and spread like chance
"""Look at sampled bytes of each column that should hold ciphertext."""

from typing import Any

import psycopg

from pgvitals.audit.declared import Looked
from pgvitals.audit.probes.sealed import entropy, readable, sample, sealed_columns
from pgvitals.results.audit import Finding
from pgvitals.system import System


def probe(conn: psycopg.Connection[Any], system: System) -> Looked:
    """One column after the other."""
    columns = sealed_columns(conn, system)
    findings: list[Finding] = []
    checked = few = 0
    for column in columns:
        values = sample(conn, column)
        if not values:
            continue
        checked += 1
        texts, spread = readable(values), entropy(values)
        few += spread is None
        said = f"{texts} of {len(values)} sampled values are readable" if texts else ""
        if not said and spread is not None and spread[0] < spread[1]:
            said = f"{spread[0]:.2f} bits of entropy a byte, where chance has {spread[1]:.2f} or more"
        if said:
            remediation = f"-- encrypt what {column.qualified} holds, in the application"
            findings.append(Finding(objects=(column.qualified,), detail=said, remediation=remediation))
    if columns and not checked:
        return Looked(checked=0, not_applicable="no column of ciphertext holds a value: load some, then ask again")
    note = f"too few bytes to judge their spread in {few}" if few else ""
    return Looked(checked=checked, findings=tuple(findings), note=note)
