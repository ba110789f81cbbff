"""The section of a Markdown report about cold caches."""

from __future__ import annotations

from pgvitals.report.cold_review import LEAD, emptied_told, read_told, slowest_first
from pgvitals.report.lookup_groups import WRITES_NOTE, left_out, writes
from pgvitals.report.markdown_parts import code, markdown_table, text
from pgvitals.report.rls_review import span
from pgvitals.report.wording import ms, ms_range, size
from pgvitals.results.cold import Cold

_HEAD = (
    "Lookup",
    "Cold, ms [95 % interval]",
    "Fastest–slowest, ms",
    "Warm, ms",
    "Cold / warm",
    "Blocks read",
    "From disk",
)


def cold_section(cold: Cold) -> str:
    """A table of all lookups, the dearest first execution in front."""
    rows = [
        (
            code(f"{each.system}/{each.query}"),
            f"{ms(each.cold_ms)} [{ms_range(each.cold.low, each.cold.high)}]",
            ms_range(each.cold_min_ms, each.cold_max_ms),
            ms(each.warm_ms),
            span(each.ratio, each.ratio_interval.low, each.ratio_interval.high),
            read_told(each),
            size(each.disk_bytes),
        )
        for each in slowest_first(cold)
    ]
    notes = [
        f"{WRITES_NOTE}\n" if writes(cold.lookups) else "",
        f"Not at this revision: {text(left_out(cold.left_out))}.\n" if cold.left_out else "",
    ]
    return "\n".join(
        [LEAD, "", text(emptied_told(cold)), "", markdown_table(_HEAD, "lrrrrrr", rows), *filter(None, notes)]
    )
