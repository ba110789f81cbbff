"""``cold.json``: what lookups cost when none of their data is in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from pgvitals.results.records import Interval

COLD_COLUMNS = {
    "system": "string",
    "query": "string",
    "round": "int32",
    "cold_ns": "int64",
    "warm_ns": "int64",
    "rows": "int32",
    "blocks": "int32",
    "blocks_read": "int32",
    "disk_bytes": "Int64",
    "buffers_left": "int32",
    "pages_left": "int32",
    "tenant_rank": "Int32",
}
"""Of ``cold.parquet``, one row an execution after an emptying; times are service times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdLookup:
    """One lookup without its data in memory, beside the same parameters right after; ``ratio`` is cold / warm.

    Intervals are those of a median over the rounds and of the typical ratio.
    """

    system: str
    query: str
    title: str
    ends: str
    rounds: int
    cold_ms: float  # median
    cold: Interval
    cold_min_ms: float
    cold_max_ms: float
    warm_ms: float  # median
    ratio: float
    ratio_interval: Interval
    blocks: float  # median of those that an execution asked for
    blocks_read: float  # median of those that were not among the server's buffers
    disk_bytes: float | None  # median of what came from the disk; None where the kernel does not tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Cold:
    """``cold.json``: the lookups, how caches were emptied, and what stayed in them all the same."""

    rounds: int
    method: str  # evict (pg_buffercache_evict) | displace (other blocks were read over them)
    relations_bytes: int  # of the files that were let go of
    buffers_left: int  # the most that any emptying left among the server's buffers
    pages_left: int  # the most that any emptying left in the operating system's page cache
    pages: int  # that these files have
    lookups: tuple[ColdLookup, ...]
    left_out: dict[str, str] = field(default_factory=dict)  # lookup -> why it does not run at this revision
