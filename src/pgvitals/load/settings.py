"""What a load test is told by environment variables: how a command configures the locust it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pgvitals.errors import LoadTestError
from pgvitals.profile import LoadPlan

RATE = "PGVITALS_LOAD_RATE"
SECONDS = "PGVITALS_LOAD_SECONDS"
SEED = "PGVITALS_LOAD_SEED"
SYSTEMS = "PGVITALS_LOAD_SYSTEMS"
OUT = "PGVITALS_LOAD_OUT"

DEFAULT = LoadPlan()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Rate in requests a second over all users; ``systems`` empty means all; ``out`` None means no files."""

    rate: float = DEFAULT.rate
    seconds: float = DEFAULT.seconds
    seed: int = 1
    systems: tuple[str, ...] = ()
    out: Path | None = None

    def variables(self) -> dict[str, str]:
        """The environment that :func:`from_environment` reads back into these settings."""
        found = {RATE: repr(self.rate), SECONDS: repr(self.seconds), SEED: str(self.seed)}
        found[SYSTEMS] = ",".join(self.systems)
        if self.out is not None:
            found[OUT] = str(self.out)
        return found


def from_environment(environ: Mapping[str, str]) -> Settings:
    """Settings from ``PGVITALS_LOAD_…``; what is unset or empty keeps its default.

    Raises:
        LoadTestError: a value is not a number.
    """
    systems = tuple(name.strip() for name in environ.get(SYSTEMS, "").split(",") if name.strip())
    out = environ.get(OUT)
    return Settings(
        rate=_number(environ, RATE, DEFAULT.rate),
        seconds=_number(environ, SECONDS, DEFAULT.seconds),
        seed=int(_number(environ, SEED, 1, whole=True)),
        systems=systems,
        out=Path(out).absolute() if out else None,
    )


def _number(environ: Mapping[str, str], name: str, default: float, *, whole: bool = False) -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        return int(text) if whole else float(text)
    except ValueError:
        kind = "a whole number" if whole else "a number"
        raise LoadTestError(f"{name} must be {kind}, got {text!r}") from None
