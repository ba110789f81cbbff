"""People: first and last names of the same origin, with the letters that their languages use."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pgvitals.dataset.pools import Pool, PoolRecipe, pool, pool_of
from pgvitals.dataset.streams import I64, Stream, Text

_ORIGINS = {"en_US": 0.78, "es_MX": 0.11, "de_DE": 0.03, "fr_FR": 0.03, "pl_PL": 0.03, "sv_SE": 0.02}
_TAIL = {"en_US": (9_000, "-"), "es_MX": (4_000, " ")}
_UNDECOMPOSED = str.maketrans({"ł": "l", "Ł": "L", "ø": "o", "ß": "ss", "æ": "ae", "đ": "d"})


@dataclass(frozen=True)
class People:
    """``n`` people: names as written, and in the letters of an e-mail address; all arrays of length n."""

    first: Text
    last: Text
    first_ascii: Text
    last_ascii: Text

    @property
    def full(self) -> Text:
        """First and last name."""
        return join(self.first, b" ", self.last)

    def take(self, positions: I64) -> People:
        """The people at these positions, of whom some may come twice."""
        return People(
            self.first[positions],
            self.last[positions],
            self.first_ascii[positions],
            self.last_ascii[positions],
        )

    def emails(self, stream: Stream, number: I64) -> Text:
        """One address each; ``number`` makes it unique, since names end in a letter."""
        n = len(self.first)
        local = join(self.first_ascii, b".", self.last_ascii, number.astype("S20"))
        return join(local, b"@", pool("domains").draw(stream, n))


def draw_people(stream: Stream, n: int) -> People:
    """``n`` people; the first and the last name of each come from the same country's pools."""
    origin = stream.pick(n, list(_ORIGINS.values()))
    first, last, first_ascii, last_ascii = [], [], [], []
    for first_names, last_names in _countries():
        k = first_names.pool.positions(stream, n)
        first.append(first_names.pool.values[k])
        first_ascii.append(first_names.ascii[k])
        k = last_names.pool.positions(stream, n)
        last.append(last_names.pool.values[k])
        last_ascii.append(last_names.ascii[k])
    return People(*(np.choose(origin, column) for column in (first, last, first_ascii, last_ascii)))


def join(*parts: Text | bytes) -> Text:
    """Concatenate columns of text (and constants) row by row."""
    joined = parts[0]
    for part in parts[1:]:
        joined = np.strings.add(joined, part)
    return np.asarray(joined)


@dataclass(frozen=True)
class _Names:
    pool: Pool
    ascii: Text


@lru_cache(maxsize=1)
def _countries() -> tuple[tuple[_Names, _Names], ...]:
    return tuple((_names("first_name", locale), _names("last_name", locale)) for locale in _ORIGINS)


def _names(method: str, locale: str) -> _Names:
    tail, joiner = _TAIL.get(locale, (0, "-")) if method == "last_name" else (0, "-")
    made = pool_of(
        PoolRecipe(
            name=f"{method}s-{locale}",
            method=method,
            locale=locale,
            draws=20_000,
            tail=tail,
            joiner=joiner,
            shift=8,
        )
    )
    return _Names(made, np.array([fold(value.decode()).encode() for value in made.values]))


def fold(name: str) -> str:
    """Letters a–z only; what has none of them becomes ``mail``."""
    plain = unicodedata.normalize("NFKD", name.translate(_UNDECOMPOSED)).lower()
    return "".join(letter for letter in plain if "a" <= letter <= "z") or "mail"
