"""The tables that commands print: every number and name in them, whatever a name looks like."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from pgvitals import tables
from pgvitals.results.audit import Audit, Finding, RuleResult
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import (
    Contrast,
    Dataset,
    Gate,
    Impact,
    IndexUse,
    Interval,
    Latency,
    Load,
    LoadQuery,
    Relation,
    TableRows,
)
from pgvitals.results.server_time import ServerTime

NASTY = "[red]name[/red] [/] [bold"

LATENCY = Latency(
    system="clinic", query="week", title="A week", role="clinic_app", n=1200, batches=20, valid_batches=18,
    p50_ms=0.5, p95_ms=1.25, p99_ms=12.5, max_ms=99.0, p95_low_ms=1.0, p95_high_ms=1.5, confidence=0.99,
    request_p50_ms=0.6, request_p95_ms=1.5, rows_median=3.0, budget_p95_ms=20, outcome=Outcome.PASS,
    reason="p95 1.25 ms, at most 1.5 ms", attempts=1,
)  # fmt: skip
INDEX = IndexUse(
    system="clinic", table="visits", index="ix_visits", method="btree", scans=1234, tuples_read=5678,
    tuples_fetched=5000, size_bytes=3 * 2**20, is_unique=False, is_primary=False, definition="create index",
)  # fmt: skip
LOAD_QUERY = LoadQuery(
    system="clinic", query="week", requests=1500, errors=2, latency_p50_ms=1.0, latency_p95_ms=2.0,
    latency_p99_ms=3.0, latency_max_ms=4.0, service_p50_ms=0.5, service_p95_ms=1.75, service_p99_ms=2.5,
)  # fmt: skip
RULE = RuleResult(
    rule="KEY001", slug="no_primary_key", title="Table without a primary key", family="KEY", severity="P1",
    system="clinic", outcome=Outcome.FAIL, checked=9, evidence="9 tables", findings=(), why="", references=(),
    duration_ms=1.0,
)  # fmt: skip
CONTRAST = Contrast(
    system="clinic", query="week", title="A week", before_p50_ms=4.0, after_p50_ms=1.0, before_p95_ms=8.0,
    after_p95_ms=2.0, typical_ratio=0.25, typical=Interval(low=0.2, high=0.3, confidence=0.95), p95_ratio=0.26,
    p95=Interval(low=0.21, high=0.31, confidence=0.95), rounds=40, verdict="faster", reason="", before_plan="Seq Scan",
    after_plan="Index Scan",
)  # fmt: skip
IMPACT = Impact(
    system="clinic", from_revision="one", to_revision="two", migration_s=2.5, margin=0.05, placebo_alarms=0,
    contrasts=(CONTRAST,), relations=(), rounds_measured=40, rounds_dropped=3,
)  # fmt: skip


def text(item: object, width: int = 160) -> str:
    """What the terminal shows, without colours."""
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(item)
    return stream.getvalue()


def gate(*queries: Latency) -> Gate:
    """A gate over these lookups."""
    return Gate(outcome=Outcome.PASS, reason="", budget_p95_ms=150, queries=queries)


def row(shown: str, name: str) -> list[str]:
    """The cells of the line that holds ``name``."""
    return next(line for line in shown.splitlines() if name in line).split()


def test_a_lookup_shows_its_percentiles_interval_budget_and_verdict() -> None:
    shown = text(tables.latency_table(gate(LATENCY)))
    assert row(shown, "clinic/week") == ["clinic/week", "0.50", "–", "1.25", "1.00–1.50", "12.5", "20", "pass"]
    assert "99% interval" in shown


def test_the_server_s_time_stands_beside_what_the_client_waited() -> None:
    counted = ServerTime(source="pg_stat_statements", mean_ms=0.21, client_mean_ms=0.29, executions=1200)
    explained = ServerTime(source="explain", mean_ms=0.4, client_mean_ms=None, executions=1, note="it is not loaded")
    lookups = (replace(LATENCY, query="a", server=counted), replace(LATENCY, query="b", server=explained))
    shown = text(tables.latency_table(gate(*lookups)))
    assert row(shown, "clinic/a")[1:5] == ["0.50", "0.21", "of", "0.29"]
    assert row(shown, "clinic/b")[1:4] == ["0.50", "≈", "0.40"]
    assert "for one execution, because it is not loaded." in " ".join(shown.split())


def test_a_pass_needs_no_reason_and_everything_else_gives_it() -> None:
    failed = replace(LATENCY, query="slow", outcome=Outcome.FAIL, reason="over in each of two attempts")
    shown = text(tables.latency_table(gate(LATENCY, failed)))
    assert "at most 1.5" not in shown
    assert "fail over in each of two attempts" in shown


def test_a_lookup_without_an_interval_shows_a_dash() -> None:
    shown = text(tables.latency_table(gate(replace(LATENCY, p95_low_ms=None, p95_high_ms=None))))
    assert row(shown, "clinic/week")[4] == "–"


def test_an_empty_gate_is_a_table_too() -> None:
    assert "lookup" in text(tables.latency_table(gate()))


def test_the_last_word_is_outcome_and_reason() -> None:
    assert text(tables.verdict_line(Outcome.FAIL, "two [of] three")) == "fail: two [of] three\n"


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_a_word(outcome: Outcome) -> None:
    assert text(tables.verdict_line(outcome, "why")) == f"{outcome.value}: why\n"


def test_names_are_printed_as_they_are() -> None:
    finding = Finding(objects=(NASTY,), detail="")
    relation = Relation(name=NASTY, kind="table", before_bytes=None, after_bytes=1)
    dataset = Dataset(
        profile="small",
        seed=1,
        checksum="c",
        tables=(TableRows(system="s", table=NASTY, rows=1, size_bytes=1, checksum="c"),),
        load_s=1.0,
        revisions={},
    )
    shown = (
        tables.latency_table(gate(replace(LATENCY, query=NASTY, outcome=Outcome.FAIL, reason=NASTY))),
        tables.verdict_line(Outcome.PASS, NASTY),
        tables.index_table([replace(INDEX, index=NASTY, table=NASTY)]),
        tables.load_table(load(replace(LOAD_QUERY, query=NASTY))),
        tables.audit_table(
            Audit(outcome=Outcome.FAIL, database_kind="lab", results=(replace(RULE, findings=(finding,)),))
        ),
        tables.audit_table(Audit(outcome=Outcome.FAIL, database_kind="lab", results=(replace(RULE, evidence=NASTY),))),
        tables.impact_table(replace(IMPACT, contrasts=(replace(CONTRAST, query=NASTY),))),
        tables.impact_table(replace(IMPACT, broken=(NASTY,))),
        tables.relation_table(replace(IMPACT, relations=(relation,))),
        tables.dataset_table(dataset),
    )
    for item in shown:
        assert NASTY in text(item, width=400)


def load(*queries: LoadQuery) -> Load:
    """A load test of these lookups."""
    total = replace(LOAD_QUERY, system="", query="all", requests=sum(each.requests for each in queries))
    return Load(
        outcome=Outcome.PASS, reason="", users=4, target_rate=200.0, achieved_rate=198.6, seconds=10.0, lag_p95_ms=0.1,
        total=total, queries=queries,
    )  # fmt: skip


def test_an_index_that_was_never_scanned_comes_last_the_largest_first() -> None:
    uses = [
        replace(INDEX, index="idle_small", scans=0, size_bytes=10),
        replace(INDEX, index="idle_large", scans=0, size_bytes=2**30),
        replace(INDEX, index="some", scans=5),
        replace(INDEX, index="most", scans=50_000),
        replace(INDEX, index="key", scans=7, is_primary=True, is_unique=True),
        replace(INDEX, index="one", scans=6, is_unique=True),
    ]
    shown = text(tables.index_table(uses))
    places = [shown.index(f" {name} ") for name in ("most", "key", "one", "some", "idle_large", "idle_small")]
    assert places == sorted(places)
    assert row(shown, " most ") == ["clinic.visits", "most", "50,000", "5,678", "3", "MB"]
    assert row(shown, " key ")[-2:] == ["primary", "key"]
    assert row(shown, " one ")[-1] == "unique"
    assert "never" in row(shown, "idle_large")


def test_a_load_test_ends_with_the_sum_of_all() -> None:
    shown = text(tables.load_table(load(LOAD_QUERY, replace(LOAD_QUERY, query="day"))))
    assert row(shown, "clinic/day") == ["clinic/day", "1,500", "2", "1.00", "2.00", "3.00", "1.75"]
    assert shown.splitlines()[-1].split()[:2] == ["all", "3,000"]
    assert "199 of 200 requests/s, 4 users" in shown


def test_an_audit_shows_what_needs_a_look_the_most_severe_first() -> None:
    results = (
        replace(RULE, rule="KEY009", outcome=Outcome.PASS),
        replace(RULE, rule="KEY008", outcome=Outcome.NOT_APPLICABLE),
        replace(RULE, rule="KEY002", severity="P2", outcome=Outcome.ERROR),
        replace(RULE, rule="KEY003", severity="P0", findings=(Finding(objects=("a", "b", "c", "d"), detail=""),)),
    )
    shown = text(tables.audit_table(Audit(outcome=Outcome.FAIL, database_kind="lab", results=results)))
    assert "2 of 4 checks need a look, 1 pass" in shown
    assert shown.index("KEY003") < shown.index("KEY002")
    assert "KEY009" not in shown
    assert "KEY008" not in shown
    assert "a, b and 2 more" in shown
    assert row(shown, "KEY002")[-2:] == ["9", "tables"]  # no object: the evidence


def test_an_audit_tells_what_is_waived_known_or_does_not_decide() -> None:
    waived = Finding(objects=("w",), detail="", waiver="until 2030-01-01: soon gone", is_waived=True)
    expired = Finding(objects=("e",), detail="", waiver="its waiver expired on 2020-01-01: soon gone")
    results = (
        replace(RULE, rule="KEY002", severity="P0", findings=(waived, expired)),
        replace(RULE, rule="KEY003", severity="P2", findings=(Finding(objects=("k",), detail="", is_known=True),)),
    )
    shown = text(tables.audit_table(Audit(outcome=Outcome.FAIL, database_kind="lab", results=results, fail_on="P1")))
    first, second = (shown[shown.index(rule) :] for rule in ("KEY002", "KEY003"))
    assert "e; its waiver expired on 2020-01-01: soon gone; waived until 2030-01-01: soon gone" in " ".join(
        first.split()
    )
    assert "not decisive" in second
    assert "known before" in second


def test_an_audit_without_anything_to_look_at_is_one_line() -> None:
    results = (replace(RULE, outcome=Outcome.PASS),)
    shown = text(tables.audit_table(Audit(outcome=Outcome.PASS, database_kind="lab", results=results)))
    assert shown.strip() == "Audit: 0 of 1 checks need a look, 1 pass"


def test_an_impact_shows_both_sides_and_what_broke() -> None:
    shown = text(tables.impact_table(replace(IMPACT, broken=("gone",), not_before=("new",))))
    assert row(shown, "week") == [
        *("week", "4.00", "1.00", "0.25", "(0.20–0.30)", "8.00", "2.00", "0.26", "(0.21–0.31)", "faster")
    ]
    assert "clinic: one → two (37 of 40 rounds count)" in shown
    assert row(shown, "gone") == ["gone", "broken"]
    assert row(shown, "new") == ["new", "not", "before"]


def test_relations_that_stayed_as_large_are_only_in_the_total() -> None:
    relations = (
        Relation(name="same", kind="table", before_bytes=1000, after_bytes=1000),
        Relation(name="nearly", kind="index", before_bytes=1000, after_bytes=1100),
        Relation(name="grown", kind="table", before_bytes=1000, after_bytes=1101),
        Relation(name="shrunk", kind="table", before_bytes=1000, after_bytes=899),
        Relation(name="new", kind="index", before_bytes=None, after_bytes=8192),
        Relation(name="gone", kind="index", before_bytes=8192, after_bytes=None),
        Relation(name="filled", kind="table", before_bytes=0, after_bytes=8192),
        Relation(name="empty", kind="table", before_bytes=0, after_bytes=0),
    )
    shown = text(tables.relation_table(replace(IMPACT, relations=relations)))
    for name in ("grown", "shrunk", "new", "gone", "filled"):
        assert f" {name} " in shown
    for name in ("same", "nearly", "empty"):
        assert f" {name} " not in shown
    assert row(shown, "new")[-3:] == ["–", "8", "kB"]
    assert row(shown, "gone")[-1] == "–"
    assert shown.splitlines()[-1].split() == ["total", "12", "kB", "20", "kB"]
    assert "took 2.5 s" in shown


def test_a_dataset_sums_rows_and_sizes() -> None:
    some = TableRows(system="clinic", table="visits", rows=1_500_000, size_bytes=2**30, checksum="x")
    dataset = Dataset(
        profile="medium", seed=7, checksum="0123456789abcdef", tables=(some, some), load_s=12.34, revisions={}
    )
    shown = text(tables.dataset_table(dataset))
    assert row(shown, "clinic.visits") == ["clinic.visits", "1,500,000", "1", "GB"]
    assert shown.splitlines()[-1].split() == ["total", "3,000,000", "2", "GB"]
    assert "Profile medium, seed 7, checksum 0123456789ab," in shown


@pytest.mark.parametrize(
    ("verdicts", "broken", "outcome"),
    [
        (["faster"], (), Outcome.PASS),
        (["slower", "void"], (), Outcome.PASS),
        (["same"], (), Outcome.PASS),
        (["inconclusive", "void"], (), Outcome.INCONCLUSIVE),
        ([], (), Outcome.INCONCLUSIVE),
        (["faster"], ("week",), Outcome.FAIL),
    ],
)
def test_a_change_is_no_failure_but_a_broken_lookup_is(
    verdicts: list[str], broken: tuple[str, ...], outcome: Outcome
) -> None:
    contrasts = tuple(replace(CONTRAST, verdict=verdict) for verdict in verdicts)
    assert tables.impact_outcome([replace(IMPACT, contrasts=contrasts, broken=broken)]) is outcome
