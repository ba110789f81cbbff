"""Statements with their tenant added: only tables are rewritten, and everything else keeps its name."""

from __future__ import annotations

import pytest

from pgvitals.measure.explicit import of_tenant, with_predicates

ORDERS = {"orders": of_tenant("shop", "tenant_id", None)}


@pytest.mark.parametrize(
    ("statement", "rewritten"),
    [
        (
            "select id from shop.orders where code = %(code)s",
            "select id from (select orders.* from shop.orders orders where orders.tenant_id = %(tenant_id)s) orders"
            " where code = %(code)s",
        ),
        (
            "select o.id from shop.orders o join shop.items i on i.order_id = o.id",
            "select o.id from (select o.* from shop.orders o where o.tenant_id = %(tenant_id)s) o"
            " join shop.items i on i.order_id = o.id",
        ),
        (
            "select 1 from shop.items i, shop.orders as o limit 1",
            "select 1 from shop.items i,"
            " (select o.* from shop.orders o where o.tenant_id = %(tenant_id)s) as o limit 1",
        ),
        (
            "select 1 from shop.orders\nJOIN shop.items using (id)",
            "select 1 from (select orders.* from shop.orders orders where orders.tenant_id = %(tenant_id)s) orders"
            "\nJOIN shop.items using (id)",
        ),
    ],
)
def test_a_table_is_read_through_its_predicate(statement: str, rewritten: str) -> None:
    assert with_predicates(statement, "shop", ORDERS) == rewritten


@pytest.mark.parametrize(
    "statement",
    [
        "select 'from shop.orders' from shop.items -- shop.orders",
        "select 1 /* shop.orders */ from shop.orders_archive",
        "select shop.orders.id from shop.items",
        "select workshop.orders",
    ],
)
def test_what_only_looks_like_the_table_stays(statement: str) -> None:
    assert with_predicates(statement, "shop", ORDERS) == statement


def test_a_table_without_a_tenant_column_asks_its_parent() -> None:
    assert of_tenant("shop", "tenant_id", ("orders", "id", "order_id")).format(row="i") == (
        "exists (select from shop.orders pgvitals_parent "
        "where pgvitals_parent.id = i.order_id and pgvitals_parent.tenant_id = %(tenant_id)s)"
    )
