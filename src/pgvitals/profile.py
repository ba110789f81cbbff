"""A profile: how much data, from which seed, and how long to measure it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, field_validator

from pgvitals.errors import ProfileError
from pgvitals.reading import first_problem, read_toml

LEAST_ROUNDS = 8
"""Fewer have no 95 % signed-rank interval to speak of."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class MeasurePlan(_Settings):
    """How the lookups are sampled: ``batches`` a query of ``batch_size`` samples, spread over the run.

    A lookup is settled, and sampled no further, once the whole interval of its p95 lies under a budget ``far`` times
    smaller. Beside what is weighted by traffic, single tenants get ``tenant_share`` of a batch each; 0 leaves them out.
    A batch counts while the shares of CPU pressure and steal stay below their limits and the canary takes
    at most ``canary_limit`` times its best.
    """

    batches: int = Field(default=20, ge=1)
    batch_size: int = Field(default=100, ge=1)
    warmup: int = Field(default=12, ge=0)
    pause_s: float = Field(default=0.0, ge=0)
    far: float = Field(default=10.0, ge=2)
    tenant_share: float = Field(default=0.25, ge=0, le=1)
    pytest_rounds: PositiveInt = 200
    cpu_pressure_limit: PositiveFloat = 0.05
    steal_limit: PositiveFloat = 0.01
    canary_limit: float = Field(default=1.25, ge=1)


class LoadPlan(_Settings):
    """The open-loop load test: ``rate`` requests a second in all, from ``users`` connections."""

    users: PositiveInt = 4
    rate: PositiveFloat = 200.0
    seconds: PositiveFloat = 10.0


class ImpactPlan(_Settings):
    """The paired comparison: rounds of its first look, queries an arm and visit, sets of fresh clones a look.

    A lookup that is still open after a look is measured further, until it has had twice as many rounds, for up to
    ``looks`` looks (see :mod:`pgvitals.stats.looks`).
    """

    rounds: int = Field(default=40, ge=LEAST_ROUNDS)
    per_arm: PositiveInt = 25
    clones: PositiveInt = 3
    looks: int = Field(default=3, ge=1, le=5)


class Profile(_Settings):
    """Sizes by system and the time spent on measuring them."""

    name: str
    title: str
    seed: int = Field(ge=0, lt=2**63)
    zipf: float = Field(default=1.0, ge=0, le=3)
    as_of: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    sizes: dict[str, dict[str, PositiveInt]]
    measure: MeasurePlan = MeasurePlan()
    load: LoadPlan = LoadPlan()
    impact: ImpactPlan = ImpactPlan()

    @field_validator("as_of")
    @classmethod
    def _a_day_of_the_calendar(cls, value: str) -> str:
        date.fromisoformat(value)
        return value


class Profiles(_Settings):
    """All profiles of a suite."""

    default: str
    profiles: dict[str, Profile]

    def get(self, name: str | None) -> Profile:
        """The profile called ``name``, or the default one."""
        wanted = name or self.default
        if wanted not in self.profiles:
            raise ProfileError(f"unknown profile {wanted!r}; there are: {', '.join(self.profiles)}")
        return self.profiles[wanted]


def load_profiles(path: Path) -> Profiles:
    """Read ``profiles.toml``: a ``default`` and one table a profile.

    Raises:
        ProfileError: the file is missing or a size is not a positive number; the message names the key.
    """
    raw = read_toml(path, ProfileError)
    tables = {name: table for name, table in raw.items() if isinstance(table, dict)}
    for key in raw.keys() - tables.keys() - {"default"}:
        raise ProfileError(f"{path}: unknown key {key!r}; there are a 'default' and one table a profile")
    profiles = {name: {"name": name, **table} for name, table in tables.items()}
    try:
        loaded = Profiles.model_validate({"default": raw.get("default", "small"), "profiles": profiles})
    except ValidationError as error:
        raise ProfileError(f"{path}: {first_problem(error).removeprefix('profiles.')}") from None
    if loaded.default not in loaded.profiles:
        raise ProfileError(f"{path}: default = {loaded.default!r} names no profile in the file")
    return loaded
