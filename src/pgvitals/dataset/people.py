"""People: first and last names of the same origin, with the letters that their languages use."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

from pgvitals.dataset.pools import PoolRecipe, pool, pool_of
from pgvitals.dataset.streams import F64, I64, Bool, Stream, Text, uniforms_at

ORIGINS = {"en_US": 0.78, "es_MX": 0.11, "de_DE": 0.03, "fr_FR": 0.03, "pl_PL": 0.03, "sv_SE": 0.02}
"""Countries that names come from, and their shares."""

WOMEN = 0.54
"""The share of women among people."""

_TAIL = {"en_US": (9_000, "-"), "es_MX": (4_000, " ")}
_UNDECOMPOSED = str.maketrans({"ł": "l", "Ł": "L", "ø": "o", "ß": "ss", "æ": "ae", "đ": "d"})


@dataclass(frozen=True)
class People:
    """``n`` people: names as written, and in the letters of an e-mail address; all arrays of length n.

    ``origin`` is the position in ``ORIGINS`` of the country that both names come from.
    """

    first: Text
    last: Text
    first_ascii: Text
    last_ascii: Text
    woman: Bool
    origin: I64

    @property
    def full(self) -> Text:
        """First and last name."""
        return join(self.first, b" ", self.last)

    def take(self, positions: I64) -> People:
        """The people at these positions, of whom some may come twice."""
        return People(*(getattr(self, each.name)[positions] for each in fields(self)))

    def emails(self, stream: Stream, number: I64) -> Text:
        """One address each; ``number`` makes it unique, since names end in a letter."""
        n = len(self.first)
        local = join(self.first_ascii, b".", self.last_ascii, number.astype("S20"))
        return join(local, b"@", pool("domains").draw(stream, n))


def draw_people(stream: Stream, n: int) -> People:
    """``n`` people; the first and the last name of each come from the same country's pools."""
    return _people(*(stream.uniform(n) for _ in range(4)))


def people_at(key: tuple[int, int], index: I64) -> People:
    """Somebody for each index, the same wherever they are asked for."""
    return _people(*uniforms_at(key, index, 4))


def _people(country: F64, sex: F64, first: F64, last: F64) -> People:
    origin = np.searchsorted(np.cumsum(list(ORIGINS.values()))[:-1], country, side="right")
    woman = sex < WOMEN
    first_names, last_names = _names()
    k, j = first_names.positions(origin * 2 + woman, first), last_names.positions(origin, last)
    return People(first_names.values[k], last_names.values[j], first_names.ascii[k], last_names.ascii[j], woman, origin)


def join(*parts: Text | bytes) -> Text:
    """Concatenate columns of text (and constants) row by row."""
    joined = parts[0]
    for part in parts[1:]:
        joined = np.strings.add(joined, part)
    return np.asarray(joined)


@dataclass(frozen=True)
class _Names:
    """Names of several groups in a row; ``cumulative`` goes from k to k + 1 over those of group k."""

    values: Text
    ascii: Text
    cumulative: F64
    last: I64

    def positions(self, group: I64, share: F64) -> I64:
        """Where the name at this share (0 to 1) of each group stands."""
        found = np.searchsorted(self.cumulative, group + share, side="right")
        return np.asarray(np.minimum(found, self.last[group]))


@lru_cache(maxsize=1)
def _names() -> tuple[_Names, _Names]:
    """First names of men and women of each origin, and last names of each origin."""
    firsts = [_recipe(method, origin) for origin in ORIGINS for method in ("first_name_male", "first_name_female")]
    return _in_a_row(firsts), _in_a_row([_recipe("last_name", origin) for origin in ORIGINS])


def _recipe(method: str, locale: str) -> PoolRecipe:
    tail, joiner = _TAIL.get(locale, (0, "-")) if method == "last_name" else (0, "-")
    return PoolRecipe(
        name=f"{method.replace('_', '-')}s-{locale}",
        method=method,
        locale=locale,
        draws=20_000,
        tail=tail,
        joiner=joiner,
        shift=8,
    )


def _in_a_row(recipes: list[PoolRecipe]) -> _Names:
    pools = [pool_of(recipe) for recipe in recipes]
    values = np.concatenate([each.values for each in pools])
    return _Names(
        values=values,
        ascii=np.array([fold(value.decode()).encode() for value in values.tolist()]),
        cumulative=np.concatenate([k + each.cumulative / each.cumulative[-1] for k, each in enumerate(pools)]),
        last=np.cumsum([len(each.values) for each in pools]) - 1,
    )


def fold(name: str) -> str:
    """Letters a–z only; what has none of them becomes ``mail``."""
    plain = unicodedata.normalize("NFKD", name.translate(_UNDECOMPOSED)).lower()
    return "".join(letter for letter in plain if "a" <= letter <= "z") or "mail"
