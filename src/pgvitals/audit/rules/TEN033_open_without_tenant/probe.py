# title: Rows reached, or errors raised, when nobody has said who asks
# severity: P0
# why: Before the first request sets the tenant, and after a pool's reset, the setting is unset or empty. Then no row
#   may be seen, changed or added, and nothing may fail. Tried both ways: in a connection that never set it, and with
#   the empty text that a transaction leaves behind.
# remediation: Let a missing setting be nobody: nullif, a second argument for current_setting, a look at its form before
#   a cast; the rules TEN020 and TEN021 name the policies.
# answers: DB-002
# hipaa: 164.312(a)(1)
# cis: 4.7
# writes: yes
# subject: tables with rows
# promise: without a tenant the application reached no row, and met no error
"""Select, update, delete and insert as the application, with no tenant."""

from typing import Any

import psycopg

from pgvitals.audit.declared import Looked
from pgvitals.audit.probes.attempt import Attempt, acting, attempt, statement
from pgvitals.audit.probes.tenancy import Tenants, fresh, looked, through
from pgvitals.system import System


def probe(conn: psycopg.Connection[Any], system: System) -> Looked:
    """Try with the empty setting, then read in a connection that never set it."""
    tenants = Tenants(conn, system)
    tried: dict[str, list[str]] = {}
    for pair in tenants.any():
        with tenants.as_app(""):
            read = tenants.read_any(pair.table)
            tried[pair.table.qualified] = through(
                [
                    ("rows are read while the setting is empty", read),
                    ("a row is updated", tenants.update(pair.table, pair.mine)),
                    ("a row is deleted", tenants.delete(pair.table, pair.mine)),
                    ("a row is inserted", tenants.insert(pair.table, pair.mine)),
                ]
            ) + _errors(read, "empty")
    if tried:
        with fresh(conn) as never_set, acting(never_set, system.roles.app):
            for name, got in tried.items():
                read = attempt(never_set, statement("select from {table} limit 1", table=name))
                got += through([("rows are read while the setting is unset", read)]) + _errors(read, "unset")
    return looked(tenants, tried, wanted="without rows")


def _errors(read: Attempt, what: str) -> list[str]:
    failed = read.is_refused and not read.is_not_allowed
    return [f"reading fails while the setting is {what} (SQLSTATE {read.sqlstate})"] if failed else []
