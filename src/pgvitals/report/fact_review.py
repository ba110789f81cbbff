"""Facts in words: what a value is, what was expected of it, and which facts do not hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pgvitals.report.wording import NONE, count, share
from pgvitals.results.outcome import Outcome, worst
from pgvitals.results.records import Fact

_BARE = ("ratio", "exponent", "gini")
LOUD = (Outcome.FAIL, Outcome.ERROR)
TOUR = "notebooks/01_dataset_tour.html"
"""The page of a run that shows the facts beside their charts."""


def facts_outcome(facts: Iterable[Fact]) -> Outcome:
    """The worst of them; not applicable where there is none."""
    outcomes = [fact.outcome for fact in facts]
    return worst(outcomes) if outcomes else Outcome.NOT_APPLICABLE


def loud(facts: Iterable[Fact]) -> list[Fact]:
    """Those that fail or could not be asked."""
    return [fact for fact in facts if fact.outcome in LOUD]


def told(facts: Sequence[Fact]) -> str:
    """``61 of 63 facts hold (3 more are not applicable)``."""
    asked = [fact for fact in facts if fact.outcome is not Outcome.NOT_APPLICABLE]
    held = sum(fact.outcome is Outcome.PASS for fact in asked)
    rest = len(facts) - len(asked)
    more = f" ({rest} more {'is' if rest == 1 else 'are'} not applicable)" if rest else ""
    return f"{count(held)} of {count(len(asked))} facts hold{more}"


def value_of(fact: Fact) -> str:
    """The value with its unit: ``11.4 %``, ``0 rows``, ``1.13``; a dash where there is none."""
    if fact.value is None:
        return NONE
    number = _number(fact.value, fact.unit)
    return number if fact.unit == "share" or fact.unit in _BARE else f"{number} {fact.unit}"


def expected_of(fact: Fact) -> str:
    """``= 0``, ``9 % to 13 %``, ``≥ 5``; the unit stands with the value."""
    low, high = (None if bound is None else _bound(bound, fact.unit) for bound in (fact.low, fact.high))
    if low == high:
        return f"= {low}"
    if low is not None and high is not None:
        return f"{low} to {high}"
    return f"≤ {high}" if low is None else f"≥ {low}"


def fact_told(fact: Fact) -> str:
    """``5.2 %, expected 9 % to 13 %``, or why there is no value."""
    return fact.reason if fact.outcome is Outcome.ERROR else f"{value_of(fact)}, expected {expected_of(fact)}"


def _number(value: float, unit: str) -> str:
    if unit == "share":
        return share(value)
    if value == int(value) and unit not in _BARE:
        return count(value).replace("-", "−")
    text = f"{value:,.2f}"
    return "0.00" if text == "-0.00" else text.replace("-", "−")


def _bound(bound: float, unit: str) -> str:
    """As it was declared: no digit more."""
    text = f"{bound * 100:.6g} %" if unit == "share" else f"{bound:,.6g}"
    return text.replace("-", "−")
