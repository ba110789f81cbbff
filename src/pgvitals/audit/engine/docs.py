"""``docs/rules``: a page for each rule about engines, from its header and from what it really says."""

from __future__ import annotations

import sqlalchemy as sa

from pgvitals.audit.engine.trial import EngineTrial, try_engine_rules
from pgvitals.audit.page import fenced, page_head
from pgvitals.errors import AuditError


def engine_pages(url: sa.URL) -> dict[str, str]:
    """Name of the file -> the page, of every rule; their engines connect to ``url``.

    Raises:
        AuditError: a rule does not find its own bad engine, or complains about the good one.
    """
    return {f"{trial.rule.id}.md": _page(trial) for trial in try_engine_rules(url)}


def _page(trial: EngineTrial) -> str:
    rule = trial.rule
    if not trial.found or not trial.is_silent:
        raise AuditError(f"{rule.folder}: does not tell bad.py from good.py; run the audit's self-test")
    (finding,) = trial.bad.findings
    facts = ["asked with `--engine`" + (" and `--requests`" if rule.of_requests else "")]
    return "\n".join(
        [
            *page_head(rule, facts),
            "## What it finds",
            "",
            *_python(trial, "bad.py"),
            "",
            f"fail: {finding.detail}",
            "",
            "## What cures it",
            "",
            *_python(trial, "good.py"),
            "",
        ]
    )


def _python(trial: EngineTrial, name: str) -> list[str]:
    return fenced("python", (trial.rule.folder / name).read_text(encoding="utf-8").strip())
