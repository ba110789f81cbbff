# title: Documented constraint that does not do what is documented
# severity: P1
# why: That a constraint of that name is there says little. One row of the table, in order as it is, gets each value
#   that the document says is refused, in that one column: the constraint of that name has to refuse it, not a NOT
#   NULL, a type or another check. And each value that has to be accepted gets through.
# remediation: Correct the condition, or the document.
# hipaa: 164.312(c)(1)
# writes: yes
# subject: documented constraints of tables with rows
# promise: each refused what it should by its own name, and took what it should
"""Update one row of each table with the values that system.toml gives."""

from typing import Any

import psycopg

from pgvitals.audit.declared import Looked
from pgvitals.audit.probes.attempt import Attempt, attempt, statement
from pgvitals.audit.probes.tables import catalog
from pgvitals.results.audit import Finding
from pgvitals.system import DocumentedConstraint, System

_COLUMNS = """
select t.name as table_name, t.qualified, c.name as column_name, c.quoted, c.type
from tables as t
join columns as c on c.table_oid = t.oid
where t.name = any (%(documented_tables)s)
"""


def probe(conn: psycopg.Connection[Any], system: System) -> Looked:
    """One constraint after the other."""
    columns = {(row["table_name"], row["column_name"]): row for row in catalog(conn, system, _COLUMNS)}
    findings = []
    checked = 0
    for each in system.documented_constraints:
        column = columns.get((each.table, each.column))
        row = None
        if column is not None:
            row = conn.execute(statement("select ctid::text from {t} limit 1", t=column["qualified"])).fetchone()
        if column is None or row is None:
            continue
        checked += 1
        said = tries(conn, each, column, row[0])
        if said:
            objects = (f"{column['qualified']}.{each.name}",)
            remediation = f"-- correct the condition of {each.name}, or what the document says of it"
            findings.append(Finding(objects=objects, detail="; ".join(said), remediation=remediation))
    if system.documented_constraints and not checked:
        return Looked(
            checked=0, not_applicable="no table of a documented constraint has a row: load some, then ask again"
        )
    return Looked(checked=checked, findings=tuple(findings))


def tries(
    conn: psycopg.Connection[Any], documented: DocumentedConstraint, column: dict[str, Any], ctid: str
) -> list[str]:
    """What is wrong; the values are those of system.toml, and of nobody."""

    def put(value: str) -> Attempt:
        query = "update {table} set {name} = %s::{type} where ctid = %s::tid"
        parts = {"table": column["qualified"], "name": column["quoted"], "type": column["type"]}
        return attempt(conn, statement(query, **parts), (value, ctid))

    said = []
    for value in documented.refuses:
        made = put(value)
        if not made.is_refused:
            said.append(f"{value!r} is accepted")
        elif made.constraint != documented.name:
            said.append(f"{value!r} is refused by {made.constraint or f'SQLSTATE {made.sqlstate}'} instead")
    return said + [f"{value!r} is refused" for value in documented.accepts if put(value).is_refused]
