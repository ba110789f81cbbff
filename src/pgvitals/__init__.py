"""pgvitals: the lab in which a PostgreSQL schema proves itself before it ships."""

from importlib.metadata import version as _version

from pgvitals.errors import PgvitalsError
from pgvitals.results.rundir import Run, load_run

__version__ = _version("pgvitals")

__all__ = ["PgvitalsError", "Run", "__version__", "load_run"]
