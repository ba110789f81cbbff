"""The section of a Markdown report about the price of row-level security."""

from __future__ import annotations

from collections.abc import Iterable

from pgvitals.report.markdown_parts import code, markdown_table, text
from pgvitals.report.rls_review import LEAD, in_order, rows_told, setting_told, span, words_told
from pgvitals.report.wording import ms, plural
from pgvitals.results.rls import RlsPrice


def rls_section(prices: Iterable[RlsPrice]) -> str:
    """A table a system, and below it what the policies do to the plans."""
    return LEAD + "\n\n" + "\n".join(map(_system, prices))


def _system(price: RlsPrice) -> str:
    rows = [
        (
            code(f"{each.system}/{each.query}"),
            f"{ms(each.without_p50_ms)} → {ms(each.policy_p50_ms)}",
            f"{ms(each.without_p95_ms)} → {ms(each.policy_p95_ms)}",
            span(each.typical_ratio, each.typical.low, each.typical.high),
            span(each.p95_ratio, each.p95.low, each.p95.high),
            each.verdict,
        )
        for each in in_order(price)
    ]
    head = ("Lookup", "p50, ms", "p95, ms", "Typical ratio", "p95 ratio", "Verdict")
    alarms = plural(price.placebo_alarms, "placebo alarm") if price.placebo_alarms else "no placebo alarm"
    told = [
        f"- {code(f'{each.system}/{each.query}')}: {text('; '.join(filter(None, (words_told(each), rows_told(each)))))}"
        for each in in_order(price)
    ]
    left_out = [f"{code(name)} ({text(why)})" for name, why in price.left_out.items()]
    return "".join(
        [
            f"**{text(price.system)}**: {alarms}; ±{price.margin * 100:g} % is the same. {setting_told(price)}\n\n",
            markdown_table(head, "lrrrrl", rows) + "\n",
            "<details><summary>What the policies do to the plans</summary>\n\n"
            + "\n".join(told)
            + "\n\n</details>\n\n",
            f"Without a price: {', '.join(left_out)}.\n" if left_out else "",
        ]
    )
