"""Run directories: typed records, written whole or not at all, readable with pandas alone."""

from pgvitals.results.outcome import EXIT_CODES, Outcome, worst
from pgvitals.results.rundir import Run, RunWriter, load_run, new_run_path

__all__ = ["EXIT_CODES", "Outcome", "Run", "RunWriter", "load_run", "new_run_path", "worst"]
