"""The table that `pgvitals rls` prints."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from pgvitals.report.rls_review import in_order, rows_told, setting_told
from pgvitals.report.wording import ms
from pgvitals.results.rls import RlsPrice
from pgvitals.terminal import table

_WORDS = {"slower": "dearer", "faster": "cheaper"}


def rls_table(price: RlsPrice) -> Table:
    """What has a price first; ratios are with / without policies."""
    rows = [
        (
            escape(each.query),
            ms(each.without_p50_ms),
            ms(each.policy_p50_ms),
            f"{each.typical_ratio:.2f} [dim]({each.typical.low:.2f}–{each.typical.high:.2f})[/]",
            f"{each.p95_ratio:.2f} [dim]({each.p95.low:.2f}–{each.p95.high:.2f})[/]",
            _WORDS.get(each.verdict, each.verdict),
            escape("; ".join(part for part in (*each.words, rows_told(each)) if part)),
        )
        for each in in_order(price)
    ]
    columns = [
        ("lookup", "left"),
        ("p50 without", "right"),
        ("with", "right"),
        ("ratio (typical)", "right"),
        ("ratio (p95)", "right"),
        ("policies", "left"),
        ("what they do to the plan", "left"),
    ]
    rounds = f"{price.rounds_measured - price.rounds_dropped} of {price.rounds_measured} rounds count"
    made = table(f"{price.system}: the price of row-level security ({rounds})", columns, rows)
    made.caption = escape(setting_told(price))
    made.caption_justify = "left"
    return made
