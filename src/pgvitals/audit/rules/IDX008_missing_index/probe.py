# title: Index that a measured query lacks
# severity: P3
# why: A query that reads a whole table to find few of its rows takes longer with every row that comes. Each measured
#   query is planned as for any parameters; where it reads a table of 10,000 rows or more as a whole and compares
#   columns with parameters, an index on these is tried: a hypothetical one where HypoPG is installed, else one that
#   is built and undone. Told if the planner expects a fifth of the cost, or less.
# remediation: Create the index; then measure, since an estimate is no measurement.
# answers: DB-007
# writes: yes
# subject: measured queries that run here
# promise: no index would make one five times cheaper
"""Plan each measured query, and again with the index that it seems to lack."""

from typing import Any

import psycopg

from pgvitals.audit.declared import Looked
from pgvitals.audit.probes.plans import Planner, measured_queries
from pgvitals.audit.probes.tables import catalog
from pgvitals.results.audit import Finding
from pgvitals.system import System

LEAST_ROWS = 10_000
MOST_ROWS = 2_000_000
"""Beyond, an index is not built to be undone; HypoPG has no such limit."""
CHEAPER = 0.2


def probe(conn: psycopg.Connection[Any], system: System) -> Looked:
    """One query after the other."""
    queries = measured_queries(system)
    planner = Planner(conn, system)
    rows = {row["name"]: row["n"] for row in catalog(conn, system, "select name, row_estimate as n from tables")}
    most = float("inf") if planner.hypopg else MOST_ROWS
    findings: dict[str, Finding] = {}
    checked = 0
    for query in queries:
        plan = planner.plan(query)
        if plan is None:
            continue
        checked += 1
        for reading in planner.readings(plan):
            if not LEAST_ROWS <= rows.get(reading.table, 0) <= most:
                continue
            with planner.with_index(reading) as made:
                better = planner.plan(query)
            before, after = plan["Total Cost"], better["Total Cost"] if better else plan["Total Cost"]
            if after <= CHEAPER * before:
                detail = (
                    f"{query.name} reads all of its {rows[reading.table]} rows; by an index on "
                    f"({', '.join(reading.columns)}) it would cost {after:.0f} instead of {before:.0f}"
                )
                remediation = f"{made.replace('create index', 'create index concurrently', 1)};"
                objects = (f"{reading.schema}.{reading.table}",)
                findings.setdefault(made, Finding(objects=objects, detail=detail, remediation=remediation))
    planner.forget()
    if not checked:
        return Looked(checked=0, not_applicable="no measured query of the suite runs at this revision")
    how = "by HypoPG" if planner.hypopg else "by indexes that are built and undone"
    return Looked(checked=checked, findings=tuple(findings.values()), note=f"tried {how}")
