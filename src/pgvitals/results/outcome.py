"""The words a result may use, and what each means for an exit code."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Outcome(StrEnum):
    """Every result says one of these; nothing passes silently."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    WAIVED = "waived"
    NOT_APPLICABLE = "not_applicable"
    ERROR = "error"


EXIT_CODES = {
    Outcome.PASS: 0,
    Outcome.WAIVED: 0,
    Outcome.NOT_APPLICABLE: 0,
    Outcome.FAIL: 1,
    Outcome.ERROR: 2,
    Outcome.INCONCLUSIVE: 3,
}

_WORST_FIRST = (
    Outcome.FAIL,
    Outcome.ERROR,
    Outcome.INCONCLUSIVE,
    Outcome.PASS,
    Outcome.WAIVED,
    Outcome.NOT_APPLICABLE,
)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome that speaks for all of them; ``inconclusive`` when there is none to speak."""
    present = set(outcomes)
    return next((outcome for outcome in _WORST_FIRST if outcome in present), Outcome.INCONCLUSIVE)
