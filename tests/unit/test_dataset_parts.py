"""How rows are cut into parts: all of them, once, and the same way every time."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgvitals.dataset.parts import Layout, Part, Shard, in_turns, parse_shard, parts_of, units_of
from pgvitals.dataset.recipe import CHUNK_ROWS, Recipe, Table
from pgvitals.errors import DatasetError


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Tables of any shape: rows of no tenant, tenants without rows, blocks, small chunks."""
    rows = draw(st.lists(st.integers(0, 200_000), max_size=6))
    blocks = draw(st.one_of(st.just([]), st.lists(st.integers(1, 90_000), min_size=len(rows), max_size=len(rows))))
    return Table(
        name=draw(st.sampled_from(["a", "b", "c"])),
        make=dict,
        rows=np.array(rows, dtype=np.int64),
        own_rows=draw(st.integers(0, 150_000)),
        blocks=np.array(blocks, dtype=np.int64),
        chunk_rows=draw(st.sampled_from([2_000, 20_000, CHUNK_ROWS])),
    )


def part(system: str, position: int) -> Part:
    return Part(system=system, table="t", number=position, position=position, first=0, units=1, rows=1)


@settings(deadline=None)
@given(tables())
def test_the_parts_of_a_table_are_its_units_in_order(table: Table) -> None:
    recipe = Recipe(system="s", tables=(table,))
    layout = Layout(table)
    parts = parts_of(recipe, [table])
    assert [unit for each in parts for unit in units_of(layout, each, 7)] == list(recipe.units(table, 7))
    assert [each.rows for each in parts] == [sum(unit.rows for unit in units_of(layout, each, 7)) for each in parts]
    assert [each.number for each in parts] == list(range(len(parts)))


@settings(deadline=None)
@given(tables())
def test_a_part_has_no_more_rows_than_the_limit_unless_one_unit_has(table: Table) -> None:
    limit = CHUNK_ROWS if table.chunk_rows == CHUNK_ROWS else max(table.chunk_rows, 16_384)
    parts = parts_of(Recipe(system="s", tables=(table,)), [table])
    assert all(each.rows <= limit or each.units == 1 for each in parts)
    rows = list(Layout(table).unit_rows())
    for before, after in pairwise(parts):
        assert before.rows + rows[after.first] > limit, "the next unit would still have fitted"


@settings(deadline=None)
@given(tables())
def test_the_smallest_unit_is_found(table: Table) -> None:
    layout = Layout(table)
    number = layout.smallest()
    rows = [unit.rows for unit in Recipe(system="s", tables=()).units(table, 1)]
    assert (None if number is None else layout.unit("s", 1, number).rows) == min(rows, default=None)


@settings(deadline=None)
@given(st.lists(tables(), unique_by=lambda table: table.name), st.integers(1, 7))
def test_every_part_belongs_to_one_shard(some: list[Table], of: int) -> None:
    parts = parts_of(Recipe(system="s", tables=tuple(some)), some)
    shards = [Shard(number=number, of=of) for number in range(1, of + 1)]
    assert [sum(shard.has(each) for shard in shards) for each in parts] == [1] * len(parts)
    shares = [sum(map(shard.has, parts)) for shard in shards]
    assert max(shares) - min(shares) <= 1


def test_the_largest_table_comes_first_whatever_order_they_are_given_in() -> None:
    small, large = (Table(name=name, make=dict, own_rows=rows) for name, rows in (("a", 5), ("b", 70_000)))
    parts = parts_of(Recipe(system="s", tables=()), [small, large])
    assert [(each.table, each.number, each.position) for each in parts] == [("b", 0, 0), ("b", 1, 1), ("a", 0, 2)]
    assert parts == parts_of(Recipe(system="s", tables=()), [large, small])


def test_several_systems_take_turns() -> None:
    given_ = [part("a", 0), part("a", 1), part("a", 2), part("b", 0), part("b", 1)]
    assert [each.id for each in in_turns(given_)] == [
        ("a", "t", 0), ("b", "t", 0), ("a", "t", 1), ("b", "t", 1), ("a", "t", 2),
    ]  # fmt: skip


def test_a_billion_rows_of_a_hundred_thousand_tenants_are_cut_in_little_memory() -> None:
    table = Table(name="t", make=dict, rows=np.full(100_000, 10_000))
    tracemalloc.start()
    parts = parts_of(Recipe(system="s", tables=(table,)), [table])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(each.rows for each in parts) == 1_000_000_000
    assert len(parts) == 16_667
    assert peak < 50_000_000
    assert next(units_of(Layout(table), parts[-1], 1)).tenant == 99_996


def test_a_shard_is_read_from_its_two_numbers() -> None:
    assert parse_shard("2/3") == Shard(number=2, of=3)
    assert str(parse_shard("1/1")) == "1/1"


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "1/0", "-1/3", "a/b", "1/3 ", "١/٣", "1/2/3"])
def test_what_is_no_shard_is_named(text: str) -> None:
    with pytest.raises(DatasetError, match=r"--shard '.*': expected k/n with k from 1 to n, as in 2/3"):
        parse_shard(text)
