"""The requests of the applications through their models: how each is loaded, and what it sends to the database.

A relationship of the models is lazy unless a request says otherwise, in ``options(…)``: that is all that differs
between the rows of the table that `pytest bench/test_orm.py` ends with. Every round asserts the number of statements;
a time is shown and never asserted. A session keeps one object a row (its identity map), so lazy loading of a client
costs a statement for each different client, not for each appointment as is often said; and ``selectinload`` asks for
500 clients at a time, so it sends the same two statements for 1 and for 500 of them, and a third beyond.

See test_orm_clients.py for what is not a matter of loading: computed fields, and search among encrypted names.
"""

from datetime import UTC, datetime
from math import ceil

import pytest
from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from pgvitals.measure.orm import models

pazpaz, practice, portal = (models(system, beside=__file__) for system in ("pazpaz", "practice", "portal"))
Appointment, Note = pazpaz.Appointment, pazpaz.Session
Token, Practice = practice.AuthToken, practice.PracticeProfile
Patient = portal.Patient

ALWAYS = {"week_start": datetime(2000, 1, 1, tzinfo=UTC), "week_end": datetime(2100, 1, 1, tzinfo=UTC)}
AT_A_TIME = 500
"""How many rows of another table one statement of ``selectinload`` asks for."""
SEALING = 2
"""Statements of a transaction before it seals anything: hold the workspace's keys, and read which is the newest."""

loads = pytest.mark.parametrize("loading", ["lazy", "eager"])


def different(rows, column):
    """How many different rows of another table these rows refer to."""
    return len({row[column] for row in rows} - {None})


# pazpaz


@loads
def test_calendar_week(orm, loading):
    """A week of a workspace's calendar, each appointment with its client's name."""
    options = {"lazy": [], "eager": [selectinload(Appointment.client)]}[loading]
    sends = {
        "lazy": lambda rows: 1 + different(rows, 0),
        "eager": lambda rows: 1 + ceil(different(rows, 0) / AT_A_TIME),
    }[loading]

    def week(session, p):
        found = session.scalars(
            select(Appointment)
            .where(
                Appointment.workspace_id == p["workspace_id"],
                Appointment.scheduled_start >= p["week_start"],
                Appointment.scheduled_start < p["week_end"],
            )
            .order_by(Appointment.scheduled_start.desc())
            .limit(p.get("limit"))
            .options(*options)
        )
        return [(each.client_id, each.scheduled_start, each.status, each.client.full_name) for each in found]

    requests = orm("pazpaz", like="calendar_week")
    requests.time(week, loading, sends=sends, driver=True, at_most=100 if loading == "lazy" else None)
    requests.page_by_page(week, sends, **ALWAYS)


@loads
def test_client_history(orm, loading):
    """A client's last appointments, each with its service and its location."""
    options = {"lazy": [], "eager": [joinedload(Appointment.service), joinedload(Appointment.location)]}[loading]
    sends = {"lazy": lambda rows: 2 + different(rows, 0) + different(rows, 1), "eager": lambda rows: 2}[loading]

    def history(session, p):
        client = session.get_one(pazpaz.Client, p["client_id"])
        found = session.scalars(
            select(Appointment)
            .where(Appointment.workspace_id == p["workspace_id"], Appointment.client_id == p["client_id"])
            .order_by(Appointment.scheduled_start.desc())
            .limit(10)
            .options(*options)
        )
        return [
            (
                *(each.service_id, each.location_id, client.full_name, each.scheduled_start),
                *(other.name if other else None for other in (each.service, each.location)),
            )
            for each in found
        ]

    orm("pazpaz", like="client_timeline").time(history, loading, sends=sends)


@loads
def test_session_notes(orm, loading):
    """A client's session notes, opened, and how often each was amended."""
    options = {"lazy": [], "eager": [selectinload(Note.versions)]}[loading]
    sends = {"lazy": lambda rows: 1 + len(rows), "eager": lambda rows: 2}[loading]

    def notes(session, p):
        found = session.scalars(
            select(Note)
            .where(Note.workspace_id == p["workspace_id"], Note.client_id == p["client_id"], Note.deleted_at.is_(None))
            .order_by(Note.session_date.desc())
            .limit(20)
            .options(*options)
        )
        return [
            (each.session_date, each.subjective, each.objective, each.assessment, each.plan, len(each.versions))
            for each in found
        ]

    requests = orm("pazpaz", params="select workspace_id, client_id from pazpaz.sessions where deleted_at is null")
    requests.time(notes, loading, sends=sends)


@loads
def test_book_appointment(orm, loading):
    """An appointment booked, its note sealed at the flush; the answer shows the client's name.

    Eager is what the document praises: select the new row again, with its client. The session has that row
    already, so it costs a statement more than the client alone.
    """
    sends = {"lazy": SEALING + 2, "eager": SEALING + 3}[loading]

    def book(session, p):
        made = Appointment(
            **{name: p[name] for name in ("workspace_id", "client_id", "practitioner_id", "service_id", "location_id")},
            scheduled_start=p["start"],
            scheduled_end=p["end"],
            location_type="clinic",
            notes="Asked for the same room as last time.",
        )
        session.add(made)
        session.flush()
        if loading == "eager":
            session.scalars(
                select(Appointment).where(Appointment.id == made.id).options(selectinload(Appointment.client))
            ).one()
        return [(made.id, made.status, made.client.full_name)]

    requests = orm(
        "pazpaz",
        params="""
            select workspace_id, client_id, practitioner_id, service_id, location_id, practitioner_id as actor_id,
                scheduled_start + interval '10 years' as "start", scheduled_end + interval '10 years' as "end"
            from pazpaz.appointments
        """,
        writes=True,
    )
    with requests.leave_no_trace():
        requests.time(book, loading, sends=lambda rows: sends)


@loads
def test_add_note(orm, loading):
    """A session's four notes, sealed at the flush; the answer shows the client's name."""
    options = {"lazy": [], "eager": [joinedload(Appointment.client, innerjoin=True)]}[loading]
    sends = {"lazy": 2 + SEALING + 1, "eager": 1 + SEALING + 1}[loading]

    def add(session, p):
        visit = session.get_one(Appointment, p["appointment_id"], options=options)
        note = Note(
            workspace_id=visit.workspace_id,
            client=visit.client,
            appointment=visit,
            session_date=visit.scheduled_start,
            duration_minutes=45,
            created_by_user_id=visit.practitioner_id,
            subjective="Less pain in the morning, stiff after long drives.",
            objective="Flexion 110 degrees, extension full, no swelling.",
            assessment="Recovers as planned.",
            plan="Continue the exercises; again in two weeks.",
        )
        session.add(note)
        session.flush()
        return [(note.id, note.client.full_name)]

    requests = orm(
        "pazpaz",
        params="""
            select workspace_id, id as appointment_id, practitioner_id as actor_id from pazpaz.appointments
            where status = 'completed'
        """,
        writes=True,
    )
    with requests.leave_no_trace():
        requests.time(add, loading, sends=lambda rows: sends)


# practice


@loads
def test_token_validation(orm, loading):
    """A presented token, and whose it is."""
    options = {"lazy": [], "eager": [joinedload(Token.user)]}[loading]
    sends = {"lazy": lambda rows: 1 + different(rows, 0), "eager": lambda rows: 1}[loading]

    def validate(session, p):
        found = session.scalars(
            select(Token)
            .where(Token.token_hash == p["token_hash"], Token.status == "active", Token.expires_at > p["moment"])
            .options(*options)
        )
        return [(each.user_id, each.scopes, each.user and each.user.full_name) for each in found]

    orm("practice", like="active_token_by_hash").time(validate, loading, sends=sends)


@loads
def test_locations_of_practices(orm, loading):
    """A page of a tenant's practices, each with its locations."""
    options = {"lazy": [], "eager": [selectinload(Practice.locations)]}[loading]
    sends = {"lazy": lambda rows: 1 + len(rows), "eager": lambda rows: 2}[loading]

    def locations(session, p):
        found = session.scalars(
            select(Practice)
            .where(Practice.tenant_id == p["tenant_id"], Practice.is_active)
            .order_by(Practice.name, Practice.id)
            .limit(p.get("limit", 20))
            .options(*options)
        )
        return [(each.name, [(one.name, one.city) for one in each.locations]) for each in found]

    params = "select tenant_id from practice.practice_profiles where tenant_id is not null and is_active"
    requests = orm("practice", params=params)
    requests.time(locations, loading, sends=sends)
    requests.page_by_page(locations, sends)


@loads
def test_rotate_token(orm, loading):
    """A token replaced by its child, if its user may still sign in."""
    kept = ("tenant_id", "correlation_id", "token_type", "issuer", "audience", "scopes", "token_metadata")
    options = {"lazy": [], "eager": [joinedload(Token.user)]}[loading]
    sends = {
        "lazy": lambda rows: 1 + different(rows, 0) + 2 * different(rows, 1),
        "eager": lambda rows: 1 + 2 * different(rows, 1),
    }[loading]

    def rotate(session, p):
        parent = session.scalars(
            select(Token)
            .where(Token.token_hash == p["token_hash"], Token.status == "active", Token.expires_at > p["moment"])
            .with_for_update(of=Token)  # two rotations at once make one child
            .options(*options)
        ).one()
        if parent.user is not None and not parent.user.is_active:
            return [(parent.user_id, None)]
        parent.status, parent.revoked_at = "rotated", p["moment"]
        child = Token(
            **{name: getattr(parent, name) for name in kept},
            user=parent.user,
            parent=parent,
            rotation_count=parent.rotation_count + 1,
            token_hash=p["child_hash"],
            issued_at=p["moment"],
            expires_at=p["expires_at"],
        )
        session.add(child)
        session.flush()
        return [(parent.user_id, child.id)]

    requests = orm("practice", like="rotate_token", writes=True)
    with requests.leave_no_trace():
        requests.time(rotate, loading, sends=sends)


# portal


@loads
def test_patient_list(orm, loading):
    """A page of an organization's patients, each with the ways to reach them."""
    options = {"lazy": [], "eager": [selectinload(Patient.contact_methods)]}[loading]
    sends = {"lazy": lambda rows: 1 + len(rows), "eager": lambda rows: 2}[loading]

    def page(session, p):
        found = session.scalars(
            select(Patient)
            .where(Patient.organization_id == p["organization_id"], Patient.deleted_at.is_(None))
            .order_by(Patient.last_name, Patient.first_name, Patient.id)
            .limit(p.get("limit", 20))
            .options(*options)
        )
        return [
            (each.mrn, each.last_name, each.first_name, [(one.kind, one.value) for one in each.contact_methods])
            for each in found
        ]

    requests = orm("portal", params="select organization_id from portal.patients where deleted_at is null")
    requests.time(page, loading, sends=sends)
    requests.page_by_page(page, sends)


@loads
def test_chart(orm, loading):
    """A patient's chart: ways to reach them, care team, appointments and documents, each with its provider."""
    eager = [
        selectinload(Patient.contact_methods),
        selectinload(Patient.care_team).joinedload(portal.CareTeamAssignment.provider, innerjoin=True),
        selectinload(Patient.appointments).joinedload(portal.Appointment.provider, innerjoin=True),
        selectinload(Patient.documents),
    ]
    options = {"lazy": [], "eager": eager}[loading]
    sends = {"lazy": lambda rows: 5 + different(rows, 0), "eager": lambda rows: 5}[loading]

    def chart(session, p):
        patient = session.get_one(Patient, p["patient_id"], options=options)
        return [
            *((None, one.kind, one.value) for one in patient.contact_methods),
            *((one.provider_id, one.role, one.provider.last_name) for one in patient.care_team),
            *((one.provider_id, one.scheduled_start, one.provider.last_name) for one in patient.appointments),
            *((None, one.kind, one.title) for one in patient.documents),
        ]

    requests = orm("portal", params="select organization_id, patient_id from portal.appointments")
    requests.time(chart, loading, sends=sends)
