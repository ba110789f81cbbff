"""The samples of one burst of pytest-benchmark as a run directory has them, and the interval of their p95."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from pgvitals.measure.task import Task
from pgvitals.results.records import Interval
from pgvitals.results.rundir import SAMPLE_COLUMNS
from pgvitals.stats.percentile import batch_interval, percentile

SAMPLES_FILE = "pytest_samples.parquet"
WARMUP = 12
"""Rounds before the first one that is kept."""
_BATCH = 50
_LEAST_BATCHES = 8


class Request(NamedTuple):
    """One transaction around a round of pytest-benchmark, BEGIN to its end."""

    t_ns: int
    request_ns: int
    rows: int


def samples_of(task: Task, arm: str, seconds: Sequence[float], requests: Sequence[Request]) -> pd.DataFrame:
    """The samples of one query as in ``samples.parquet``; batches are consecutive runs of 50.

    ``seconds`` and ``requests`` have one entry a round, warm-up left out. ``request_ns`` holds what
    pytest-benchmark does around a round as well, some microseconds.
    """
    latency_ns = np.rint(np.asarray(seconds) * 1e9).astype(np.int64)
    position = np.arange(len(latency_ns))
    columns = np.array(requests[: len(latency_ns)], dtype=np.int64).reshape(-1, 3)
    count = len(task.parameters)
    frame = pd.DataFrame(
        {
            "system": task.system.name,
            "query": task.query.name,
            "role": task.role,
            "arm": arm,
            "batch": position // _BATCH,
            "t_ns": columns[:, 0],
            "latency_ns": latency_ns,
            "request_ns": columns[:, 1],
            "rows": columns[:, 2],
            "tenant_rank": pd.array([task.ranks[(WARMUP + index) % count] for index in position], dtype="Int32"),
            "valid": True,
            "attempt": 1,
        }
    )
    return frame[list(SAMPLE_COLUMNS)].astype(SAMPLE_COLUMNS)


def interval(frame: pd.DataFrame) -> Interval | None:
    """Of the p95 in milliseconds, from batch to batch; None where there are too few batches for one of any use."""
    whole = frame.groupby("batch").filter(lambda rows: len(rows) == _BATCH)
    if whole["batch"].nunique() < _LEAST_BATCHES:
        return None
    per_batch = [percentile(rows["latency_ns"].to_numpy() / 1e6, 0.95) for _, rows in whole.groupby("batch")]
    return batch_interval(per_batch, 0.99, pooled=percentile(frame["latency_ns"].to_numpy() / 1e6, 0.95))
