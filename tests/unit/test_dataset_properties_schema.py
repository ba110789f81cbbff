"""Whatever the sizes, the skew, the seed and the date: the rows of every recipe keep what its models promise."""

from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ulid import ULID

from pgvitals.dataset.columns import Column
from pgvitals.dataset.recipe import load_recipe
from pgvitals.dataset.streams import Stream
from pgvitals.suite import load_module

rows_ = load_module(Path(__file__).with_name("dataset_rows.py"), "dataset_rows")
SYSTEMS = list(rows_.SIZES)

quick = settings(
    deadline=None, max_examples=8, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)


def any_rows(data, system):
    return rows_.Rows(system, data.draw(rows_.profiles(system)), data.draw(rows_.seeds()))


def moments(rows, table):
    return rows.one(table, "created_at" if "created_at" in rows[table] else "at")


@pytest.mark.parametrize("system", SYSTEMS)
@quick
@given(st.data())
def test_rows_keep_every_promise_of_the_models(system, data):
    rows = any_rows(data, system)
    assert set(rows.made) == {table.name for table in rows.models().tables.values()}
    for table in rows.models().tables.values():
        if rows[table.name]:
            columns_are_given_and_fit(rows, table)
            constraints_hold(rows, table)
            rows_are_of_one_tenant(rows, table)
            nothing_is_older_than_what_it_refers_to(rows, table)


def columns_are_given_and_fit(rows, table):
    for column in table.columns:
        if column.name not in rows[table.name]:
            assert column.nullable or column.server_default, column
            continue
        assert column.nullable or rows.given(table.name, column.name).all(), column
        width = getattr(column.type, "length", None)
        if width:
            values = rows.one(table.name, column.name).astype("S").tolist()
            assert max(len(value.decode()) for value in values) <= width, column


def constraints_hold(rows, table):
    for key in table.foreign_key_constraints:
        assert rows_.orphans(rows, table.name, key) == 0, key.name
    for constraint in table.constraints:
        if isinstance(constraint, sa.CheckConstraint):
            assert rows_.broken(rows, table.name, str(constraint.sqltext)) == 0, constraint.name
        elif isinstance(constraint, sa.UniqueConstraint | sa.PrimaryKeyConstraint):
            names = [column.name for column in constraint.columns]
            assert rows_.duplicates(rows, table.name, names) == 0, constraint.name
    for index in table.indexes:
        if index.unique:
            distinct = not index.dialect_options["postgresql"]["nulls_not_distinct"]
            names = [column.name for column in index.columns]
            assert rows_.duplicates(rows, table.name, names, distinct) == 0, index.name


def rows_are_of_one_tenant(rows, table):
    tenant = rows.system.tenant.column
    for column, of in references(table):
        if tenant in rows[table.name] and tenant in rows[of]:
            at, parent = rows.parents(table.name, column, of)
            assert (rows.one(table.name, tenant)[at] == rows.one(of, tenant)[parent]).all(), (table.name, column)
            assert (rows.given(table.name, tenant)[at] == rows.given(of, tenant)[parent]).all(), (table.name, column)


def nothing_is_older_than_what_it_refers_to(rows, table):
    now, made = np.datetime64(rows.profile.as_of, "us"), moments(rows, table.name)
    assert (made <= now).all(), table.name
    if "updated_at" in rows[table.name]:
        changed = rows.one(table.name, "updated_at")
        assert ((made <= changed) & (changed <= now)).all(), table.name
    for column, of in references(table):
        at, parent = rows.parents(table.name, column, of)
        assert (made[at] >= moments(rows, of)[parent]).all(), (table.name, column)


def references(table):
    """Each foreign key's column and table; of a key with the tenant in it, the other column."""
    return [
        (list(key.columns)[-1].name, key.elements[-1].column.table.name)
        for key in sorted(table.foreign_key_constraints, key=lambda key: str(key.name))
    ]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("harm", ["orphan", "twice", "check", "tenant", "older"])
def test_a_promise_that_is_broken_is_noticed(system, harm):
    """The other test would see it, if a recipe did that."""
    rows = rows_.Rows(system, rows_.SMOKE)
    harmed, columns, what = HARMS[harm](rows, rows.models().tables)
    table = rows.models().tables[f"{rows.system.schema_name}.{harmed}"]
    for name, values in columns.items():
        rows.made[harmed][name] = Column(rows[harmed][name].kind, values, nulls=rows[harmed][name].nulls)
    with pytest.raises(AssertionError):
        what(rows, table)


def first_reference(rows, tenants=False):
    tenant = rows.system.tenant.column
    return next(
        (table.name, column, of)
        for table in rows.models().tables.values()
        for column, of in references(table)
        if rows.given(table.name, column).any()
        and of != table.name
        and (not tenants or (tenant in rows[table.name] and tenant in rows[of]))
    )


def other(rows, tables):
    """A row that refers to a row of another tenant's."""
    table, column, of = first_reference(rows, tenants=True)
    at, _ = rows.parents(table, column, of)
    owners = rows.one(of, rows.system.tenant.column)
    values = rows.one(table, column).copy()
    values[at[0]] = rows.one(of, "id")[np.flatnonzero(owners != rows.one(table, rows.system.tenant.column)[at[0]])[0]]
    return table, {column: values}, rows_are_of_one_tenant


def orphaned(rows, tables):
    table, column, of = first_reference(rows)
    at, _ = rows.parents(table, column, of)
    values = rows.one(table, column).copy()
    values[at[0]] = b"0" * values.dtype.itemsize
    return table, {column: values}, constraints_hold


def twice(rows, tables):
    table = rows.system.tenant.table
    ids = rows.one(table, "id").copy()
    ids[1] = ids[0]
    return table, {"id": ids}, constraints_hold


def refused(rows, tables):
    table, column = {
        "pazpaz": ("services", "default_duration_minutes"),
        "practice": ("fhir_mappings", "error_count"),
        "portal": ("documents", "size_bytes"),
    }[rows.system.name]
    return table, {column: np.where(np.arange(len(rows.one(table, column))) == 1, -1, 7)}, constraints_hold


def older(rows, tables):
    table, *_ = first_reference(rows)
    early = rows.one(table, "created_at") - np.timedelta64(9_000, "D")
    return table, {"created_at": early}, nothing_is_older_than_what_it_refers_to


HARMS = {"orphan": orphaned, "twice": twice, "check": refused, "tenant": other, "older": older}


@pytest.mark.parametrize("system", SYSTEMS)
@quick
@given(st.data())
def test_sizes_add_up_exactly_and_no_tenant_is_left_out(system, data):
    profile = data.draw(rows_.profiles(system, most=10**9))
    counted, each, others = rows_.SIZES[system]
    totals = {table.name: table for table in load_recipe(rows_.SUITE.system(system), profile).tables}
    assert totals[counted].total == profile.sizes[system][counted]
    for name in (*each, *others):
        assert totals[name].total == profile.sizes[system][name]
        assert len(totals[name].rows) == profile.sizes[system][counted]
    for name in each:
        assert min(totals[name].rows) >= 1
        assert (np.diff(totals[name].rows) <= 0).all(), "the first tenant is the largest"


@quick
@given(st.data())
def test_ulids_sort_like_the_moments_of_their_rows(data):
    rows = any_rows(data, "portal")
    for table in rows.models().tables.values():
        ids, made = rows.one(table.name, "id"), moments(rows, table.name)
        assert (np.diff(made[np.argsort(ids)]) >= np.timedelta64(0)).all(), table.name
        some = Stream("some", table.name).integers(5, 0, len(ids))
        said = [ULID.from_str(ids[k].decode()).milliseconds for k in some]
        assert said == made[some].astype("datetime64[ms]").astype(np.int64).tolist(), table.name
