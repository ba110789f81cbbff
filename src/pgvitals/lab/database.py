"""One database of ours: how to connect to it, from this process and from a child."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import make_conninfo

from pgvitals.errors import LabError

if TYPE_CHECKING:
    from sqlalchemy import Engine


@dataclass(frozen=True, kw_only=True)
class Database:
    """A database that pgvitals made. ``params`` are libpq parameters and hold a secret: never print them."""

    params: dict[str, str] = field(repr=False)
    name: str
    state_path: Path | None = None

    def conninfo(self, role: str | None = None, **settings: str) -> str:
        """A libpq connection string; ``role`` and ``settings`` are set when the connection starts.

        The role is set with ``-c role=…``: it is what ``RESET ROLE`` returns to, so the workload stays
        the application role for the whole session (docs/decisions/0003).
        """
        asked = {"role": role, **settings} if role else settings
        options = " ".join(f"-c {key}={_escaped(value)}" for key, value in asked.items() if value is not None)
        params: dict[str, Any] = {**self.params, "dbname": self.name, "application_name": "pgvitals"}
        if options:
            params["options"] = f"{self.params.get('options', '')} {options}".strip()
        return make_conninfo(**params)

    def connect(self, role: str | None = None, *, autocommit: bool = True, **settings: str) -> psycopg.Connection:
        """A new connection.

        Raises:
            LabError: the server does not answer, or the role does not exist.
        """
        try:
            return psycopg.connect(self.conninfo(role, **settings), autocommit=autocommit)
        except psycopg.Error as error:
            first = next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")
            raise LabError(f"cannot connect to lab database {self.name!r}: {first}") from None

    def engine(self, role: str | None = None) -> Engine:
        """A SQLAlchemy engine over psycopg; the URL holds no secret."""
        from sqlalchemy import create_engine

        return create_engine("postgresql+psycopg://", creator=lambda: self.connect(role, autocommit=False))

    def environment(self) -> dict[str, str]:
        """Variables by which a child process finds this database: a state file's path and a name, no secret.

        A database of ours that another machine or user made has no state file here; its DSN is handed
        over as the user does it, in ``PGVITALS_DSN``.
        """
        if self.state_path is None:
            return {"PGVITALS_LAB": "", "PGVITALS_DSN": make_conninfo(**{**self.params, "dbname": self.name})}
        return {"PGVITALS_LAB": str(self.state_path), "PGVITALS_LAB_DATABASE": self.name}


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
