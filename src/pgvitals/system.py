"""A system under test: one folder with its policy (``system.toml``), models, migrations and dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pgvitals.errors import SuiteError
from pgvitals.reading import first_problem, read_toml

Identifier = Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")


class _Policy(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tenant(_Policy):
    """Who owns a row, and the setting that row-level security reads."""

    table: str = Identifier
    column: str = Identifier
    setting: str = Field(pattern=r"^[a-z_]+\.[a-z_]+$")
    actor_setting: str | None = Field(default=None, pattern=r"^[a-z_]+\.[a-z_]+$")
    """Who acts, for audit triggers: set beside the tenant where a parameter set has a column ``actor_id``."""
    type: Literal["uuid", "text"] = "uuid"
    traffic_table: str = Identifier


class Roles(_Policy):
    """``owner`` migrates and owns; ``app`` runs the workload (DML only)."""

    owner: str = Identifier
    app: str = Identifier


class Impact(_Policy):
    """A pair of revisions whose difference the main job measures."""

    from_revision: str = Field(alias="from", min_length=1)
    to_revision: str = Field(alias="to", min_length=1)


class System(_Policy):
    """The content of ``system.toml``; table names are bare, inside ``schema_name``."""

    name: str = Identifier
    folder: Path
    title: str
    schema_name: str = Field(alias="schema", pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    primary_key: Literal["uuid", "ulid"] = "uuid"
    tenant: Tenant
    roles: Roles
    tenant_tables: tuple[str, ...] = ()
    shared_tables: tuple[str, ...] = ()
    phi_columns: dict[str, tuple[str, ...]] = {}
    child_tables: dict[str, str] = {}
    """Tables of a tenant without a tenant column: table -> the parent table that says whose it is."""
    audited_tables: tuple[str, ...] = ()
    audit_table: str | None = None
    """The append-only table that the audit triggers write to."""
    retention_tables: tuple[str, ...] = ()
    impact: tuple[Impact, ...] = ()

    @property
    def dataset_path(self) -> Path:
        """The recipe of the system's rows."""
        return self.folder / "dataset.py"

    @property
    def migrations_path(self) -> Path:
        """The folder of the system's Alembic branch."""
        return self.folder / "migrations"


def load_system(folder: Path) -> System:
    """Read ``folder/system.toml``.

    Raises:
        SuiteError: the file is missing or malformed; the message names the key.
    """
    path = folder / "system.toml"
    raw = read_toml(path, SuiteError)
    for key in ("name", "folder"):
        if key in raw:
            raise SuiteError(f"{path}: {key}: the folder says it; remove the key")
    try:
        return System(name=folder.name, folder=folder, **raw)
    except ValidationError as error:
        raise SuiteError(f"{path}: {first_problem(error)}") from None
