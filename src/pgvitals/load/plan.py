"""The plan of a load test: when each request is due, which query it runs, with which parameters.

One plan is shared by all users. Nobody waits for an answer before the next request falls due, so a
stall of the server delays requests instead of silently removing them (coordinated omission, Tene).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pgvitals.errors import LoadTestError

MAX_REQUESTS = 5_000_000  # the plan and its ledger take 50 bytes a request
_ARRIVALS, _QUERIES, _PARAMETERS = range(3)  # independent random streams of one seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One row a request, in the order of their due times.

    ``query`` indexes ``keys``; ``parameters`` indexes the parameter sets of that query.
    """

    keys: tuple[str, ...]
    rate: float
    seconds: float
    due_ns: NDArray[np.int64]  # from the start of the clock
    query: NDArray[np.int32]
    parameters: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.due_ns)


def arrivals(rate: float, seconds: float, seed: int) -> NDArray[np.float64]:
    """Due times in seconds from the start, ascending, of Poisson arrivals at ``rate`` a second.

    A Poisson process whose count is given is that many uniform times, sorted. Fixing the count at
    ``rate * seconds`` (rounded down) keeps the gaps exponential and makes the planned rate exact, so
    that the rate reached can be held against it.

    Raises:
        LoadTestError: rate, seconds or seed make no sense, or the plan would be empty or enormous.
    """
    for name, value in (("rate", rate), ("seconds", seconds)):
        if not 0 < value < float("inf"):
            raise LoadTestError(f"load test: {name} must be a positive number, got {value!r}")
    if seed < 0:
        raise LoadTestError(f"load test: seed must not be negative, got {seed}")
    requests = int(rate * seconds + 1e-6)
    if not 1 <= requests <= MAX_REQUESTS:
        raise LoadTestError(
            f"load test: {rate:g} requests/s for {seconds:g} s are {requests} requests; "
            f"choose rate and duration for 1 to {MAX_REQUESTS:,}"
        )
    return np.sort(_stream(seed, _ARRIVALS).uniform(0.0, seconds, requests))


def make_plan(weights: Mapping[str, float], *, rate: float, seconds: float, seed: int, parameter_sets: int) -> Plan:
    """Arrivals with a query each, drawn by weight, and one of its ``parameter_sets`` parameter sets.

    The three draws are independent: another mix keeps the due times.

    Raises:
        LoadTestError: no query has a weight above zero; or as for :func:`arrivals`.
    """
    keys = tuple(key for key, weight in weights.items() if weight > 0)
    if not keys:
        raise LoadTestError("load test: no query has a weight above 0; give one a weight in mix.toml")
    due = arrivals(rate, seconds, seed)
    share = np.array([weights[key] for key in keys], dtype=np.float64)
    query = _stream(seed, _QUERIES).choice(len(keys), size=len(due), p=share / share.sum())
    parameters = _stream(seed, _PARAMETERS).integers(0, parameter_sets, size=len(due))
    return Plan(
        keys=keys,
        rate=rate,
        seconds=seconds,
        due_ns=np.rint(due * 1e9).astype(np.int64),
        query=query.astype(np.int32),
        parameters=parameters.astype(np.int32),
    )


def _stream(seed: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, purpose])
