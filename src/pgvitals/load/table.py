"""The load test's own table for the terminal."""

from __future__ import annotations

from pgvitals.results.records import Load, LoadQuery

_HEAD = ("query", "requests", "errors", "p50", "p95", "p99", "max", "service p95")


def table(load: Load) -> str:
    """Percentiles in milliseconds from the due time, a line a query and one for all; ends with a newline."""
    rows = [_HEAD, *(_row(query) for query in load.queries), _row(load.total)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    rule = "-" * len(lines[0])
    users = f"{load.users} connection" + ("s" if load.users != 1 else "")
    return "\n".join(
        (
            f"Open-loop load test: {users}, {load.seconds:g} s; milliseconds from the due time of a request",
            lines[0],
            rule,
            *lines[1:-1],
            rule,
            lines[-1],
            f"rate {load.achieved_rate:.1f}/s of {load.target_rate:.1f}/s, start lag p95 {load.lag_p95_ms:.2f} ms",
            *(f"error: {sample}" for sample in load.error_samples),
            f"{load.outcome}: {load.reason}",
            "",
        )
    )


def _row(query: LoadQuery) -> tuple[str, ...]:
    times = (
        query.latency_p50_ms,
        query.latency_p95_ms,
        query.latency_p99_ms,
        query.latency_max_ms,
        query.service_p95_ms,
    )
    name = f"{query.system}/{query.query}"
    return (name, str(query.requests), str(query.errors), *(f"{ms:.2f}" for ms in times))
