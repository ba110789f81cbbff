"""The harness check on a real server: pgbench and pgvitals send the same parameters and find the same rows."""

from __future__ import annotations

import pytest

from pgvitals.errors import MeasureError
from pgvitals.lab import Database
from pgvitals.measure import pgbench
from pgvitals.measure.harness import check, markdown, rows_of
from pgvitals.measure.harness_arms import ARMS, EXECUTE, WORKLOADS, make_table, visit
from pgvitals.results.outcome import Outcome
from pgvitals.terminal import Terminal


def test_pgbench_sends_exactly_the_parameters_that_pgvitals_sends(database: Database) -> None:
    """It writes down what it got, in the order in which it got it."""
    with database.connect() as conn:
        conn.execute("create table seen (at bigserial, key int)")
    written = pgbench.script("insert into seen (key) values (:key)", low=1000, count=500)
    took = pgbench.run(database, written, transactions=60, seed=11)
    with database.connect() as conn:
        seen = [key for (key,) in conn.execute("select key from seen order by at").fetchall()]
    assert seen == pgbench.sequence(11, 60, low=1000, count=500)
    assert took.shape == (60,)
    assert (took > 0).all()


def test_a_statement_that_fails_in_pgbench_is_told(database: Database) -> None:
    with pytest.raises(MeasureError, match="pgbench logged 0 of 5 transactions: "):
        pgbench.run(database, pgbench.script("select no_such_column", 1, 9), transactions=5, seed=1)


def test_every_arm_gives_as_many_latencies_as_it_was_asked_for(database: Database) -> None:
    make_table(database)
    for workload in WORKLOADS:
        for arm in ARMS:
            found = visit(database, arm, workload, seed=3, n=25)
            assert set(found) == ({EXECUTE, "driver"} if arm == "driver" else {arm})
            for each in found.values():
                assert each.shape == (25,)
                assert (each > 0).all()


def test_other_rows_than_there_should_be_stop_the_check(database: Database) -> None:
    make_table(database)
    with database.connect() as conn:
        conn.execute("delete from harness.visits where id % 2 = 0")
    with pytest.raises(MeasureError, match="found 25 rows where there are 50"):
        visit(database, "pgvitals", WORKLOADS[1], seed=3, n=20)


def test_the_check_says_how_quiet_the_machine_was_and_judges_nothing_by_few_rounds(database: Database) -> None:
    found = check(database, Terminal(quiet=True), rounds=1, per_visit=20)
    assert 1 <= found.rounds <= 3
    assert found.quiet_rounds == 1 or found.rounds == 3
    assert found.noise is not None
    assert found.outcome is Outcome.INCONCLUSIVE
    page = markdown(found)
    assert f"{found.quiet_rounds} of {found.rounds} rounds were quiet" in page
    for name, workload, *_ in rows_of(found):
        assert f"| {name} | {workload} |" in page
