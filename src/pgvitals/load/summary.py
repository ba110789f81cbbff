"""From a ledger to the record of a load test, its histograms and its verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from pgvitals.errors import LoadTestError
from pgvitals.load.histogram import Histogram, merged
from pgvitals.load.ledger import Ledger
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Load, LoadQuery

MIN_RATE_SHARE = 0.98
MAX_LAG_SHARE = 0.10
# One Python thread on a machine that it shares with the server sends up to about a millisecond late
# whatever it does. Against a query that takes 0.3 ms that is far over a tenth, and yet says nothing of
# a bottleneck: the figures stay right, since service time is reported beside the latency.
LAG_FLOOR_MS = 1.0
BUSY_CLIENT = 0.9  # of one core
MAX_ERROR_SAMPLES = 10


@dataclass(frozen=True, slots=True)
class Times:
    """The histograms of one query: due to done, start to done, due to start."""

    latency: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    lag: Histogram = field(default_factory=Histogram)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A finished load test: its record, and the histograms by ``system/query``."""

    load: Load
    times: dict[str, Times]

    def tagged(self) -> dict[str, Histogram]:
        """``system/query:latency``, ``…:service`` and ``…:lag``, as they are logged."""
        return {
            f"{key}:{kind}": getattr(times, kind)
            for key, times in self.times.items()
            for kind in ("latency", "service", "lag")
        }


def summarise(ledger: Ledger, users: int, ends: Mapping[str, str] | None = None) -> Summary:
    """Histograms, percentiles and verdict of what the ledger holds.

    A request that failed counts with the time until its error. One that was due and had no answer (or
    was not even sent) when the test was stopped counts with the time until then, which is a lower
    bound: leaving it out would hide the worst of all. Queries of which nothing was sent are not listed.
    ``ends`` says of ``system/query`` how its transactions end.

    Raises:
        LoadTestError: no request was sent at all.
    """
    if not ledger.start_ns.any():
        raise LoadTestError("load test: stopped before the first request was sent; there is nothing to report")
    sent = ledger.start_ns > 0
    due = ledger.clock_ns + ledger.plan.due_ns
    fell_due = sent | (due <= ledger.stopped_ns)
    start = np.where(sent, ledger.start_ns, ledger.stopped_ns)
    end = np.where(ledger.done_ns > 0, ledger.done_ns, np.maximum(start, ledger.stopped_ns))
    times: dict[str, Times] = {}
    records: list[LoadQuery] = []
    for number, key in enumerate(ledger.plan.keys):
        mine = (ledger.plan.query == number) & fell_due
        times[key] = Times()
        times[key].latency.record((end - due)[mine])
        times[key].service.record((end - start)[mine & sent])
        times[key].lag.record((start - due)[mine])
        if times[key].service.count:
            errors = sum(ledger.plan.query[index] == number for index in ledger.errors)
            system, _, query = key.partition("/")
            records.append(replace(_record(system, query, times[key], errors), ends=(ends or {}).get(key, "commit")))
    total = Times(*(merged(getattr(t, kind) for t in times.values()) for kind in ("latency", "service", "lag")))
    overall = _record("all", "total", total, len(ledger.errors))
    outcome, reason = judge(ledger, users, overall.latency_p95_ms, total.lag.percentile_ms(95))
    load = Load(
        outcome=outcome,
        reason=reason,
        users=users,
        target_rate=ledger.plan.rate,
        achieved_rate=np.count_nonzero(ledger.done_ns) / _span_s(ledger),
        seconds=ledger.plan.seconds,
        lag_p95_ms=total.lag.percentile_ms(95),
        total=overall,
        queries=tuple(records),
        error_samples=_error_samples(ledger),
    )
    return Summary(load=load, times=times)


def judge(ledger: Ledger, users: int, p95_ms: float, lag_p95_ms: float) -> tuple[Outcome, str]:
    """Whether the figures may be believed: ``fail`` on errors, ``inconclusive`` if void, else ``pass``.

    Void means that the plan was not kept: under 98 % of its rate was reached, a request had no answer
    when the test was stopped, or the start lag is over a tenth of the latency (with a floor of 1 ms).
    """
    planned = len(ledger.plan)
    done = np.count_nonzero(ledger.done_ns)
    unanswered = np.count_nonzero((ledger.start_ns > 0) & (ledger.done_ns == 0))
    if ledger.errors:
        first = _error_samples(ledger)[0]
        return Outcome.FAIL, f"{len(ledger.errors)} of {done} requests failed; most often {first}"
    if done < MIN_RATE_SHARE * planned:
        return Outcome.INCONCLUSIVE, f"void: {done} of {planned} planned requests were answered (under 98 %)"
    if unanswered:
        return Outcome.INCONCLUSIVE, f"void: {unanswered} requests had no answer when the test was stopped"
    share = done / planned * ledger.plan.seconds / _span_s(ledger)
    if share < MIN_RATE_SHARE:
        why = _cause(ledger, users, LAG_FLOOR_MS)
        return Outcome.INCONCLUSIVE, f"void: {share:.1%} of the planned rate was reached (under 98 %): {why}"
    allowed_ms = max(MAX_LAG_SHARE * p95_ms, LAG_FLOOR_MS)
    if lag_p95_ms > allowed_ms:
        why = _cause(ledger, users, allowed_ms)
        return (
            Outcome.INCONCLUSIVE,
            f"void: start lag p95 {lag_p95_ms:.2f} ms is over {allowed_ms:.2f} ms: {why}",
        )
    return Outcome.PASS, f"{done} requests without error, start lag p95 {lag_p95_ms:.2f} ms"


def _cause(ledger: Ledger, users: int, allowed_ms: float) -> str:
    """Who made the requests late: a client that woke too late, or connections that were all busy."""
    sent = np.flatnonzero(ledger.start_ns)
    free_ns = np.maximum(ledger.taken_ns[sent], ledger.clock_ns + ledger.plan.due_ns[sent])
    client_ms = float(np.percentile(ledger.start_ns[sent] - free_ns, 95)) / 1e6
    cpu = f"{ledger.client_cpu:.0%} of a core"
    if ledger.client_cpu > BUSY_CLIENT:
        return f"the client was the bottleneck ({cpu}); lower the rate"
    if client_ms > allowed_ms:
        return f"the client was the bottleneck: it ran late at {cpu}; free the machine or lower the rate"
    plural = "s" if users > 1 else ""
    return f"requests waited for one of {users} connection{plural}; the server stalled, or it takes more users"


def _span_s(ledger: Ledger) -> float:
    """From the start of the clock to its end, or to the last start if that was later."""
    last = float(ledger.start_ns.max() - ledger.clock_ns) / 1e9
    return max(ledger.plan.seconds, last)


def _record(system: str, query: str, times: Times, errors: int) -> LoadQuery:
    latency, service = times.latency, times.service
    return LoadQuery(
        system=system,
        query=query,
        requests=latency.count,
        errors=errors,
        latency_p50_ms=latency.percentile_ms(50),
        latency_p95_ms=latency.percentile_ms(95),
        latency_p99_ms=latency.percentile_ms(99),
        latency_max_ms=latency.max_ms,
        service_p50_ms=service.percentile_ms(50),
        service_p95_ms=service.percentile_ms(95),
        service_p99_ms=service.percentile_ms(99),
    )


def _error_samples(ledger: Ledger) -> tuple[str, ...]:
    """``system/query: Class (SQLSTATE), n times``, the most frequent first."""
    kinds = Counter(f"{ledger.plan.keys[ledger.plan.query[i]]}: {error}" for i, error in ledger.errors.items())
    return tuple(f"{kind}, {n} times" if n > 1 else kind for kind, n in kinds.most_common(MAX_ERROR_SAMPLES))
