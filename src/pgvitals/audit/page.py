"""What the pages of all rules have in common."""

from __future__ import annotations

from collections.abc import Iterable

from pgvitals.audit.declared import Declared

FAMILIES = {
    "TEN": "tenancy",
    "AUD": "audit trail",
    "ENC": "encryption",
    "KEY": "keys",
    "IDX": "indexes",
    "CON": "constraints",
    "RET": "retention",
    "APP": "application engine",
    "OPS": "server",
}


def page_head(rule: Declared, facts: Iterable[str]) -> list[str]:
    """The lines down to what the rule finds; ``facts`` stand behind severity, family and what it answers."""
    family = f"family {rule.family} ({FAMILIES[rule.family]})" if rule.family in FAMILIES else f"family {rule.family}"
    return [
        f"# {rule.id}: {rule.title}",
        "",
        " · ".join([f"Severity {rule.severity}", family, f"answers {', '.join(rule.references)}", *facts]),
        "",
        f"**Why.** {rule.why}",
        "",
        f"**Remedy.** {rule.remediation}",
        "",
        f"**Passes when.** Of all {rule.subject}: {rule.promise}.",
        "",
    ]


def fenced(language: str, text: str) -> list[str]:
    """A block of code."""
    return [f"```{language}", text, "```"]
