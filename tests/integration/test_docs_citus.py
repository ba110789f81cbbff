"""What docs/citus.md says of the schemas and the queries is what they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pgvitals.lab import Database
from pgvitals.lab.migrate import upgrade
from pgvitals.suite import Suite

PAGE = (Path(__file__).parents[2] / "docs" / "citus.md").read_text()


def test_the_query_in_the_page_gives_the_table_below_it(suite: Suite, database: Database) -> None:
    found = re.search(r"```sql\n(.*?)\n```\n\n(.*?)\n\n", PAGE, re.DOTALL)
    assert found is not None
    query, table = found.groups()
    upgrade(suite, database)
    with database.connect() as conn:
        rows = conn.execute(query).fetchall()
    assert len(rows) > 10
    assert table.splitlines()[2:] == [f"| {' | '.join(map(str, row))} |" for row in rows]


@pytest.mark.parametrize("system", ["pazpaz", "practice", "portal"])
def test_every_query_that_does_not_name_its_tenant_is_told(suite: Suite, system: str) -> None:
    column = suite.system(system).tenant.column
    named = re.compile(rf"\b{column}\s*=\s*%\({column}\)s|insert into \S+\s*\([^)]*\b{column}\b")
    without = {
        f"{system}/{query.name}" for query in suite.queries if query.system == system and not named.search(query.sql)
    }
    told = set(re.findall(rf"\b{system}/\w+", PAGE))
    assert without <= told
    assert told <= {f"{system}/{query.name}" for query in suite.queries if query.system == system}


def test_the_numbers_of_queries_are_right(suite: Suite) -> None:
    told = set(re.findall(r"\b(?:pazpaz|practice|portal)/\w+", PAGE))
    assert f"Of the {len(suite.queries)} queries in `bench/`, {len(suite.queries) - len(told)} name the tenant" in PAGE
