"""What lies beside a report in its run directory, by name."""

from __future__ import annotations

from pgvitals.results.rundir import Run

_SUFFIXES = (".json", ".parquet", ".hlog", ".html", ".xml", ".md", ".sarif")


def files_of(run: Run) -> list[str]:
    """Paths relative to the run directory: its files and its notebooks, sorted; plans are too many to list."""
    found = [path for path in (*run.path.glob("*"), *run.path.glob("notebooks/*.html")) if path.is_file()]
    names = [path.relative_to(run.path).as_posix() for path in found if path.suffix in _SUFFIXES]
    return sorted(name for name in names if not name.startswith("."))
