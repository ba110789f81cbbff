"""The audit retells what is known about the systems at the revisions where it stood."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pgvitals.audit import audit, load_rules, select_rules
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import upgrade
from pgvitals.results.audit import RuleResult
from pgvitals.results.outcome import Outcome
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


PORTAL = ("portal_0001", "8af88bf56c01", "ea2e58f69efd", "ec20df1795df", "portal_hardening")
ASKED = ("TEN001", "TEN002", "TEN006", "AUD001", "AUD004", "RET001", "KEY002", "KEY006")
Story = dict[str, dict[str, RuleResult]]


@pytest.fixture(scope="module")
def portal(server: Server, suite: Suite) -> Iterator[Story]:
    """What some rules say about the portal, revision by revision."""
    rules = select_rules(load_rules(), ASKED)
    told: Story = {}
    with server.scratch("portal") as database:
        for revision in PORTAL:
            upgrade(suite, database, revision)
            results = audit(database.connect, [suite.system("portal")], rules=rules).results
            told[revision] = {result.rule: result for result in results}
        yield told


def tables(result: RuleResult) -> set[str]:
    return {name.removeprefix("portal.") for name in objects(result)}


def test_row_level_security_is_missing_where_the_portal_s_audit_says_until_its_fix(portal: Story) -> None:
    missing = {"appointments", "documents", "user_devices", "support_tickets", "tasks", "call_logs"}
    children = {"contact_methods", "care_team_assignments"}
    before = portal["8af88bf56c01"]
    assert tables(before["TEN001"]) >= missing
    assert tables(before["TEN006"]) >= children
    assert not tables(before["TEN001"]) & {"patients", "providers", "staff", "proxies"}
    assert not tables(portal["ec20df1795df"]["TEN001"]) & missing


def test_row_level_security_was_called_a_pass_too_early(portal: Story) -> None:
    early = portal["ec20df1795df"]
    assert tables(early["TEN001"]) == {"organization_members"}
    assert tables(early["TEN006"]) == {"contact_methods", "care_team_assignments", "patient_proxy_assignments"}
    assert {"patients", "appointments"} <= tables(early["TEN002"]), "nothing is forced"


def test_audit_triggers_are_missing_where_the_portal_s_audit_says_until_its_fix(portal: Story) -> None:
    missing = {
        "appointments",
        "documents",
        "user_consents",
        "care_team_assignments",
        "contact_methods",
        "user_sessions",
        "user_devices",
    }
    before = tables(portal["8af88bf56c01"]["AUD001"])
    assert before >= missing
    assert not before & {"users", "patients", "organizations"}
    assert not tables(portal["ec20df1795df"]["AUD001"]) & missing


def test_audit_triggers_were_called_a_pass_too_early(portal: Story) -> None:
    early = portal["ec20df1795df"]
    assert {"providers", "staff", "proxies"} <= tables(early["AUD001"])
    assert early["AUD004"].outcome is Outcome.FAIL, "the application may change its own trail"


def test_an_appointment_is_deleted_for_good_until_its_fix(portal: Story) -> None:
    assert tables(portal["8af88bf56c01"]["RET001"]) == {"appointments"}
    assert portal["ea2e58f69efd"]["RET001"].outcome is Outcome.PASS
    assert portal["ec20df1795df"]["RET001"].outcome is Outcome.PASS


def test_indexes_were_called_a_pass_too_early_and_keys_were_not(portal: Story) -> None:
    assert "organization_members.fk_organization_members_user_id" in tables(portal["ec20df1795df"]["KEY002"])
    assert {portal[revision]["KEY006"].outcome for revision in PORTAL} == {Outcome.PASS}


def test_the_hardened_portal_is_silent(portal: Story) -> None:
    assert {result.outcome for result in portal["portal_hardening"].values()} == {Outcome.PASS}


def test_the_traps_of_pazpaz_are_found_where_they_stand(at: At) -> None:
    rules = objects(at("pazpaz", "6be7adba063b", "AUD006"))
    assert rules == {
        "pazpaz.audit_events.audit_events_immutable",
        "pazpaz.audit_events.audit_events_no_delete",
    }
    assert objects(at("pazpaz", "6be7adba063b", "AUD008")) == {"pazpaz.audit_events.fk_audit_events_workspace_id"}
    assert objects(at("pazpaz", "6be7adba063b", "KEY004")) == {"pazpaz.audit_events.fk_audit_events_user_id"}
    helpers = objects(at("pazpaz", "6be7adba063b", "ENC008"))
    assert {name.split("(")[0] for name in helpers} == {"pazpaz.encrypt_phi", "pazpaz.decrypt_phi"}
    assert at("pazpaz", "8283b279aeac", "ENC008").outcome is Outcome.PASS
    dead = objects(at("pazpaz", "92df859932f2", "ENC002"))
    assert dead == {"pazpaz.ix_clients_workspace_lastname_firstname", "pazpaz.ix_clients_workspace_email"}
    assert "pazpaz.session_versions" in objects(at("pazpaz", "92df859932f2", "TEN007"))
