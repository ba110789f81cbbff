"""Parts: how the rows of a system are cut up for loading, the same way by every process.

A part is a run of consecutive units of one table. The list follows from the recipe alone, so processes, shards
on other machines and a load that goes on tomorrow all mean the same rows by (system, table, number).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from pgvitals.dataset.recipe import CHUNK_ROWS, Recipe, Table, Unit
from pgvitals.dataset.streams import I64
from pgvitals.errors import DatasetError

PART_ROWS = CHUNK_ROWS
WIDE_PART_ROWS = 16_384
"""Of tables whose units are smaller than usual because their rows are wide, and slow to make."""

PartId = tuple[str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Units ``first`` up to ``first + units`` of a table, counted over all its tenants.

    ``position`` counts the parts of the system: shards are shares of it, whichever other systems are loaded.
    """

    system: str
    table: str
    number: int
    position: int
    first: int
    units: int
    rows: int

    @property
    def id(self) -> PartId:
        """What names it in every process."""
        return self.system, self.table, self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """The ``number``-th (from 1) of ``of`` shares of a load."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def has(self, part: Part) -> bool:
        """Whether a part belongs to it."""
        return part.position % self.of == self.number - 1


def parse_shard(text: str) -> Shard:
    """Read ``k/n``.

    Raises:
        DatasetError: it is something else.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text, re.ASCII)
    shard = Shard(number=int(found[1]), of=int(found[2])) if found else Shard(number=0, of=0)
    if not 1 <= shard.number <= shard.of:
        raise DatasetError(f"--shard {text!r}: expected k/n with k from 1 to n, as in 2/3")
    return shard


class Layout:
    """Where the units of one table begin: any of them can be named without naming those before it."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._shares = np.array([table.own_rows, *map(int, table.rows)], dtype=np.int64)
        self._steps = _steps(table, len(self._shares))
        chunks = -(-self._shares // self._steps)
        self._ends = np.cumsum(chunks)  # the number of units up to the end of each share

    def unit(self, system: str, seed: int, number: int) -> Unit:
        """The unit of this number, as :meth:`Recipe.units` counts them."""
        share = int(np.searchsorted(self._ends, number, side="right"))
        chunk = number - (int(self._ends[share - 1]) if share else 0)
        step = int(self._steps[share])
        return Unit(
            seed=seed,
            system=system,
            table=self.table.name,
            tenant=share - 1 if share else None,
            chunk=chunk,
            start=chunk * step,
            stop=min((chunk + 1) * step, int(self._shares[share])),
        )

    def smallest(self) -> int | None:
        """The number of a unit with the fewest rows; None if the table has none."""
        rows = self.unit_rows()
        return int(np.argmin(rows)) if len(rows) else None

    def unit_rows(self) -> I64:
        """Rows of each unit."""
        chunks = np.diff(self._ends, prepend=0)
        rows = np.repeat(self._steps, chunks)
        last = self._ends[chunks > 0] - 1
        rows[last] = (self._shares - (chunks - 1) * self._steps)[chunks > 0]
        return rows

    def cuts(self) -> Iterator[tuple[int, int, int]]:
        """(first unit, units, rows) of each part: as many units as fit, and at least one."""
        limit = PART_ROWS if self.table.chunk_rows >= PART_ROWS else max(self.table.chunk_rows, WIDE_PART_ROWS)
        ends = np.cumsum(self.unit_rows())
        first, before = 0, 0
        while first < len(ends):
            after = max(int(np.searchsorted(ends, before + limit, side="right")), first + 1)
            yield first, after - first, int(ends[after - 1]) - before
            first, before = after, int(ends[after - 1])


def _steps(table: Table, shares: int) -> I64:
    if not len(table.blocks):
        return np.full(shares, table.step(None), dtype=np.int64)
    return np.array([table.step(None), *map(table.step, range(shares - 1))], dtype=np.int64)


def parts_of(recipe: Recipe, tables: Iterable[Table]) -> tuple[Part, ...]:
    """The parts of these tables of a system, the largest table first: small ones fill the gaps at the end."""
    parts: list[Part] = []
    for table in sorted(tables, key=lambda table: (-table.total, table.name)):
        for number, (first, units, rows) in enumerate(Layout(table).cuts()):
            parts.append(
                Part(
                    system=recipe.system,
                    table=table.name,
                    number=number,
                    position=len(parts),
                    first=first,
                    units=units,
                    rows=rows,
                )
            )
    return tuple(parts)


def units_of(layout: Layout, part: Part, seed: int) -> Iterator[Unit]:
    """The units of a part, in order."""
    for number in range(part.first, part.first + part.units):
        yield layout.unit(part.system, seed, number)


def in_turns(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Parts of several systems in one order: the first of each system, then the second of each, and so on."""
    return tuple(sorted(parts, key=lambda part: (part.position, part.system)))
