"""How a report orders and words what lookups cost with cold caches."""

from __future__ import annotations

from pgvitals.report.wording import count, plural, share, size
from pgvitals.results.cold import Cold, ColdLookup

LEAD = (
    "Each lookup once a round with none of its data in memory, and right after with the same parameters, warm. Before "
    "every execution the tables and indexes of its system leave the server's buffers and the operating system's page "
    "cache; connection, plans and catalogs stay warm. No budget is held against these times."
)
_METHODS = {
    "evict": "pg_buffercache_evict",
    "displace": "reading blocks of another table over them",
}


def slowest_first(cold: Cold) -> tuple[ColdLookup, ...]:
    """The lookups, the dearest first execution in front."""
    return tuple(sorted(cold.lookups, key=lambda each: (-each.cold_ms, each.system, each.query)))


def emptied_told(cold: Cold) -> str:
    """What was emptied, how, and what stayed all the same."""
    pages = plural(cold.pages, "page")
    left = "none was left" if not cold.pages_left else f"at most {count(cold.pages_left)} of them were left"
    if cold.pages_left:
        left += f" ({share(cold.pages_left / max(cold.pages, 1))})"
    if cold.buffers_left:
        left += f", and {plural(cold.buffers_left, 'buffer')} of the server"
    return (
        f"{plural(cold.rounds, 'round')}. {size(cold.relations_bytes)} ({pages}) emptied by {_METHODS[cold.method]} "
        f"and posix_fadvise; looked at after every time, {left}. Caches below the operating system are out of reach."
    )


def read_told(each: ColdLookup) -> str:
    """``37 of 41``: blocks that were not among the server's buffers, of those that it asked for."""
    return f"{count(each.blocks_read)} of {count(each.blocks)}"
