"""What is said of two runs: records that are printed, written as JSON and never stored in a run directory."""

from __future__ import annotations

from dataclasses import dataclass

from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A condition that two runs do not share; None where a run did not record it."""

    what: str  # server version | settings | hardware | dataset of pazpaz | …
    before: str
    after: str
    voids: bool  # without it nothing can be said about the lookups that it concerns
    system: str = ""  # the only one that it concerns


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioOfRuns:
    """After / before of one percentile, below 1 is faster; the interval knows how much runs differ."""

    before_ms: float
    after_ms: float
    ratio: float
    interval: Interval | None
    verdict: str  # faster | slower | same | inconclusive | void
    spread: float  # of runs of the same thing: standard deviation of the logarithm
    spread_runs: int  # it was estimated from; 0: stated


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedQuery:
    """One query in two runs."""

    system: str
    query: str
    title: str
    typical: RatioOfRuns  # p50
    p95: RatioOfRuns
    verdict: str
    reason: str
    changed: tuple[str, ...] = ()  # its statement, its role: in words
    plans: tuple[str, ...] = ()  # changed ones, in words
    ends: str = "commit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs, query by query."""

    outcome: Outcome  # pass: nothing is slower; inconclusive: nothing could be decided
    reason: str
    before: str  # name of the run
    after: str
    before_git: str | None
    after_git: str | None
    differences: tuple[Difference, ...]
    canary_ratio: float | None  # the machine's own speed: above 1 it was slower after
    margin: float  # faster and slower lie beyond 1 - margin and 1 + margin
    same_margin: float
    confidence: float
    resolution: float | None  # the least change of a p95 that the middle lookup's interval could tell from none
    queries: tuple[ComparedQuery, ...]
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """Whether the p95 of one query has grown beyond what the gate bears; ``ratio`` is after / before."""

    system: str
    query: str
    title: str
    before_p95_ms: float
    after_p95_ms: float
    ratio: float
    interval: Interval | None
    outcome: Outcome
    reason: str
    spread: float  # of runs of the same thing: standard deviation of the logarithm
    spread_runs: int  # it was estimated from; 0: stated
    plans: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionGate:
    """Every query of a run against the same one of an earlier run."""

    outcome: Outcome
    reason: str
    before: str  # name of the run
    after: str
    limit: float  # 0.1: a tenth slower is borne
    confidence: float
    differences: tuple[Difference, ...]
    canary_ratio: float | None
    resolution: float | None
    queries: tuple[Regression, ...]
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()
