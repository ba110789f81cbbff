"""A system's rows in memory, and what its models promise of them: for the tests of the recipes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from hypothesis import strategies as st

from pgvitals.dataset.columns import Column
from pgvitals.dataset.recipe import Recipe, Table, Unit, load_recipe
from pgvitals.profile import Profile
from pgvitals.suite import find_suite, load_module

SUITE = find_suite(Path(__file__).parents[2])
SMOKE = SUITE.profiles.get("smoke")
SEED = 20250106

SIZES = {
    "pazpaz": ("workspaces", ("clients", "appointments", "audit_events"), ("sessions",)),
    "practice": (
        "tenants",
        ("users", "auth_tokens", "encryption_keys", "fhir_mappings", "practice_profiles", "locations"),
        (),
    ),
    "portal": (
        "organizations",
        ("patients", "appointments", "documents", "tasks", "call_logs", "audit_logs"),
        (),
    ),
}
"""System -> the size that counts its tenants, those of which each tenant has a row, and those of which not."""


def profile_of(system: str, sizes: dict[str, int], zipf: float = 1.0, as_of: str = SMOKE.as_of) -> Profile:
    return SMOKE.model_copy(update={"sizes": {system: sizes}, "zipf": zipf, "as_of": as_of})


@st.composite
def profiles(draw: st.DrawFn, system: str, most: int = 600) -> Profile:
    """Profiles of up to five tenants, from one row for each of them to some hundreds, at any skew and date."""
    counted, each, others = SIZES[system]
    count = draw(st.integers(1, 5))
    sizes = {counted: count} | {name: draw(st.integers(count, most)) for name in each}
    if "locations" in sizes:  # each practice has one
        sizes["locations"] = max(sizes["locations"], sizes["practice_profiles"])
    sizes |= {name: draw(st.integers(0, sizes["appointments"] // 8)) for name in others}
    as_of = draw(st.dates(min_value=np.datetime64("2001-01-01").item(), max_value=np.datetime64("2060-12-31").item()))
    return profile_of(system, sizes, draw(st.sampled_from([0.0, 0.7, 1.0, 1.5])), as_of.isoformat())


def seeds() -> st.SearchStrategy[int]:
    return st.integers(0, 2**63 - 1)


class Rows:
    """All rows that a recipe makes of a profile; the columns of a table's units one after the other."""

    def __init__(self, system: str, profile: Profile, seed: int = SEED) -> None:
        self.system, self.profile, self.seed = SUITE.system(system), profile, seed
        self.recipe: Recipe = load_recipe(self.system, profile)

    def table(self, name: str) -> Table:
        return next(table for table in self.recipe.tables if table.name == name)

    def units(self, name: str) -> list[Unit]:
        return list(self.recipe.units(self.table(name), self.seed))

    @cached_property
    def made(self) -> dict[str, dict[str, Column]]:
        return {
            table.name: together([self.recipe.make(table, unit) for unit in self.recipe.units(table, self.seed)])
            for table in self.recipe.tables
        }

    def __getitem__(self, table: str) -> dict[str, Column]:
        return self.made[table]

    def value(self, table: str, *columns: str) -> list[np.ndarray]:
        """The values of some columns, keys as bytes."""
        return [plain(self.made[table][name]) for name in columns]

    def one(self, table: str, column: str) -> np.ndarray:
        return plain(self.made[table][column])

    def given(self, table: str, column: str) -> np.ndarray:
        """Where the column is not null."""
        found = self.made[table][column]
        return np.ones(len(found.values), dtype=bool) if found.nulls is None else ~found.nulls

    def parents(self, table: str, column: str, of: str) -> tuple[np.ndarray, np.ndarray]:
        """The positions of rows that refer to a row of another table, and the positions of those."""
        ids, at = self.one(of, "id"), np.flatnonzero(self.given(table, column))
        order = np.argsort(ids)
        return at, order[np.searchsorted(ids[order], self.one(table, column)[at])]

    def models(self) -> sa.MetaData:
        return models_of(self.system.name)


@cache
def models_of(system: str) -> sa.MetaData:
    folder = SUITE.system(system).folder
    metadata = load_module(folder / "models.py", f"{system}_models").Base.metadata
    assert isinstance(metadata, sa.MetaData)
    return metadata


def together(units: list[dict[str, Column]]) -> dict[str, Column]:
    if not units:
        return {}
    return {name: concatenated([unit[name] for unit in units]) for name in units[0]}


def concatenated(columns: list[Column]) -> Column:
    values = [plain(column) for column in columns]
    nulls = [np.zeros(len(one.values), dtype=bool) if one.nulls is None else one.nulls for one in columns]
    return Column(columns[0].kind, np.concatenate(values), nulls=np.concatenate(nulls), items=columns[0].items)


def plain(column: Column) -> np.ndarray:
    """One value a row: keys and hashes as their bytes, which are all of one length."""
    values = column.values
    return values if values.ndim == 1 else np.ascontiguousarray(values).view(f"S{values.shape[1]}").ravel()


# What the models promise


def duplicates(rows: Rows, table: str, columns: Iterable[str], nulls_distinct: bool = True) -> int:
    """Rows that repeat another one in all of these columns."""
    names = list(columns)
    given = np.logical_and.reduce([rows.given(table, name) for name in names])
    values = [np.unique(rows.one(table, name), return_inverse=True)[1] for name in names]
    if not nulls_distinct:
        values += [rows.given(table, name).astype(np.int64) for name in names]
        values[: len(names)] = [
            np.where(rows.given(table, name), value, -1) for name, value in zip(names, values, strict=False)
        ]
        given = np.ones(len(values[0]), dtype=bool)
    keys = np.stack(values)[:, given]
    return int(keys.shape[1] - np.unique(keys, axis=1).shape[1])


def orphans(rows: Rows, table: str, key: sa.ForeignKeyConstraint) -> int:
    """Rows whose foreign key finds no parent."""
    ours = [column.name for column in key.columns]
    theirs = [element.column.name for element in key.elements]
    of = key.elements[0].column.table.name
    given = np.logical_and.reduce([rows.given(table, name) for name in ours])
    children = pairs(rows, table, ours)[given]
    return int((~np.isin(children, pairs(rows, of, theirs))).sum())


def pairs(rows: Rows, table: str, names: list[str]) -> np.ndarray:
    """The values of some columns, all of the lengths of keys, as one."""
    first, *others = (rows.one(table, name) for name in names)
    for other in others:
        first = np.strings.add(first, other)
    return first


def broken(rows: Rows, table: str, condition: str) -> int:
    """Rows that a CHECK would refuse; a condition of a kind that is not known here raises LookupError."""
    for pattern, holds in CONDITIONS:
        found = re.fullmatch(pattern, condition)
        if found:
            names = [
                name
                for name in found.groups()
                if name in models_of(rows.system.name).tables[f"{rows.system.schema_name}.{table}"].columns
            ]
            if not rows[table].keys() >= set(names):
                return 0  # the database's own default
            given = np.logical_and.reduce([rows.given(table, name) for name in names])
            return int((given & ~holds(rows, table, *found.groups())).sum())
    raise LookupError(condition)


def _compare(rows: Rows, table: str, left: str, operator: str, right: str) -> np.ndarray:
    other: object = int(right) if right.isdigit() else rows.one(table, right)
    compare: Mapping[str, Callable[[object, object], np.ndarray]] = {">": np.greater, ">=": np.greater_equal}
    return compare[operator](rows.one(table, left), other)


def _among(rows: Rows, table: str, column: str, words: str) -> np.ndarray:
    return np.isin(rows.one(table, column), [word.encode() for word in re.findall(r"'([^']*)'", words)])


def _matches(rows: Rows, table: str, column: str, pattern: str) -> np.ndarray:
    texts = rows.one(table, column).astype("S").tolist()
    return np.array([re.search(pattern.encode(), text) is not None for text in texts], dtype=bool)


def _born(rows: Rows, table: str, column: str) -> np.ndarray:
    born, made = rows.one(table, column), rows.one(table, "created_at").astype("datetime64[D]")
    return (born >= np.datetime64("1900-01-01")) & (born <= made + 1)


def luhn(digits: str) -> bool:
    """The formula as everybody writes it: from the right, every second digit doubled, its own digits added."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total += sum(map(int, str(int(digit) * 2))) if place % 2 else int(digit)
    return total % 10 == 0


def _npi(rows: Rows, table: str, column: str) -> np.ndarray:
    return np.array([luhn("80840" + npi.decode()) for npi in rows.one(table, column).tolist()], dtype=bool)


CONDITIONS: tuple[tuple[str, Callable[..., np.ndarray]], ...] = (
    (r"(\w+) (>=?) (\w+)", _compare),
    (r"(\w+) in \((.*)\)", _among),
    (r"(\w+) ~ '(.*)'", _matches),
    (r"(\w+) between '1900-01-01' and cast\(created_at at time zone 'UTC' as date\) \+ 1", _born),
    (r"practice\.npi_check_digit_is_right\((\w+)\)", _npi),
)
