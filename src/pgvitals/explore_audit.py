"""The audit of a run as tables for a notebook."""

from __future__ import annotations

import html
from collections.abc import Sequence

import pandas as pd

from pgvitals.audit.checklist import Answer, answer, load_checklist
from pgvitals.report.audit_review import LOUD, open_first, standing
from pgvitals.report.wording import count
from pgvitals.results.outcome import Outcome
from pgvitals.results.rundir import Run

_NOT_AUDITED = "This run was not audited."
_LOUD = "font-weight: bold; color: #bf3f0c"


class AuditTable:
    """A table whose failures are marked; without rows it is a sentence.

    ``wide`` are the columns that may wrap.
    """

    def __init__(self, rows: pd.DataFrame, empty: str, wide: Sequence[str] = ()) -> None:
        self.rows = rows
        self.empty = empty
        self.wide = wide

    def _repr_html_(self) -> str:
        if self.rows.empty:
            return f"<p>{html.escape(self.empty)}</p>"
        style = self.rows.style.hide(axis="index").format(escape="html")
        if "outcome" in self.rows:
            style = style.map(_marked, subset=["outcome"])
        style = style.set_table_styles([{"selector": "th, td", "props": "text-align: left; vertical-align: top"}])
        narrow = [name for name in self.rows if name not in self.wide]
        return style.set_properties(subset=narrow, **{"white-space": "nowrap"}).to_html()

    def __repr__(self) -> str:
        return self.empty if self.rows.empty else self.rows.to_string(index=False)


def audit_tally(run: Run) -> AuditTable:
    """How many rules passed, failed or had nothing to look at, system by system."""
    if run.audit is None:
        return AuditTable(pd.DataFrame(), _NOT_AUDITED)
    results = pd.DataFrame([(each.system, each.outcome.value) for each in run.audit.results], columns=["system", "is"])
    tally = results.groupby(["system", "is"]).size().unstack(fill_value=0)
    known = [outcome.value for outcome in Outcome if outcome.value in tally]
    return AuditTable(tally[known].map(count).reset_index().rename_axis(columns=None), _NOT_AUDITED)


def show_checklist(run: Run, name: str) -> AuditTable:
    """Each item of a checklist: its outcome, the rules that answer it, and what none of them sees.

    Raises:
        ChecklistError: there is no such checklist.
    """
    checklist = load_checklist(name)
    answers = answer(checklist, run.audit) if run.audit else ()
    rows = pd.DataFrame(
        {
            "item": [each.item.id for each in answers],
            "": [each.item.title for each in answers],
            "severity": [each.severity for each in answers],
            "outcome": [each.outcome.value if each.results else "not asked" for each in answers],
            "rules": [_rules(each) for each in answers],
            "what no rule sees": [each.remark for each in answers],
        }
    )
    return AuditTable(rows, _NOT_AUDITED, wide=("", "rules", "what no rule sees"))


def show_findings(run: Run) -> AuditTable:
    """Every finding, the most severe first; those that are waived or known say so."""
    if run.audit is None:
        return AuditTable(pd.DataFrame(), _NOT_AUDITED)
    rows = [
        (result.severity, result.rule, result.system, ", ".join(finding.objects), finding.detail, standing(finding))
        for result in sorted(run.audit.results, key=lambda each: (each.severity, each.rule, each.system))
        for finding in open_first(result.findings)
    ]
    columns = ["severity", "rule", "system", "object", "what is wrong", "standing"]
    return AuditTable(
        pd.DataFrame(rows, columns=columns), "No rule found anything.", wide=("what is wrong", "standing")
    )


def _rules(each: Answer) -> str:
    """The rules by name, those that fail or could not be asked first."""
    loud = list(dict.fromkeys(result.rule for result in each.results if result.outcome in LOUD))
    quiet = [name for name in dict.fromkeys(result.rule for result in each.results) if name not in loud]
    return ", ".join([*(f"{name} fails" for name in loud), *quiet])


def _marked(outcome: object) -> str:
    return _LOUD if outcome in LOUD else ""
