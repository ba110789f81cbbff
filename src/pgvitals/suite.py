"""Finds the suite (upward for ``[tool.pgvitals]``) and loads its systems, queries and profiles.

The folders are read by path, never imported as packages: an installed package named ``fixtures``
would otherwise win.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, PositiveFloat, ValidationError

from pgvitals.errors import SuiteError
from pgvitals.profile import Profiles, load_profiles
from pgvitals.query import Query, load_query
from pgvitals.reading import first_problem, read_toml
from pgvitals.system import System, load_system

if TYPE_CHECKING:
    from pgvitals.revisions import Branches


class SuiteConfig(BaseModel):
    """The ``[tool.pgvitals]`` table: folders relative to ``pyproject.toml``, and the overall budget."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    systems: str = "fixtures"
    bench: str = "bench"
    loadtests: str = "loadtests"
    notebooks: str = "notebooks"
    reports: str = "reports"
    budget_p95_ms: PositiveFloat = 150.0


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A suite directory: what is measured, loaded and charted."""

    root: Path
    config: SuiteConfig

    @cached_property
    def systems(self) -> dict[str, System]:
        """Every folder of ``systems`` that holds a ``system.toml``, by name."""
        folder = self.root / self.config.systems
        found = sorted(path.parent for path in folder.glob("*/system.toml"))
        if not found:
            raise SuiteError(f"{folder}: no system here (a folder with a system.toml)")
        return {path.name: load_system(path) for path in found}

    @cached_property
    def queries(self) -> tuple[Query, ...]:
        """Every ``bench/<system>/<name>.sql``, sorted by system and name; their revisions are known ones."""
        queries = [
            load_query(path, name)
            for name in self.systems
            for path in sorted((self.root / self.config.bench / name).glob("*.sql"))
        ]
        if not queries:
            raise SuiteError(f"{self.root / self.config.bench}: no query files (<system>/<name>.sql)")
        for query in queries:
            if query.since or query.until:
                self.branches.check(query)
        return tuple(queries)

    @cached_property
    def branches(self) -> Branches:
        """The revisions of every system."""
        from pgvitals.revisions import read_branches  # which knows Alembic, and this module

        return read_branches(self)

    @cached_property
    def profiles(self) -> Profiles:
        """The profiles of ``profiles.toml``."""
        return load_profiles(self.root / self.config.systems / "profiles.toml")

    @property
    def reports(self) -> Path:
        """Where run directories go: ``<reports>/runs``."""
        return self.root / self.config.reports

    def system(self, name: str) -> System:
        """One system by name."""
        if name not in self.systems:
            raise SuiteError(f"unknown system {name!r}; there are: {', '.join(self.systems)}")
        return self.systems[name]

    def select(self, systems: list[str] | None) -> tuple[System, ...]:
        """The named systems, or all of them."""
        return tuple(self.system(name) for name in (systems or list(self.systems)))

    def queries_of(self, systems: tuple[System, ...]) -> tuple[Query, ...]:
        """The queries of these systems."""
        names = {system.name for system in systems}
        return tuple(query for query in self.queries if query.system in names)


def find_suite(start: Path | None = None) -> Suite:
    """Walk upward from ``start`` (default: the working directory) to a pyproject.toml with ``[tool.pgvitals]``.

    Raises:
        SuiteError: there is none, or the table is malformed.
    """
    origin = (start or Path.cwd()).resolve()
    for folder in (origin, *origin.parents):
        path = folder / "pyproject.toml"
        if not path.is_file():
            continue
        tools = read_toml(path, SuiteError).get("tool", {})
        table = tools.get("pgvitals") if isinstance(tools, dict) else None
        if table is not None:
            return Suite(root=folder, config=_config(path, table))
    raise SuiteError(f"no suite at or above {origin}: no pyproject.toml there has a [tool.pgvitals] table")


def _config(path: Path, table: object) -> SuiteConfig:
    try:
        return SuiteConfig.model_validate(table)
    except ValidationError as error:
        raise SuiteError(f"{path}: [tool.pgvitals] {first_problem(error)}") from None


def load_module(path: Path, name: str) -> ModuleType:
    """Import one Python file of the suite by its path, under a private module name.

    Raises:
        SuiteError: the file is missing or does not import.
    """
    qualified = f"_pgvitals_suite.{name}"
    spec = importlib.util.spec_from_file_location(qualified, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise SuiteError(f"{path}: no such Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[qualified] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[qualified]
        raise SuiteError(f"{path}: does not import: {type(error).__name__}: {error}") from error
    return module
