"""Reports of a run: they read a run directory, nothing else, and say what a part lacks.

``charts`` is imported on its own (``from pgvitals.report import charts``): matplotlib takes a second.
"""

from pgvitals.report.junit import render_junit
from pgvitals.report.kinds import KINDS, render, write_reports, write_whole
from pgvitals.report.markdown import gate_summary, render_markdown
from pgvitals.report.verdict import Part, Verdict, judge_run

__all__ = [
    "KINDS",
    "Part",
    "Verdict",
    "gate_summary",
    "judge_run",
    "render",
    "render_junit",
    "render_markdown",
    "write_reports",
    "write_whole",
]
