"""A paired comparison that goes on while it is open: looks after so many rounds, after twice, after four times as many.

Whoever looks several times and stops at the first alarm alarms too often. So each of up to ``k`` looks is taken at
``alpha / k``, intervals and Holm's step-down alike: over all looks and all lookups a false alarm then has a chance of
``alpha`` at most. What is settled keeps the verdict of its look, and its p-values stay in the family.

Sources: the bound of Bonferroni for the looks (see Jennison and Turnbull, Group Sequential Methods, 1999, for finer
ones); Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (1979), for the lookups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pgvitals.errors import MeasureError
from pgvitals.stats.compare import ContrastVerdict, correct_for_many, void_if_placebo_alarms


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Where the comparison of one lookup stands after a look."""

    contrast: ContrastVerdict  # by itself
    verdict: ContrastVerdict  # in its family, and beside its placebo
    number: int  # of the last look that it was measured for, from 1

    @property
    def open(self) -> bool:
        """Whether more rounds may tell more: what is void may have had unlucky clones."""
        sides = {self.verdict.typical.verdict, self.verdict.p95.verdict}
        return self.verdict.verdict == "void" or (
            self.verdict.verdict == "inconclusive" and not sides >= {"slower", "faster"}
        )


def schedule(first: int, looks: int) -> tuple[int, ...]:
    """Rounds measured in all by each look: ``first``, twice as many, four times, …

    Raises:
        MeasureError: no rounds or no looks.
    """
    if first < 1 or looks < 1:
        raise MeasureError(f"looks: {looks} looks from {first} rounds on compare nothing; ask for at least 1 of each")
    return tuple(first * 2**number for number in range(looks))


def next_look(
    earlier: Mapping[str, Look],
    found: Mapping[str, tuple[ContrastVerdict, ContrastVerdict]],
    *,
    number: int,
    alpha: float,
) -> dict[str, Look]:
    """The whole family after another look.

    Args:
        earlier: the family as the look before left it; empty at the first.
        found: by lookup, its contrast and its placebo's over all its rounds so far, at ``1 - alpha``; at the first look
            of every lookup, later of those that were open.
        number: of this look, from 1.
        alpha: of one look: the chance of any false alarm divided by the number of looks.

    Raises:
        MeasureError: a lookup that was settled is looked at again, or an open one is left out.
    """
    asked = {name for name, look in earlier.items() if look.open} if earlier else set(found)
    if asked != set(found):
        raise MeasureError(
            f"look {number}: open are {sorted(asked)}, looked at were {sorted(found)}; measure the former"
        )
    contrasts = {name: look.contrast for name, look in earlier.items()}
    contrasts |= {name: contrast for name, (contrast, _) in found.items()}
    corrected = dict(zip(contrasts, correct_for_many(list(contrasts.values()), alpha), strict=True))
    looks = dict(earlier)
    for name, (contrast, placebo) in found.items():
        verdict = void_if_placebo_alarms(corrected[name], placebo)
        looks[name] = Look(contrast=contrast, verdict=verdict, number=number)
    return looks
