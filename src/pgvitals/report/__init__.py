"""Reports of a run: they read a run directory, nothing else, and say what a part lacks.

What is offered here is imported when it is first asked for: a command that wants a word of ``wording`` does without
pandas and SciPy. ``charts`` is imported on its own (``from pgvitals.report import charts``): matplotlib takes a second.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pgvitals.report.junit import render_junit
    from pgvitals.report.kinds import KINDS, render, write_reports, write_whole
    from pgvitals.report.markdown import gate_summary, render_markdown
    from pgvitals.report.verdict import Part, Verdict, judge_run

_OFFERED = {
    "junit": ("render_junit",),
    "kinds": ("KINDS", "render", "write_reports", "write_whole"),
    "markdown": ("gate_summary", "render_markdown"),
    "verdict": ("Part", "Verdict", "judge_run"),
}
_MODULE_OF = {name: module for module, names in _OFFERED.items() for name in names}

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


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
