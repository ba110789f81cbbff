"""What a command was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pgvitals.profile import Profile
from pgvitals.results.records import Dataset
from pgvitals.suite import Suite
from pgvitals.system import System
from pgvitals.terminal import Terminal

if TYPE_CHECKING:
    from pgvitals.recording import Recording

MEASURING = ("bench", "load", "audit", "impact")
PHASES = (*MEASURING, "claims", "notebooks")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a command was asked for."""

    suite: Suite
    asked_profile: str | None  # None: what the lab holds, or the default for a new one
    asked_seed: int | None  # None: that of the lab's data, or the profile's for a new one
    systems: tuple[System, ...]
    postgres: str
    command: str
    out: Path | None
    terminal: Terminal
    as_is: bool = False  # measure without VACUUM and ANALYZE before

    @property
    def profile(self) -> Profile:
        """The profile asked for, or the default."""
        return self.suite.profiles.get(self.asked_profile)

    @property
    def seed(self) -> int:
        """The seed asked for, or the profile's."""
        return self.profile.seed if self.asked_seed is None else self.asked_seed

    def on(self, dataset: Dataset) -> Request:
        """The same request on a lab that holds ``dataset``: its profile and seed, unless others were asked for."""
        return replace(
            self,
            asked_profile=dataset.profile,
            asked_seed=dataset.seed if self.asked_seed is None else self.asked_seed,
        )

    def config(self) -> dict[str, object]:
        """What ``run.json`` keeps of it; a DSN stays out, it may hold a password."""
        from pgvitals.measure.latency import limits  # and SciPy with it
        from pgvitals.stats.verdict import GateRules

        known = self.postgres in ("auto", "embedded", "container")
        return {
            "profile": self.profile.name,
            "systems": [system.name for system in self.systems],
            "postgres": self.postgres if known else "a DSN",
            "seed": self.seed,
            **({"as_is": True} if self.as_is else {}),
            "limits": asdict(limits(self.profile.measure)),
            "gate": {**asdict(GateRules()), "budget_p95_ms": self.suite.config.budget_p95_ms},
            "client": {"statements": "prepared", "rows": "binary", "garbage_collector": "off during a batch"},
            "plan": {
                "measure": self.profile.measure.model_dump(),
                "load": self.profile.load.model_dump(),
                "impact": self.profile.impact.model_dump(),
            },
        }

    @contextmanager
    def recording(self, name: str) -> Iterator[Recording]:
        """The run directory of this command."""
        from pgvitals.recording import record  # and pandas with it

        with record(self.suite, name, command=self.command, config=self.config(), out=self.out) as recording:
            yield recording
