"""Waivers, baselines and thresholds: what is lived with is named, and what is new still fails."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pgvitals.audit.settle import settle
from pgvitals.audit.waivers import Waiver, load_waivers, waivers_of
from pgvitals.errors import AuditError, WaiverError
from pgvitals.results.audit import Audit, Finding, RuleResult
from pgvitals.results.outcome import Outcome

TODAY = date(2030, 1, 15)
RULES = ("KEY001", "KEY002")
ENTRY = '[[waiver]]\nrule = "KEY002"\nobject = "s.t.fk_a"\nreason = "soon gone"\nexpires = 2030-02-01\n'


def result(*objects: str, rule: str = "KEY002", system: str = "s", severity: str = "P2", **changes: Any) -> RuleResult:
    found = tuple(Finding(objects=(name,), detail="has no index") for name in objects)
    values: dict[str, Any] = {
        "rule": rule, "slug": "x", "title": "X", "family": rule[:3], "severity": severity, "system": system,
        "outcome": Outcome.FAIL if found else Outcome.PASS, "checked": 3, "evidence": f"violations: {len(found)}",
        "findings": found, "why": "", "references": (), "duration_ms": 1.0,
    }  # fmt: skip
    return RuleResult(**{**values, **changes})


def audit(*results: RuleResult) -> Audit:
    return Audit(outcome=Outcome.FAIL, database_kind="lab", results=results)


def waiver(object_: str = "s.t.fk_a", **changes: Any) -> Waiver:
    values = {"rule": "KEY002", "object": object_, "reason": "soon gone", "expires": date(2030, 2, 1)}
    return Waiver(**{**values, **changes})


def run(*results: RuleResult) -> Any:
    return SimpleNamespace(audit=audit(*results), info=SimpleNamespace(name="before"), path=Path("runs/before"))


def open_objects(settled: Audit) -> list[str]:
    return [each.objects[0] for result in settled.results for each in result.findings if each.is_open]


def test_a_waived_finding_does_not_fail_and_says_until_when_and_why() -> None:
    settled = settle(audit(result("s.t.fk_a")), waivers=[waiver()], today=TODAY)
    (waived,) = settled.results
    assert (settled.outcome, waived.outcome) == (Outcome.WAIVED, Outcome.WAIVED)
    assert waived.evidence == "violations: 1; 1 waived"
    assert waived.findings[0].waiver == "until 2030-02-01: soon gone"


def test_a_waiver_covers_its_finding_and_no_other() -> None:
    settled = settle(audit(result("s.t.fk_a", "s.t.fk_b")), waivers=[waiver()], today=TODAY)
    assert settled.results[0].outcome is Outcome.FAIL
    assert open_objects(settled) == ["s.t.fk_b"]


def test_a_waiver_holds_on_its_last_day_and_no_longer() -> None:
    last = [waiver(expires=TODAY)]
    assert settle(audit(result("s.t.fk_a")), waivers=last, today=TODAY).outcome is Outcome.WAIVED
    settled = settle(audit(result("s.t.fk_a")), waivers=last, today=date(2030, 1, 16))
    assert settled.outcome is Outcome.FAIL
    assert settled.results[0].evidence == "violations: 1; 1 of which the waiver has expired"
    assert settled.results[0].findings[0].waiver == "its waiver expired on 2030-01-15: soon gone"


def test_a_renewed_waiver_beside_its_expired_one_holds() -> None:
    both = [waiver(expires=date(2029, 1, 1)), waiver()]
    assert settle(audit(result("s.t.fk_a")), waivers=both, today=TODAY).outcome is Outcome.WAIVED


def test_a_waiver_for_one_system_leaves_the_other_one_s_finding_open() -> None:
    settled = settle(audit(result("x"), result("x", system="z")), waivers=[waiver("x", system="s")], today=TODAY)
    assert [each.outcome for each in settled.results] == [Outcome.WAIVED, Outcome.FAIL]


def test_a_waiver_that_nobody_needs_is_named() -> None:
    settled = settle(audit(result("s.t.fk_a")), waivers=[waiver(), waiver("s.t.gone")], today=TODAY)
    assert settled.unused_waivers == ("KEY002 on s.t.gone",)


@pytest.mark.parametrize("outcome", [Outcome.ERROR, Outcome.NOT_APPLICABLE])
def test_a_waiver_is_not_called_unused_while_its_rule_cannot_tell(outcome: Outcome) -> None:
    assert settle(audit(result(outcome=outcome)), waivers=[waiver()], today=TODAY).unused_waivers == ()


def test_a_waiver_of_a_rule_that_was_not_asked_is_not_called_unused() -> None:
    assert settle(audit(result(rule="KEY001")), waivers=[waiver()], today=TODAY).unused_waivers == ()


def test_only_what_the_baseline_does_not_have_fails() -> None:
    before = run(result("s.t.fk_a"))
    same = settle(audit(result("s.t.fk_a")), baseline=before, today=TODAY)
    more = settle(audit(result("s.t.fk_a", "s.t.fk_b")), baseline=before, today=TODAY)
    assert (same.outcome, same.baseline) == (Outcome.WAIVED, "before")
    assert same.results[0].evidence == "violations: 1; 1 known before"
    assert more.outcome is Outcome.FAIL
    assert open_objects(more) == ["s.t.fk_b"]


def test_the_same_object_under_another_rule_or_system_is_new() -> None:
    before = run(result("t", rule="KEY001"), result("t", system="z"))
    assert settle(audit(result("t")), baseline=before, today=TODAY).outcome is Outcome.FAIL


def test_a_finding_is_known_again_when_its_numbers_have_changed() -> None:
    then = result("s.t.fk_a", findings=(Finding(objects=("s.t.fk_a",), detail="has no index; 7 rows"),))
    assert settle(audit(result("s.t.fk_a")), baseline=run(then), today=TODAY).outcome is Outcome.WAIVED


def test_what_the_baseline_had_waived_fails_once_the_waiver_is_over() -> None:
    then = settle(audit(result("s.t.fk_a")), waivers=[waiver()], today=TODAY)
    now = settle(audit(result("s.t.fk_a")), waivers=[waiver()], baseline=run(*then.results), today=date(2030, 3, 1))
    assert now.outcome is Outcome.FAIL


def test_a_baseline_without_an_audit_is_refused() -> None:
    empty = run()
    empty.audit = None
    with pytest.raises(AuditError, match="runs/before: holds no audit to compare with"):
        settle(audit(), baseline=empty, today=TODAY)


@pytest.mark.parametrize(
    ("fail_on", "outcome"), [("P0", Outcome.PASS), ("P1", Outcome.PASS), ("P2", Outcome.FAIL), ("P3", Outcome.FAIL)]
)
def test_a_threshold_decides_which_severities_count(fail_on: str, outcome: Outcome) -> None:
    found = audit(result("t"), result(rule="KEY001", severity="P0"))
    settled = settle(found, fail_on=fail_on, today=TODAY)
    assert settled.outcome is outcome
    assert settled.results[0].outcome is Outcome.FAIL  # it is still told


def test_an_error_below_the_threshold_does_not_count_and_above_it_does() -> None:
    broken = result(outcome=Outcome.ERROR, severity="P2")
    sound = result(rule="KEY001", severity="P1")
    assert settle(audit(broken, sound), fail_on="P1", today=TODAY).outcome is Outcome.PASS
    assert settle(audit(broken, sound), fail_on="P2", today=TODAY).outcome is Outcome.ERROR


def test_a_threshold_that_no_asked_rule_reaches_decides_nothing() -> None:
    assert settle(audit(result(severity="P3")), fail_on="P0", today=TODAY).outcome is Outcome.INCONCLUSIVE


def test_an_unknown_threshold_is_refused() -> None:
    with pytest.raises(AuditError, match="unknown severity 'P4'; there are: P0, P1, P2, P3"):
        settle(audit(), fail_on="P4", today=TODAY)


def written(folder: Path, text: str = ENTRY) -> Path:
    path = folder / "waivers.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_holds_waivers(tmp_path: Path) -> None:
    assert load_waivers(written(tmp_path), RULES) == (waiver(),)


def test_a_file_beside_a_system_s_policy_is_for_that_system(tmp_path: Path) -> None:
    written(tmp_path)
    systems: Any = [SimpleNamespace(folder=tmp_path, name="s"), SimpleNamespace(folder=tmp_path / "none", name="z")]
    more = tmp_path / "more.toml"
    more.write_text(ENTRY.replace("fk_a", "fk_b"))
    assert [each.name for each in waivers_of(systems, RULES, [more])] == [
        "KEY002 on s.t.fk_a of s",
        "KEY002 on s.t.fk_b",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ENTRY.replace('reason = "soon gone"\n', ""), "waiver.0.reason: Field required"),
        (ENTRY.replace("soon gone", "  "), "waiver.0.reason"),
        (ENTRY.replace("expires = 2030-02-01\n", ""), "waiver.0.expires: Field required"),
        (ENTRY.replace("2030-02-01", '"never"'), "waiver.0.expires"),
        (ENTRY.replace("object", "objects"), "waiver.0.object: Field required"),
        (ENTRY + 'until = "ever"\n', "waiver.0.until: Extra inputs are not permitted"),
        (ENTRY.replace("KEY002", "KEY999"), "there is no rule KEY999"),
        (ENTRY.replace("[[waiver]]", "[[waivers]]"), "waivers"),
        (ENTRY + 'system = "other"\n', "this file is for s"),
        ("[[waiver", "not valid TOML"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_key(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(WaiverError) as refused:
        load_waivers(path, RULES, "s")
    assert str(refused.value).startswith(f"{path}: ")
    assert message in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WaiverError, match=r"none\.toml: cannot be read"):
        load_waivers(tmp_path / "none.toml", RULES)
