"""The arms of a lookup whose row-level security is priced: under its policies, with the predicate, and without either.

They run in a copy of the database in which FORCE is off: no policy is for the owner there, and the application's
role stays subject to all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from pgvitals.errors import MeasureError
from pgvitals.lab.database import Database
from pgvitals.measure.explicit import of_tenant, with_predicates
from pgvitals.measure.paired import Arm
from pgvitals.measure.plan import plan_for_largest
from pgvitals.measure.plan_shape import Step, normal, shape
from pgvitals.measure.runner import Runner
from pgvitals.measure.task import Task
from pgvitals.system import System

WITHOUT, POLICY, PLACEBO, UNPROTECTED = 0, 1, 2, 3
AS_IS = "the statement as it is, which names its tenant"
REWRITTEN = "the statement with its tenant added"
_CHECKED = 40
_ISOLATED = """
    select c.relname from pg_class c
    where c.relnamespace = %s::regnamespace and c.relrowsecurity and c.relkind in ('r', 'p') order by 1
"""
_PARENTS = """
    select p.relname, k.attname, a.attname
    from pg_constraint f
    join pg_class p on p.oid = f.confrelid
    join pg_attribute k on k.attrelid = f.confrelid and k.attnum = any(f.confkey)
    join pg_attribute a on a.attrelid = f.conrelid and a.attnum = any(f.conkey)
    where f.conrelid = format('%%I.%%I', %(schema)s::text, %(table)s::text)::regclass and f.contype = 'f'
        and cardinality(f.conkey) = 1 and p.relname = %(parent)s
"""
_HAS_COLUMN = """
    select exists (select from pg_attribute where attrelid = format('%%I.%%I', %s::text, %s::text)::regclass
        and attname = %s and not attisdropped)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """A lookup with its arms, and what the check of its rows found."""

    task: Task
    arms: tuple[Arm, ...]  # WITHOUT, POLICY, PLACEBO and, where WITHOUT is rewritten, UNPROTECTED
    tables: tuple[str, ...]
    against: str
    checked: int
    policy_rows: int
    unprotected_rows: int
    policy_plan: tuple[Step, str]
    without_plan: tuple[Step, str]


@contextmanager
def owner_exempt(database: Database, system: System) -> Iterator[tuple[str, ...]]:
    """Take FORCE off the system's tables in a database of ours, for good; gives the isolated tables.

    Raises:
        MeasureError: no table is isolated, or the policies are not for the application's role.
    """
    with database.connect() as conn:
        isolated = tuple(str(row[0]) for row in conn.execute(_ISOLATED, (system.schema_name,)).fetchall())
        if not isolated:
            raise MeasureError(f"no table of system {system.name!r} has row-level security at this revision")
        for table in isolated:
            name = sql.Identifier(system.schema_name, table)
            conn.execute(sql.SQL("alter table {} no force row level security").format(name))
    for role, active in ((system.roles.owner, False), (system.roles.app, True)):
        with database.connect(role) as conn:
            row = conn.execute(
                "select row_security_active(format('%%I.%%I', %s::text, %s::text))", (system.schema_name, isolated[0])
            ).fetchone()
        if row is None or row[0] is not active:
            subject = "is not" if active else "is"
            raise MeasureError(
                f"role {role!r} {subject} subject to the policies of {system.schema_name}.{isolated[0]};"
                " their price cannot be measured"
            )
    yield isolated


def price_arms(database: Database, task: Task, isolated: Collection[str]) -> Priced | str:
    """The arms of one lookup, or why it has no price.

    Raises:
        MeasureError: the lookup fails as the application's role.
    """
    system = task.system
    if task.query.writes:
        return "a write"
    if task.query.role != "app":
        return "it runs as the owner"
    if any(system.tenant.column not in each for each in task.parameters):
        return "its parameters name no tenant"
    unprotected = _Plan.of(database, task, system.roles.owner, task.query.sql)
    tables = tuple(sorted({step.relation for step in unprotected.step} & set(isolated)))
    if not tables:
        return "it reads no isolated table"
    policy = _Plan.of(database, task, system.roles.app, task.query.sql)
    counts = [_rows(database, each, task) for each in (policy, unprotected)]
    chosen, against = unprotected, AS_IS
    explicit = _explicit(database, task, tables)
    if isinstance(explicit, str):
        against = f"the statement as it is; {explicit}"
    elif explicit.step != unprotected.step or counts[0] != counts[1]:
        if _rows(database, explicit, task) == counts[0]:
            chosen, against = explicit, REWRITTEN
        else:
            against = "the statement as it is; the tenant alone tells other rows than the policies show"
    arms = [chosen, policy, chosen] if chosen is unprotected else [chosen, policy, chosen, unprotected]
    return Priced(
        task=task,
        arms=tuple(each.arm(database, task) for each in arms),
        tables=tables,
        against=against,
        checked=len(counts[0]),
        policy_rows=sum(counts[0]),
        unprotected_rows=sum(counts[1]),
        policy_plan=(policy.step, policy.shape),
        without_plan=(chosen.step, chosen.shape),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A statement as one role sends it, and its plan for the largest tenant."""

    role: str
    statement: str
    step: Step
    shape: str

    @classmethod
    def of(cls, database: Database, task: Task, role: str, statement: str) -> _Plan:
        sent = replace(task, query=replace(task.query, sql=statement, role="app" if role == task.role else "owner"))
        plan = plan_for_largest(database, sent)
        return cls(role=role, statement=statement, step=normal(plan), shape=shape(plan))

    def arm(self, database: Database, task: Task) -> Arm:
        calls = tuple(replace(call, sql=self.statement) for call in task.calls)
        return Arm(database=database, role=self.role, calls=calls)


def _rows(database: Database, plan: _Plan, task: Task) -> Sequence[int]:
    """Rows of the first parameter sets."""
    with Runner(database, plan.role) as runner:
        return [runner.run(call).rows for call in plan.arm(database, task).calls[:_CHECKED]]


def _explicit(database: Database, task: Task, tables: Collection[str]) -> _Plan | str:
    """The statement with the predicate on every isolated table, or why there is none."""
    with database.connect() as conn:
        predicates = {table: _predicate(conn, task.system, table) for table in tables}
    without = [table for table, predicate in predicates.items() if predicate is None]
    if without:
        return f"only the policy says whose a row of {without[0]} is, no column does"
    known: Mapping[str, str] = {table: predicate for table, predicate in predicates.items() if predicate is not None}
    statement = with_predicates(task.query.sql, task.system.schema_name, known)
    try:
        return _Plan.of(database, task, task.system.roles.owner, statement)
    except MeasureError:
        return "it cannot be rewritten with the tenant's predicate"


def _predicate(conn: psycopg.Connection, system: System, table: str) -> str | None:
    """Whose a row of the table is, or None where neither a column nor a parent says it."""
    schema, column = system.schema_name, system.tenant.column
    if table == system.tenant.table:
        return f"{{row}}.id = %({column})s"
    row = conn.execute(_HAS_COLUMN, (schema, table, column)).fetchone()
    if row is not None and row[0]:
        return of_tenant(schema, column, None)
    parent = system.child_tables.get(table)
    refers = conn.execute(_PARENTS, {"schema": schema, "table": table, "parent": parent}).fetchone()
    return of_tenant(schema, column, (str(refers[0]), str(refers[1]), str(refers[2]))) if refers else None
