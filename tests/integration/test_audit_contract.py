"""Every rule there is: silent on an empty schema, heard once on its bad one, cured by what it prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from pgvitals.audit.docs import generate
from pgvitals.audit.rule import Rule, load_rule, load_rules
from pgvitals.audit.selftest import score, selftest
from pgvitals.audit.trial import Trial, try_rule, trying
from pgvitals.errors import AuditError, GuardError
from pgvitals.lab import Database, Server, guard
from pgvitals.results.outcome import Outcome

RULES = load_rules()
DOCS = Path(__file__).parents[2] / "docs" / "rules"


@pytest.fixture(scope="module")
def lab(server: Server) -> Iterator[Database]:
    with server.scratch("rules") as made:
        yield made


@pytest.fixture(scope="module")
def tried(lab: Database) -> Iterator[Callable[[Rule], Trial]]:
    """The trial of a rule, made once."""
    with trying(lab) as attempt:
        yield cache(lambda rule: attempt(rule, others=RULES))


@pytest.fixture(scope="module", params=RULES, ids=lambda rule: rule.id)
def trial(request: pytest.FixtureRequest, tried: Callable[[Rule], Trial]) -> Trial:
    return tried(request.param)


def test_an_empty_schema_is_no_violation(trial: Trial) -> None:
    assert trial.before.outcome in (Outcome.PASS, Outcome.NOT_APPLICABLE), trial.before.evidence
    assert trial.before.findings == ()


def test_the_bad_schema_is_one_violation(trial: Trial) -> None:
    assert trial.broken.outcome is Outcome.FAIL, trial.broken.evidence
    (finding,) = trial.broken.findings
    assert trial.rule.of_server or "rule_test" in finding.objects[0]
    assert trial.broken.checked >= 1
    assert f"checked: {trial.broken.checked}" in trial.broken.evidence


def test_the_finding_says_what_it_saw(trial: Trial) -> None:
    (finding,) = trial.broken.findings
    assert finding.detail.strip()
    assert finding.remediation.strip()


def test_the_printed_remediation_cures_it(trial: Trial) -> None:
    assert trial.is_remediated, trial.remediated


def test_the_good_schema_is_silent(trial: Trial) -> None:
    assert trial.cured.outcome in (Outcome.PASS, Outcome.NOT_APPLICABLE), trial.cured.evidence


def test_its_other_defects_are_found_and_cured(trial: Trial) -> None:
    defects = [each for each in trial.more if each.case.has_defect]
    assert [each.case.title for each in defects if not each.is_found] == []
    assert [each.case.title for each in defects if not each.is_cured] == []


def test_lookalikes_are_left_alone(trial: Trial) -> None:
    assert [each.case.title for each in trial.more if not (each.case.has_defect or each.is_quiet)] == []


def test_no_other_rule_speaks_about_the_good_schema(trial: Trial) -> None:
    assert trial.alarms == ()


def test_a_trial_leaves_no_schema_behind(lab: Database) -> None:
    try_rule(lab, RULES[0])
    with lab.connect() as conn:
        assert conn.execute("select to_regnamespace('rule_test')").fetchone() == (None,)


def test_a_trial_does_not_touch_a_schema_that_is_there(lab: Database) -> None:
    with lab.connect() as conn:
        conn.execute("create schema rule_test create table kept ()")
        try:
            with pytest.raises(AuditError, match="'rule_test' is there already"):
                try_rule(lab, RULES[0])
            assert conn.execute("select to_regclass('rule_test.kept') is not null").fetchone() == (True,)
        finally:
            conn.execute("drop schema rule_test cascade")


def test_a_trial_refuses_a_database_that_is_not_ours(server: Server) -> None:
    with server.scratch("stranger") as database:
        with database.connect() as conn:
            conn.execute("drop schema pgvitals cascade")
        try:
            with pytest.raises(GuardError):
                try_rule(database, RULES[0])
        finally:
            with database.connect() as conn:
                guard.stamp(conn)


def rule_that_says(parent: Path, query: str) -> Rule:
    folder = parent / "KEY900_says"
    folder.mkdir()
    keys = ("title", "why", "remediation", "subject", "promise")
    header = [f"-- {key}: something." for key in keys]
    header += ["-- severity: P3", "-- answers: DB-001", "-- checked: select 1 as checked"]
    (folder / "rule.sql").write_text("\n".join([*header, query]), encoding="utf-8")
    (folder / "bad.sql").write_text("create table rule_test.bad (id uuid primary key);", encoding="utf-8")
    (folder / "good.sql").write_text("drop table rule_test.bad;", encoding="utf-8")
    return load_rule(folder)


def test_the_self_test_counts_a_rule_that_finds_nothing_as_missed(lab: Database, tmp_path: Path) -> None:
    deaf = rule_that_says(tmp_path, "select '' as object, '' as detail, '' as remediation where false")
    result = selftest(lab, [deaf])
    assert (result.injected, result.found, result.missed) == (1, 0, ("KEY900",))
    assert result.outcome is Outcome.FAIL


def test_the_self_test_counts_a_rule_that_always_speaks_as_a_false_alarm(lab: Database, tmp_path: Path) -> None:
    shrill = rule_that_says(
        tmp_path,
        "select format('t%s', n) as object, 'bad' as detail, '' as remediation from generate_series(1, 2) as n",
    )
    result = selftest(lab, [shrill])
    assert result.uncured == ("KEY900",)
    assert result.outcome is Outcome.FAIL


def test_the_self_test_names_what_other_rules_say_about_a_cure(lab: Database) -> None:
    keys = {rule.id: rule for rule in RULES}
    trial = try_rule(lab, keys["KEY001"], others=[keys["KEY001"]])
    result = score([trial])
    assert result.false_alarms == ()
    assert result.outcome is Outcome.PASS
    found = 1 + sum(case.has_defect for case in keys["KEY001"].cases)
    assert str(result).startswith(f"1 rules: {found} of {found} defects found, 0 false alarms")


def test_the_rule_pages_are_what_the_rules_say_now(lab: Database, tried: Callable[[Rule], Trial]) -> None:
    assert generate(lab, DOCS, check=True, tried=tried) == ()


def test_pages_are_written_once_and_stale_ones_removed(lab: Database, tmp_path: Path) -> None:
    (tmp_path / "KEY999.md").write_text("gone", encoding="utf-8")
    rules = RULES[:1]
    first = rules[0].id
    assert generate(lab, tmp_path, check=True, rules=rules) == (f"{first}.md", "KEY999.md", "README.md")
    assert (tmp_path / "KEY999.md").exists()
    generate(lab, tmp_path, rules=rules)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{first}.md", "README.md"]
    assert generate(lab, tmp_path, check=True, rules=rules) == ()
