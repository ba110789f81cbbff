"""The audit as SARIF 2.1.0 (an OASIS standard), for code scanning and editors.

A result a finding: the database object is its logical location, and the system's policy, where the run knows it, its
physical one. What is waived is suppressed; with a baseline each result says whether it is new. A rule that could not
be asked is a notification of the invocation. Rules that passed are told in ``audit.json`` alone: servers that
collect SARIF count every result as a complaint.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

from pgvitals.report.audit_review import open_first, standing
from pgvitals.report.redact import redact
from pgvitals.results.audit import Audit, Finding, RuleResult
from pgvitals.results.outcome import Outcome
from pgvitals.results.rundir import Run

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
FINGERPRINT = "pgvitalsFinding/v1"
_LEVELS = {"P0": "error", "P1": "error", "P2": "warning", "P3": "note"}
_SECURITY = {"P0": "9.5", "P1": "8.0", "P2": "5.0", "P3": "2.0"}
"""Severity on the scale of 0 to 10 by which code scanning sorts."""
_PART = re.compile(r'"(?:[^"]|"")*"|[^.]+')


def render_sarif(run: Run) -> bytes:
    """The run's audit as one SARIF log of one run, UTF-8; without an audit it has no ``results``: nobody looked."""
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(run)]}
    return (json.dumps(log, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def _run(run: Run) -> dict[str, Any]:
    driver: dict[str, Any] = {"name": "pgvitals"}
    if version := run.info.versions.get("pgvitals"):
        driver["version"] = version
    invocation: dict[str, Any] = {
        "executionSuccessful": run.audit is not None,
        "commandLine": redact(run.info.command),
        "startTimeUtc": _utc(run.info.started_utc),
    }
    if run.info.finished_utc:
        invocation["endTimeUtc"] = _utc(run.info.finished_utc)
    found: dict[str, Any] = {"tool": {"driver": driver}, "invocations": [invocation], "columnKind": "utf16CodeUnits"}
    if run.audit is not None:
        rules = _rules(run.audit.results)
        driver["rules"] = [_descriptor(rule) for rule in rules.values()]
        places = {rule: place for place, rule in enumerate(rules)}
        if broken := [_notification(r, places) for r in run.audit.results if r.outcome is Outcome.ERROR]:
            invocation["toolExecutionNotifications"] = broken
        found["results"] = list(_results(run.audit, places))
    return found


def _rules(results: Iterable[RuleResult]) -> dict[str, RuleResult]:
    """Each rule once, by id, with the first system's answer to take its words from."""
    rules: dict[str, RuleResult] = {}
    for result in sorted(results, key=lambda result: result.rule):
        rules.setdefault(result.rule, result)
    return rules


def _descriptor(rule: RuleResult) -> dict[str, Any]:
    properties: dict[str, Any] = {"tags": [*rule.references, rule.severity], "severity": rule.severity}
    if any(reference.startswith(("45 CFR", "CIS")) for reference in rule.references):
        properties["tags"].append("security")
        properties["security-severity"] = _SECURITY[rule.severity]
    return {
        "id": rule.rule,
        "name": "".join(word.capitalize() for word in rule.slug.split("_")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why or rule.title},
        "help": {"text": " ".join(part for part in (rule.why, *rule.references) if part) or rule.title},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": properties,
    }


def _results(audit: Audit, places: dict[str, int]) -> Iterable[dict[str, Any]]:
    for result in sorted(audit.results, key=lambda result: (result.severity, result.rule, result.system)):
        undecided = result.outcome is Outcome.INCONCLUSIVE
        if result.outcome not in (Outcome.FAIL, Outcome.WAIVED) and not undecided:
            continue
        for finding in open_first(result.findings) or [Finding(objects=(), detail=result.evidence)]:
            yield {
                "ruleId": result.rule,
                "ruleIndex": places[result.rule],
                "kind": "review" if undecided else "fail",
                "level": "none" if undecided else _LEVELS[result.severity],
                "message": {"text": _message(result, finding)},
                "locations": [_location(audit, result, finding)],
                "partialFingerprints": {FINGERPRINT: _fingerprint(result, finding)},
                **({"baselineState": "unchanged" if finding.is_known else "new"} if audit.baseline else {}),
                **({"suppressions": [_suppression(finding)]} if finding.is_waived else {}),
                "properties": {
                    "system": result.system,
                    "severity": result.severity,
                    **({"remediation": finding.remediation} if finding.remediation else {}),
                },
            }


def _message(result: RuleResult, finding: Finding) -> str:
    objects = ", ".join(finding.objects)
    text = ": ".join(part for part in (result.title, objects, finding.detail) if part)
    return f"{text} ({why})" if (why := standing(finding)) and not finding.is_waived else text


def _location(audit: Audit, result: RuleResult, finding: Finding) -> dict[str, Any]:
    names = finding.objects or (result.system,)
    location: dict[str, Any] = {"logicalLocations": [_logical(name) for name in names]}
    if uri := audit.policies.get(result.system):
        location["physicalLocation"] = {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}
    return location


def _logical(name: str) -> dict[str, str]:
    parts = _PART.findall(name)
    return {"name": parts[-1] if parts else name, "fullyQualifiedName": name, "kind": "object"}


def _fingerprint(result: RuleResult, finding: Finding) -> str:
    """Of what the finding is known by; not of its detail, which counts things."""
    identity = json.dumps([result.rule, result.system, *finding.objects])
    return hashlib.sha256(identity.encode()).hexdigest()


def _suppression(finding: Finding) -> dict[str, str]:
    return {"kind": "external", "status": "accepted", "justification": finding.waiver}


def _notification(result: RuleResult, places: dict[str, int]) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": f"{result.rule} on {result.system}: {result.evidence}"},
        "associatedRule": {"id": result.rule, "index": places[result.rule]},
    }


def _utc(moment: str) -> str:
    return re.sub(r"[+-]00:00$", "Z", moment)
