# title: Rows can be written for another tenant
# severity: P0
# why: USING decides which rows are seen, WITH CHECK which may be written. Without it one tenant puts rows into
#   another's calendar, or gives it its own. Tried on every tenant table, child table and the table of tenants: insert
#   a row of the other tenant, and make one's own row the other's.
# remediation: Give the policy a WITH CHECK that asks for the tenant; the rules TEN001 to TEN024 say what it lacks.
# answers: DB-002
# hipaa: 164.312(a)(1); 164.312(c)(1)
# cis: 4.7
# writes: yes
# subject: tables with rows of two tenants
# promise: the application, acting as one tenant, wrote no row for another
"""Insert as the application, with one tenant's setting, a row of another, and hand one over."""

from typing import Any

import psycopg

from pgvitals.audit.declared import Looked
from pgvitals.audit.probes.tenancy import Tenants, looked
from pgvitals.system import System


def probe(conn: psycopg.Connection[Any], system: System) -> Looked:
    """Insert the other tenant's row once more: row-level security has to refuse it before its key does."""
    tenants = Tenants(conn, system)
    tried: dict[str, list[str]] = {}
    for table, mine, theirs in tenants.two():
        got = tried.setdefault(table.qualified, [])
        with tenants.as_app(mine.tenant):
            if tenants.insert(table, theirs).got_through:
                got.append("a row is inserted for another tenant")
            given = tenants.give(table, mine, theirs)
            if given is not None and given.rows:
                got.append("a row is handed to another tenant")
    return looked(tenants, tried, wanted="without rows of two tenants")
