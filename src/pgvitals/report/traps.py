"""Three ways to fool oneself with latencies, shown with the samples of a run.

A point without its interval, one measurement after the other, and tenants that all count the same. The samples are
those of the gate (``samples.parquet``, the sampler's own arm); nothing is measured again, only put together wrongly
and rightly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pgvitals.results.records import Interval
from pgvitals.stats.percentile import batch_interval, percentile
from pgvitals.stats.rank_sum import rank_sum_p
from pgvitals.stats.samples import FloatArray
from pgvitals.stats.signed_rank import hodges_lehmann

LEAST_BATCHES = 8
CONFIDENCE = 0.95
_LEAST_TENANTS, _LEAST_A_TENANT = 3, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bursts:
    """One lookup: the p95 of every burst alone, and the same samples as a few measurements spread over the run."""

    system: str
    query: str
    size: int  # executions of a burst
    points_ms: tuple[float, ...]
    spread: tuple[tuple[float, Interval], ...]  # p95 in ms, and its interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Twice:
    """One lookup compared with itself: ratio second / first of typical latency, and whether a test says "changed"."""

    system: str
    query: str
    after: float  # the second half of the run against the first
    after_changed: bool
    in_turns: float  # two arms that share every batch
    in_turns_changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenants:
    """One lookup: p95 with every tenant counting alike, p95 as the traffic is, and each tenant's own median."""

    system: str
    query: str
    alike_ms: float
    traffic_ms: float
    ranks: tuple[int, ...]
    medians_ms: tuple[float, ...]
    shares: tuple[float, ...]  # of the traffic

    @property
    def ratio(self) -> float:
        """How many times the one p95 is the other."""
        return self.traffic_ms / self.alike_ms

    @property
    def grows(self) -> bool:
        """Whether the largest tenant's median is a fifth above the middle one's, or more."""
        return self.medians_ms[0] >= 1.2 * float(np.median(self.medians_ms))


def bursts(samples: pd.DataFrame, system: str, query: str) -> Bursts | None:
    """What single bursts say of a lookup's p95, and what the same samples say when they are spread.

    None if the run has fewer than eight batches of it.
    """
    own = _own(samples)
    of = own[(own["system"] == system) & (own["query"] == query) & (own["attempt"] == 1)]
    batches = {int(str(number)): _ms(batch) for number, batch in of.groupby("batch")}
    if len(batches) < LEAST_BATCHES:
        return None
    points = [percentile(each, 0.95) for each in batches.values()]
    groups = 3 if len(points) >= 3 * LEAST_BATCHES else 2
    spread = []
    for first in range(groups):
        pooled = percentile(np.concatenate(list(batches.values())[first::groups]), 0.95)
        interval = batch_interval(points[first::groups], CONFIDENCE, pooled=pooled)
        assert interval is not None, "each has at least four batches"
        spread.append((pooled, interval))
    return Bursts(
        system=system,
        query=query,
        size=int(np.median([len(each) for each in batches.values()])),
        points_ms=tuple(points),
        spread=tuple(spread),
    )


def twice(samples: pd.DataFrame) -> tuple[Twice, ...]:
    """Every lookup against itself, one after the other and in turns; both tests at 5 %.

    One after the other: Mann and Whitney's test, which takes samples for independent, of the first half of the
    batches against the second. In turns: the ratio of the medians of two arms that share each batch, forth and back,
    by Wilcoxon's signed ranks. Empty if the run has fewer than eight batches of each.
    """
    own = _own(samples)
    own = own[own["attempt"] == 1].sort_values("t_ns")  # the batches of a lookup follow each other
    if own["batch"].nunique() < LEAST_BATCHES:
        return ()
    return tuple(_twice(str(system), str(query), rows) for (system, query), rows in own.groupby(["system", "query"]))


def _twice(system: str, query: str, rows: pd.DataFrame) -> Twice:
    numbers = rows["batch"].to_numpy()
    batches = np.split(_ms(rows), np.flatnonzero(np.diff(numbers)) + 1)
    half = len(batches) // 2
    first, second = np.concatenate(batches[:half]), np.concatenate(batches[half:])
    centre, interval = hodges_lehmann([_log_ratio_in_turns(each) for each in batches])
    return Twice(
        system=system,
        query=query,
        after=float(np.median(second) / np.median(first)),
        after_changed=rank_sum_p(first, second) < 1 - CONFIDENCE,
        in_turns=float(np.exp(centre)),
        in_turns_changed=interval is not None and not interval.low <= 0 <= interval.high,
    )


def _log_ratio_in_turns(times: FloatArray) -> float:
    """Of the medians of two arms that take turns forth and back (ABBA), so that a drift of the batch cancels."""
    second = (np.arange(len(times)) + 1) // 2 % 2 == 1
    return float(np.log(np.median(times[second]) / np.median(times[~second])))


def by_tenant(samples: pd.DataFrame) -> tuple[Tenants, ...]:
    """The lookups that name a tenant, those first whose p95 depends most on how tenants are weighted.

    Of these, first the ones that take longer for the largest tenant than for the middle one: there the reason shows.

    With tenants alike, each has the same weight, whatever its traffic. Tenants with fewer than five executions are
    left out of both, and lookups with fewer than three tenants altogether.
    """
    own = _own(samples)
    ranked = own[own["tenant_rank"].notna()]
    found = []
    for (system, query), rows in ranked.groupby(["system", "query"]):
        counts = rows["tenant_rank"].map(rows["tenant_rank"].value_counts())
        kept = rows[counts >= _LEAST_A_TENANT]
        if kept["tenant_rank"].nunique() >= _LEAST_TENANTS:
            found.append(_tenants(str(system), str(query), kept))
    return tuple(sorted(found, key=lambda each: (not each.grows, -abs(np.log(each.ratio)))))


def tenant_table(found: Sequence[Tenants]) -> pd.DataFrame:
    """The two p95 of each lookup and how far they are apart, as a table for a notebook."""
    rows = [(each.system, each.query, each.alike_ms, each.traffic_ms, each.ratio) for each in found]
    return pd.DataFrame(rows, columns=["system", "query", "p95 alike, ms", "p95 by traffic, ms", "ratio"])


def _tenants(system: str, query: str, rows: pd.DataFrame) -> Tenants:
    times, ranks = _ms(rows), rows["tenant_rank"].to_numpy(dtype=np.int64)
    known, position, counts = np.unique(ranks, return_inverse=True, return_counts=True)
    return Tenants(
        system=system,
        query=query,
        alike_ms=_weighted(times, 1 / counts[position], 0.95),
        traffic_ms=_weighted(times, np.ones(len(times)), 0.95),
        ranks=tuple(int(rank) for rank in known),
        medians_ms=tuple(percentile(times[ranks == rank], 0.5) for rank in known),
        shares=tuple(float(count) / len(times) for count in counts),
    )


def _weighted(values: FloatArray, weights: FloatArray, q: float) -> float:
    """The smallest value with at least a share ``q`` of the weight at or below it."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order[min(int(np.searchsorted(reached, q)), len(values) - 1)]])


def _own(samples: pd.DataFrame) -> pd.DataFrame:
    """The gate's samples: other arms are other instruments."""
    return samples[samples["arm"] == ""]


def _ms(rows: pd.DataFrame) -> FloatArray:
    return rows["latency_ns"].to_numpy(dtype=np.float64) / 1e6
