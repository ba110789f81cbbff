"""What a command was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pgvitals.profile import Profile
from pgvitals.recording import Recording, record
from pgvitals.suite import Suite
from pgvitals.system import System
from pgvitals.terminal import Terminal

PHASES = ("bench", "load", "audit", "impact", "claims", "notebooks")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a command was asked for."""

    suite: Suite
    profile: Profile
    systems: tuple[System, ...]
    postgres: str
    seed: int
    command: str
    out: Path | None
    terminal: Terminal

    def config(self) -> dict[str, object]:
        """What ``run.json`` keeps of it; a DSN stays out, it may hold a password."""
        known = self.postgres in ("auto", "embedded", "container")
        return {
            "profile": self.profile.name,
            "systems": [system.name for system in self.systems],
            "postgres": self.postgres if known else "a DSN",
            "seed": self.seed,
            "plan": {
                "measure": self.profile.measure.model_dump(),
                "load": self.profile.load.model_dump(),
                "impact": self.profile.impact.model_dump(),
            },
        }

    @contextmanager
    def recording(self, name: str) -> Iterator[Recording]:
        """The run directory of this command."""
        with record(self.suite, name, command=self.command, config=self.config(), out=self.out) as recording:
            yield recording
