"""The story of the audit: which rule failed at which revision."""

from __future__ import annotations

import pandas as pd
from matplotlib.patches import Rectangle

from pgvitals.report.charts.canvas import SMALL_PX, WIDE, Chart, elide, nothing
from pgvitals.report.charts.palette import BAND, BLUE_TINT, FAINT, INK, MUTED, OCHRE, PAPER, VERMILION
from pgvitals.report.wording import plural

_COLOURS = {
    "fail": VERMILION,
    "error": OCHRE,
    "waived": FAINT,
    "inconclusive": FAINT,
    "pass": BLUE_TINT,
    "not_applicable": BAND,
}
_WORDS = {"fail": "fails, with the number of violations", "error": "could not be asked", "pass": "passes"}
_ROW = 22.0
_LABEL = 400.0
_CHARACTER = 6.4
_LOUD = ("fail", "error")


def audit_heatmap(history: pd.DataFrame | None, system: str, width: float = WIDE) -> Chart:
    """A row a rule that failed at some revision, the most severe first; a column a revision, the oldest first.

    Args:
        history: a run's ``audit_history``; rules that never failed are counted below.
    """
    title = f"{system}: rules against revisions"
    own = history[history["system"] == system] if history is not None else pd.DataFrame()
    if own.empty:
        return nothing(title, width)
    revisions = own.drop_duplicates("place").sort_values("place")["revision"].tolist()
    loud = own[own["outcome"].isin(_LOUD)]
    rules = own[own["rule"].isin(loud["rule"])].drop_duplicates("rule").sort_values(["severity", "rule"])
    quiet = own["rule"].nunique() - len(rules)
    last = own[(own["place"] == own["place"].max()) & own["outcome"].isin(_LOUD)]["rule"].nunique()
    head = 34 + 5.0 * max(map(len, (elide(revision, 22) for revision in revisions)))
    height = head + max(1, len(rules)) * _ROW + 44
    chart = Chart(
        width=width,
        height=height,
        title=title,
        alt=f"{plural(len(rules), 'rule')} failed at some of {plural(len(revisions), 'revision')}, {last} at the last.",
    )
    cell = (width - _LABEL - 64) / max(1, len(revisions))
    for number, revision in enumerate(revisions):
        middle = _LABEL + (number + 0.5) * cell
        chart.write(
            middle - 4, head - 8, elide(revision, 22), fontsize=SMALL_PX, color=MUTED,
            rotation=45, rotation_mode="anchor", ha="left", va="bottom",
        )  # fmt: skip
    for line, rule in enumerate(rules.itertuples()):
        top = head + line * _ROW
        label = elide(f"{rule.rule} {rule.severity}  {rule.title}", int(_LABEL / _CHARACTER))
        chart.write(8, top + _ROW / 2, label, fontsize=SMALL_PX)
        told = own[own["rule"] == rule.rule].sort_values("place")
        for number, (outcome, violations) in enumerate(zip(told["outcome"], told["violations"], strict=True)):
            _cell(chart, _LABEL + number * cell, top, cell, outcome)
            if outcome == "fail":
                middle = _LABEL + (number + 0.5) * cell
                chart.write(middle, top + _ROW / 2, str(violations), fontsize=SMALL_PX, color=PAPER, ha="center")
    foot = height - 30
    x = 8.0
    for outcome, word in (*_WORDS.items(), ("not_applicable", "nothing to look at")):
        _cell(chart, x, foot - 7, 16, outcome, height=14)
        chart.write(x + 22, foot, word, fontsize=SMALL_PX, color=MUTED)
        x += 22 + len(word) * _CHARACTER + 18
    chart.write(8, height - 10, f"{plural(quiet, 'more rule')} never failed", fontsize=SMALL_PX, color=INK)
    return chart


def _cell(chart: Chart, left: float, top: float, width: float, outcome: str, height: float = _ROW) -> None:
    corner = (left / chart.width_px, 1 - (top + height - 1) / chart.height_px)
    size = ((width - 2) / chart.width_px, (height - 2) / chart.height_px)
    chart.add_artist(Rectangle(corner, *size, facecolor=_COLOURS[outcome], linewidth=0))
