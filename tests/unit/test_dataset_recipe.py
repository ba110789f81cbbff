"""Recipes: units that can be made alone, in any order, in any process, and always hold the same rows."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgvitals.dataset.encode import Type, encode
from pgvitals.dataset.recipe import CHUNK_ROWS, Recipe, Table, Unit, load_recipe
from pgvitals.dataset.slices import encode_rows
from pgvitals.errors import DatasetError, ProfileError
from pgvitals.profile import Profile
from pgvitals.suite import find_suite

ROOT = Path(__file__).parents[2]
TYPES = {
    "uuid": "uuid", "time": "timestamptz", "date": "date", "integer": "int4", "bool": "bool", "text": "text",
    "json": "jsonb", "lists": "_text", "money": "numeric", "blob": "bytea", "inet": "inet",
}  # fmt: skip
SUITE = find_suite(ROOT)
SMOKE = SUITE.profiles.get("smoke")


def digest_of(recipe: Recipe, table: Table, unit: Unit) -> str:
    columns = recipe.make(table, unit)
    types = {name: "bytea" if column.seal else TYPES[column.kind] for name, column in columns.items()}
    fields = [encode(column, Type(name=types[name], element=25)) for name, column in columns.items()]
    return hashlib.sha256(b"".join(block for block, _ in encode_rows(fields))).hexdigest()


def digests(system: str, seed: int = 1, *, backwards: bool = False) -> dict[str, str]:
    recipe = load_recipe(SUITE.system(system), SMOKE)
    work = [(table, unit) for table in recipe.tables for unit in recipe.units(table, seed)]
    return {
        f"{table.name} {unit.tenant} {unit.chunk}": digest_of(recipe, table, unit)
        for table, unit in (reversed(work) if backwards else work)
    }


def unit_of(system: str, table: str, tenant: int | None = 0, seed: int = 1, profile: Profile = SMOKE):
    recipe = load_recipe(SUITE.system(system), profile)
    found = next(one for one in recipe.tables if one.name == table)
    unit = next(one for one in recipe.units(found, seed) if one.tenant == tenant)
    return {name: column.values for name, column in recipe.make(found, unit).items()}, unit


@pytest.fixture(params=list(SUITE.systems))
def system(request):
    return request.param


def test_units_hold_the_same_rows_in_whatever_order_they_are_made(system):
    assert digests(system) == digests(system, backwards=True)


def test_units_hold_the_same_rows_on_a_machine_that_differs_in_everything(system, tmp_path):
    """Another process, other hashes, an empty cache, elsewhere on earth, and a processor that knows less."""
    child = f"import {__name__.rpartition('.')[2]} as t; print(sorted(t.digests({system!r}).items()))"
    older = " ".join(np.show_config(mode="dicts")["SIMD Extensions"]["found"])
    out = subprocess.run(
        [sys.executable, "-c", child],
        env={
            **os.environ,
            "PYTHONHASHSEED": "4711",
            "XDG_CACHE_HOME": str(tmp_path),
            "TZ": "Pacific/Kiritimati",
            "LC_ALL": "C",
            "NPY_DISABLE_CPU_FEATURES": older,
        },
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.strip() == str(sorted(digests(system).items()))


def test_another_seed_makes_other_rows_in_every_unit(system):
    one, other = digests(system, 1), digests(system, 2)
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] == other[name]] == []


def test_tables_have_the_sizes_of_the_profile(system):
    totals = {table.name: table.total for table in load_recipe(SUITE.system(system), SMOKE).tables}
    assert {name: totals[name] for name in SMOKE.sizes[system]} == SMOKE.sizes[system]


@given(
    st.lists(st.integers(0, 200_000), max_size=4), st.integers(0, 70_000), st.lists(st.integers(1, 90_000), min_size=4)
)
def test_units_cover_each_tenant_exactly_and_never_cut_a_block(rows, own, blocks):
    table = Table(name="t", rows=tuple(rows), own_rows=own, blocks=tuple(blocks), make=lambda unit: {})
    covered: dict[int | None, int] = {}
    for unit in Recipe(system="s", tables=(table,)).units(table, 1):
        assert unit.start == covered.get(unit.tenant, 0)
        assert 0 < unit.rows <= max(CHUNK_ROWS, blocks[unit.tenant or 0])
        if unit.tenant is not None:
            assert unit.start % blocks[unit.tenant] == 0
        covered[unit.tenant] = unit.stop
    assert covered == {k: n for k, n in [(None, own), *enumerate(rows)] if n}


def test_a_child_computes_the_id_of_its_parent():
    parents, _ = unit_of("pazpaz", "clients", tenant=3)
    children, _ = unit_of("pazpaz", "appointments", tenant=3)
    known = {row.tobytes() for row in parents["id"]}
    assert {row.tobytes() for row in children["client_id"]} <= known


def test_two_tenants_never_share_an_id():
    (first, _), (second, _) = (unit_of("pazpaz", "clients", tenant=tenant) for tenant in (0, 1))
    assert not {row.tobytes() for row in first["id"]} & {row.tobytes() for row in second["id"]}


def test_a_column_of_the_wrong_length_is_named():
    table = Table(name="t", own_rows=3, make=lambda unit: {"id": unit.ids(), "n": np.arange(2)})
    recipe = Recipe(system="s", tables=(table,))
    with pytest.raises(DatasetError, match=r"s\.t\.n: the recipe made 2 values for 3 rows"):
        recipe.make(table, next(recipe.units(table, 1)))


def resized(sizes: dict[str, int]) -> Profile:
    return SMOKE.model_copy(update={"sizes": {"pazpaz": sizes}})


def test_a_missing_size_is_named():
    with pytest.raises(ProfileError, match=r"profile 'smoke': sizes\.pazpaz\.clients is missing"):
        load_recipe(SUITE.system("pazpaz"), resized({"workspaces": 1, "appointments": 5}))


def test_an_unknown_size_is_named():
    sizes = SMOKE.sizes["pazpaz"] | {"apointments": 6}
    with pytest.raises(ProfileError, match=r"sizes\.pazpaz\.apointments: the recipe knows no such size"):
        load_recipe(SUITE.system("pazpaz"), resized(sizes))


def test_too_few_rows_for_the_tenants_are_named():
    with pytest.raises(DatasetError, match="4 clients cannot be shared among 9 tenants"):
        load_recipe(SUITE.system("pazpaz"), resized({"workspaces": 9, "clients": 4, "appointments": 50}))


def test_the_smallest_possible_dataset_can_be_made():
    sizes = {"workspaces": 1, "clients": 1, "appointments": 1, "sessions": 0, "audit_events": 1}
    recipe = load_recipe(SUITE.system("pazpaz"), resized(sizes))
    made = {table.name: [recipe.make(table, unit) for unit in recipe.units(table, 1)] for table in recipe.tables}
    assert len(made["appointments"][0]["id"].values) == 1
    assert made["sessions"] == made["session_versions"] == made["session_attachments"] == []


def test_more_sessions_than_completed_appointments_are_refused():
    sizes = {"workspaces": 1, "clients": 10, "appointments": 300, "sessions": 299, "audit_events": 1}
    recipe = load_recipe(SUITE.system("pazpaz"), resized(sizes))
    table = next(table for table in recipe.tables if table.name == "sessions")
    with pytest.raises(DatasetError, match=r"299 sessions of workspace 0 need .* there are 2\d\d; lower the size"):
        recipe.make(table, next(recipe.units(table, 1)))


def test_sessions_find_their_visits_in_whatever_unit_those_are():
    sizes = {"workspaces": 1, "clients": 500, "appointments": 140_000, "sessions": 9_001, "audit_events": 1}
    recipe = load_recipe(SUITE.system("pazpaz"), resized(sizes))
    made = {
        table.name: [recipe.make(table, unit) for unit in recipe.units(table, 1)]
        for table in recipe.tables
        if table.name in ("appointments", "sessions")
    }
    assert len(made["appointments"]) == len(made["sessions"]) == 3
    visits = {
        row.tobytes(): (client.tobytes(), start)
        for one in made["appointments"]
        for row, client, start, status in zip(
            *(one[name].values for name in ("id", "client_id", "scheduled_start", "status")), strict=True
        )
        if status == b"completed"
    }
    sessions = [
        (row.tobytes(), (client.tobytes(), start))
        for one in made["sessions"]
        for row, client, start in zip(
            *(one[name].values for name in ("appointment_id", "client_id", "session_date")), strict=True
        )
    ]
    assert len(dict(sessions)) == len(sessions) == sizes["sessions"]
    assert all(visits[row] == what for row, what in sessions)


@pytest.mark.parametrize(("content", "said"), [("", "defines no function recipe"), ("1 / 0", "ZeroDivisionError")])
def test_a_dataset_file_that_cannot_be_used_is_named(tmp_path, content, said):
    (tmp_path / "dataset.py").write_text(content)
    broken = SUITE.system("pazpaz").model_copy(update={"folder": tmp_path})
    with pytest.raises(DatasetError, match=said):
        load_recipe(broken, SMOKE)


def luhn_holds(digits: str) -> bool:
    """ISO/IEC 7812-1, written out: from the right, every second digit is doubled and its digits added."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 if position % 2 else 1)
        total += number // 10 + number % 10
    return total % 10 == 0


def test_provider_numbers_pass_the_luhn_check_with_their_prefix_and_never_repeat():
    numbers = []
    for tenant in (None, 0, 1, 2, 11):
        made, _ = unit_of("practice", "practice_profiles", tenant)
        numbers += [number.decode() for number in made["npi_number"].tolist()]
    assert len(set(numbers)) == len(numbers)
    assert all(len(number) == 10 and number[0] in "12" and luhn_holds("80840" + number) for number in numbers)
    assert luhn_holds("808401234567893"), "the example that CMS publishes"
