"""The section of a Markdown report about plans."""

from __future__ import annotations

from collections.abc import Iterable

from pgvitals.report.markdown_parts import code, text
from pgvitals.report.plan_review import PlanRemark, review_plans
from pgvitals.report.plan_use import use_told
from pgvitals.report.wording import plural
from pgvitals.results.records import Gate, Latency
from pgvitals.results.rundir import Run


def plans_section(run: Run, gate: Gate) -> str:
    """What the plans say, and the plan of each lookup for the largest tenant: what changed latency is often about."""
    review = review_plans(run.plans)
    parts = [_remarks(review.alarms)] if review.alarms else []
    if review.remarks:
        title = plural(len(review.remarks), "remark")
        parts.append(f"<details><summary>{title} about the plans</summary>\n\n{_remarks(review.remarks)}\n</details>\n")
    parts.append("".join(_plan(q, run) for q in gate.queries if q.plan))
    return "\n".join(parts)


def _plan(q: Latency, run: Run) -> str:
    used = use_told(run.plans.get(f"{q.system}/{q.query}", ()))
    return f"- {code(f'{q.system}/{q.query}')}: {code(q.plan)}{f' ({used})' if used else ''}\n"


def _remarks(remarks: Iterable[PlanRemark]) -> str:
    return "".join(f"- **{text(each.kind)}**, {code(each.query)}: {text(each.words)}\n" for each in remarks)
