"""Lookups whose cost is known: each reads rows by their key and then works as long as the row says.

The work is a loop in the server, a number of steps stored in the row, so that it takes real time there and is slower
where the machine is. Databases with an effect differ from the base in these numbers alone: same rows, same pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import special

from pgvitals.lab import Database
from pgvitals.measure.prepare import at_rest
from pgvitals.measure.task import Task, make_task
from pgvitals.query import Query
from pgvitals.stats.samples import FloatArray, IntArray
from pgvitals.system import System

SCHEMA = "truth"
ROWS = 6_000
SLOW_SHARE = 0.10
"""The share of rows, those with the most work, that an effect on the p95 makes slower."""
_RANGE = 20
_STRIDE = 3_607  # has no divisor in common with ROWS: row i has the rank i * stride
_SPREAD = 0.5  # of the logarithm of the work
_FUNCTION = f"""
create schema {SCHEMA};
create function {SCHEMA}.spin(steps int) returns int language plpgsql as $$
    begin for step in 1..steps loop null; end loop; return steps; end
$$;
"""
_TABLE = "create table {table} (id int primary key, note text not null, steps int not null)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """One lookup: the median of its work in microseconds, what it takes without it aside, and the rows it reads."""

    name: str
    work_us: float
    rows: int = 1

    @property
    def key(self) -> str:
        """As the query's key."""
        return f"{SCHEMA}/{self.name}"

    @property
    def table(self) -> str:
        """The table that it reads, its own."""
        return f"{SCHEMA}.{self.name}"

    def query(self) -> Query:
        """The query that the instruments send."""
        if self.rows == 1:
            text = f"select id, note, {SCHEMA}.spin(steps) from {self.table} where id = %(id)s"  # noqa: S608
        else:
            text = (
                f"select id, note, case when id = %(id)s then {SCHEMA}.spin(steps) end "  # noqa: S608
                f"from {self.table} where id between %(id)s and %(id)s + {self.rows - 1}"
            )
        return Query(
            name=self.name,
            system=SCHEMA,
            path=Path(f"{self.name}.sql"),
            title=self.name,
            budget_p95_ms=150,
            params=f"select id from {self.table} where id < {ROWS - self.rows}",  # noqa: S608
            sql=text,
        )


LOOKUPS = (
    Lookup(name="one_row_80", work_us=80),
    Lookup(name="few_rows_90", work_us=90, rows=_RANGE),
    Lookup(name="one_row_120", work_us=120),
    Lookup(name="few_rows_150", work_us=150, rows=_RANGE),
    Lookup(name="one_row_200", work_us=200),
    Lookup(name="few_rows_250", work_us=250, rows=_RANGE),
    Lookup(name="one_row_350", work_us=350),
    Lookup(name="few_rows_500", work_us=500, rows=_RANGE),
)


def shares() -> FloatArray:
    """Row by row (ids from 0), its place in the order of work, 0 to 1: the slow tenth lies above 0.9."""
    ranks = np.arange(ROWS, dtype=np.int64) * _STRIDE % ROWS
    return np.asarray((ranks + 0.5) / ROWS, dtype=np.float64)


def base_steps(lookup: Lookup, steps_per_us: float) -> IntArray:
    """The work of every row of the base: lognormal, as latencies over tenants of many sizes are."""
    work_us = lookup.work_us * np.exp(_SPREAD * special.ndtri(shares()))
    return np.asarray(np.rint(work_us * steps_per_us), dtype=np.int64)


def system(role: str) -> System:
    """The system of these lookups; they are sent as ``role``."""
    return System.model_validate(
        {
            "name": SCHEMA,
            "folder": Path(SCHEMA),
            "title": "lookups of known cost",
            "schema": SCHEMA,
            "tenant": {"table": "none", "column": "tenant_id", "setting": "truth.tenant", "traffic_table": "none"},
            "roles": {"owner": role, "app": role},
        }
    )


def make_function(database: Database) -> None:
    """The schema with the function that works, in an empty database of ours."""
    with database.connect() as conn:
        conn.execute(_FUNCTION)


def fill(database: Database, steps: dict[str, IntArray]) -> None:
    """Make the table of every lookup in an empty database of ours, with these numbers of steps a row, and let it rest.

    Args:
        steps: by the name of the lookup.
    """
    make_function(database)
    with database.connect() as conn:
        for lookup in LOOKUPS:
            conn.execute(_TABLE.format(table=lookup.table))
            with conn.cursor() as cursor, cursor.copy(f"copy {lookup.table} from stdin") as copy:
                for number, count in enumerate(steps[lookup.name].tolist()):
                    copy.write_row((number, f"note of row {number}", count))
    with at_rest(database, [SCHEMA]):
        pass  # vacuumed, analyzed and read once


def tasks(database: Database, parameter_sets: int, seed: int) -> list[Task]:
    """The lookups with parameters drawn from the rows of ``database``; nobody asks for ranks of tenants."""
    owner = system(database.params["user"])
    with database.connect() as conn:
        return [
            make_task(conn, lookup.query(), owner, {}, parameter_sets=parameter_sets, seed=seed) for lookup in LOOKUPS
        ]
