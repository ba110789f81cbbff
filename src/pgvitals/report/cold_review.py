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
    "displace": "reading another table's blocks over them",
}


def slowest_first(cold: Cold) -> tuple[ColdLookup, ...]:
    """The lookups, the dearest first execution in front."""
    return tuple(sorted(cold.lookups, key=lambda each: (-each.cold_ms, each.system, each.query)))


def emptied_told(cold: Cold) -> str:
    """What was emptied, how, and what stayed all the same."""
    pages = f"of {plural(cold.pages, 'page')}"
    left = (
        f"never was anything of it left {pages}"
        if not cold.buffers_left and not cold.pages_left
        else f"at most {plural(cold.buffers_left, 'buffer')} and {count(cold.pages_left)} {pages} "
        f"({share(cold.pages_left / max(cold.pages, 1))}) could not be evicted"
    )
    return (
        f"{plural(cold.rounds, 'round')}; {size(cold.relations_bytes)} emptied by {_METHODS[cold.method]} and "
        f"posix_fadvise; as the server and the kernel say, {left}. Caches below the operating system are out of reach."
    )


def read_told(each: ColdLookup) -> str:
    """``37 of 41``: blocks that were not among the server's buffers, of those that it asked for."""
    return f"{count(each.blocks_read)} of {count(each.blocks)}"
