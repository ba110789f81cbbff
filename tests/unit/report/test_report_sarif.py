"""SARIF 2.1.0: valid by its schema, and what a code-scanning server makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest

from pgvitals.report.sarif import FINGERPRINT, render_sarif
from pgvitals.results.audit import Finding
from pgvitals.results.outcome import Outcome
from pgvitals.results.rundir import Run

SCHEMA = json.loads((Path(__file__).parent / "schemas" / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
VALID = jsonschema.Draft4Validator(SCHEMA)


def read(run: Run) -> dict[str, Any]:
    """The one run of the log, which is valid."""
    log = json.loads(render_sarif(run))
    assert [f"{error.json_path}: {error.message}" for error in VALID.iter_errors(log)] == []
    (found,) = log["runs"]
    return dict(found)


@pytest.fixture
def of(build_run: Callable[..., Run], made: SimpleNamespace) -> Callable[..., dict[str, Any]]:
    """The log of an audit with one failing rule that has these findings."""

    def make(*findings: Finding, rule: dict[str, Any] | None = None, **audit: Any) -> dict[str, Any]:
        loud = made.rule(outcome=Outcome.FAIL, findings=findings, **(rule or {}))
        return read(build_run(audit=replace(made.audit(), results=(loud,), **audit)))

    return make


def test_the_schema_refuses_what_is_no_sarif() -> None:
    assert list(VALID.iter_errors({"version": "2.1.0", "runs": [{"results": [{"level": "fatal"}]}]}))


def test_every_finding_is_a_result_and_what_passed_is_none(full_run: Run) -> None:
    results = read(full_run)["results"]
    assert [each["ruleId"] for each in results] == ["AUD002", "RET001", "KEY002", "KEY002"]
    assert [each["level"] for each in results] == ["error", "error", "warning", "warning"]
    assert all(each["kind"] == "fail" for each in results)


def test_a_result_points_at_its_rule_and_at_the_object(full_run: Run) -> None:
    found = read(full_run)
    *_, last = found["results"]
    rule = found["tool"]["driver"]["rules"][last["ruleIndex"]]
    assert (rule["id"], rule["name"], last["ruleId"]) == ("KEY002", "NoPrimaryKey", "KEY002")
    assert rule["fullDescription"]["text"] == "Deleting a parent scans the whole child table."
    (place,) = last["locations"][0]["logicalLocations"]
    assert (place["fullyQualifiedName"], place["name"]) == ("pazpaz.appointments.location_id", "location_id")
    assert last["properties"]["remediation"].startswith('create index concurrently "ix_location_id"')


@pytest.mark.parametrize(
    ("name", "last"), [('a."b.c"', '"b.c"'), ('a."b""c".d', "d"), ("server", "server"), ('a."b.""c"""', '"b.""c"""')]
)
def test_the_last_part_of_a_quoted_name_is_its_name(of: Callable[..., dict[str, Any]], name: str, last: str) -> None:
    (result,) = of(Finding(objects=(name,), detail="x"))["results"]
    assert result["locations"][0]["logicalLocations"][0]["name"] == last


def test_a_known_policy_is_the_place_in_the_repository(of: Callable[..., dict[str, Any]]) -> None:
    found = of(Finding(objects=("t",), detail="x"), policies={"pazpaz": "fixtures/pazpaz/system.toml"})
    place = found["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "fixtures/pazpaz/system.toml"}, "region": {"startLine": 1}}


def test_what_is_waived_is_suppressed_with_its_reason(of: Callable[..., dict[str, Any]]) -> None:
    waived = Finding(objects=("t",), detail="x", waiver="until 2030-01-01: soon gone", is_waived=True)
    expired = Finding(objects=("u",), detail="x", waiver="its waiver expired on 2020-01-01: soon gone")
    open_, suppressed = of(waived, expired)["results"]
    assert "suppressions" not in open_
    assert "its waiver expired on 2020-01-01" in open_["message"]["text"]
    assert suppressed["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "until 2030-01-01: soon gone"}
    ]


def test_with_a_baseline_a_result_is_new_or_unchanged_and_without_one_neither(
    of: Callable[..., dict[str, Any]],
) -> None:
    new, known = Finding(objects=("t",), detail="x"), Finding(objects=("u",), detail="x", is_known=True)
    assert [each["baselineState"] for each in of(new, known, baseline="before")["results"]] == ["new", "unchanged"]
    assert "baselineState" not in of(new)["results"][0]


def test_a_finding_keeps_its_fingerprint_when_its_detail_changes(of: Callable[..., dict[str, Any]]) -> None:
    def printed(**changes: Any) -> str:
        (result,) = of(Finding(**{"objects": ("t",), "detail": "7 rows", **changes}))["results"]
        return str(result["partialFingerprints"][FINGERPRINT])

    assert printed() == printed(detail="8 rows")
    assert printed() != printed(objects=("u",))


def test_a_rule_that_could_not_be_asked_is_told_by_the_invocation(full_run: Run) -> None:
    (invocation,) = read(full_run)["invocations"]
    (told,) = invocation["toolExecutionNotifications"]
    assert told["message"]["text"] == "ENC001 on practice: permission denied for table clients"
    assert told["associatedRule"]["id"] == "ENC001"


def test_only_rules_of_security_are_weighed_as_such(of: Callable[..., dict[str, Any]]) -> None:
    def properties(*references: str) -> dict[str, Any]:
        found = of(Finding(objects=("t",), detail="x"), rule={"severity": "P0", "references": references})
        return dict(found["tool"]["driver"]["rules"][0]["properties"])

    assert properties("DB-002", "45 CFR 164.312(a)(1)")["security-severity"] == "9.5"
    assert "security-severity" not in properties("DB-007")


def test_nasty_names_stay_what_they_are(full_run: Run, made: SimpleNamespace) -> None:
    first = read(full_run)["results"][0]
    assert first["locations"][0]["logicalLocations"][1]["fullyQualifiedName"] == made.NASTY


def test_remediation_of_a_setting_named_after_passwords_can_be_pasted(of: Callable[..., dict[str, Any]]) -> None:
    script = "alter system set password_encryption = 'scram-sha-256';"
    (result,) = of(Finding(objects=("password_encryption",), detail="is md5", remediation=script))["results"]
    assert result["properties"]["remediation"] == script
