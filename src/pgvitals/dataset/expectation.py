"""What a fact expects of its value: ``= 0``, ``>= 10``, ``<= 0.01``, ``0.15 .. 0.25``, ``zipf ± 0.05``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pgvitals.errors import FactError

FORMS = "= 0, >= 10, <= 0.01, 0.15 .. 0.25, 1 ± 0.1, or zipf ± 0.1"
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_ONE_SIDED = re.compile(rf"^(?P<sign>=|>=|<=)\s*(?P<bound>{_NUMBER})$")
_RANGE = re.compile(rf"^(?P<low>{_NUMBER})\s*\.\.\s*(?P<high>{_NUMBER})$")
_AROUND = re.compile(rf"^(?P<middle>{_NUMBER}|[a-z_]+)\s*±\s*(?P<margin>{_NUMBER})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; None where there is no limit."""

    low: float | None
    high: float | None

    def __contains__(self, value: object) -> bool:
        return (
            isinstance(value, int | float)
            and (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A range, or one around a number of the profile that is known when it is asked for."""

    range: Range
    around: str = ""  # the profile's number; the range is relative to it

    def given(self, numbers: Mapping[str, float]) -> Range:
        """The range once the profile's numbers are known."""
        if not self.around:
            return self.range
        middle = numbers[self.around]
        low, high = self.range.low or 0.0, self.range.high or 0.0
        return Range(low=middle + low, high=middle + high)


def parse_expectation(text: str, names: tuple[str, ...] = ("zipf",)) -> Expectation:
    """Read an expectation; ``names`` are the numbers of a profile that it may be around.

    Raises:
        FactError: it has none of the forms, a number is not finite, or its range is empty.
    """
    text = text.strip()
    if found := _ONE_SIDED.match(text):
        bound = _finite(text, found["bound"])
        low = bound if found["sign"] in ("=", ">=") else None
        high = bound if found["sign"] in ("=", "<=") else None
        return Expectation(range=Range(low=low, high=high))
    if found := _RANGE.match(text):
        first, last = _finite(text, found["low"]), _finite(text, found["high"])
        if first > last:
            raise FactError(f"'expect' is an empty range: {text!r}; the smaller number comes first")
        return Expectation(range=Range(low=first, high=last))
    if found := _AROUND.match(text):
        margin = _finite(text, found["margin"])
        if margin < 0:
            raise FactError(f"'expect' has a negative margin: {text!r}")
        if found["middle"] in names:
            return Expectation(range=Range(low=-margin, high=margin), around=found["middle"])
        if not found["middle"][0].isalpha():
            middle = _finite(text, found["middle"])
            return Expectation(range=Range(low=middle - margin, high=middle + margin))
    raise FactError(f"'expect' must be like {FORMS}; got {text!r}")


def _finite(text: str, number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise FactError(f"'expect' has a number that is too large: {text!r}")
    return value
