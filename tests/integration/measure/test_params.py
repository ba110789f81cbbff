"""Parameters: drawn from the data, weighted as the rows are, the same for the same data and seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import pytest

from pgvitals.errors import MeasureError
from pgvitals.lab import Database
from pgvitals.measure.params import draw, draw_of_tenants, tenant_ranks
from pgvitals.measure.task import make_tasks
from pgvitals.query import Query
from pgvitals.suite import Suite

MakeSuite = Callable[[Mapping[str, str]], Suite]


@pytest.fixture
def query(meter: MakeSuite) -> Callable[..., Query]:
    """A query file with these params."""

    def make(params: str, statement: str = "select 1") -> Query:
        (made,) = meter({"q": f"-- title: q\n-- budget_p95_ms: 1\n-- params: {params}\n{statement}\n"}).queries
        return made

    return make


def drawn(database: Database, query: Query, n: int, seed: int = 1) -> list[dict[str, object]]:
    """Parameter sets over a connection of their own."""
    with database.connect() as conn:
        return draw(conn, query, n, seed)


def test_one_seed_draws_the_same_and_another_others(shared: Database, query: Callable[..., Query]) -> None:
    each = query("select id, name from meter.items")
    assert drawn(shared, each, 50, seed=7) == drawn(shared, each, 50, seed=7)
    assert drawn(shared, each, 50, seed=7) != drawn(shared, each, 50, seed=8)


def test_where_a_row_lies_does_not_change_the_draw(metered: Database, query: Callable[..., Query]) -> None:
    each = query("select tenant_id, kind from meter.items")
    before = drawn(metered, each, 60)
    with metered.connect() as conn:
        conn.execute("create table meter.turned as select * from meter.items order by md5(id::text)")
        conn.execute("truncate meter.items")
        conn.execute("insert into meter.items select * from meter.turned")
    assert drawn(metered, each, 60) == before


def test_a_draw_has_the_shares_of_the_rows(shared: Database, query: Callable[..., Query]) -> None:
    found = Counter(row["tenant_id"] for row in drawn(shared, query("select tenant_id from meter.items"), 1000))
    expected = {"a": 500, "b": 250, "c": 150, "d": 75, "e": 25}
    assert found.keys() == expected.keys()
    assert all(abs(found[tenant] - count) < 5 * count**0.5 for tenant, count in expected.items())


def test_equal_rows_are_not_drawn_all_together_or_not_at_all(shared: Database, query: Callable[..., Query]) -> None:
    """4000 rows, but only 5 x 20 different parameter sets."""
    found = Counter(tuple(row.values()) for row in drawn(shared, query("select tenant_id, kind from meter.items"), 100))
    assert len(found) > 40
    assert max(found.values()) < 10


def test_a_draw_of_everything_is_everything(shared: Database, query: Callable[..., Query]) -> None:
    found = drawn(shared, query("select id from meter.items"), 4000)
    assert sorted(row["id"] for row in found) == list(range(1, 4001))


def test_few_rows_are_drawn_again(shared: Database, query: Callable[..., Query]) -> None:
    found = drawn(shared, query("select id from meter.items where id <= 3"), 8)
    assert [row["id"] for row in found[:3]] == [row["id"] for row in found[3:6]]
    assert sorted({row["id"] for row in found}) == [1, 2, 3]


def test_a_json_parameter_goes_back_as_it_came(shared: Database, query: Callable[..., Query]) -> None:
    each = query("select jsonb_build_object('id', id) as doc from meter.items", "select %(doc)s::jsonb -> 'id'")
    with shared.connect() as conn:
        (row,) = draw(conn, each, 1, 1)
        assert conn.execute("select jsonb_typeof(%(doc)s)", row).fetchone() == ("object",)


def test_a_tenant_s_draw_is_of_its_own_rows_in_the_same_way(shared: Database, query: Callable[..., Query]) -> None:
    each = query("select tenant_id, kind from meter.items where name like '%9'")
    with shared.connect() as conn:
        found = draw_of_tenants(conn, each, "tenant_id", ["a", "e"], 50, seed=7)
        again = draw_of_tenants(conn, each, "tenant_id", ["e"], 50, seed=7)
    assert {tenant: {row["tenant_id"] for row in rows} for tenant, rows in found.items()} == {"a": {"a"}, "e": {"e"}}
    assert again["e"] == found["e"]
    assert found["e"][:10] == found["e"][10:20]  # it has ten rows
    whole = [row for row in drawn(shared, each, 400, seed=7) if row["tenant_id"] == "a"]
    assert whole[:50] == found["a"]


def test_params_without_a_row_say_what_to_do(shared: Database, query: Callable[..., Query]) -> None:
    with pytest.raises(MeasureError, match=r"q\.sql: 'params' returns no row; load a dataset first"):
        drawn(shared, query("select id from meter.items where false"), 1)


def test_params_that_lack_a_parameter_are_named(shared: Database, query: Callable[..., Query]) -> None:
    with pytest.raises(MeasureError, match="lacks column 'kind'"):
        drawn(shared, query("select id from meter.items", "select %(id)s::int + %(kind)s::int"), 1)


def test_params_that_fail_are_one_line_without_values(shared: Database, query: Callable[..., Query]) -> None:
    with pytest.raises(MeasureError) as caught:
        drawn(shared, query("select name::int as id from meter.items"), 1)
    assert "'params' fails with InvalidTextRepresentation" in str(caught.value)
    assert "name " not in str(caught.value)


def test_percent_signs_of_params_are_plain_sql(shared: Database, query: Callable[..., Query]) -> None:
    assert len(drawn(shared, query("select id from meter.items where name like '%99'"), 5)) == 5


def test_parameters_of_several_queries_are_drawn_side_by_side_and_come_in_order(
    shared: Database, meter: MakeSuite
) -> None:
    header = "-- title: q\n-- budget_p95_ms: 1\n-- params: "
    suite = meter({f"q{i}": f"{header}select id, {i} as n from meter.items\nselect 1\n" for i in range(7)})
    made = make_tasks(shared, suite.queries, suite.systems, parameter_sets=3, seed=1)
    assert [task.query.name for task in made] == [f"q{i}" for i in range(7)]
    assert [{row["n"] for row in task.parameters} for task in made] == [{i} for i in range(7)]


def test_one_that_fails_ends_the_others(shared: Database, meter: MakeSuite) -> None:
    header = "-- title: q\n-- budget_p95_ms: 1\n-- params: "
    texts = {"a": "select name::int as id from meter.items", "b": "select id from meter.items, pg_sleep(60)"}
    suite = meter({name: f"{header}{text}\nselect 1\n" for name, text in texts.items()})
    with pytest.raises(MeasureError, match=r"a\.sql: 'params' fails with InvalidTextRepresentation"):
        make_tasks(shared, suite.queries, suite.systems, parameter_sets=3, seed=1)


def test_ranks_follow_the_rows_of_the_traffic_table(shared: Database, meter: MakeSuite) -> None:
    system = meter({}).system("meter")
    with shared.connect() as conn:
        assert tenant_ranks(conn, system) == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}


def test_a_system_without_its_tables_says_how_to_get_them(database: Database, meter: MakeSuite) -> None:
    with database.connect() as conn, pytest.raises(MeasureError, match="`pgvitals load` migrates and fills it"):
        tenant_ranks(conn, meter({}).system("meter"))
