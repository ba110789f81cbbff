"""Human-readable values: drawn from Faker once, kept as checked files, sampled by the million.

Faker makes a few thousand addresses a second; a column of a million rows samples a pool of some
thousand distinct ones instead. A pool depends on its recipe and on Faker's version, never on the
dataset's seed. Its file carries a SHA-256 of its content and is renamed into place when whole, so
half a file is never read.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np

from pgvitals.dataset.columns import Column
from pgvitals.dataset.sizes import zipf_weights
from pgvitals.dataset.streams import F64, I64, Bool, Stream, Text, position_at
from pgvitals.errors import DatasetError

_FORMAT = 1
_FAKER_SEED = 20250106


@dataclass(frozen=True, kw_only=True)
class PoolRecipe:
    """What to draw from Faker: ``draws`` calls of ``method`` in ``locale``, of which the distinct ones stay.

    ``tail`` adds that many values made of two drawn ones, joined by ``joiner``: Faker knows some hundred
    surnames a country, and a real client list is mostly rare ones. ``shift`` flattens the weights of the
    most frequent values (1 / (k + shift), Zipf–Mandelbrot).
    """

    name: str
    method: str
    draws: int
    locale: str = "en_US"
    tail: int = 0
    joiner: str = "-"
    shift: float = 3.0


@dataclass(frozen=True)
class Pool:
    """Distinct values as UTF-8 bytes, most frequent first, and the running sum of their weights."""

    values: Text
    cumulative: F64

    def draw(self, stream: Stream, n: int) -> Text:
        """``n`` values, the frequent ones more often."""
        return np.asarray(self.values[self.positions(stream, n)])

    def draw_some(self, stream: Stream, given: Bool) -> Column:
        """A value where ``given`` is true, null elsewhere: what is left out costs nothing."""
        drawn = np.zeros(len(given), dtype=self.values.dtype)
        at = np.flatnonzero(given)
        drawn[at] = self.values[self.positions(stream, len(at))]
        return Column("text", drawn, nulls=~given)

    def positions(self, stream: Stream, n: int) -> I64:
        """The positions of ``n`` values drawn like that."""
        return position_at(stream.uniform(n), self.cumulative)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        PoolRecipe(name="sentences", method="sentence", draws=6_000, shift=400),
        PoolRecipe(name="streets", method="street_address", draws=20_000, shift=2_000),
        PoolRecipe(name="suites", method="secondary_address", draws=2_000, shift=200),
        PoolRecipe(name="companies", method="company", draws=6_000, shift=400),
        PoolRecipe(name="tax_ids", method="ein", draws=4_000, shift=4_000),
        PoolRecipe(name="domains", method="safe_domain_name", draws=50, shift=1),
    )
}


@cache
def pool(name: str) -> Pool:
    """One of the pools of ``RECIPES``.

    Raises:
        DatasetError: there is no pool of this name.
    """
    if name not in RECIPES:
        raise DatasetError(f"unknown pool {name!r}; there are: {', '.join(sorted(RECIPES))}")
    return pool_of(RECIPES[name])


def pool_of(recipe: PoolRecipe) -> Pool:
    """The pool of any recipe: from the cache, or drawn and put there."""
    values = np.array([value.encode() for value in load_values(recipe)])
    return Pool(values=values, cumulative=np.cumsum(zipf_weights(len(values), 1.0, recipe.shift)))


def load_values(recipe: PoolRecipe) -> list[str]:
    """The distinct values of a recipe, read from the cache if a whole and current file is there."""
    version = importlib.metadata.version("faker")
    identity = json.dumps({"format": _FORMAT, "faker": version, **asdict(recipe)}, sort_keys=True)
    name = f"{recipe.name}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.txt"
    folder = cache_folder()
    if folder is not None and (found := _read(folder / name, identity)) is not None:
        return found
    values = draw_values(recipe)
    if folder is not None:
        _write(folder, name, identity, values)
    return values


def draw_values(recipe: PoolRecipe) -> list[str]:
    """Ask Faker. Every distinct value is as likely as any other; the weights come from the rank."""
    from faker import Faker

    faker = Faker(recipe.locale, use_weighting=False)
    faker.seed_instance(_FAKER_SEED)
    method = getattr(faker, recipe.method)
    seen = dict.fromkeys(str(method()).replace("\n", ", ") for _ in range(recipe.draws))
    plain = [value for value in seen if value and "\0" not in value]
    return plain + _compounds(plain, recipe)


def _compounds(plain: list[str], recipe: PoolRecipe) -> list[str]:
    known = dict.fromkeys(plain)
    stream = Stream("pool tail", recipe.name, recipe.locale)
    made: list[str] = []
    while len(made) < recipe.tail:
        left, right = (int(k) for k in stream.integers(2, 0, len(plain)))
        value = f"{plain[left]}{recipe.joiner}{plain[right]}"
        if left != right and value not in known:
            known[value] = None
            made.append(value)
    return made


def cache_folder() -> Path | None:
    """Where pools are kept: ``XDG_CACHE_HOME`` or ``~/.cache``, else the temporary folder, else nowhere."""
    configured = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(configured) if Path(configured).is_absolute() else Path("~/.cache").expanduser()
    spare = Path(tempfile.gettempdir()) / f"pgvitals-{os.getuid()}"
    for base in (home / "pgvitals", spare):
        folder = base / "pools"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # In a shared temporary folder another user could have put a pool of his own there.
            if folder.stat().st_uid == base.stat().st_uid == os.getuid() and os.access(folder, os.W_OK):
                return folder
        except (OSError, RuntimeError):
            continue
    return None


def _read(path: Path, identity: str) -> list[str] | None:
    try:
        head, _, body = path.read_bytes().partition(b"\n")
        header = json.loads(head)
        whole = header["sha256"] == hashlib.sha256(body).hexdigest() and header["identity"] == identity
        return body.decode().split("\n") if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(folder: Path, name: str, identity: str, values: list[str]) -> None:
    body = "\n".join(values).encode()
    head = json.dumps({"sha256": hashlib.sha256(body).hexdigest(), "identity": identity}).encode()
    partial = folder / f".{name}.{os.getpid()}"
    try:
        partial.write_bytes(head + b"\n" + body)
        partial.replace(folder / name)
    except OSError:
        partial.unlink(missing_ok=True)  # a full disk costs the next run a few seconds, not this one its rows
