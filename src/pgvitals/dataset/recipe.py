"""Recipes: which rows a system has, as tables of a size and functions that make a unit of them.

A unit is (table, tenant, chunk of at most 65,536 rows). It depends on nothing but the recipe, the seed
and its own name: any worker makes any unit, in any order, and a child computes its parents' ids instead
of looking them up. Units are shared out rather than tenants, since by Zipf's law one tenant holds a
fifth of all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import EllipsisType

import numpy as np

from pgvitals.dataset.columns import Array, Column, as_column
from pgvitals.dataset.sealing import Seal, nonces
from pgvitals.dataset.streams import I64, Bytes2D, Stream, Text, key_of, secret_of, uuids
from pgvitals.dataset.ulids import Moments, ulids
from pgvitals.errors import DatasetError, ProfileError, SuiteError
from pgvitals.profile import Profile
from pgvitals.suite import load_module
from pgvitals.system import System

CHUNK_ROWS = 65_536

Columns = Mapping[str, Array | Column]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Rows ``start`` up to ``stop`` of one tenant's share of a table; ``tenant`` None: rows of no tenant."""

    seed: int
    system: str
    table: str
    tenant: int | None
    chunk: int
    start: int
    stop: int

    @property
    def rows(self) -> int:
        """How many."""
        return self.stop - self.start

    @property
    def index(self) -> I64:
        """Their positions within the tenant's share."""
        return np.arange(self.start, self.stop, dtype=np.int64)

    def ids(self) -> Bytes2D:
        """Their primary keys."""
        return self.ids_of(self.table, self.index)

    def ids_of(self, table: str, index: I64, tenant: int | EllipsisType | None = ...) -> Bytes2D:
        """Primary keys of any rows of any table, by default of the same tenant."""
        owner = self.tenant if tenant is ... else tenant
        return uuids(self.key("id", table, owner), index)

    def id_of(self, table: str, index: int, tenant: int | EllipsisType | None = ...) -> Bytes2D:
        """One primary key, repeated for every row."""
        return np.repeat(self.ids_of(table, np.array([index]), tenant), self.rows, axis=0)

    def ulids(self, moment: Moments) -> Text:
        """Their primary keys where those are ULIDs; ``moment`` is when each row was made."""
        return self.ulids_of(self.table, self.index, moment)

    def ulids_of(self, table: str, index: I64, moment: Moments, tenant: int | EllipsisType | None = ...) -> Text:
        """ULIDs of any rows of any table, by default of the same tenant.

        A foreign key needs the very moment of its parent, so that is a function of the parent's tenant and index.
        """
        owner = self.tenant if tenant is ... else tenant
        return ulids(self.key("id", table, owner), index, moment)

    def ulid_of(self, table: str, index: int, moment: np.datetime64, tenant: int | EllipsisType | None = ...) -> Text:
        """One ULID, repeated for every row."""
        return np.repeat(self.ulids_of(table, np.array([index]), np.array([moment]), tenant), self.rows)

    def key(self, purpose: str, *more: object) -> tuple[int, int]:
        """Two 64-bit words for a purpose, the same in all units of the system."""
        return key_of(self.seed, self.system, purpose, *more)

    def secret(self, purpose: str, *more: object) -> bytes:
        """32 bytes for a purpose: a key that is the same on every machine, and protects generated data only."""
        return secret_of(self.seed, self.system, purpose, *more)

    def seal(self, column: str, key: bytes, tenant: str) -> Seal:
        """How the values of a column of these rows are sealed, under version 1 of a tenant's key."""
        return Seal(
            key=key,
            version=1,
            tenant=tenant,
            table=self.table,
            column=column,
            rows=self.ids(),
            nonces=nonces(self.key("nonce", self.table, column, self.tenant), self.index),
        )

    def stream(self, purpose: str) -> Stream:
        """This unit's random numbers for a purpose, independent of every other purpose and unit."""
        return Stream(self.seed, self.system, self.table, self.tenant, self.chunk, purpose)

    def tenant_stream(self, purpose: str) -> Stream:
        """Random numbers that all tables and units of the tenant agree on."""
        return Stream(self.seed, self.system, "tenant", self.tenant, purpose)


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table: ``rows`` for each tenant (largest first), ``own_rows`` of no tenant, and how to make them.

    Chunks are cut at multiples of ``blocks`` (by tenant), so that a block never spans two units: the
    appointments of one practitioner, the tokens of one rotation chain. ``chunk_rows`` is smaller than usual
    where rows are wide, since a unit is in memory at once.
    """

    name: str
    make: Callable[[Unit], Columns]
    rows: I64 | tuple[int, ...] = ()
    own_rows: int = 0
    blocks: I64 | tuple[int, ...] = ()
    chunk_rows: int = CHUNK_ROWS

    @property
    def total(self) -> int:
        """All rows of the table."""
        return self.own_rows + int(np.sum(self.rows, dtype=np.int64))

    def step(self, tenant: int | None) -> int:
        """Rows of each unit of a tenant; its last one may have fewer."""
        block = int(self.blocks[tenant]) if tenant is not None and len(self.blocks) else 1
        return max(block, self.chunk_rows // block * block)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A system's tables, parents first."""

    system: str
    tables: tuple[Table, ...]

    def units(self, table: Table, seed: int) -> Iterator[Unit]:
        """The units of one table."""
        shares: list[tuple[int | None, int]] = [(None, table.own_rows), *enumerate(map(int, table.rows))]
        for owner, rows in shares:
            step = table.step(owner)
            for chunk, start in enumerate(range(0, rows, step)):
                yield Unit(
                    seed=seed,
                    system=self.system,
                    table=table.name,
                    tenant=owner,
                    chunk=chunk,
                    start=start,
                    stop=min(start + step, rows),
                )

    def make(self, table: Table, unit: Unit) -> dict[str, Column]:
        """The columns of one unit.

        Raises:
            DatasetError: a column has another number of rows than the unit.
        """
        columns: dict[str, Column] = {}
        for name, values in table.make(unit).items():
            column = as_column(values)
            if len(column.values) != unit.rows:
                raise DatasetError(
                    f"{self.system}.{table.name}.{name}: the recipe made {len(column.values)} values"
                    f" for {unit.rows} rows of tenant {unit.tenant}, chunk {unit.chunk}"
                )
            columns[name] = column
        return columns


class Sizes(dict[str, int]):
    """A profile's sizes of one system; asking for one that is not there names the key to add."""

    def __init__(self, profile: Profile, system: str) -> None:
        super().__init__(profile.sizes.get(system, {}))
        self.where = f"profile {profile.name!r}: sizes.{system}"
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> int:
        self.asked.add(name)
        return super().__getitem__(name)

    def __missing__(self, name: str) -> int:
        raise ProfileError(f"{self.where}.{name} is missing in profiles.toml; give it a number")


def load_recipe(system: System, profile: Profile) -> Recipe:
    """Read ``dataset.py`` of a system and size it by the profile.

    Raises:
        DatasetError: the file does not define ``recipe(sizes, profile)``, or fails.
        ProfileError: a size is missing, unknown, or too small to give each tenant a row.
    """
    sizes = Sizes(profile, system.name)
    try:
        module = load_module(system.dataset_path, f"{system.name}_dataset")
    except SuiteError as error:
        raise DatasetError(str(error)) from error
    if not callable(getattr(module, "recipe", None)):
        raise DatasetError(f"{system.dataset_path}: defines no function recipe(sizes, profile)")
    tables = tuple(module.recipe(sizes, profile))
    unknown = sorted(set(sizes) - sizes.asked)
    if unknown:
        raise ProfileError(f"{sizes.where}.{unknown[0]}: the recipe knows no such size; remove it")
    return Recipe(system=system.name, tables=tables)
