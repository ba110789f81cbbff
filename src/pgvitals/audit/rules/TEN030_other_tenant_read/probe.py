# title: Another tenant's rows can be read
# severity: P0
# why: What policies say is one thing; whether the application, asking as one tenant, gets at a row of another is
#   what counts. Tried on every tenant table, child table and the table of tenants: one known row of the other
#   tenant, and any row that is not one's own.
# remediation: Isolate the table; the rules TEN001 to TEN024 say what its policies lack.
# answers: DB-002
# hipaa: 164.312(a)(1)
# cis: 4.7
# writes: yes
# subject: tables with rows of two tenants
# promise: the application, asking as one tenant, read no row of another
"""Select as the application, with one tenant's setting, what belongs to another."""

from typing import Any

import psycopg

from pgvitals.audit.declared import Looked
from pgvitals.audit.probes.tenancy import Tenants, looked, through
from pgvitals.system import System


def probe(conn: psycopg.Connection[Any], system: System) -> Looked:
    """Try one known row of the other tenant, and any that is not one's own."""
    tenants = Tenants(conn, system)
    tried: dict[str, list[str]] = {}
    for table, mine, theirs in tenants.two():
        with tenants.as_app(mine.tenant):
            tried[table.qualified] = through(
                [
                    ("a known row of another tenant is read", tenants.read(table, theirs)),
                    ("rows of others are read", tenants.read_others(table, mine)),
                ]
            )
    return looked(tenants, tried, wanted="without rows of two tenants")
