"""What every Markdown report is put together from: marks, plain text, code, fences, tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pgvitals.report.wording import printable
from pgvitals.results.outcome import Outcome

MARKS = {
    Outcome.PASS: "✅",
    Outcome.FAIL: "❌",
    Outcome.ERROR: "⚠️",
    Outcome.INCONCLUSIVE: "❔",
    Outcome.WAIVED: "➖",
    Outcome.NOT_APPLICABLE: "➖",
}
_SPECIAL = re.compile(r"([\\`*{}\[\]<#|~&]|(?<!\w)_|_(?!\w))")
_BARE_PIPE = re.compile(r"(?<!\\)\|")


def text(value: str) -> str:
    """Plain text: nothing in it is read as markup, and it stays on one line."""
    escaped = _SPECIAL.sub(r"\\\1", " ".join(printable(value).split()))
    return escaped.replace("$", "&#36;")  # a pair of them would be read as mathematics


def code(value: str) -> str:
    """A code span, whatever it holds."""
    value = " ".join(printable(value).split())
    if not value:
        return ""
    longest = max((len(run) for run in re.findall("`+", value)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if value.startswith("`") or value.endswith("`") else ""
    return f"{fence}{pad}{value}{pad}{fence}"


def fenced(script: str, language: str) -> str:
    """A block of code that nothing in it can close."""
    script = printable(script)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", script)), default=0))
    return f"{fence}{language}\n{script}\n{fence}"


def markdown_table(head: Sequence[str], align: str, rows: Iterable[Sequence[str]]) -> str:
    """A table; ``align`` has a letter a column, ``l`` or ``r``, and cells are Markdown already."""
    rule = ["---:" if side == "r" else "---" for side in align]
    cells = ([_BARE_PIPE.sub(r"\|", cell) for cell in row] for row in (head, rule, *rows))
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)
