"""Clients through the models: their computed fields in three ways, and how to find them once they are encrypted."""

import pytest
from sqlalchemy import and_, func, select, true
from sqlalchemy.orm import load_only

from pgvitals.encryption import blind_index
from pgvitals.measure.orm import models

pazpaz = models("pazpaz", beside=__file__)
Appointment, Client = pazpaz.Appointment, pazpaz.Client


def newest(p):
    """A page of a workspace's clients, the last changed first."""
    return (
        select(Client)
        .where(Client.workspace_id == p["workspace_id"])
        .order_by(Client.updated_at.desc(), Client.id)
        .limit(p.get("limit", 20))
    )


def of_client(p, client_id):
    """Which appointments are a client's: all, those that are to come, those that were kept."""
    every = and_(Appointment.workspace_id == p["workspace_id"], Appointment.client_id == client_id)
    to_come = and_(every, Appointment.status == "scheduled", Appointment.scheduled_start > p["now"])
    return every, to_come, and_(every, Appointment.status == "completed")


def three_queries(session, p):
    """As the document has it: three more statements for each client."""
    rows, start = [], Appointment.scheduled_start
    for client in session.scalars(newest(p)):
        every, to_come, kept = of_client(p, client.id)
        following = session.scalar(select(start).where(to_come).order_by(start.asc()).limit(1))
        last = session.scalar(select(start).where(kept).order_by(start.desc()).limit(1))
        number = session.scalar(select(func.count(Appointment.id)).where(every))
        rows.append((client.id, client.full_name, following, last, number))
    return rows


def lateral(session, p):
    """The same three in one statement: LATERAL, so the database runs them for each client of the page."""
    page, start = newest(p).subquery(), Appointment.scheduled_start
    every, to_come, kept = of_client(p, page.c.id)
    following = select(start).where(to_come).order_by(start.asc()).limit(1).lateral()
    last = select(start).where(kept).order_by(start.desc()).limit(1).lateral()
    number = select(func.count(Appointment.id).label("of")).where(every).lateral()
    statement = (
        select(Client, following.c.scheduled_start, last.c.scheduled_start, number.c.of)
        .join(page, page.c.id == Client.id)
        .outerjoin(following, true())
        .outerjoin(last, true())
        .join(number, true())
        .order_by(Client.updated_at.desc(), Client.id)
    )
    return [(client.id, client.full_name, *fields) for client, *fields in session.execute(statement)]


def one_aggregate(session, p):
    """All appointments of the page's clients, read once: MIN, MAX and COUNT with FILTER."""
    page, start = newest(p).with_only_columns(Client.id).subquery(), Appointment.scheduled_start
    every, to_come, kept = of_client(p, Client.id)
    statement = (
        select(Client, func.min(start).filter(to_come), func.max(start).filter(kept), func.count(Appointment.id))
        .join(page, page.c.id == Client.id)
        .outerjoin(Appointment, every)
        .group_by(Client.id)
        .order_by(Client.updated_at.desc(), Client.id)
    )
    return [(client.id, client.full_name, *fields) for client, *fields in session.execute(statement)]


@pytest.mark.parametrize("way", [three_queries, lateral, one_aggregate], ids=lambda way: way.__name__)
def test_client_page(orm, way):
    """A page of clients, each with its next appointment, its last one and their number."""
    sends = (lambda rows: 1 + 3 * len(rows)) if way is three_queries else (lambda rows: 1)
    requests = orm(
        "pazpaz",
        params="select workspace_id, (select max(updated_at) from pazpaz.appointments) as now from pazpaz.appointments",
    )
    requests.time(way, way.__name__.replace("_", " "), sends=sends, at_most=100 if way is three_queries else None)
    requests.page_by_page(way, sends)
    equal = requests.ask(way, limit=500).rows == requests.ask(three_queries, limit=500).rows
    assert equal, "the fields differ from those that three queries a client give"


@pytest.mark.parametrize("columns", ["all columns", "two columns"])
def test_client_by_name(orm, columns):
    """Clients by last name, once names are ciphertext: every client is read, opened and compared."""
    two = [load_only(Client.workspace_id, Client.first_name, Client.last_name)]  # the workspace, for its key
    options = {"all columns": [], "two columns": two}[columns]

    def name(session, p):
        return [("last_name", session.get_one(Client, p["client_id"]).last_name)]

    def search(session, p):
        wanted = p["last_name"].casefold()
        found = session.scalars(select(Client).where(Client.workspace_id == p["workspace_id"]).options(*options))
        return [(each.id, each.full_name) for each in found if each.last_name.casefold() == wanted]

    requests = orm("pazpaz", like="client_timeline")
    requests.time(search, columns, prepare=name, sends=lambda rows: 1, at_most=100)


def test_client_by_email(orm):
    """A client by e-mail, through the blind index."""

    def email(session, p):
        return [("email", session.get_one(Client, p["client_id"]).email)]

    def search(session, p):
        key = session.info["key_ring"].index_key(str(p["workspace_id"]))
        found = session.scalars(
            select(Client).where(
                Client.workspace_id == p["workspace_id"], Client.email_index == blind_index(key, p["email"])
            )
        )
        return [(each.id, each.full_name) for each in found]

    requests = orm(
        "pazpaz", params="select workspace_id, id as client_id from pazpaz.clients where email_index is not null"
    )
    requests.time(search, "blind index", prepare=email, sends=lambda rows: 1)
