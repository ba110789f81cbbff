"""An organization's accounts and its office, whatever the sizes and the seed."""

from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pgvitals.suite import load_module

rows_ = load_module(Path(__file__).with_name("dataset_rows.py"), "dataset_rows")

quick = settings(deadline=None, max_examples=6, derandomize=True, database=None)
DAY = np.timedelta64(86_400_000_000, "us")


@st.composite
def portal(draw):
    return rows_.Rows("portal", draw(rows_.profiles("portal")), draw(rows_.seeds()))


def outside_office_hours(rows, table, moment, some):
    """Rows that were not made on Monday to Friday from eight to half past five, by the clock on the wall."""
    at, parent = rows.parents(table, "organization_id", "organizations")
    found = 0
    for zone, made in zip(rows.one("organizations", "timezone")[parent][some], moment[at][some], strict=True):
        local = made.item().replace(tzinfo=UTC).astimezone(ZoneInfo(zone.decode()))
        found += local.weekday() >= 5 or not 8 * 60 <= local.hour * 60 + local.minute <= 17 * 60 + 30
    return found


@quick
@given(portal())
def test_staff_works_in_office_hours_at_its_place(rows):
    for table, column in (("tasks", "created_at"), ("call_logs", "started_at")):
        everything = np.ones(len(rows.one(table, "id")), dtype=bool)
        assert outside_office_hours(rows, table, rows.one(table, column), everything) == 0
    _, users = rows.parents("documents", "uploaded_by_user_id", "users")
    staff = np.isin(rows.one("users", "id")[users], rows.one("staff", "user_id"))
    made = rows.one("documents", "created_at")
    _, patients = rows.parents("documents", "patient_id", "patients")
    # Of a patient who came in the last days there is perhaps no working day yet.
    settled = rows.one("patients", "created_at")[patients] < np.datetime64(rows.profile.as_of, "us") - 5 * DAY
    assert outside_office_hours(rows, "documents", made, staff & settled) <= 2


@quick
@given(portal())
def test_who_has_closed_an_account_is_signed_in_nowhere(rows):
    closed = rows.one("users", "id")[rows.one("users", "status") == b"deactivated"]
    for table in ("user_devices", "user_sessions"):
        assert not np.isin(rows.one(table, "user_id"), closed).any()
    at = np.flatnonzero(rows.given("users", "deleted_at"))
    assert (rows.one("users", "status")[at] == b"deactivated").all()
    last, deleted = rows.value("users", "last_login_at", "deleted_at")
    seen = at[rows.given("users", "last_login_at")[at]]
    assert (last[seen] <= deleted[seen]).all()


@quick
@given(portal())
def test_a_session_is_one_of_its_devices_owner_and_begins_after_the_device_came(rows):
    at, device = rows.parents("user_sessions", "device_id", "user_devices")
    assert (rows.one("user_sessions", "user_id")[at] == rows.one("user_devices", "user_id")[device]).all()
    begun, ends, seen = rows.value("user_sessions", "created_at", "expires_at", "last_seen_at")
    assert (begun[at] >= rows.one("user_devices", "created_at")[device]).all()
    assert ((begun <= seen) & (seen <= ends)).all()
    revoked = rows.given("user_sessions", "revoked_at")
    stopped = rows.one("user_sessions", "revoked_at")
    assert ((seen <= stopped) & (stopped <= ends))[revoked].all()


@quick
@given(portal())
def test_a_patient_nearly_always_sees_the_primary_provider(rows):
    role = rows.one("care_team_assignments", "role")
    _, patient = rows.parents("care_team_assignments", "patient_id", "patients")
    _, provider = rows.parents("care_team_assignments", "provider_id", "providers")
    primary = np.full(len(rows.one("patients", "id")), -1)
    primary[patient[role == b"primary"]] = provider[role == b"primary"]
    assert (primary >= 0).all()
    _, seen = rows.parents("appointments", "patient_id", "patients")
    _, by = rows.parents("appointments", "provider_id", "providers")
    organization = rows.one("appointments", "organization_id")
    for each in np.unique(organization):
        here = organization == each
        if here.sum() > 100 and len(np.unique(seen[here])) > 3 * len(np.unique(by[here])):
            assert (primary[seen[here]] == by[here]).mean() > 0.6
