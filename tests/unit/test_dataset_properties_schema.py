"""Whatever the sizes, the skew, the seed and the date: the rows of every recipe keep what its models promise."""

from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ulid import ULID

from pgvitals.dataset.recipe import load_recipe
from pgvitals.dataset.streams import Stream
from pgvitals.suite import load_module

rows_ = load_module(Path(__file__).with_name("dataset_rows.py"), "dataset_rows")
SYSTEMS = list(rows_.SIZES)

quick = settings(
    deadline=None, max_examples=8, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)


@st.composite
def any_rows(draw, system):
    return rows_.Rows(system, draw(rows_.profiles(system)), draw(rows_.seeds()))


def tables(rows):
    return rows.models().tables.values()


def tenant_of(rows, table):
    """Each row's tenant where the table says it."""
    column = rows.system.tenant.column
    return column if column in rows[table] else None


@pytest.mark.parametrize("system", SYSTEMS)
@quick
@given(st.data())
def test_every_promise_of_the_models_is_kept(system, data):
    rows = data.draw(any_rows(system))
    assert set(rows.made) == {table.name for table in tables(rows)}
    made = [table for table in tables(rows) if rows[table.name]]
    for table in made:
        missing = [
            column.name
            for column in table.columns
            if not column.nullable
            and (not rows.given(table.name, column.name).all() if column.name in rows[table.name] else False)
        ]
        assert missing == [], table.name
        left_out = {column.name for column in table.columns} - rows[table.name].keys()
        assert [
            name for name in left_out if not (table.columns[name].nullable or table.columns[name].server_default)
        ] == [], table.name
        for column in table.columns:
            width = getattr(column.type, "length", None)
            if width and column.name in rows[table.name]:
                values = rows.one(table.name, column.name).astype("S")
                assert max(len(value.decode()) for value in values.tolist()) <= width, column
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


@pytest.mark.parametrize("system", SYSTEMS)
@quick
@given(st.data())
def test_a_row_refers_to_rows_of_its_own_tenant(system, data):
    rows = data.draw(any_rows(system))
    compared = 0
    for table in tables(rows):
        for key in table.foreign_key_constraints:
            column, of = list(key.columns)[-1].name, key.elements[-1].column.table.name
            if not (rows[table.name] and tenant_of(rows, table.name) and tenant_of(rows, of)):
                continue
            tenant = rows.system.tenant.column
            at, parent = rows.parents(table.name, column, of)
            assert (rows.one(table.name, tenant)[at] == rows.one(of, tenant)[parent]).all(), key.name
            assert (rows.given(table.name, tenant)[at] == rows.given(of, tenant)[parent]).all(), key.name
            compared += len(at)
    assert compared > 0


@pytest.mark.parametrize("system", SYSTEMS)
@quick
@given(st.data())
def test_no_row_is_older_than_what_it_refers_to_or_changed_before_it_was_made(system, data):
    rows = data.draw(any_rows(system))
    now = np.datetime64(rows.profile.as_of, "us")
    for table in tables(rows):
        if not rows[table.name]:
            continue
        made = rows.one(table.name, "created_at" if "created_at" in rows[table.name] else "at")
        assert (made <= now).all(), table.name
        if "updated_at" in rows[table.name]:
            changed = rows.one(table.name, "updated_at")
            assert ((made <= changed) & (changed <= now)).all(), table.name
        for key in table.foreign_key_constraints:
            column, of = list(key.columns)[-1].name, key.elements[-1].column.table.name
            at, parent = rows.parents(table.name, column, of)
            assert (made[at] >= rows.one(of, "created_at")[parent]).all(), key.name


@pytest.mark.parametrize("system", SYSTEMS)
@quick
@given(st.data())
def test_sizes_add_up_exactly_and_no_tenant_is_left_out(system, data):
    profile = data.draw(rows_.profiles(system, most=10**9))
    counted, each, others = rows_.SIZES[system]
    totals = {table.name: table for table in load_recipe(rows_.SUITE.system(system), profile).tables}
    for name in (*each, *others):
        assert totals[name].total == profile.sizes[system][name]
        assert len(totals[name].rows) == profile.sizes[system][counted]
        assert (np.diff(totals[name].rows) <= 0).all() or name in others
    assert totals[counted].total == profile.sizes[system][counted]
    for name in each:
        assert min(totals[name].rows) >= 1


@quick
@given(st.data())
def test_ulids_sort_like_the_moments_of_their_rows(data):
    rows = data.draw(any_rows("portal"))
    for table in tables(rows):
        ids = rows.one(table.name, "id")
        made = rows.one(table.name, "created_at" if "created_at" in rows[table.name] else "at")
        order = np.argsort(ids)
        assert (np.diff(made[order]) >= np.timedelta64(0)).all(), table.name
        some = Stream("some", table.name).integers(5, 0, len(ids))
        said = [ULID.from_str(ids[k].decode()).milliseconds for k in some]
        assert said == made[some].astype("datetime64[ms]").astype(np.int64).tolist(), table.name
