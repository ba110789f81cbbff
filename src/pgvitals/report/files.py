"""What lies beside a report in its run directory, by name."""

from __future__ import annotations

from pgvitals.results.rundir import Run

_SUFFIXES = (".json", ".parquet", ".hlog", ".html")
_REPORTS = ("report", "junit")  # left out: a report written twice is the same twice


def files_of(run: Run) -> list[str]:
    """Paths relative to the run directory: its records and notebooks, sorted; plans are too many to list."""
    found = [path for path in (*run.path.glob("*"), *run.path.glob("notebooks/*.html")) if path.is_file()]
    kept = [path for path in found if path.suffix in _SUFFIXES and path.stem not in _REPORTS]
    return sorted(path.relative_to(run.path).as_posix() for path in kept if not path.name.startswith("."))
