# title: Rows reached, or errors raised, under a forged tenant
# severity: P0
# why: The setting is a text, and what fills it may come from a header that somebody wrote. What is no tenant's id - a
#   wildcard, a list, an injected condition, an id with a blank behind it, the id of nobody - has to be nobody: no row,
#   and no error that says why.
# remediation: Look at the form of the setting before a cast, and compare it as a whole.
# answers: DB-002
# hipaa: 164.312(a)(1); 164.312(d)
# cis: 4.7
# writes: yes
# subject: tables with rows
# promise: under no forged tenant the application reached a row, and met no error
"""Select, update, delete and insert as the application, with a tenant that is none."""

from typing import Any

import psycopg

from pgvitals.audit.declared import Looked
from pgvitals.audit.probes.tenancy import Pair, Tenants, looked, through
from pgvitals.system import System

NOBODY = {"uuid": "00000000-0000-4000-8000-000000000000", "text": "00000000000000000000000000"}


def probe(conn: psycopg.Connection[Any], system: System) -> Looked:
    """Read under each forged setting; write under what has no form, and under the id of nobody."""
    tenants = Tenants(conn, system)
    tried: dict[str, list[str]] = {}
    for pair in tenants.any():
        got: list[str] = []
        for what, setting in forged(pair, system).items():
            with tenants.as_app(setting):
                read = tenants.read_any(pair.table)
                got += through([(f"rows are read under {what}", read)])
                if read.is_refused and not read.is_not_allowed:
                    got.append(f"reading fails under {what} (SQLSTATE {read.sqlstate})")
                if what in ("a wildcard", "the id of nobody"):
                    got += through(
                        [
                            (f"a row is updated under {what}", tenants.update(pair.table, pair.mine)),
                            (f"a row is deleted under {what}", tenants.delete(pair.table, pair.mine)),
                            (f"a row is inserted under {what}", tenants.insert(pair.table, pair.mine)),
                        ]
                    )
        tried[pair.table.qualified] = got
    return looked(tenants, tried, wanted="without rows")


def forged(pair: Pair, system: System) -> dict[str, str]:
    """Settings that are no tenant's, by what they are."""
    mine, theirs = pair.mine.tenant, pair.theirs.tenant if pair.theirs else pair.mine.tenant
    return {
        "a wildcard": "%",
        "an injected condition": "' or true --",
        "a list of tenants": f"{mine},{theirs}",
        "an id with more behind it": f"{mine} ",
        "the id of nobody": NOBODY[system.tenant.type],
    }
