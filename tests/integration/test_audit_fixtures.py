"""The audit retells what is known about the systems at the revisions where it stood."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pgvitals.audit import audit, load_rules, select_rules
from pgvitals.lab import Database
from pgvitals.lab.migrate import upgrade
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import RuleResult
from pgvitals.suite import Suite

At = Callable[[str, str, str], RuleResult]


@pytest.fixture
def at(suite: Suite, database: Database) -> At:
    """What a rule says about a system at a revision."""

    def ask(system: str, revision: str, rule: str) -> RuleResult:
        upgrade(suite, database, revision)
        return audit(database.connect, [suite.system(system)], rules=select_rules(load_rules(), [rule])).results[0]

    return ask


def objects(result: RuleResult) -> set[str]:
    return {name for finding in result.findings for name in finding.objects}


def test_pazpaz_repeats_the_beginning_of_longer_indexes(at: At) -> None:
    found = at("pazpaz", "f6092aa0856d", "IDX003")
    assert objects(found) >= {"pazpaz.ix_appointments_workspace_id", "pazpaz.ix_clients_workspace_id"}


def test_pazpaz_has_a_primary_key_on_every_table(at: At) -> None:
    passed = at("pazpaz", "f6092aa0856d", "KEY001")
    assert passed.outcome is Outcome.PASS
    assert passed.checked >= 6


def test_practice_refers_to_parent_tokens_without_a_foreign_key_until_the_cleanup(at: At) -> None:
    column = "practice.auth_tokens.parent_token_id"
    assert column in objects(at("practice", "practice_0001", "KEY005"))
    assert column not in objects(at("practice", "20250106_1200_schema_cleanup_audit", "KEY005"))


def test_the_cleanup_of_practice_makes_single_column_indexes_redundant(at: At) -> None:
    before = objects(at("practice", "practice_0001", "IDX003"))
    after = objects(at("practice", "20250106_1200_schema_cleanup_audit", "IDX003"))
    assert "practice.ix_auth_tokens_tenant_id" in after - before
    assert len(after) > len(before)
