"""The traffic mix: how often each query is sent, relative to the others."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, ValidationError

from pgvitals.errors import LoadTestError
from pgvitals.query import Query


class Mix(BaseModel):
    """``mix.toml``: a weight for every query that it names (0 leaves it out), and those of all others.

    ``default`` is that of a lookup, ``writes`` that of a query that writes (default: the same).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    default: NonNegativeFloat = 1.0
    writes: NonNegativeFloat | None = None
    weights: dict[str, NonNegativeFloat] = {}

    def of(self, queries: Sequence[Query]) -> dict[str, float]:
        """``system/name`` -> weight, in the order of ``queries``."""
        return {query.key: self.weights.get(query.key, self._others(query)) for query in queries}

    def _others(self, query: Query) -> float:
        return self.writes if query.writes and self.writes is not None else self.default


def load_mix(path: Path, queries: Sequence[Query]) -> Mix:
    """Read ``mix.toml``; a missing file means equal weights. ``queries`` are all that the suite has.

    Raises:
        LoadTestError: the file is malformed, or names a query that does not exist.
    """
    if not path.exists():
        return Mix()
    try:
        mix = Mix.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LoadTestError(f"{path}: cannot be read as TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise LoadTestError(f"{path}: {where}: {first['msg']}") from None
    known = {query.key for query in queries}
    for key in mix.weights:
        if key not in known:
            raise LoadTestError(f"{path}: {key!r} names no query; remove it, or add bench/{key}.sql")
    return mix
