"""What a run directory holds, as frozen records with units in their names.

Every file is written from one of these and read back into it; ``FORMAT_VERSION`` counts the changes:

1. first format; later fields have a default, which is what they mean where an older run lacks them
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pgvitals.results.outcome import Outcome
from pgvitals.results.server_time import ServerTime
from pgvitals.results.tenants import TenantLatency

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The PostgreSQL that was measured; ``settings`` are those that differ from the built-in default."""

    kind: str  # embedded | container | external
    why: str  # why this kind was taken
    version: str
    version_num: int
    transport: str  # unix | tcp
    settings: dict[str, str]
    timezones: int  # rows of pg_timezone_names: 0 means that the machine lacks tzdata


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """The machine of the client (and, but for an external server, of the server)."""

    cpu_model: str
    cores: int
    memory_bytes: int
    kernel: str
    clocksource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRows:
    """One loaded table: its rows, size on disk with indexes, and order-independent checksum."""

    system: str
    table: str
    rows: int
    size_bytes: int
    checksum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """What the measured database holds."""

    profile: str
    seed: int
    checksum: str  # over all tables
    tables: tuple[TableRows, ...]
    load_s: float  # of the command that finished it
    revisions: dict[str, str]  # system -> Alembic revision
    shapes: dict[str, str] = field(default_factory=dict)  # system -> digest of its tables' and columns' identities
    recipes: dict[str, str] = field(default_factory=dict)  # system -> version of the recipe that made its rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """``facts.json``, one a fact: what a system claims about its rows, and what the loaded rows say.

    It passes if ``value`` lies from ``low`` to ``high`` (None: no limit); with ``n`` under ``at_least`` it is
    not applicable.
    """

    system: str
    fact: str
    title: str
    about: str  # the claim that it checks, in a word or two
    unit: str
    low: float | None
    high: float | None
    value: float | None  # None where it could not be asked, or of nothing
    n: int | None  # how many things it was computed from
    at_least: int
    outcome: Outcome
    reason: str
    duration_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How quiet the machine was while measuring (worst and median batch)."""

    canary_best_ms: float
    canary_median_ratio: float
    canary_worst_ratio: float
    cpu_pressure_median: float | None  # share of time, 0 to 1; None where the kernel does not tell
    cpu_pressure_worst: float | None
    steal_worst: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """``run.json``: what was run, on what, when, and how to run it again."""

    format_version: int = FORMAT_VERSION
    name: str
    started_utc: str
    finished_utc: str = ""
    command: str
    config: dict[str, Any]
    phases: dict[str, str]  # phase -> done | skipped | failed: why
    durations_s: dict[str, float]
    versions: dict[str, str]
    git_revision: str | None
    server: Server | None = None
    hardware: Hardware | None = None
    dataset: Dataset | None = None
    noise: Noise | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A two-sided interval and the confidence it claims (0 to 1)."""

    low: float
    high: float
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Service time of one query (execute + fetch); ``request`` adds BEGIN, tenant setting and the end."""

    system: str
    query: str
    title: str
    role: str
    n: int
    batches: int
    valid_batches: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    p95_low_ms: float | None  # batch interval; None with fewer than two batches
    p95_high_ms: float | None
    confidence: float
    request_p50_ms: float
    request_p95_ms: float
    rows_median: float
    budget_p95_ms: float
    outcome: Outcome
    reason: str
    attempts: int
    plan: str = ""  # one line: the plan's nodes and indexes
    plan_hash: str = ""
    executions: int | None = None  # warm-up included: what index scans divide by
    ends: str = "commit"  # rollback: a write, measured without what a COMMIT costs
    under_disturbance: bool = False  # percentiles and interval are over all batches, not over the quiet ones only
    statement: str = ""  # digest of the statement and of where its parameters come from
    settled: bool = False  # it was so far under its budgets that it was sampled no further
    server: ServerTime | None = None  # None in runs of older versions
    tenants: tuple[TenantLatency, ...] = ()  # the largest first; none where its parameters name no tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """``latency.json``: every lookup and the verdict over them."""

    outcome: Outcome
    reason: str
    budget_p95_ms: float
    queries: tuple[Latency, ...]
    left_out: dict[str, str] = field(default_factory=dict)  # system/query -> why not at this revision


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexUse:
    """One index over the measured workload: deltas of pg_stat_user_indexes, and its size after it."""

    system: str
    table: str
    index: str
    method: str
    scans: int
    tuples_read: int
    tuples_fetched: int
    size_bytes: int
    is_unique: bool  # or backs an exclusion constraint: it enforces something
    is_primary: bool
    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One query before and after: ratios are after / before, below 1 is faster."""

    system: str
    query: str
    title: str
    before_p50_ms: float
    after_p50_ms: float
    before_p95_ms: float
    after_p95_ms: float
    typical_ratio: float
    typical: Interval
    p95_ratio: float
    p95: Interval
    rounds: int
    verdict: str  # faster | slower | same | inconclusive | void
    reason: str
    before_plan: str
    after_plan: str
    ends: str = "commit"
    look: int = 1  # the one that settled it, or the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """Size of one table or index before and after; None where it does not exist."""

    name: str
    kind: str  # table | index
    before_bytes: int | None
    after_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """``impact.json``, one a pair of revisions."""

    system: str
    from_revision: str
    to_revision: str
    migration_s: float
    margin: float  # ratios within 1 ± margin count as the same
    placebo_alarms: int
    contrasts: tuple[Contrast, ...]
    relations: tuple[Relation, ...]
    rounds_measured: int = 0
    rounds_dropped: int = 0  # because processes waited for a CPU
    not_before: tuple[str, ...] = ()  # lookups that do not run at from_revision
    looks: int = 1  # how many a lookup might have: each was taken at 5 % divided by this
    pinned: bool = False  # client and backends shared a core
    broken: tuple[str, ...] = ()  # lookups that ran before and fail after
    left_out: dict[str, str] = field(default_factory=dict)  # lookup -> which end it is not for, as its header says


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadQuery:
    """One query of the load test; ``latency`` counts from the due time, ``service`` from the start."""

    system: str
    query: str
    requests: int
    errors: int
    latency_p50_ms: float
    latency_p95_ms: float
    latency_p99_ms: float
    latency_max_ms: float
    service_p50_ms: float
    service_p95_ms: float
    service_p99_ms: float
    ends: str = "commit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """``load.json``: an open-loop load test."""

    outcome: Outcome  # pass: valid; inconclusive: void, see reason
    reason: str
    users: int
    target_rate: float  # requests a second
    achieved_rate: float
    seconds: float
    lag_p95_ms: float  # start lag: due -> sent
    total: LoadQuery
    queries: tuple[LoadQuery, ...]
    error_samples: tuple[str, ...] = ()
