"""The gate against an earlier run: borne, not borne, or not to be told; and what CI servers get of it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from pgvitals.report.annotations import query_files, repository_root, workflow_commands
from pgvitals.report.comparison_markdown import gate_markdown
from pgvitals.report.history import read_history
from pgvitals.report.junit import render_junit
from pgvitals.report.regression import judge_regression
from pgvitals.report.run_pair import RunPair
from pgvitals.results.comparison import RegressionGate
from pgvitals.results.outcome import Outcome
from pgvitals.results.rundir import Run
from pgvitals.suite import find_suite

Timed = Callable[..., Run]


def judged(before: Run, after: Run, limit: float = 0.10, confidence: float = 0.99) -> RegressionGate:
    """The later run against the earlier one."""
    past = read_history([before.path.parent], also=[before, after])
    return judge_regression(RunPair(before=before, after=after, history=past), limit, confidence)


@pytest.fixture
def known(timed_run: Timed) -> Timed:
    """Runs on a machine that is known to repeat itself closely."""
    for number in range(12):
        timed_run(f"past-{number:02}", seed=100 + number, between=0.005)
    return timed_run


def test_a_run_of_the_same_passes_where_runs_are_known_to_repeat(known: Timed) -> None:
    found = judged(known("one", seed=1), known("two", seed=2), limit=0.25)
    assert [each.outcome for each in found.queries] == [Outcome.PASS, Outcome.PASS]
    assert found.outcome is Outcome.PASS
    assert found.reason == "no regression beyond 25 % at 99 %: 2 of 2 lookups pass"


def test_a_p95_twice_as_long_fails(timed_run: Timed) -> None:
    found = judged(timed_run("one", seed=1), timed_run("two", seed=2, scale=2.0))
    assert [each.outcome for each in found.queries] == [Outcome.FAIL, Outcome.FAIL]
    assert found.reason.endswith("0 of 2 lookups pass; fail: pazpaz/calendar_week, pazpaz/client_timeline")
    assert "1.10 borne" in found.queries[0].reason


def test_a_p95_half_as_long_passes(timed_run: Timed) -> None:
    assert judged(timed_run("one", seed=1), timed_run("two", seed=2, scale=0.5)).outcome is Outcome.PASS


def test_what_cannot_be_told_is_inconclusive_and_says_what_could(timed_run: Timed) -> None:
    found = judged(timed_run("one", seed=1), timed_run("two", seed=2))
    assert [each.outcome for each in found.queries] == [Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE]
    assert "runs of the same differ by 5.0 % (stated)" in found.queries[0].reason
    assert "these runs can tell changes from about" in found.reason


def test_a_run_of_the_same_hardly_ever_fails(timed_run: Timed) -> None:
    fails = 0
    for trial in range(25):
        one = timed_run(f"a{trial}", seed=1000 + trial, between=0.05)
        two = timed_run(f"b{trial}", seed=2000 + trial, between=0.05)
        found = judge_regression(RunPair(before=one, after=two))
        fails += sum(each.outcome is Outcome.FAIL for each in found.queries)
    assert fails == 0


def test_a_larger_growth_is_borne_where_it_is_asked_for(timed_run: Timed) -> None:
    one, two = timed_run("one", seed=1), timed_run("two", seed=2, scale=1.6)
    assert judged(one, two).outcome is Outcome.FAIL
    assert judged(one, two, limit=1.5).outcome is Outcome.PASS
    assert judged(one, two, confidence=0.9999).queries[0].interval is not None


def test_other_conditions_are_named_and_another_machine_decides_nothing(
    timed_run: Timed, made: SimpleNamespace
) -> None:
    one, two = timed_run("one", seed=1), timed_run("two", seed=2, scale=3.0, hardware=None)
    found = judged(one, two)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert {each.reason for each in found.queries} == {"void: another hardware"}
    told = gate_markdown(two, found)
    assert "**hardware**" in told
    assert "not recorded" in told


def test_a_new_statement_is_told_beside_the_verdict(timed_run: Timed) -> None:
    one = timed_run("one", seed=1, latency={"statement": "aaa"})
    two = timed_run("two", seed=2, scale=2.0, latency={"statement": "bbb"})
    assert judged(one, two).queries[0].reason.endswith("another statement or other parameters")


def test_junit_has_a_suite_for_the_baseline(timed_run: Timed) -> None:
    one, two = timed_run("one", seed=1), timed_run("two", seed=2, scale=2.0)
    root = ElementTree.fromstring(render_junit(two, judged(one, two)))  # noqa: S314
    suites = {suite.get("name"): suite for suite in root}
    suite = suites["pgvitals against an earlier run"]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "2")
    case = suite[0]
    assert (case.get("classname"), case.get("name")) == ("regression.pazpaz", "calendar_week")
    failure = case.find("failure")
    assert failure is not None
    assert "1.10 borne" in str(failure.get("message"))
    assert "pgvitals against an earlier run" not in render_junit(two).decode()


def test_the_worse_of_budgets_and_baseline_comes_first(timed_run: Timed) -> None:
    one, slow = timed_run("one", seed=1), timed_run("two", seed=2, scale=2.0)
    assert gate_markdown(slow, judged(one, slow)).startswith("# ❌ Against an earlier run: fail")
    over = timed_run("three", seed=3, scale=0.5, outcome=Outcome.FAIL)
    told = gate_markdown(over, judged(one, over))
    assert told.startswith("# ❌ Latency gate: fail")
    assert "# ✅ Against an earlier run: pass" in told
    assert gate_markdown(one).startswith("# ✅ Latency gate: pass")


def test_an_annotation_stands_at_the_query_file(timed_run: Timed) -> None:
    over = timed_run("over", seed=1, outcome=Outcome.FAIL)
    assert over.gate is not None
    files = {"pazpaz/calendar_week": "bench/pazpaz/calendar_week.sql"}
    assert workflow_commands(over.gate, None, files) == [
        "::error file=bench/pazpaz/calendar_week.sql,line=1,title=pazpaz/calendar_week%3A fail (budget)::as told",
        "::error title=pazpaz/client_timeline%3A fail (budget)::as told",
    ]


def test_what_passes_has_no_annotation_and_what_is_open_is_a_warning(timed_run: Timed) -> None:
    one, two = timed_run("one", seed=1), timed_run("two", seed=2)
    assert two.gate is not None
    assert workflow_commands(two.gate, None, {}) == []
    lines = workflow_commands(two.gate, judged(one, two), {})
    assert len(lines) == 2
    assert all(line.startswith("::warning title=pazpaz/") for line in lines)
    assert all("inconclusive (against one)" in line for line in lines)


def test_an_annotation_is_escaped(timed_run: Timed) -> None:
    run = timed_run("x", seed=1, queries=(1,), outcome=Outcome.FAIL, latency={"query": "a,b:c%"})
    assert run.gate is not None
    (query,) = run.gate.queries
    object.__setattr__(query, "reason", "50 %, so: no\r\nnext\x00")
    (line,) = workflow_commands(run.gate, None, {"pazpaz/a,b:c%": "d,e:f%.sql"})
    assert line == (
        "::error file=d%2Ce%3Af%25.sql,line=1,title=pazpaz/a%2Cb%3Ac%25%3A fail (budget)::50 %25, so: no%0D%0Anext"
    )


def test_files_are_named_from_the_root_of_the_repository(tmp_path) -> None:
    suite = find_suite()
    files = query_files(suite, {})
    assert files["pazpaz/calendar_week"] == "bench/pazpaz/calendar_week.sql"
    above = query_files(suite, {"GITHUB_WORKSPACE": str(suite.root.parent)})
    assert above["pazpaz/calendar_week"] == f"{suite.root.name}/bench/pazpaz/calendar_week.sql"
    (tmp_path / "deep").mkdir()
    assert repository_root(tmp_path / "deep", {"GITHUB_WORKSPACE": "/nowhere"}) == tmp_path / "deep"
    (tmp_path / ".git").mkdir()
    assert repository_root(tmp_path / "deep", {}) == tmp_path
