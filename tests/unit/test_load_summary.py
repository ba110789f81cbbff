"""From a ledger to the verdict of a load test."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import TypeAdapter

from pgvitals.errors import LoadTestError
from pgvitals.load.ledger import Ledger
from pgvitals.load.plan import make_plan
from pgvitals.load.summary import summarise
from pgvitals.load.table import table
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Load

MS = 1_000_000
CLOCK = 5_000 * MS


def served(
    service_ms: float = 20.0,
    lag_ms: float = 0.1,
    *,
    sent: int | None = None,
    seconds: float = 10,
) -> Ledger:
    """A ledger in which ``sent`` of the planned requests were answered; the lag is the client's own."""
    plan = make_plan({"s/a": 1.0, "s/b": 1.0}, rate=100, seconds=seconds, seed=1, parameter_sets=5)
    ledger = Ledger(plan)
    ledger.clock_ns = CLOCK
    for index in range(len(plan) if sent is None else sent):
        assert ledger.take(ledger.due_ns(index) - MS) == index
        ledger.start_ns[index] = ledger.due_ns(index) + int(lag_ms * MS)
        ledger.finish(index, int(ledger.start_ns[index]) + int(service_ms * MS))
    ledger.stopped_ns = CLOCK + int(seconds * 1e9) + 40 * MS
    return ledger


def load(ledger: Ledger, users: int = 4) -> Load:
    return summarise(ledger, users).load


def test_a_kept_plan_passes_with_its_rate() -> None:
    found = load(served())
    assert found.outcome is Outcome.PASS
    assert found.achieved_rate == pytest.approx(100.0, rel=0.001)
    assert found.total.requests == 1000
    assert found.total.latency_p95_ms == pytest.approx(20.1, rel=0.002)
    assert found.total.service_p95_ms == pytest.approx(20.0, rel=0.002)
    assert found.lag_p95_ms == pytest.approx(0.1, rel=0.02)


def test_latency_counts_from_the_due_time_and_service_from_the_start() -> None:
    found = load(served(service_ms=5, lag_ms=30)).total
    assert found.latency_p50_ms == pytest.approx(35, rel=0.002)
    assert found.service_p50_ms == pytest.approx(5, rel=0.002)


def test_queries_add_up_to_the_total() -> None:
    found = load(served())
    assert [query.query for query in found.queries] == ["a", "b"]
    assert sum(query.requests for query in found.queries) == found.total.requests
    assert max(query.latency_max_ms for query in found.queries) == found.total.latency_max_ms


def test_a_lag_over_a_tenth_of_the_latency_is_void_and_blames_the_client() -> None:
    found = load(served(service_ms=20, lag_ms=3))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "start lag p95 3.0" in found.reason
    assert "the client was the bottleneck" in found.reason


def test_a_lag_under_a_tenth_of_the_latency_passes() -> None:
    assert load(served(service_ms=40, lag_ms=3)).outcome is Outcome.PASS


def test_a_lag_under_a_millisecond_passes_however_fast_the_query() -> None:
    assert load(served(service_ms=0.3, lag_ms=0.9)).outcome is Outcome.PASS
    assert load(served(service_ms=0.3, lag_ms=1.1)).outcome is Outcome.INCONCLUSIVE


def test_waiting_for_a_free_connection_is_not_blamed_on_the_client() -> None:
    ledger = served(service_ms=20, lag_ms=30)
    ledger.taken_ns = ledger.start_ns - MS // 10
    found = load(ledger, users=1)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "requests waited for one of 1 connection;" in found.reason
    assert "bottleneck" not in found.reason


def test_a_client_that_used_its_whole_core_is_blamed_even_if_all_connections_were_busy() -> None:
    ledger = served(service_ms=20, lag_ms=30)
    ledger.taken_ns = ledger.start_ns - MS // 10
    ledger.client_cpu = 0.97
    assert "the client was the bottleneck (97% of a core)" in load(ledger).reason


def test_under_98_percent_of_the_plan_is_void() -> None:
    assert load(served(sent=979)).outcome is Outcome.INCONCLUSIVE
    assert "979 of 1000 planned requests" in load(served(sent=979)).reason
    assert load(served(sent=980)).outcome is Outcome.PASS


def test_a_plan_that_took_longer_than_planned_is_void() -> None:
    ledger = served(service_ms=2000)
    late = len(ledger.plan) - 1
    ledger.start_ns[late] = CLOCK + 10_500 * MS
    ledger.done_ns[late] = CLOCK + 10_501 * MS
    found = load(ledger)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "95.2% of the planned rate" in found.reason
    assert found.achieved_rate == pytest.approx(1000 / 10.5, rel=0.001)


def test_a_request_without_an_answer_counts_with_the_time_until_the_stop_and_makes_it_void() -> None:
    ledger = served()
    ledger.done_ns[500] = 0
    ledger.stopped_ns = CLOCK + 40_000 * MS
    found = load(ledger)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "1 requests had no answer" in found.reason
    waited_ms = (ledger.stopped_ns - ledger.due_ns(500)) / MS
    assert found.total.latency_max_ms == pytest.approx(waited_ms, rel=0.001)


def test_requests_that_were_due_and_never_sent_count_with_their_wait() -> None:
    ledger = served(sent=100)  # the server hangs after a second, and the test is stopped at 40 s
    ledger.stopped_ns = CLOCK + 40_000 * MS
    found = load(ledger)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.total.requests == 1000
    assert found.total.latency_p50_ms > 30_000
    assert found.lag_p95_ms > 30_000
    assert found.total.service_p95_ms == pytest.approx(20, rel=0.002)


def test_requests_that_were_not_due_when_the_test_was_stopped_do_not_count() -> None:
    ledger = served(sent=100)
    ledger.stopped_ns = int(ledger.done_ns.max())
    due = np.count_nonzero(CLOCK + ledger.plan.due_ns <= ledger.stopped_ns)
    assert load(ledger).total.requests == due < 110


def test_errors_fail_and_are_told_by_class_and_state_the_most_frequent_first() -> None:
    ledger = served()
    a, b = (np.flatnonzero(ledger.plan.query == number) for number in (0, 1))
    ledger.errors = {int(a[0]): "QueryCanceled (57014)", **{int(i): "UndefinedTable (42P01)" for i in b[:3]}}
    found = load(ledger)
    assert found.outcome is Outcome.FAIL
    assert found.error_samples == ("s/b: UndefinedTable (42P01), 3 times", "s/a: QueryCanceled (57014)")
    assert found.reason == "4 of 1000 requests failed; most often s/b: UndefinedTable (42P01), 3 times"
    assert [query.errors for query in found.queries] == [1, 3]
    assert found.total.errors == 4


def test_a_query_that_was_never_sent_is_not_listed_with_made_up_numbers() -> None:
    ledger = served()
    ledger.plan.query[:] = 0
    assert [query.query for query in load(ledger).queries] == ["a"]


def test_nothing_sent_is_an_error_and_not_a_row_of_zeros() -> None:
    with pytest.raises(LoadTestError, match="before the first request"):
        summarise(served(sent=0), 4)


def test_the_record_survives_json() -> None:
    adapter = TypeAdapter(Load)
    found = load(served())
    assert adapter.validate_json(adapter.dump_json(found)) == found


def test_histograms_are_logged_for_each_query_and_kind() -> None:
    tagged = summarise(served(), 4).tagged()
    assert list(tagged) == [f"s/{q}:{kind}" for q in "ab" for kind in ("latency", "service", "lag")]
    assert sum(histogram.count for tag, histogram in tagged.items() if tag.endswith(":lag")) == 1000


def test_the_table_shows_every_query_the_rate_and_the_verdict() -> None:
    text = table(load(served()))
    lines = text.splitlines()
    assert lines[0].startswith("Open-loop load test: 4 connections, 10 s")
    assert [line.split()[0] for line in lines if line.startswith(("s/", "all/"))] == [
        "s/a",
        "s/b",
        "all/total",
    ]
    assert "rate 100.0/s of 100.0/s, start lag p95 0.10 ms" in text
    assert lines[-1].startswith("pass: ")
