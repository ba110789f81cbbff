"""A unit of rows follows from its name: it can be made alone, and costs the same whatever it is a part of."""

import ast
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from pgvitals.dataset import recipe as recipe_module
from pgvitals.dataset.recipe import Table, Unit, load_recipe
from pgvitals.dataset.streams import Stream
from pgvitals.suite import load_module

rows_ = load_module(Path(__file__).with_name("dataset_rows.py"), "dataset_rows")
ROOT = Path(__file__).parents[2]
SYSTEMS = list(rows_.SIZES)


def content(made):
    """All that a unit's columns hold."""
    return {
        name: (column.kind, column.values.tobytes(), None if column.nulls is None else column.nulls.tobytes())
        for name, column in made.items()
    }


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("tenant", [None, 4])
def test_one_tenant_can_be_made_alone(system, tenant):
    whole, alone = (load_recipe(rows_.SUITE.system(system), rows_.SMOKE) for _ in range(2))
    theirs = {}
    for table in whole.tables:
        for unit in whole.units(table, 1):
            made = content(whole.make(table, unit))
            if unit.tenant == tenant:
                theirs[unit.table, unit.chunk] = made
    assert theirs
    for table in reversed(alone.tables):
        for unit in alone.units(table, 1):
            if unit.tenant == tenant:
                assert content(alone.make(table, unit)) == theirs[unit.table, unit.chunk], unit


@pytest.mark.parametrize("system", SYSTEMS)
def test_nothing_is_drawn_for_a_tenant_from_the_numbers_of_another(system, monkeypatch):
    named = []

    class Noted(Stream):
        def __init__(self, *name):
            named.append(name)
            super().__init__(*name)

    monkeypatch.setattr(recipe_module, "Stream", Noted)
    recipe = load_recipe(rows_.SUITE.system(system), rows_.SMOKE)
    for table in recipe.tables:
        for unit in recipe.units(table, 1):
            named.clear()
            recipe.make(table, unit)
            assert {name[3] for name in named} <= {unit.tenant}, unit
            assert {name[:2] for name in named} <= {(1, system)}


ENGINE = ("bookings", "columns", "npi", "people", "places", "pools", "recipe", "returning", "sealing", "sizes", "slots")
ENGINE += ("streams", "ulids")
MAKERS = [
    *(ROOT / "src/pgvitals/dataset" / f"{name}.py" for name in ENGINE),
    *(path for name in SYSTEMS for path in sorted((ROOT / "fixtures" / name / "rows").glob("*.py"))),
    *(ROOT / "fixtures" / name / "dataset.py" for name in SYSTEMS),
]
ASKING = {"now", "today", "utcnow", "time", "time_ns", "monotonic", "localtime", "getlocale", "setlocale"}
ASKING |= {"hash", "urandom", "uuid4", "default_rng", "random", "getenv", "getfqdn", "cpu_count"}


@pytest.mark.parametrize("path", MAKERS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_makes_rows_asks_no_clock_no_locale_and_no_chance(path):
    asked = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    }
    assert asked & ASKING == set()
    assert "np.random." not in path.read_text().replace("np.random.Philox", "")


HUGE = {
    "pazpaz": ("session_attachments", "audit_events"),
    "practice": ("auth_tokens",),
    "portal": ("contact_methods", "invitations"),
}


def sized(system, factor):
    """A profile whose first tenant has nearly all rows: with factor 1,000, two hundred million appointments."""
    counted, *_ = rows_.SIZES[system]
    counts = {
        "pazpaz": {"clients": 16, "appointments": 200, "sessions": 24, "audit_events": 40},
        "practice": {"users": 4, "auth_tokens": 200, "encryption_keys": 4, "fhir_mappings": 200}
        | {"practice_profiles": 1, "locations": 20},
        "portal": {"patients": 60, "appointments": 200, "documents": 20, "tasks": 20, "call_logs": 20}
        | {"audit_logs": 150},
    }[system]
    sizes = {counted: 3} | {name: count * 1_000 * factor for name, count in counts.items()}
    return load_recipe(rows_.SUITE.system(system), rows_.profile_of(system, sizes, zipf=3.0))


def peak_bytes(recipe, table: Table, unit: Unit) -> int:
    tracemalloc.start()
    try:
        recipe.make(table, unit)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("system", "name"), [(system, name) for system in HUGE for name in HUGE[system]])
def test_a_unit_of_a_tenant_with_two_hundred_million_rows_takes_no_more_memory_than_one_of_a_small_one(system, name):
    peaks = {}
    for factor in (30, 1_000):
        recipe = sized(system, factor)
        table = next(table for table in recipe.tables if table.name == name)
        step = table.step(0)
        start = int(table.rows[0]) // 2 // step * step
        stop = min(start + step, int(table.rows[0]))
        unit = Unit(seed=1, system=system, table=name, tenant=0, chunk=start // step, start=start, stop=stop)
        peaks[factor] = peak_bytes(recipe, table, unit) / unit.rows
    assert peaks[1_000] < 1.6 * peaks[30]


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_first_and_the_last_unit_of_a_billion_rows_can_be_made(system):
    recipe = sized(system, 5_000)
    for table in recipe.tables:
        step, rows = table.step(0), int(table.rows[0]) if len(table.rows) else 0
        for start in {0, max(0, rows - 1) // step * step}:
            stop = min(start + step, rows, start + 100 * max(1, int(table.blocks[0])) if len(table.blocks) else rows)
            unit = Unit(seed=1, system=system, table=table.name, tenant=0, chunk=start // step, start=start, stop=stop)
            if rows:
                made = recipe.make(table, unit)
                assert {len(column.values) for column in made.values()} == {unit.rows}
    assert max(table.total for table in recipe.tables) >= 10**9


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_thousand_tenants_have_distinct_streams_of_ids(system):
    recipe = load_recipe(rows_.SUITE.system(system), rows_.SMOKE)
    table = recipe.tables[-1]
    units = [Unit(seed=1, system=system, table=table.name, tenant=k, chunk=0, start=0, stop=3) for k in range(1_000)]
    ids = np.concatenate([unit.ids() for unit in units])
    assert len(np.unique(ids, axis=0)) == 3_000
