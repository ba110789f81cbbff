"""Which conditions two runs share: what is named where they differ, and which runs are of the same thing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from pgvitals.report.redact import redact_value
from pgvitals.report.wording import size
from pgvitals.results.comparison import Difference
from pgvitals.results.records import Dataset, RunInfo

NOT_RECORDED = "not recorded"
VOIDING = ("dataset", "hardware")
"""Conditions without which a comparison says nothing; a user may compare despite them."""

_NO_MATTER = re.compile(
    r"(log_|lc_|unix_socket_|syslog_|event_)\w*|TimeZone|timezone_abbreviations|DateStyle|IntervalStyle|cluster_name"
    r"|default_text_search_config|listen_addresses|port|max_connections|superuser_reserved_connections",
    re.IGNORECASE,
)
"""Settings that change no plan and no latency of a lookup."""
CANARY_LIMIT = 0.05
"""Beyond that difference of the canary's best the machine itself changed its speed."""

_CLIENT = ("python", "libpq", "psycopg", "pgvitals")
_SHOWN = 12


def differences(before: RunInfo, after: RunInfo) -> tuple[Difference, ...]:
    """The conditions that two runs do not share, those that void a comparison first."""
    found = [*_hardware(before, after), *_datasets(before, after), *_server(before, after), *_client(before, after)]
    return tuple(sorted(found, key=lambda each: not each.voids))


def conditions_key(info: RunInfo) -> str:
    """A digest of what runs of the same thing share beside their rows, whatever their git revision.

    Server, its settings, the machine, and how often each lookup was sampled. Versions of the client's libraries are
    left out: a change that they bring is one that a history should show.
    """
    hardware, server = info.hardware, info.server
    parts = (
        hardware and (hardware.cpu_model, hardware.cores),
        server and (server.kind, server.version, server.transport, sorted(_settings(info).items())),
        _plan(info),
        *(["as it stood"] if info.config.get("as_is") else []),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:_SHOWN]


def dataset_key(info: RunInfo, system: str = "") -> str:
    """A digest of the rows of one system, or of all; empty where none were recorded."""
    return _identity(info.dataset, system) or ""


def canary_ratio(before: RunInfo, after: RunInfo) -> float | None:
    """How much longer the same piece of work took at its best: above 1 the machine itself was slower after."""
    if before.noise is None or after.noise is None or not before.noise.canary_best_ms:
        return None
    return after.noise.canary_best_ms / before.noise.canary_best_ms


def same_speed(ratio: float | None) -> bool:
    """Whether the machine was as fast in both of two runs, by its canary; not so where none was recorded."""
    return ratio is not None and 1 / (1 + CANARY_LIMIT) <= ratio <= 1 + CANARY_LIMIT


def _hardware(before: RunInfo, after: RunInfo) -> Iterator[Difference]:
    yield from _differ("hardware", _machine(before), _machine(after), voids=True)
    if before.hardware and after.hardware:
        yield from _differ("kernel", before.hardware.kernel, after.hardware.kernel)
        yield from _differ("memory", size(before.hardware.memory_bytes), size(after.hardware.memory_bytes))
        yield from _differ("clock source", before.hardware.clocksource, after.hardware.clocksource)


def _datasets(before: RunInfo, after: RunInfo) -> Iterator[Difference]:
    old, new = before.dataset, after.dataset
    for system in sorted(_systems(old) & _systems(new)) or [""]:
        what = f"dataset of {system}" if system else "dataset"
        yield from _differ(what, _identity(old, system), _identity(new, system), voids=True, system=system)
    if old and new:
        yield from _differ("profile", old.profile, new.profile)
        for system in sorted(old.revisions.keys() & new.revisions.keys()):
            yield from _differ(f"revision of {system}", old.revisions[system], new.revisions[system], system=system)
    stood = ["as it stood" if info.config.get("as_is") else "vacuumed and analyzed" for info in (before, after)]
    yield from _differ("tables before measuring", *stood)
    seeds = [str(info.config.get("seed", NOT_RECORDED)) for info in (before, after)]
    yield from _differ("seed", *seeds)


def _server(before: RunInfo, after: RunInfo) -> Iterator[Difference]:
    old, new = before.server, after.server
    for what, key in (("server version", "version"), ("kind of server", "kind"), ("connection", "transport")):
        yield from _differ(what, getattr(old, key, None), getattr(new, key, None))
    settings = [_settings(info) for info in (before, after)]
    for name in sorted(settings[0].keys() | settings[1].keys()) if old and new else ():
        yield from _differ(f"setting {name}", *(each.get(name, "its default") for each in settings))


def _client(before: RunInfo, after: RunInfo) -> Iterator[Difference]:
    yield from _differ("git revision", before.git_revision, after.git_revision)
    yield from _differ("samples a lookup", _plan(before), _plan(after))
    for name in _CLIENT:
        if name in before.versions and name in after.versions:
            yield from _differ(f"version of {name}", before.versions[name], after.versions[name])


def _differ(
    what: str, before: str | None, after: str | None, *, voids: bool = False, system: str = ""
) -> Iterator[Difference]:
    if before != after:
        yield Difference(
            what=what, before=before or NOT_RECORDED, after=after or NOT_RECORDED, voids=voids, system=system
        )


def _machine(info: RunInfo) -> str | None:
    return f"{info.hardware.cpu_model}, {info.hardware.cores} cores" if info.hardware else None


def _settings(info: RunInfo) -> dict[str, str]:
    found = info.server.settings if info.server else {}
    shown: dict[str, str] = redact_value({name: each for name, each in found.items() if not _NO_MATTER.fullmatch(name)})
    return shown


def _systems(dataset: Dataset | None) -> set[str]:
    return {table.system for table in dataset.tables} if dataset else set()


def _identity(dataset: Dataset | None, system: str) -> str | None:
    """The checksum of one system's rows, or of all where no system is named."""
    if dataset is None:
        return None
    if not system:
        return dataset.checksum[:_SHOWN]
    tables = sorted((each.table, each.rows, each.checksum) for each in dataset.tables if each.system == system)
    return hashlib.sha256(repr(tables).encode()).hexdigest()[:_SHOWN]


def _plan(info: RunInfo) -> str | None:
    """``20 batches of 100, fewer from 10x under its budget`` (that many again where the verdict was near)."""
    asked: Any = info.config.get("plan", {})
    measure = asked.get("measure", {}) if isinstance(asked, dict) else {}
    if not isinstance(measure, dict) or not {"batches", "batch_size"} <= measure.keys():
        return None
    fewer = f", fewer from {measure['far']:g}x under its budget" if "far" in measure else ""
    return f"{measure['batches']} batches of {measure['batch_size']}{fewer}"
