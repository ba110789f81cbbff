"""Looks of a comparison: what is settled stays, what is open goes on, and looking often costs no false alarms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pgvitals.errors import MeasureError
from pgvitals.stats.compare import ContrastVerdict, contrast
from pgvitals.stats.looks import Look, next_look, schedule

ALPHA = 0.05 / 3


def compared(ratio: float, rounds: int = 60, spread: float = 0.02, *, p95: float | None = None) -> ContrastVerdict:
    """A comparison whose log ratios lie around ``ratio``."""
    half = np.abs(np.random.default_rng(1).normal(0, spread, rounds // 2))
    logs = np.concatenate([half, -half])
    return contrast(math.log(ratio) + logs, math.log(p95 or ratio) + logs, 0.05, ALPHA)


CALM = compared(1.0)
ALARM = compared(1.2)
OPEN = compared(1.05, spread=0.2)
WEAK = compared(1.06, rounds=30, spread=0.025)


def looked(
    found: dict[str, tuple[ContrastVerdict, ContrastVerdict]], *later: dict[str, ContrastVerdict]
) -> dict[str, Look]:
    """The family after a first look, and after later ones at what was open, with silent placebos."""
    looks = next_look({}, found, number=1, alpha=ALPHA)
    for number, each in enumerate(later, start=2):
        looks = next_look(looks, {name: (one, CALM) for name, one in each.items()}, number=number, alpha=ALPHA)
    return looks


def test_every_look_has_twice_the_rounds_of_the_one_before():
    assert schedule(100, 3) == (100, 200, 400)
    assert schedule(15, 1) == (15,)


def test_what_is_settled_is_not_open_and_keeps_its_look():
    looks = looked({"a": (ALARM, CALM), "b": (OPEN, CALM), "c": (CALM, CALM)}, {"b": compared(1.1)})
    assert {name: (look.verdict.verdict, look.number, look.open) for name, look in looks.items()} == {
        "a": ("slower", 1, False),
        "b": ("slower", 2, False),
        "c": ("same", 1, False),
    }


def test_what_is_inconclusive_or_void_is_open():
    looks = looked({"a": (OPEN, CALM), "b": (ALARM, ALARM)})
    assert looks["a"].verdict.verdict == "inconclusive"
    assert looks["b"].verdict.verdict == "void"
    assert looks["a"].open
    assert looks["b"].open


def test_a_lookup_that_is_faster_in_one_way_and_slower_in_another_takes_no_more_rounds():
    (look,) = looked({"a": (compared(0.8, p95=1.2), CALM)}).values()
    assert look.verdict.verdict == "inconclusive"
    assert not look.open


def test_what_the_family_holds_back_is_open():
    assert WEAK.verdict == "slower"
    held = looked({"weak": (WEAK, CALM), **{f"calm {number}": (CALM, CALM) for number in range(20)}})["weak"]
    assert held.verdict.verdict == "inconclusive"
    assert held.open


@pytest.mark.parametrize(("other", "verdict"), [(CALM, "inconclusive"), (ALARM, "slower")])
def test_what_was_settled_a_look_ago_stays_in_the_family(other, verdict):
    """Beside a lookup that is the same, Holm asks more of a weak change than beside one that changed."""
    looks = looked({"weak": (OPEN, CALM), "other": (other, CALM)}, {"weak": WEAK})
    assert looks["weak"].verdict.verdict == verdict
    assert looks["other"].number == 1


def test_only_what_is_open_is_looked_at_again():
    looks = looked({"a": (ALARM, CALM), "b": (OPEN, CALM)})
    for wrong in ({"a": (ALARM, CALM), "b": (OPEN, CALM)}, {}):
        with pytest.raises(MeasureError, match=r"open are \['b'\]"):
            next_look(looks, wrong, number=2, alpha=ALPHA)


def test_looks_that_compare_nothing_are_refused():
    for first, looks in ((0, 3), (10, 0)):
        with pytest.raises(MeasureError, match="compare nothing"):
            schedule(first, looks)


def test_three_looks_raise_no_more_false_alarms_than_one_and_find_more():
    """Ratios at the edge of the margin, where false alarms are most likely: at most 5 % of the comparisons alarm."""
    rng = np.random.default_rng(5)
    alarms, found = 0, {1: 0, 3: 0}
    for _ in range(150):
        edge = rng.normal(math.log(1.05), 0.1, 80)
        real = rng.normal(math.log(1.10), 0.1, 80)
        at_edge, at_real = ([contrast(logs[:n], logs[:n], 0.05, ALPHA) for n in (20, 40, 80)] for logs in (edge, real))
        alarms += any(each.verdict == "slower" for each in at_edge)
        found[1] += contrast(real[:20], real[:20], 0.05).verdict == "slower"
        found[3] += any(each.verdict == "slower" for each in at_real)
    assert alarms <= 0.05 * 150 + 3 * math.sqrt(150 * 0.05 * 0.95)
    assert found[3] > 1.2 * found[1]
