"""How a report words the server's own time beside the client's."""

from __future__ import annotations

from collections.abc import Iterable

from pgvitals.report.wording import NONE, ms
from pgvitals.results.records import Latency
from pgvitals.results.server_time import COUNTED, EXPLAINED

HEADING = "Server, mean ms"


def server_told(lookup: Latency) -> str:
    """``0.21 of 0.29``: mean execution time on the server, of the mean that the client waited for the same."""
    found = lookup.server
    if found is None:
        return NONE
    if found.client_mean_ms is None:
        return f"≈ {ms(found.mean_ms)}"
    return f"{ms(found.mean_ms)} of {ms(found.client_mean_ms)}"


def server_note(lookups: Iterable[Latency]) -> str:
    """Whence the server's times are; empty where there are none."""
    sources = {found.source: found.note for each in lookups if (found := each.server) is not None}
    told = []
    if COUNTED in sources:
        told.append(
            "Server: its own mean execution time of exactly the measured executions (pg_stat_statements), of the mean "
            "that the client waited for them."
        )
    if EXPLAINED in sources:
        why = f", because {sources[EXPLAINED]}" if sources[EXPLAINED] else ""
        told.append(f"≈: what EXPLAIN ANALYZE took for one execution{why}.")
    return " ".join(told)
