"""One query through pytest-benchmark: a round is one execution, inside a transaction that is not timed with it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from pgvitals.measure.burst import WARMUP, Request
from pgvitals.measure.prepared import Statement
from pgvitals.measure.runner import Call, Runner


def time_calls(benchmark: Any, runner: Runner, calls: Sequence[Call], rounds: int) -> list[Request]:
    """Let pytest-benchmark time execute and fetch of ``calls``, again and again in their order.

    Args:
        benchmark: its fixture; the samples are in ``benchmark.stats`` afterwards.

    Returns the transaction around each round, warm-up included.

    Raises:
        psycopg.Error: what the server says; the transaction is left open.
    """
    clock = time.perf_counter_ns
    begun: list[int] = []
    requests: list[Request] = []

    def start() -> tuple[tuple[Statement, list[Any]], dict[str, Any]]:
        call = calls[len(begun) % len(calls)]
        begun.append(clock())
        runner.begin(call)
        return runner.ready(call), {}

    def finish(*_: Any) -> None:
        rows = runner.fetched
        runner.end(calls[(len(begun) - 1) % len(calls)])
        requests.append(Request(begun[-1], clock() - begun[-1], rows))

    benchmark.pedantic(runner.fetch, setup=start, teardown=finish, rounds=rounds, warmup_rounds=WARMUP, iterations=1)
    return requests
