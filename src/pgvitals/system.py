"""A system under test: one folder with its policy (``system.toml``), models, migrations and dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

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
    type: Literal["uuid", "text", "bigint", "integer"] = "uuid"
    traffic_table: str = Identifier
    optional_in: tuple[str, ...] = ()
    """Tenant tables some of whose rows have no tenant (rows of the platform, events that outlive theirs): no tenant
    may see those."""


class Roles(_Policy):
    """``owner`` migrates and owns; ``app`` runs the workload (DML only); ``others`` are what else migrations make."""

    owner: str = Identifier
    app: str = Identifier
    others: tuple[Annotated[str, Identifier], ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every role of the system: roles belong to the server, and go with the last lab on it."""
        return (self.owner, self.app, *self.others)


class Application(_Policy):
    """The application's own code that the audit asks about, as ``file.py:attribute`` in the system's folder."""

    engine: str = Field(pattern=r"^[^:]+\.py:[A-Za-z_][A-Za-z0-9_]*$")
    requests: str = Field(default="", pattern=r"^([^:]+\.py:[A-Za-z_][A-Za-z0-9_]*)?$")


class Impact(_Policy):
    """A pair of revisions whose difference the main job measures."""

    from_revision: str = Field(alias="from", min_length=1)
    to_revision: str = Field(alias="to", min_length=1)


class DocumentedConstraint(_Policy):
    """A CHECK that a document promises by name, and values of one column that it must refuse, or accept."""

    table: str = Identifier
    name: str = Identifier
    check: str = Field(min_length=1)
    column: str = Identifier
    refuses: tuple[str, ...] = Field(min_length=1)
    accepts: tuple[str, ...] = ()


class System(_Policy):
    """The content of ``system.toml``; table names are bare, inside ``schema_name``."""

    name: str = Identifier
    folder: Path
    title: str
    schema_name: str = Field(alias="schema", pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    primary_key: Literal["uuid", "ulid", "any"] = "uuid"
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
    """Tables whose rows the law wants kept: they are deleted softly, or not at all."""
    deleted_rows: Literal["hidden", "visible"] = "hidden"
    """Whether the database hides softly deleted rows from the application, or shows them and it leaves them out."""
    reserved_columns: dict[str, tuple[str, ...]] = {}
    """Values that a softly deleted row keeps for itself, as a medical record number is never given again."""
    phi_encryption: Literal["columns", "storage"] = "columns"
    """Where health data is encrypted: in each column of ``phi_columns``, or beneath the database only."""
    documented_constraints: tuple[DocumentedConstraint, ...] = ()
    impact: tuple[Impact, ...] = ()
    application: Application | None = None

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
