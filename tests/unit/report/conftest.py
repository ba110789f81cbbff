"""A run that never happened: complete, realistic, and with names that try to break a report."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pgvitals.results.audit import Audit, Finding, RuleResult
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import (
    Contrast,
    Dataset,
    Gate,
    Hardware,
    Impact,
    IndexUse,
    Interval,
    Latency,
    Load,
    LoadQuery,
    Noise,
    Relation,
    RunInfo,
    Server,
    TableRows,
)
from pgvitals.results.rundir import Run, RunWriter, index_table, load_run

NASTY = "<script>alert('x')</script> | \"quoted\" `tick` $a_b$ & ünï"
LONG_INDEX = "ix_" + "appointments_workspace_practitioner_scheduled_start_status_x"
REVISION = "0f3c9a7d21be"

_LOOKUPS = (
    # system, query, title, p50, p95, budget, plan
    ("pazpaz", "appointments_conflict", "Overlapping appointments of a workspace", 0.19, 0.27, 20,
     "Index Scan using ix_appointments_workspace_time_range on appointments"),
    ("pazpaz", "calendar_week", "One week of a workspace's calendar", 1.9, 3.4, 50,
     "Sort → Bitmap Heap Scan on appointments → Bitmap Index Scan on ix_appointments_workspace_time_range"),
    ("pazpaz", "client_timeline", "A client's appointments, newest first", 0.31, 0.52, 30,
     "Limit → Index Scan Backward using ix_appointments_workspace_client_time on appointments"),
    ("pazpaz", "clients_active", "Active clients of a workspace by name", 4.4, 9.8, 150,
     "Sort → Index Scan using ix_clients_workspace_active on clients"),
    ("pazpaz", "client_by_email", "A client by e-mail address", 0.12, 0.16, 150,
     "Index Scan using uq_clients_workspace_email on clients"),
    ("practice", "active_token", "Validate a token by its hash", 0.08, 0.11, 10,
     "Index Scan using ix_auth_tokens_active_hash on auth_tokens"),
    ("practice", "tokens_of_user", "Tokens of a user", 0.14, 0.22, 25,
     "Index Scan using ix_auth_tokens_user on auth_tokens"),
    ("practice", "fhir_by_resource", "Internal record of a FHIR resource", 0.11, 0.17, 25,
     "Index Scan using ix_fhir_mappings_tenant_resource on fhir_mappings"),
    ("practice", "locations_by_zip", "Locations near a ZIP code", 0.42, 1.31, 40,
     "Bitmap Heap Scan on locations → Bitmap Index Scan on ix_locations_state_city_zip"),
)  # fmt: skip


def lookups() -> tuple[Latency, ...]:
    """The latencies of the run: one query each way a gate can end, and one with a nasty title."""
    made = [
        Latency(
            system=system, query=query, title=title, role=f"{system}_app", n=2400, batches=24, valid_batches=23,
            p50_ms=p50, p95_ms=p95, p99_ms=p95 * 1.5, max_ms=p95 * 9, p95_low_ms=p95 * 0.95, p95_high_ms=p95 * 1.06,
            confidence=0.99, request_p50_ms=p50 + 0.12, request_p95_ms=p95 + 0.16, rows_median=12.0,
            budget_p95_ms=budget, outcome=Outcome.PASS, reason="the interval lies under the budget", attempts=1,
            plan=plan, plan_hash=f"{len(query):08x}",
        )
        for system, query, title, p50, p95, budget, plan in _LOOKUPS
    ]  # fmt: skip
    made[3] = replace(
        made[3], title=NASTY, p95_ms=183.2, p50_ms=61.4, p99_ms=260.0, max_ms=611.0, p95_low_ms=171.0,
        p95_high_ms=197.3, outcome=Outcome.FAIL, attempts=2,
        reason="p95 at least 171 ms, over the budget of 150 ms; over in each of two attempts",
        plan="Sort → Seq Scan on clients",
    )  # fmt: skip
    made[8] = replace(
        made[8], p95_low_ms=None, p95_high_ms=None, batches=1, valid_batches=1, n=58, outcome=Outcome.INCONCLUSIVE,
        reason="58 samples in 1 valid batch: 59 samples and 12 batches bound a p95",
    )  # fmt: skip
    return tuple(made)


def gate() -> Gate:
    """A gate that fails in one lookup and cannot decide another."""
    return Gate(
        outcome=Outcome.FAIL,
        reason="7 of 9 lookups pass; over budget: pazpaz/clients_active; undecided: practice/locations_by_zip",
        budget_p95_ms=150.0,
        queries=lookups(),
    )


def passing_gate() -> Gate:
    """The same lookups, all under their budgets."""
    queries = tuple(
        replace(q, outcome=Outcome.PASS, p95_ms=q.budget_p95_ms / 40, p50_ms=q.budget_p95_ms / 80,
                p95_low_ms=q.budget_p95_ms / 44, p95_high_ms=q.budget_p95_ms / 37, reason="under the budget")
        for q in lookups()
    )  # fmt: skip
    return Gate(outcome=Outcome.PASS, reason="9 of 9 lookups keep their budget", budget_p95_ms=150.0, queries=queries)


def samples(queries: tuple[Latency, ...]) -> pd.DataFrame:
    """Log-normal service times around each query's p50; two batches of each are marked invalid."""
    rng = np.random.default_rng(7)
    frames = []
    for number, q in enumerate(queries):
        per, count = 100, q.batches
        batch = np.repeat(np.arange(count), per)
        spread = max(np.log(q.p95_ms / q.p50_ms) / 1.645, 0.05)
        drift = np.repeat(rng.normal(0, 0.03, count), per)
        times = np.exp(np.log(q.p50_ms) + drift + rng.normal(0, spread, per * count))
        if number % 3 == 1:  # small and large tenants
            times[rng.random(times.size) < 0.3] *= 0.3
        frames.append(
            pd.DataFrame({
                "system": q.system, "query": q.query, "role": q.role, "arm": "", "batch": batch,
                "t_ns": (batch * 4_000_000_000 + np.tile(np.arange(per) * 1_000_000, count)),
                "latency_ns": (times * 1e6).astype("int64"), "request_ns": ((times + 0.13) * 1e6).astype("int64"),
                "rows": 12, "tenant_rank": 1, "valid": ~np.isin(batch, (5, 11)), "attempt": 1,
            })
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def indexes() -> tuple[IndexUse, ...]:
    """Used, unused, unique and primary indexes over four orders of magnitude."""
    rows = (
        ("pazpaz", "appointments", "ix_appointments_workspace_time_range", 57_204, 30_900_000, False, False),
        ("pazpaz", "appointments", "ix_appointments_workspace_client_time", 19_004, 31_100_000, False, False),
        ("pazpaz", "appointments", "pk_appointments", 2_400, 15_700_000, True, True),
        ("pazpaz", "appointments", LONG_INDEX, 0, 25_600_000, False, False),
        ("pazpaz", "appointments", "ix_appointments_workspace_id", 0, 3_500_000, False, False),
        ("pazpaz", "appointments", 'ix "<b>odd</b>" | $x$', 0, 3_600_000, False, False),
        ("pazpaz", "clients", "pk_clients", 0, 1_300_000, True, True),
        ("pazpaz", "clients", "ix_clients_workspace_active", 9_600, 1_100_000, False, False),
        ("pazpaz", "clients", "uq_clients_workspace_email", 9_601, 2_600_000, True, False),
        ("pazpaz", "clients", "ix_clients_workspace_lastname_firstname", 0, 2_100_000, False, False),
        ("pazpaz", "users", "uq_users_workspace_email", 0, 40_960, True, False),
        ("practice", "auth_tokens", "ix_auth_tokens_active_hash", 12_001, 19_900_000, False, False),
        ("practice", "auth_tokens", "ix_auth_tokens_user", 12_040, 4_300_000, False, False),
        ("practice", "auth_tokens", "ix_auth_tokens_status", 0, 1_400_000, False, False),
        ("practice", "fhir_mappings", "ix_fhir_mappings_tenant_resource", 9_602, 16_200_000, False, False),
        ("practice", "fhir_mappings", "ix_fhir_mappings_is_active", 0, 1_390_000, False, False),
        ("practice", "locations", "ix_locations_state_city_zip", 58, 1_260_000, False, False),
        ("practice", "locations", "pk_locations", 3, 950_000, True, True),
        ("practice", "encryption_keys", "ix_encryption_keys_expires_at", 0, 16_384, False, False),
    )
    return tuple(
        IndexUse(
            system=system, table=table, index=index, method="btree", scans=scans, tuples_read=scans * 12,
            tuples_fetched=scans * 11, size_bytes=size, is_unique=unique, is_primary=primary,
            definition=f"CREATE INDEX {index} ON {system}.{table} USING btree (workspace_id)",
        )
        for system, table, index, scans, size, unique, primary in rows
    )  # fmt: skip


def rule(**changes: Any) -> RuleResult:
    """One rule that passes, with changes."""
    return replace(
        RuleResult(
            rule="KEY001", slug="no_primary_key", title="Every table has a primary key", family="KEY", severity="P1",
            system="pazpaz", outcome=Outcome.PASS, checked=12, evidence="12 tables, 12 primary keys", findings=(),
            why="Without a key a row cannot be named.", references=("DB-001",), duration_ms=3.1,
        ),
        **changes,
    )  # fmt: skip


def audit() -> Audit:
    """Rules of every severity and every outcome."""
    unindexed = tuple(
        Finding(
            objects=(f"pazpaz.appointments.{column}",),
            detail=f"foreign key on {column} has no index",
            remediation=f'create index concurrently "ix_{column}" on "pazpaz"."appointments" ("{column}");',
        )
        for column in ("service_id", "location_id")
    )
    leak = Finding(
        objects=("pazpaz.audit_events", NASTY),
        detail=f"update as pazpaz_app changed 1 row; {NASTY}",
        remediation="revoke update, delete, truncate on pazpaz.audit_events from pazpaz_app;",
    )
    results = [
        rule(
            rule="AUD002", title="The audit trail cannot be rewritten", family="AUD", severity="P0",
            outcome=Outcome.FAIL, checked=1, evidence="1 of 1 audit tables is open to the application role",
            findings=(leak,), why="An audit row that can be changed proves nothing.",
            references=("45 CFR 164.312(b)", "DB-003"),
        ),
        rule(
            rule="KEY002", title="Foreign keys are indexed", severity="P2", outcome=Outcome.FAIL, checked=9,
            evidence="2 of 9 foreign keys have no index", findings=unindexed,
            why="Deleting a parent scans the whole child table.",
        ),
        rule(rule="RET001", title="Retention tables keep deleted rows", family="RET", severity="P1",
             outcome=Outcome.WAIVED, evidence="waived until 2026-06-30: soft delete arrives with the next release"),
        rule(rule="ENC001", title="PHI is not stored readable", family="ENC", severity="P0", outcome=Outcome.ERROR,
             evidence="permission denied for table clients", system="practice"),
        rule(rule="OPS001", title="Connections over the network use TLS", family="OPS", severity="P1",
             outcome=Outcome.NOT_APPLICABLE, evidence="the server listens on a local socket only"),
        rule(rule="TEN001", title="Tenant tables have row-level security", family="TEN", severity="P0", checked=5,
             evidence="5 of 5 tenant tables"),
        rule(rule="TEN001", title="Tenant tables have row-level security", family="TEN", severity="P0", checked=7,
             system="practice", evidence="7 of 7 tenant tables"),
    ]  # fmt: skip
    titles = (
        "Timestamps carry a zone",
        "Money has a sign check",
        "Status columns are checked",
        "No invalid index",
    )
    results += [rule(rule=f"CON00{n}", title=title, family="CON", severity="P3") for n, title in enumerate(titles, 1)]
    return Audit(outcome=Outcome.FAIL, database_kind="lab", results=tuple(results))


def passing_audit() -> Audit:
    """The rules that pass, alone."""
    kept = tuple(result for result in audit().results if result.outcome is Outcome.PASS)
    return Audit(outcome=Outcome.PASS, database_kind="lab", results=kept)


def impact() -> Impact:
    """A migration with one query of every verdict."""
    rows = (
        ("active_token", 0.62, 0.11, 0.18, 0.17, 0.19, "faster", ""),
        ("tokens_of_user", 0.41, 0.22, 0.55, 0.52, 0.58, "faster", ""),
        ("fhir_by_resource", 0.17, 0.17, 1.004, 0.98, 1.02, "same", ""),
        ("locations_by_zip", 1.20, 1.31, 1.09, 1.06, 1.13, "slower", "the planner now prefers a bitmap scan"),
        (
            "keys_of_tenant",
            0.33,
            0.34,
            1.02,
            0.91,
            1.14,
            "inconclusive",
            "the interval is wider than the margin",
        ),
    )
    contrasts = tuple(
        Contrast(
            system="practice", query=query, title=query.replace("_", " ").capitalize(), before_p50_ms=before * 0.7,
            after_p50_ms=after * 0.7, before_p95_ms=before, after_p95_ms=after, typical_ratio=r,
            typical=Interval(low=low, high=high, confidence=0.95), p95_ratio=r * 1.05,
            p95=Interval(low=low * 0.95, high=high * 1.15, confidence=0.95), rounds=60, verdict=verdict, reason=reason,
            before_plan="Seq Scan on auth_tokens" if verdict == "faster" else "Index Scan using ix_a on t",
            after_plan="Index Scan using ix_auth_tokens_active_hash on auth_tokens" if verdict == "faster"
            else "Index Scan using ix_a on t",
        )
        for query, before, after, r, low, high, verdict, reason in rows
    )  # fmt: skip
    relations = (
        Relation(name="practice.auth_tokens", kind="table", before_bytes=98_000_000, after_bytes=98_000_000),
        Relation(
            name="practice.ix_auth_tokens_active_hash",
            kind="index",
            before_bytes=None,
            after_bytes=19_900_000,
        ),
        Relation(name="practice.ix_auth_tokens_status", kind="index", before_bytes=1_400_000, after_bytes=None),
    )
    return Impact(
        system="practice", from_revision="practice_0001", to_revision="20250106_1200", migration_s=1.84, margin=0.05,
        placebo_alarms=0, contrasts=contrasts, relations=relations,
    )  # fmt: skip


def load_test() -> Load:
    """A valid open-loop load test."""

    def of(system: str, query: str, p50: float, p95: float, requests: int, errors: int = 0) -> LoadQuery:
        return LoadQuery(
            system=system, query=query, requests=requests, errors=errors, latency_p50_ms=p50, latency_p95_ms=p95,
            latency_p99_ms=p95 * 2.1, latency_max_ms=p95 * 8, service_p50_ms=p50 * 0.8, service_p95_ms=p95 * 0.7,
            service_p99_ms=p95 * 1.3,
        )  # fmt: skip

    queries = tuple(of(q.system, q.query, q.p50_ms + 0.4, q.p95_ms + 1.1, 890) for q in lookups())
    return Load(
        outcome=Outcome.PASS, reason="the plan was kept: lag and rate are within their limits", users=8,
        target_rate=400.0, achieved_rate=399.4, seconds=20.0, lag_p95_ms=0.21, total=of("", "", 0.9, 6.2, 8010, 2),
        queries=queries, error_samples=("canceling statement due to statement timeout",),
    )  # fmt: skip


def info(**changes: Any) -> RunInfo:
    """``run.json`` of a complete run."""
    tables = (
        TableRows(system="pazpaz", table="appointments", rows=500_000, size_bytes=212_000_000, checksum="a1"),
        TableRows(system="pazpaz", table="clients", rows=40_000, size_bytes=18_400_000, checksum="b2"),
        TableRows(system="practice", table="auth_tokens", rows=200_000, size_bytes=121_000_000, checksum="c3"),
        TableRows(system="practice", table="locations", rows=20_000, size_bytes=9_100_000, checksum="d4"),
    )
    return replace(
        RunInfo(
            name="20251001T101500Z-small", started_utc="2025-10-01T10:15:00Z", finished_utc="2025-10-01T10:19:22Z",
            command="pgvitals run --profile small --seed 20250106 --postgres postgresql://bench:hunter2@db.test/x",
            config={"profile": "small", "postgres": "auto", "systems": ["pazpaz", "practice"], "password": "hunter2"},
            phases={"load": "done", "bench": "done", "audit": "done", "notebooks": "skipped"},
            durations_s={"load": 21.4, "bench": 96.2, "audit": 4.9, "impact": 88.0, "loadtest": 22.5},
            versions={"pgvitals": "0.1.0", "python": "3.11.2", "psycopg": "3.2.9"}, git_revision=REVISION,
            server=Server(
                kind="embedded", why="no container engine answers", version="PostgreSQL 17.5", version_num=170005,
                transport="unix", settings={"shared_buffers": "512MB", "jit": "off", "fsync": "on"}, timezones=1194,
            ),
            hardware=Hardware(cpu_model="AMD EPYC 7B13", cores=2, memory_bytes=8_330_000_000, kernel="Linux 6.1.0",
                              clocksource="tsc"),
            dataset=Dataset(profile="small", seed=20250106, checksum="9f2c61d07ab3e845", tables=tables, load_s=21.4,
                            revisions={"pazpaz": "83680210d7d2", "practice": "20250106_1200"}),
            noise=Noise(canary_best_ms=4.02, canary_median_ratio=1.03, canary_worst_ratio=1.31,
                        cpu_pressure_median=0.004, cpu_pressure_worst=0.081, steal_worst=0.002),
        ),
        **changes,
    )  # fmt: skip


@pytest.fixture
def made() -> SimpleNamespace:
    """The makers of records above, for a test that changes one before it builds a run."""
    return SimpleNamespace(
        NASTY=NASTY, LONG_INDEX=LONG_INDEX, REVISION=REVISION, info=info, gate=gate, passing_gate=passing_gate,
        samples=samples, indexes=indexes, rule=rule, audit=audit, passing_audit=passing_audit, impact=impact,
        load_test=load_test,
    )  # fmt: skip


@pytest.fixture
def build_run(tmp_path: Path) -> Callable[..., Run]:
    """Write a run directory from records and read it back; ``part=None`` leaves that part out."""
    numbers = itertools.count()
    return lambda **parts: write_run(tmp_path / f"run-{next(numbers)}", **parts)


@pytest.fixture(scope="session")
def full_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Every part there is; it fails in latency and audit. Shared: nobody writes into it."""
    return write_run(tmp_path_factory.mktemp("full") / "run")


@pytest.fixture
def passing_run(build_run: Callable[..., Run]) -> Run:
    """Nothing but passes."""
    return build_run(gate=passing_gate(), audit=passing_audit())


@pytest.fixture
def empty_run(build_run: Callable[..., Run]) -> Run:
    """``run.json`` and nothing else."""
    bare = info(server=None, hardware=None, dataset=None, noise=None, git_revision=None, versions={}, phases={})
    return build_run(info=bare, gate=None, samples=None, indexes=None, audit=None, impacts=(), load=None)


def write_run(target: Path, **parts: Any) -> Run:
    """A run directory at ``target``."""
    given = {"info": info(), "gate": gate(), "indexes": indexes(), "audit": audit(), "impacts": (impact(),),
             "load": load_test()} | parts  # fmt: skip
    if "samples" not in given:
        given["samples"] = samples(given["gate"].queries) if given["gate"] else None
    with RunWriter(target) as writer:
        writer.write("run.json", given["info"])
        for name, key in (("latency.json", "gate"), ("audit.json", "audit"), ("load.json", "load")):
            if given[key] is not None:
                writer.write(name, given[key])
        if given["impacts"]:
            writer.write("impact.json", given["impacts"])
        if given["indexes"] is not None:
            writer.write_table("index_usage.parquet", index_table(given["indexes"]))
        if given["samples"] is not None:
            writer.write_table("samples.parquet", given["samples"])
        writer.commit()
    return load_run(target)


@pytest.fixture
def timed_run(tmp_path: Path) -> Callable[..., Run]:
    """A run of a few lookups with times of its own: what a run has in common with others, and what it has alone."""
    return lambda name, **asked: write_timed_run(tmp_path / "runs" / name, **asked)


def write_timed_run(
    target: Path, *, seed: int, scale: float = 1.0, tail: float = 1.0, between: float = 0.0, batches: int = 20,
    per: int = 100, seconds: float = 300.0, quiet: int | None = None, queries: tuple[int, ...] = (1, 2),
    outcome: Outcome = Outcome.PASS, latency: dict[str, Any] | None = None, plans: dict[str, Any] | None = None,
    **changes: Any,
) -> Run:  # fmt: skip
    """Log-normal times, ``scale`` times as long, the slowest tenth ``tail`` times more.

    ``between`` is the spread of runs (log) from which this run's own speed is drawn, ``quiet`` how many batches
    were quiet (all), ``latency`` and other changes go into the records.
    """
    rng = np.random.default_rng(seed)
    own = scale * np.exp(rng.normal(0, between)) if between else scale
    frames, records = [], []
    for number in queries:
        base = lookups()[number]
        times = np.exp(rng.normal(0, 0.03, (batches, 1)) + rng.normal(np.log(base.p50_ms), 0.5, (batches, per))) * own
        times[times > np.quantile(times, 0.9)] *= tail
        each = np.repeat(np.arange(batches), per)
        start = (seconds / max(batches - 1, 1) * 1e9 * each).astype("int64")
        good = each < (batches if quiet is None else quiet)
        frames.append(
            pd.DataFrame({
                "system": base.system, "query": base.query, "role": base.role, "arm": "", "batch": each,
                "t_ns": start, "latency_ns": (times * 1e6).astype("int64").ravel(), "request_ns": 1, "rows": 1,
                "tenant_rank": 1, "valid": good, "attempt": 1,
            })
        )  # fmt: skip
        p95 = float(np.quantile(times, 0.95))
        records.append(
            replace(
                base, p50_ms=float(np.quantile(times, 0.5)), p95_ms=p95, p95_low_ms=p95 / 1.1, p95_high_ms=p95 * 1.1,
                n=times.size, batches=batches, valid_batches=int(good.sum()) // per, outcome=outcome, reason="as told",
                **(latency or {}),
            )
        )  # fmt: skip
    made = Gate(outcome=outcome, reason="as told", budget_p95_ms=150.0, queries=tuple(records))
    with RunWriter(target) as writer:
        writer.write("run.json", info(**{"name": target.name, **changes}))
        writer.write("latency.json", made)
        writer.write_table("samples.parquet", pd.concat(frames, ignore_index=True))
        for key, captured in (plans or {}).items():
            writer.write_json(f"plans/{key.replace('/', '__')}.json", captured)
        writer.commit()
    return load_run(target)
