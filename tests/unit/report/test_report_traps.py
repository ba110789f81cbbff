"""Three traps, shown on samples whose truth is known: drift between halves, bursts that jump, one large tenant."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from pgvitals.report import charts
from pgvitals.report.traps import bursts, by_tenant, tenant_table, twice
from pgvitals.results.rundir import SAMPLE_COLUMNS

BATCHES, SIZE = 24, 40
LOOKUPS = tuple(f"lookup_{number}" for number in range(20))


def samples(
    pace: Callable[[int], float] = lambda _: 1.0, *, batches: int = BATCHES, ranks: tuple[int, ...] = (1,)
) -> pd.DataFrame:
    """Latencies around 1 ms times ``pace`` of their batch; the tenant of rank 1 takes ten times as long."""
    rng = np.random.default_rng(7)
    frames = []
    for lookup in LOOKUPS:
        for batch in range(batches):
            rank = rng.choice(ranks, SIZE)
            ms = np.exp(rng.normal(0, 0.2, SIZE)) * pace(batch) * np.where(rank == 1, 10, 1)
            frames.append(
                pd.DataFrame(
                    {
                        "system": "pazpaz",
                        "query": lookup,
                        "role": "app",
                        "arm": "",
                        "batch": batch,
                        "t_ns": batch * 10**9 + np.arange(SIZE) * 10**7,
                        "latency_ns": (ms * 1e6).astype(np.int64),
                        "request_ns": (ms * 2e6).astype(np.int64),
                        "rows": 1,
                        "tenant_rank": pd.array(rank, dtype="Int32"),
                        "valid": True,
                        "attempt": 1,
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)[list(SAMPLE_COLUMNS)].astype(SAMPLE_COLUMNS)


def test_a_drift_between_the_halves_looks_like_a_change_and_in_turns_it_does_not() -> None:
    found = twice(samples(lambda batch: 1.0 if batch < BATCHES // 2 else 1.2))
    assert len(found) == len(LOOKUPS)
    assert sum(each.after_changed for each in found) == len(LOOKUPS)
    assert np.median([each.after for each in found]) == pytest.approx(1.2, rel=0.03)
    assert sum(each.in_turns_changed for each in found) <= 4  # one is what chance gives
    assert all(abs(each.in_turns - 1) < 0.1 for each in found)


def test_a_drift_inside_the_batches_cancels_in_turns() -> None:
    rows = samples()
    rows["latency_ns"] = (rows["latency_ns"] * (1 + rows["t_ns"] % 10**9 / 1e9)).astype(np.int64)
    assert sum(each.in_turns_changed for each in twice(rows)) <= 4


def test_on_a_steady_machine_neither_says_changed_more_than_chance() -> None:
    found = twice(samples())
    assert sum(each.after_changed for each in found) <= 4
    assert sum(each.in_turns_changed for each in found) <= 4


def test_bursts_jump_with_the_machine_and_spread_measurements_overlap() -> None:
    found = bursts(samples(lambda batch: 2.0 if batch % 4 == 0 else 1.0), "pazpaz", "lookup_3")
    assert found is not None
    assert len(found.points_ms) == BATCHES
    assert max(found.points_ms) > 1.5 * min(found.points_ms)
    assert len(found.spread) == 3
    assert max(interval.low for _, interval in found.spread) < min(interval.high for _, interval in found.spread)
    assert all(interval.low < p95 < interval.high for p95, interval in found.spread)


def test_the_largest_tenant_has_its_weight_in_traffic_and_not_where_all_count_alike() -> None:
    ranks = (1,) * 3 + tuple(range(2, 40))  # the slow one makes three of 41 requests, and is one of 39 tenants
    first, *_ = by_tenant(samples(ranks=ranks))
    assert first.alike_ms < 2
    assert first.traffic_ms > 7
    assert first.ratio == pytest.approx(first.traffic_ms / first.alike_ms)
    assert first.medians_ms[0] > 5 * first.medians_ms[1]
    assert sum(first.shares) == pytest.approx(1)
    assert list(tenant_table([first])["query"]) == [first.query]


@pytest.mark.parametrize("enough", [True, False])
def test_the_pictures_say_what_they_show_or_how_to_get_it(enough: bool) -> None:
    rows = samples(batches=BATCHES if enough else 2, ranks=tuple(range(1, 9)) if enough else (1,))
    made = (
        charts.point_or_interval(bursts(rows, "pazpaz", "lookup_1")),
        charts.after_or_in_turns(twice(rows)),
        charts.alike_or_weighted(by_tenant(rows)),
    )
    for chart, shown in zip(made, ("24 bursts said", "look changed", "every tenant alike"), strict=True):
        drawn = charts.svg(chart)
        assert (shown in drawn) == enough
        assert ("`pgvitals bench --profile smoke`" in drawn) != enough
