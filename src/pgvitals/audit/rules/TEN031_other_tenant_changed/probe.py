# title: Another tenant's rows can be changed or deleted
# severity: P0
# why: A policy for SELECT isolates nobody who knows an id and sends an UPDATE or a DELETE. Tried on every tenant table,
#   child table and the table of tenants, as one tenant on a known row of another; a row counts as reached, too, if only
#   a foreign key stopped its deletion.
# remediation: Isolate the table for every command; the rules TEN001 to TEN024 say what its policies lack.
# answers: DB-002
# hipaa: 164.312(a)(1); 164.312(c)(1)
# cis: 4.7
# writes: yes
# subject: tables with rows of two tenants
# promise: the application, acting as one tenant, reached no row of another
"""Update and delete as the application, with one tenant's setting, what belongs to another."""

from typing import Any

import psycopg

from pgvitals.audit.declared import Looked
from pgvitals.audit.probes.tenancy import Tenants, looked, through
from pgvitals.system import System


def probe(conn: psycopg.Connection[Any], system: System) -> Looked:
    """Try both on one known row of the other tenant."""
    tenants = Tenants(conn, system)
    tried: dict[str, list[str]] = {}
    for table, mine, theirs in tenants.two():
        with tenants.as_app(mine.tenant):
            tried[table.qualified] = through(
                [
                    ("another tenant's row is updated", tenants.update(table, theirs)),
                    ("another tenant's row is deleted", tenants.delete(table, theirs)),
                ]
            )
    return looked(tenants, tried, wanted="without rows of two tenants")
