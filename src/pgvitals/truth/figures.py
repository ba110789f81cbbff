"""From finished sittings to shares of trials, each with its exact interval, beside the goals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Interval
from pgvitals.stats.percentile import batch_interval
from pgvitals.stats.proportion import proportion_interval
from pgvitals.truth.effects import EFFECTS
from pgvitals.truth.gate import Judged
from pgvitals.truth.sittings import NOTHING
from pgvitals.truth.state import Sitting, Trial

AA, AB, COVERAGE, GATE = "aa", "ab", "coverage", "gate"
EXPERIMENTS = (AA, AB, COVERAGE, GATE)
CONFIDENCE = 0.95

_FOUND = {"typical_10": 0.95, "p95_10": 0.80, "p95_25": 0.95}
_CHANGED = ("slower", "faster")


class Answer(StrEnum):
    """Whether a goal is met."""

    MET = "met"
    NOT_MET = "not met"
    UNKNOWN = "not yet known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A share of trials and what it should be."""

    experiment: str
    what: str
    hits: int
    trials: int  # without those that are void
    void: int  # the product itself said that they cannot be believed
    undecided: int | None  # among the trials; None where there is no such thing
    needed: int  # trials before the goal can be called met
    most: float | None = None
    least: float | None = None

    @property
    def share(self) -> float | None:
        """Hits among the trials."""
        return self.hits / self.trials if self.trials else None

    @property
    def interval(self) -> Interval | None:
        """Of the share, if trials did not depend on each other."""
        return proportion_interval(self.hits, self.trials, CONFIDENCE) if self.trials else None

    @property
    def answer(self) -> Answer:
        """By the share, once there are enough trials."""
        if self.share is None or self.trials < self.needed:
            return Answer.UNKNOWN
        return Answer.MET if self._good(self.share) else Answer.NOT_MET

    @property
    def sure(self) -> bool:
        """Whether the whole interval lies on one side of the goal."""
        return self.interval is not None and self._good(self.interval.low) == self._good(self.interval.high)

    @property
    def goal(self) -> str:
        """The goal in words."""
        return f"at most {self.most:.0%}" if self.most is not None else f"at least {self.least:.0%}"

    def _good(self, share: float) -> bool:
        if self.most is not None:
            return share <= self.most
        return share >= (self.least or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LongRun:
    """How much slower a lookup with an effect really is: its ratio over all sittings, and that ratio's interval."""

    effect: str
    lookup: str
    estimator: str  # p50 | p95
    ratio: float
    interval: Interval | None  # None with one sitting
    sittings: int


def figures(sittings: Sequence[Sitting], judged: Sequence[Judged], only: Iterable[str] = EXPERIMENTS) -> list[Figure]:
    """The figures of the experiments that were asked for, in the order of their goals."""
    makers: dict[str, Callable[[], list[Figure]]] = {
        AA: lambda: _same(sittings),
        AB: lambda: _found(sittings),
        COVERAGE: lambda: [_coverage(judged)],
        GATE: lambda: _gate(judged),
    }
    return [figure for name, make in makers.items() if name in set(only) for figure in make()]


def outcome_of(found: Sequence[Figure]) -> Outcome:
    """Fail if a goal is missed, inconclusive if one is not yet known."""
    answers = {figure.answer for figure in found}
    if Answer.NOT_MET in answers:
        return Outcome.FAIL
    return Outcome.INCONCLUSIVE if Answer.UNKNOWN in answers or not found else Outcome.PASS


def long_runs(sittings: Sequence[Sitting]) -> list[LongRun]:
    """The true ratios of every effect and lookup: p50 of a typical effect, p95 of one on the p95, and both of nothing.

    One value a sitting, from all its executions of the first look; Student's t over sittings on the logarithm.
    """
    found = []
    for effect in (NOTHING, *(each.name for each in EFFECTS)):
        with_effect = [sitting.ratios[effect] for sitting in sittings if effect in sitting.ratios]
        for lookup in with_effect[0] if with_effect else ():
            for position, estimator in enumerate(("p50", "p95")):
                values = [each[lookup][position] for each in with_effect]
                found.append(
                    LongRun(
                        effect=effect,
                        lookup=lookup,
                        estimator=estimator,
                        ratio=math.exp(sum(map(math.log, values)) / len(values)),
                        interval=batch_interval(values, CONFIDENCE),
                        sittings=len(values),
                    )
                )
    return found


def trials_of(sittings: Sequence[Sitting], effect: str) -> list[Trial]:
    """All comparisons with one effect."""
    return [trial for sitting in sittings for trial in sitting.trials if trial.effect == effect]


def found_in(trial: Trial, estimator: str) -> bool:
    """Whether it was said that this estimator is slower."""
    return trial.verdict == "slower" and getattr(trial, estimator).verdict == "slower"


def _same(sittings: Sequence[Sitting]) -> list[Figure]:
    trials = trials_of(sittings, NOTHING)
    valid = [trial for trial in trials if trial.verdict != "void"]
    return [
        Figure(
            experiment=AA,
            what=f"the same against itself comes out changed, {words}",
            hits=sum(getattr(trial, estimator).verdict in _CHANGED for trial in valid),
            trials=len(valid),
            void=len(trials) - len(valid),
            undecided=sum(trial.verdict == "inconclusive" for trial in valid),
            needed=200,
            most=most,
        )
        for estimator, words, most in (("typical", "typical latency", 0.01), ("p95", "p95", 0.02))
    ]


def _found(sittings: Sequence[Sitting]) -> list[Figure]:
    found = []
    for effect in EFFECTS:
        trials = trials_of(sittings, effect.name)
        valid = [trial for trial in trials if trial.verdict != "void"]
        estimator = "typical" if effect.typical else "p95"
        found.append(
            Figure(
                experiment=AB,
                what=f"a real {effect.title} is found",
                hits=sum(found_in(trial, estimator) for trial in valid),
                trials=len(valid),
                void=len(trials) - len(valid),
                undecided=sum(trial.verdict == "inconclusive" for trial in valid),
                needed=100,
                least=_FOUND[effect.name],
            )
        )
    return found


def _coverage(judged: Sequence[Judged]) -> Figure:
    runs = [covers for each in judged for covers in each.covers]
    told = [covers for covers in runs if covers is not None]
    return Figure(
        experiment=COVERAGE,
        what="the 99 % interval of a run holds the long-run p95",
        hits=sum(told),
        trials=len(told),
        void=len(runs) - len(told),
        undecided=None,
        needed=100,
        least=0.90,
    )


def _gate(judged: Sequence[Judged]) -> list[Figure]:
    quiet = [each for each in judged if each.quiet]
    void = len(judged) - len(quiet)
    found = [
        Figure(
            experiment=GATE,
            what=what,
            hits=sum(each.outcomes[factor] is outcome for each in quiet),
            trials=len(quiet),
            void=void,
            undecided=sum(each.outcomes[factor] is Outcome.INCONCLUSIVE for each in quiet),
            needed=100,
            most=most,
            least=least,
        )
        for what, factor, outcome, most, least in (
            ("a budget at the true p95 fails", 1.0, Outcome.FAIL, 0.01, None),
            ("a budget of 1.15 times the true p95 passes", 1.15, Outcome.PASS, None, 0.95),
            ("a budget of 0.7 times the true p95 fails", 0.7, Outcome.FAIL, None, 0.95),
        )
    ]
    between = [
        (factor, outcome)
        for each in quiet
        for factor, outcome in each.outcomes.items()
        if 0.7 < factor < 1.15 and factor != 1.0
    ]
    wrong = sum(outcome is (Outcome.PASS if factor < 1 else Outcome.FAIL) for factor, outcome in between)
    undecided = sum(outcome is Outcome.INCONCLUSIVE for _, outcome in between)
    return [
        *found,
        Figure(
            experiment=GATE,
            what="between, of what is wrong or inconclusive, the latter",
            hits=undecided,
            trials=undecided + wrong,
            void=void,
            undecided=None,
            needed=1 if len(quiet) >= 100 else 100,
            least=0.5,
        ),
    ]
