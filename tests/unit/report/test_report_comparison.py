"""Two runs, query by query: verdicts that know how runs differ, and conditions that are named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pgvitals.errors import ResultsError
from pgvitals.report.comparison import compare_runs
from pgvitals.report.comparison_markdown import comparison_markdown
from pgvitals.report.history import read_history
from pgvitals.report.run_pair import RunPair
from pgvitals.results.comparison import ComparedQuery, Comparison
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Noise
from pgvitals.results.rundir import Run

Timed = Callable[..., Run]


def compared(before: Run, after: Run, **asked: Any) -> Comparison:
    """The comparison, with the runs beside them as history."""
    past = read_history([before.path.parent], also=[before, after])
    return compare_runs(RunPair(before=before, after=after, history=past, **asked))


def verdicts(found: Comparison) -> list[str]:
    """Of each query."""
    return [each.verdict for each in found.queries]


def first(found: Comparison) -> ComparedQuery:
    """The first query."""
    return found.queries[0]


def noise(canary: float) -> Noise:
    """A quiet machine of that speed."""
    return Noise(
        canary_best_ms=canary, canary_median_ratio=1.0, canary_worst_ratio=1.1, cpu_pressure_median=0.0,
        cpu_pressure_worst=0.0, steal_worst=0.0,
    )  # fmt: skip


def test_a_run_twice_as_slow_is_slower(timed_run: Timed) -> None:
    found = compared(timed_run("one", seed=1), timed_run("two", seed=2, scale=2.0))
    assert verdicts(found) == ["slower", "slower"]
    assert found.outcome is Outcome.FAIL
    assert found.reason.startswith("2 slower: pazpaz/calendar_week, pazpaz/client_timeline")
    assert first(found).p95.ratio == pytest.approx(2.0, rel=0.2)
    assert first(found).reason.startswith("p95 at least 1.")


def test_a_run_half_as_slow_is_faster_and_no_failure(timed_run: Timed) -> None:
    found = compared(timed_run("one", seed=1), timed_run("two", seed=2, scale=0.5))
    assert verdicts(found) == ["faster", "faster"]
    assert (found.outcome, found.reason) == (Outcome.PASS, "nothing is slower; 2 faster")


def test_a_slower_tail_alone_is_slower(timed_run: Timed) -> None:
    found = compared(timed_run("one", seed=1), timed_run("two", seed=2, tail=2.0))
    assert [each.p95.verdict for each in found.queries] == ["slower", "slower"]
    assert [each.typical.verdict for each in found.queries] == ["inconclusive", "inconclusive"]
    assert verdicts(found) == ["slower", "slower"]


def test_a_small_difference_is_open_and_says_how_much_runs_differ(timed_run: Timed) -> None:
    found = compared(timed_run("one", seed=1), timed_run("two", seed=2, scale=1.05))
    assert verdicts(found) == ["inconclusive", "inconclusive"]
    assert first(found).reason == "runs of the same differ by 5.0 % (stated)"
    assert (found.outcome, found.reason) == (Outcome.INCONCLUSIVE, "nothing could be decided about 2 lookups")
    assert found.resolution is not None
    assert 0.1 < found.resolution < 0.25


def test_runs_of_a_burst_are_trusted_less(timed_run: Timed) -> None:
    one, two = timed_run("one", seed=1, seconds=4), timed_run("two", seed=2, seconds=4, scale=1.4)
    found = compared(one, two)
    assert first(found).p95.spread == pytest.approx(0.20)
    assert verdicts(found) == ["inconclusive", "inconclusive"]


def test_earlier_runs_of_the_same_conditions_say_how_much_runs_differ(timed_run: Timed) -> None:
    for number in range(8):
        timed_run(f"past-{number}", seed=100 + number, between=0.01)
    one, two = timed_run("one", seed=1), timed_run("two", seed=2, scale=1.25)
    found = compared(one, two)
    assert (first(found).p95.spread_runs, first(found).typical.spread_runs) == (8, 8)
    assert first(found).p95.spread < 0.04
    assert verdicts(found) == ["slower", "slower"]


def test_runs_that_are_known_to_repeat_closely_can_be_the_same(timed_run: Timed) -> None:
    for number in range(12):
        timed_run(f"past-{number}", seed=100 + number, per=800, queries=(1,))
    found = compared(*(timed_run(name, seed=seed, per=800, queries=(1,)) for name, seed in (("one", 1), ("two", 2))))
    assert verdicts(found) == ["same"]
    assert first(found).reason == "within 10 % of before"
    assert (found.outcome, found.reason) == (Outcome.PASS, "nothing is slower; 1 same")


def test_earlier_runs_of_other_conditions_say_nothing_about_these(timed_run: Timed, made: SimpleNamespace) -> None:
    server = made.info().server
    for number in range(8):
        timed_run(f"past-{number}", seed=100 + number, server=replace(server, version="PostgreSQL 15.1"))
    for number in range(8):
        timed_run(f"slow-{number}", seed=200 + number, noise=noise(6.0))
    found = compared(timed_run("one", seed=1), timed_run("two", seed=2))
    assert first(found).p95.spread_runs == 0


def test_many_lookups_are_judged_as_a_family(timed_run: Timed) -> None:
    few = compared(timed_run("a", seed=1), timed_run("b", seed=2, tail=1.30))
    many = tuple(range(9))
    all_of_them = compared(timed_run("c", seed=1, queries=many), timed_run("d", seed=2, tail=1.30, queries=many))
    assert "slower" in [each.p95.verdict for each in few.queries]
    held = [each for each in all_of_them.queries if each.reason == "not significant among 9 lookups (Holm)"]
    assert held
    assert all(each.p95.interval is not None and each.p95.interval.low > 1.05 for each in held)


def test_another_machine_voids_every_verdict_unless_it_is_asked_for(timed_run: Timed, made: SimpleNamespace) -> None:
    hardware = replace(made.info().hardware, cpu_model="another", cores=64)
    one, two = timed_run("one", seed=1), timed_run("two", seed=2, scale=2.0, hardware=hardware)
    found = compared(one, two)
    assert verdicts(found) == ["void", "void"]
    assert found.outcome is Outcome.INCONCLUSIVE
    assert first(found).reason == "void: another hardware"
    assert found.differences[0].what == "hardware"
    assert found.differences[0].voids
    assert verdicts(compared(one, two, despite=("hardware",))) == ["slower", "slower"]


def test_other_rows_void_the_lookups_of_their_system_alone(timed_run: Timed, made: SimpleNamespace) -> None:
    dataset = made.info().dataset
    tables = (replace(dataset.tables[0], checksum="other"), *dataset.tables[1:])
    one = timed_run("one", seed=1, queries=(1, 5))
    two = timed_run("two", seed=2, scale=2.0, queries=(1, 5), dataset=replace(dataset, checksum="x", tables=tables))
    found = compared(one, two)
    assert {each.system: each.verdict for each in found.queries} == {"pazpaz": "void", "practice": "slower"}
    assert [each.what for each in found.differences if each.voids] == ["dataset of pazpaz"]
    assert verdicts(compared(one, two, despite=("dataset",))) == ["slower", "slower"]


def test_a_machine_that_changed_its_speed_leaves_everything_open(timed_run: Timed) -> None:
    one, two = timed_run("one", seed=1, noise=noise(4.0)), timed_run("two", seed=2, scale=2.0, noise=noise(4.6))
    found = compared(one, two)
    assert found.canary_ratio == pytest.approx(1.15)
    assert verdicts(found) == ["inconclusive", "inconclusive"]
    assert first(found).reason == "the machine itself was 15 % slower after (canary)"
    unknown = compared(one, timed_run("three", seed=2, scale=2.0, noise=None))
    assert "no canary was recorded" in first(unknown).reason


def test_what_is_slower_has_to_have_been_quiet_and_what_is_faster_before(timed_run: Timed) -> None:
    quiet, loud = timed_run("quiet", seed=1), timed_run("loud", seed=2, scale=2.0, quiet=3)
    found = compared(quiet, loud)
    assert verdicts(found) == ["inconclusive", "inconclusive"]
    assert first(found).reason == "only 3 of 20 batches were quiet in loud, 12 needed"
    fast = timed_run("fast", seed=3, scale=0.5, quiet=3)
    assert verdicts(compared(quiet, fast)) == ["faster", "faster"]  # noise only adds time
    assert verdicts(compared(loud, quiet)) == ["inconclusive", "inconclusive"]
    assert verdicts(compared(fast, quiet)) == ["slower", "slower"]


def test_what_is_larger_than_any_noise_is_told_on_a_machine_that_was_never_quiet(timed_run: Timed) -> None:
    one, two = timed_run("one", seed=1, quiet=0), timed_run("two", seed=2, scale=9.0, quiet=0)
    assert verdicts(compared(one, two)) == ["slower", "slower"]
    assert verdicts(compared(two, one)) == ["faster", "faster"]


def test_too_few_batches_decide_nothing(timed_run: Timed) -> None:
    found = compared(timed_run("one", seed=1, batches=5), timed_run("two", seed=2, scale=4.0, batches=5))
    assert first(found).reason == "only 5 batches in one, 12 needed"


def test_what_is_not_the_same_is_named(timed_run: Timed, made: SimpleNamespace) -> None:
    server = made.info().server
    settings = {**server.settings, "shared_buffers": "1GB", "lc_messages": "de_DE", "log_timezone": "UTC"}
    other = replace(server, version="PostgreSQL 15.1", transport="tcp", settings=settings)
    one = timed_run("one", seed=1, config={"seed": 1})
    two = timed_run("two", seed=2, server=other, git_revision="abc", config={"seed": 2}, versions={"psycopg": "4.0"})
    named = {each.what: (each.before, each.after) for each in compared(one, two).differences}
    assert named == {
        "server version": ("PostgreSQL 17.5", "PostgreSQL 15.1"),
        "connection": ("unix", "tcp"),
        "setting shared_buffers": ("512MB", "1GB"),
        "git revision": (made.REVISION, "abc"),
        "seed": ("1", "2"),
        "version of psycopg": ("3.2.9", "4.0"),
    }


def test_equal_conditions_are_not_named(timed_run: Timed) -> None:
    assert compared(timed_run("one", seed=1), timed_run("two", seed=2)).differences == ()


def test_a_secret_in_a_setting_is_not_told(timed_run: Timed, made: SimpleNamespace) -> None:
    server = made.info().server
    secret = replace(server, settings={**server.settings, "my.password": "hunter2"})
    found = compared(timed_run("one", seed=1), timed_run("two", seed=2, server=secret))
    assert "hunter2" not in str(found)


def test_a_changed_statement_and_role_are_told(timed_run: Timed) -> None:
    one = timed_run("one", seed=1, latency={"statement": "aaa"})
    two = timed_run("two", seed=2, latency={"statement": "bbb", "role": "pazpaz_owner", "ends": "rollback"})
    assert first(compared(one, two)).changed == (
        "another statement or other parameters",
        "as pazpaz_owner instead of pazpaz_app",
        "ends with rollback instead of commit",
    )
    old = timed_run("old", seed=3)  # which did not record its statements
    assert first(compared(old, one)).changed == ()


def test_lookups_of_one_run_only_are_named(timed_run: Timed) -> None:
    found = compared(timed_run("one", seed=1, queries=(0, 1)), timed_run("two", seed=2, queries=(1, 2)))
    assert [each.query for each in found.queries] == ["calendar_week"]
    assert found.only_before == ("pazpaz/appointments_conflict",)
    assert found.only_after == ("pazpaz/client_timeline",)


def test_runs_without_a_lookup_in_common_are_inconclusive(timed_run: Timed) -> None:
    found = compared(timed_run("one", seed=1, queries=(0,)), timed_run("two", seed=2, queries=(5,)))
    assert (found.outcome, found.reason) == (Outcome.INCONCLUSIVE, "the runs have no lookup in common")


def plan(node: dict[str, Any]) -> list[dict[str, Any]]:
    """What a run keeps of one plan."""
    return [{"tenant_rank": 1, "mode": "custom", "shape": "", "fingerprint": "", "plan": {"Plan": node}}]


def test_a_changed_plan_is_told_in_words(timed_run: Timed) -> None:
    scan = {"Node Type": "Index Scan", "Relation Name": "appointments", "Index Name": "ix_a", "Shared Hit Blocks": 5}
    seq = {"Node Type": "Seq Scan", "Relation Name": "appointments", "Shared Hit Blocks": 500}
    one = timed_run("one", seed=1, plans={"pazpaz/calendar_week": plan(scan)})
    two = timed_run("two", seed=2, scale=3.0, plans={"pazpaz/calendar_week": plan(seq)})
    (words,) = first(compared(one, two)).plans
    assert "Seq Scan on appointments instead of Index Scan using ix_a" in words
    assert first(compared(one, timed_run("three", seed=3, plans={"pazpaz/calendar_week": plan(scan)}))).plans == ()
    told = comparison_markdown([compared(one, two)])
    assert "1 changed plan" in told
    assert "Seq Scan on appointments instead of Index Scan using ix" in told


def test_it_is_told_whence_the_spread_of_runs_is_known(timed_run: Timed) -> None:
    one, two = timed_run("one", seed=1), timed_run("two", seed=2, scale=2.0)
    stated = "how much runs of the same differ is stated (5.0 %, of a quiet machine), not known here: it takes 6"
    assert stated in comparison_markdown([compared(one, two)])
    for number in range(8):
        timed_run(f"past-{number}", seed=100 + number, between=0.01)
    told = comparison_markdown([compared(one, two)])
    assert "stated" not in told
    assert "as at least 8 earlier ones of them say" in told


def test_the_markdown_names_runs_conditions_and_what_changed(timed_run: Timed) -> None:
    one, two = timed_run("one", seed=1), timed_run("two", seed=2, scale=2.0, git_revision="a|b")
    told = comparison_markdown([compared(one, two)])
    assert told.startswith("# `one` → `two`\n")
    assert r"- git revision: `0f3c9a7d21be` → `a|b`" in told
    assert "| `pazpaz/calendar_week` |" in told
    assert "❌ slower: p95 at least" in told
    assert "<details>" not in told


def test_a_run_without_lookups_or_without_samples_cannot_be_compared(
    timed_run: Timed, build_run: Callable[..., Run]
) -> None:
    one = timed_run("one", seed=1)
    with pytest.raises(ResultsError, match="no lookup was measured"):
        compared(build_run(gate=None, samples=None), one)
    (one.path / "samples.parquet").unlink()
    bare = replace(one)
    with pytest.raises(ResultsError, match=r"it has no samples\.parquet"):
        compared(timed_run("two", seed=2), bare)


def test_history_is_read_from_whole_runs_only(timed_run: Timed, tmp_path: Path) -> None:
    timed_run("one", seed=1)
    damaged = timed_run("two", seed=2)
    (damaged.path / "run.json").write_text("{")
    hidden = timed_run("three", seed=3)
    hidden.path.rename(hidden.path.with_name(".three.pgvitals-partial-1"))
    found = read_history([tmp_path / "runs"])
    assert [run.name for run in found.runs] == ["one"]
    assert len(found.skipped) == 1
    assert "run.json: damaged" in found.skipped[0]
