"""One command's run directory: phases with their durations, conditions, and a whole directory at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pgvitals.lab import Database, fingerprint
from pgvitals.results.records import Dataset, Noise, RunInfo
from pgvitals.results.rundir import RunWriter, new_run_path
from pgvitals.suite import Suite


class Recording:
    """The run directory of a command while it works."""

    def __init__(self, writer: RunWriter, info: RunInfo) -> None:
        self.writer = writer
        self.info = info

    @property
    def path(self) -> Path:
        """Where the files are now (a hidden directory until the run is whole)."""
        return self.writer.path

    def note(self, **changes: Any) -> None:
        """Add to ``run.json``."""
        self.info = replace(self.info, **changes)

    def conditions(self, database: Database, kind: str, why: str, dataset: Dataset | None = None) -> None:
        """Record the server, its settings and the dataset."""
        self.note(server=fingerprint.server(database, kind, why), dataset=dataset or self.info.dataset)

    def noise(self, noise: Noise | None) -> None:
        """Record how quiet the machine was."""
        self.note(noise=noise)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase and note that it was done."""
        start = time.monotonic()
        yield
        self.note(
            durations_s={**self.info.durations_s, name: round(time.monotonic() - start, 3)},
            phases={**self.info.phases, name: "done"},
        )

    def skip(self, name: str, why: str) -> None:
        """Note why a phase was not done."""
        self.note(phases={**self.info.phases, name: f"skipped: {why}"})

    def save(self) -> None:
        """Write ``run.json`` as it stands."""
        self.note(finished_utc=_now())
        self.writer.write("run.json", self.info)


@contextmanager
def record(
    suite: Suite, name: str, *, command: str, config: dict[str, Any], out: Path | None = None
) -> Iterator[Recording]:
    """A run directory for the time of a block; it appears when the block ends well, and only then.

    Args:
        name: the last part of ``reports/runs/<UTC>-<name>``.
        out: write exactly there instead; ``reports/latest`` is then left alone.

    Raises:
        ResultsError: the directory cannot be written.
    """
    target = out or new_run_path(suite.reports, name)
    latest = None if out else suite.reports / "latest"
    with RunWriter(target, latest) as writer:
        recording = Recording(
            writer,
            RunInfo(
                name=writer.target.name,
                started_utc=_now(),
                command=command,
                config=config,
                phases={},
                durations_s={},
                versions=fingerprint.versions(),
                git_revision=fingerprint.git_revision(suite.root),
                hardware=fingerprint.hardware(),
            ),
        )
        yield recording
        if not writer.committed:
            recording.save()
            writer.commit()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
