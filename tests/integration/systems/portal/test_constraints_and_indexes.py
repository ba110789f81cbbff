"""What the portal's hardening refuses, keeps and indexes."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from pgvitals.audit import audit, load_rules, select_rules
from pgvitals.results.outcome import Outcome
from pgvitals.suite import Suite

REFUSED = {
    "ck_organizations_status_known": "update portal.organizations set status = 'gone'",
    "ck_users_status_known": "update portal.users set status = ''",
    "ck_organization_members_role_known": "update portal.organization_members set role = 'god'",
    "ck_user_devices_platform_known": "update portal.user_devices set platform = 'fax'",
    "ck_user_sessions_expiry_after_creation": "update portal.user_sessions set expires_at = created_at",
    "ck_user_consents_revoked_after_grant": "update portal.user_consents set revoked_at = granted_at - interval '1 s'",
    "ck_patients_date_of_birth_plausible": "update portal.patients set date_of_birth = current_date + 2",
    "ck_patients_sex_known": "update portal.patients set sex = 'F'",
    "ck_patients_id_form": (
        "insert into portal.patients select (jsonb_populate_record(p, jsonb_build_object('id', lower(id)))).* "
        "from portal.patients as p limit 1"
    ),
    "ck_patient_proxy_assignments_access_level_known": "update portal.patient_proxy_assignments set access_level = 'x'",
    "ck_patient_proxy_assignments_expiry_after_grant": (
        "update portal.patient_proxy_assignments set expires_at = granted_at"
    ),
    "ck_providers_npi_form": "update portal.providers set npi = '123'",
    "ck_care_team_assignments_end_after_start": "update portal.care_team_assignments set until = since",
    "ck_contact_methods_kind_known": "update portal.contact_methods set kind = 'pigeon'",
    "ck_appointments_end_after_start": "update portal.appointments set scheduled_end = scheduled_start",
    "ck_appointments_status_known": "update portal.appointments set status = 'Scheduled'",
    "ck_documents_size_not_negative": "update portal.documents set size_bytes = -1",
    "ck_documents_sha256_form": "update portal.documents set sha256 = 'x'",
    "ck_tasks_priority_known": "update portal.tasks set priority = 'asap'",
    "ck_call_logs_direction_known": "update portal.call_logs set direction = 'up'",
    "ck_call_logs_duration_not_negative": "update portal.call_logs set duration_seconds = -1",
    "ck_support_tickets_status_known": "update portal.support_tickets set status = 'lost'",
    "ck_invitations_expiry_after_creation": "update portal.invitations set expires_at = created_at",
    "ck_invitations_accepted_after_creation": "update portal.invitations set accepted_at = created_at - interval '1 s'",
}
KEPT = (
    "organizations",
    "organization_members",
    "users",
    "patients",
    "appointments",
    "documents",
    "user_consents",
)


@pytest.mark.parametrize("name", REFUSED)
def test_each_check_refuses_what_it_is_named_for(portal_at: Any, head: Any, name: str) -> None:
    with portal_at("ec20df1795df").session(role=None) as conn:
        if name != "ck_patients_id_form":  # a second patient of the same user
            conn.execute(REFUSED[name])
    with head.session(role=None) as conn, pytest.raises(psycopg.errors.CheckViolation) as refused:
        conn.execute(REFUSED[name])
    assert refused.value.diag.constraint_name == name


def test_who_is_born_today_is_a_patient(head: Any) -> None:
    with head.session(head.mine.id) as conn:
        assert conn.execute("update portal.patients set date_of_birth = current_date").rowcount == 1


@pytest.mark.parametrize(("revision", "there"), [("8af88bf56c01", False), ("ea2e58f69efd", True)])
def test_an_appointment_can_be_deleted_softly_since_ea2e58f69efd(portal_at: Any, revision: str, there: bool) -> None:
    portal = portal_at(revision)
    with portal.session(portal.mine.id) as conn:
        columns = conn.execute(
            "select count(*) from pg_attribute where attrelid = 'portal.appointments'::regclass "
            "and attname = 'deleted_at'"
        ).fetchone()
        assert columns == (int(there),)
        if there:
            assert conn.execute("update portal.appointments set deleted_at = now()").rowcount >= 1


@pytest.mark.parametrize("table", KEPT)
def test_what_has_to_be_kept_the_application_cannot_delete(portal_at: Any, head: Any, table: str) -> None:
    statement = f"delete from portal.{table} where false"
    with portal_at("ec20df1795df").session() as conn:
        conn.execute(statement)
    with head.session(head.mine.id) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(statement)


def test_the_models_had_forty_six_single_indexes_when_the_audit_counted(portal_at: Any) -> None:
    with portal_at("ec20df1795df").session() as conn:
        single = conn.execute(
            "select count(*) from pg_index join pg_class on pg_class.oid = indexrelid "
            "where relnamespace = 'portal'::regnamespace and indnatts = 1 and starts_with(relname, 'ix_')"
        ).fetchone()
    assert single == (46,)


def asked(suite: Suite, portal: Any, rule: str) -> Outcome:
    """What a rule says of the portal."""
    chosen = select_rules(load_rules(), [rule])
    return audit(portal.database.connect, [suite.system("portal")], rules=chosen).results[0].outcome


@pytest.mark.parametrize("rule", ["IDX003", "KEY002"])
def test_the_hardening_indexes_every_foreign_key_and_repeats_no_index(
    suite: Suite, portal_at: Any, head: Any, rule: str
) -> None:
    assert asked(suite, portal_at("ec20df1795df"), rule) is Outcome.FAIL
    assert asked(suite, head, rule) is Outcome.PASS


@pytest.mark.parametrize("rule", ["IDX001", "IDX002", "KEY001", "KEY003", "KEY004", "KEY005", "KEY006", "KEY007"])
def test_keys_and_indexes_are_in_order(suite: Suite, head: Any, rule: str) -> None:
    assert asked(suite, head, rule) is Outcome.PASS
