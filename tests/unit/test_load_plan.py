"""The plan of the load test: seeded, Poisson, weighted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from pgvitals.errors import LoadTestError
from pgvitals.load.mix import Mix, load_mix
from pgvitals.load.plan import MAX_REQUESTS, Plan, arrivals, make_plan
from pgvitals.query import Query


def plan(**changes: object) -> Plan:
    asked = {"weights": {"s/a": 1.0}, "rate": 1000.0, "seconds": 30.0, "seed": 1, "parameter_sets": 50}
    return make_plan(**{**asked, **changes})  # type: ignore[arg-type]


def query(name: str) -> Query:
    return Query(name=name, system="s", path=Path(name), title=name, budget_p95_ms=1, params="select 1", sql="select 1")


def test_the_same_seed_gives_the_same_arrivals_and_another_seed_gives_others() -> None:
    assert np.array_equal(arrivals(200, 10, 7), arrivals(200, 10, 7))
    assert not np.array_equal(arrivals(200, 10, 7), arrivals(200, 10, 8))


def test_the_planned_rate_is_exact_and_every_request_is_due_within_the_duration() -> None:
    due = arrivals(200, 10, 3)
    assert len(due) == 2000
    assert due.min() >= 0
    assert due.max() < 10
    assert np.all(np.diff(due) >= 0)


def test_no_request_is_lost_to_binary_fractions() -> None:
    assert len(arrivals(2.3, 10, 1)) == 23
    assert len(arrivals(0.1, 30, 1)) == 3


def test_gaps_between_arrivals_are_exponential() -> None:
    rate = 1000.0
    gaps = np.diff(arrivals(rate, 30, 11))
    assert stats.kstest(gaps, "expon", args=(0, 1 / rate)).pvalue > 0.01
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.05)


def test_a_uniformly_paced_schedule_would_not_pass_for_exponential() -> None:
    paced = np.full(30_000, 1 / 1000.0)
    assert stats.kstest(paced, "expon", args=(0, 1 / 1000.0)).pvalue < 1e-6


def test_counts_a_second_have_the_variance_of_a_poisson_process() -> None:
    counts, _ = np.histogram(arrivals(50, 4000, 5), bins=4000, range=(0, 4000))
    assert counts.var() / counts.mean() == pytest.approx(1.0, abs=0.1)


def test_queries_are_drawn_by_the_weights_of_the_mix() -> None:
    made = plan(weights={"s/a": 1.0, "s/b": 3.0, "s/c": 0.0})
    assert made.keys == ("s/a", "s/b")
    share = np.bincount(made.query) / len(made)
    assert share == pytest.approx([0.25, 0.75], abs=0.015)


def test_parameter_sets_are_all_used_and_evenly() -> None:
    made = plan(parameter_sets=50)
    counts = np.bincount(made.parameters, minlength=50)
    assert len(counts) == 50
    assert stats.chisquare(counts).pvalue > 0.001


def test_the_query_does_not_depend_on_the_due_time() -> None:
    made = plan(weights={"s/a": 1.0, "s/b": 1.0})
    first, second = (made.due_ns[made.query == number].mean() for number in (0, 1))
    assert first == pytest.approx(second, rel=0.03)


def test_another_mix_keeps_the_due_times() -> None:
    assert np.array_equal(plan().due_ns, plan(weights={"s/a": 1.0, "s/b": 9.0}).due_ns)


@pytest.mark.parametrize(
    ("rate", "seconds", "seed"),
    [(0, 1, 1), (-1, 1, 1), (float("nan"), 1, 1), (float("inf"), 1, 1), (10, 0, 1), (10, 1, -1), (0.1, 1, 1)],
)
def test_a_plan_that_makes_no_sense_is_refused(rate: float, seconds: float, seed: int) -> None:
    with pytest.raises(LoadTestError, match="load test"):
        arrivals(rate, seconds, seed)


def test_a_plan_that_would_not_fit_in_memory_is_refused() -> None:
    with pytest.raises(LoadTestError, match="choose rate and duration"):
        arrivals(MAX_REQUESTS, 2, 1)


def test_a_mix_without_any_weight_is_refused() -> None:
    with pytest.raises(LoadTestError, match="no query has a weight"):
        plan(weights={"s/a": 0.0})


def test_a_query_that_the_mix_does_not_name_gets_the_default_weight(tmp_path: Path) -> None:
    path = tmp_path / "mix.toml"
    path.write_text('default = 2\n[weights]\n"s/a" = 5\n')
    queries = (query("a"), query("b"))
    assert load_mix(path, queries).of(queries) == {"s/a": 5.0, "s/b": 2.0}


def test_a_write_has_a_weight_of_its_own_unless_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mix.toml"
    reads, named, write = query("a"), replace(query("b"), ends="rollback"), replace(query("c"), ends="rollback")
    path.write_text('default = 2\nwrites = 0.5\n[weights]\n"s/b" = 5\n')
    assert load_mix(path, (reads, named, write)).of((reads, named, write)) == {"s/a": 2.0, "s/b": 5.0, "s/c": 0.5}
    path.write_text("default = 2\n")
    assert load_mix(path, (write,)).of((write,)) == {"s/c": 2.0}


def test_the_mix_may_name_a_query_that_is_not_for_this_revision(tmp_path: Path) -> None:
    path = tmp_path / "mix.toml"
    path.write_text('[weights]\n"s/a" = 5\n')
    assert load_mix(path, (query("a"), query("b"))).of((query("b"),)) == {"s/b": 1.0}


def test_without_a_mix_file_all_queries_weigh_the_same(tmp_path: Path) -> None:
    queries = (query("a"), query("b"))
    assert load_mix(tmp_path / "mix.toml", queries) == Mix()
    assert Mix().of(queries) == {"s/a": 1.0, "s/b": 1.0}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[weights]\n"s/gone" = 1\n', "s/gone"),
        ('[weights]\n"s/a" = -1\n', "weights.s/a"),
        ('[weights]\n"s/a" = inf\n', "weights.s/a"),
        ("wieghts = 1\n", "wieghts"),
        ("default = \n", "TOML"),
    ],
)
def test_a_bad_mix_file_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "mix.toml"
    path.write_text(text)
    with pytest.raises(LoadTestError, match=named) as caught:
        load_mix(path, (query("a"),))
    assert str(path) in str(caught.value)
