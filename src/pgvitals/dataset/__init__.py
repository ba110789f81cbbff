"""Datasets: recipes of realistic rows, loaded fast, the same on every machine and in every order.

A recipe (``fixtures/<system>/dataset.py``) imports its vocabulary from here::

    from pgvitals.dataset import Table, Unit, pool

    def tenants(unit: Unit):
        return {"id": unit.ids(), "name": pool("companies").draw(unit.stream("name"), unit.rows)}

    def recipe(sizes, profile):
        return (Table(name="tenants", own_rows=sizes["tenants"], make=tenants),)
"""

from pgvitals.dataset.bookings import Bookings, Rates, settle
from pgvitals.dataset.columns import Column, blob, in_order, inet, json, json_values, lists, money, nullable, sealed
from pgvitals.dataset.npi import npis
from pgvitals.dataset.people import ORIGINS, People, draw_people, join, people_at
from pgvitals.dataset.places import Places, places
from pgvitals.dataset.pools import Pool, pool
from pgvitals.dataset.recipe import Columns, Recipe, Table, Unit, load_recipe
from pgvitals.dataset.returning import returning
from pgvitals.dataset.sizes import proportional_shares, zipf_shares, zipf_weights
from pgvitals.dataset.slots import Book, Calendar, book, calendar, working_days
from pgvitals.dataset.streams import Stream, hex_digests, position_at, uniform_at, uniforms_at, uuid_texts

__all__ = [
    "ORIGINS",
    "Book",
    "Bookings",
    "Calendar",
    "Column",
    "Columns",
    "People",
    "Places",
    "Pool",
    "Rates",
    "Recipe",
    "Stream",
    "Table",
    "Unit",
    "blob",
    "book",
    "calendar",
    "draw_people",
    "hex_digests",
    "in_order",
    "inet",
    "join",
    "json",
    "json_values",
    "lists",
    "load_recipe",
    "money",
    "npis",
    "nullable",
    "people_at",
    "places",
    "pool",
    "position_at",
    "proportional_shares",
    "returning",
    "sealed",
    "settle",
    "uniform_at",
    "uniforms_at",
    "uuid_texts",
    "working_days",
    "zipf_shares",
    "zipf_weights",
]
