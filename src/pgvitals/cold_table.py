"""The table that `pgvitals bench --cold` prints."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from pgvitals.report.cold_review import emptied_told, read_told, slowest_first
from pgvitals.report.wording import ms, ms_range, ratio, size
from pgvitals.results.cold import Cold
from pgvitals.terminal import table


def cold_table(cold: Cold) -> Table:
    """The dearest first execution in front."""
    rows = [
        (
            escape(f"{each.system}/{each.query}"),
            f"{ms(each.cold_ms)} [dim]({ms_range(each.cold.low, each.cold.high)})[/]",
            ms_range(each.cold_min_ms, each.cold_max_ms),
            ms(each.warm_ms),
            f"{ratio(each.ratio)} [dim]({ratio(each.ratio_interval.low)}–{ratio(each.ratio_interval.high)})[/]",
            read_told(each),
            size(each.disk_bytes),
        )
        for each in slowest_first(cold)
    ]
    columns = [
        ("lookup", "left"),
        ("cold ms (95 %)", "right"),
        ("fastest–slowest", "right"),
        ("warm ms", "right"),
        ("cold / warm", "right"),
        ("blocks read", "right"),
        ("from disk", "right"),
    ]
    made = table("Lookups with cold caches", columns, rows)
    made.caption = escape(emptied_told(cold))
    made.caption_justify = "left"
    return made
