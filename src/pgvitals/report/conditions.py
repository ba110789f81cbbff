"""What a run was measured under, and how to repeat it, as pairs of a name and a value to print."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pgvitals.report.redact import redact, redact_value
from pgvitals.report.wording import count, duration, ms, share, size
from pgvitals.results.records import RunInfo

Facts = list[tuple[str, str]]


def conditions(info: RunInfo) -> list[tuple[str, Facts]]:
    """Groups of facts in the order of a report; a group that was not recorded is empty."""
    return [
        ("Server", _server(info)),
        ("Machine", _machine(info)),
        ("Noise", _noise(info)),
        ("Settings that differ from the default", _settings(info)),
        ("Versions", list(info.versions.items())),
        ("Phases", _phases(info)),
        ("Configuration", list(_flat(redact_value(info.config)))),
    ]


def provenance(info: RunInfo) -> Facts:
    """What somebody needs to get the same run again."""
    facts = []
    if info.dataset:
        facts = [
            ("Profile", info.dataset.profile),
            ("Seed", str(info.dataset.seed)),
            ("Dataset checksum", info.dataset.checksum),
            *((f"Revision of {system}", revision) for system, revision in info.dataset.revisions.items()),
        ]
    revision = info.git_revision or "not under git"
    if revision.endswith("+"):
        revision = f"{revision.rstrip('+')}, with changes that were not committed"
    return [
        *facts,
        ("Git revision", revision),
        ("Server", info.server.version if info.server else "not recorded"),
        ("Format version", str(info.format_version)),
    ]


def command(info: RunInfo) -> str:
    """The command line without secrets."""
    return redact(info.command)


def _server(info: RunInfo) -> Facts:
    if info.server is None:
        return []
    kind, transport = info.server.kind, info.server.transport
    return [
        ("Version", info.server.version),
        ("Kind", f"{kind}: {info.server.why}" if info.server.why else kind),
        ("Connection", {"unix": "Unix-domain socket", "tcp": "TCP"}.get(transport, transport)),
    ]


def _machine(info: RunInfo) -> Facts:
    if info.hardware is None:
        return []
    return [
        ("Processor", f"{info.hardware.cpu_model}, {count(info.hardware.cores)} cores"),
        ("Memory", size(info.hardware.memory_bytes)),
        ("Kernel", info.hardware.kernel),
        ("Clock source", info.hardware.clocksource),
    ]


def _noise(info: RunInfo) -> Facts:
    noise = info.noise
    if noise is None:
        return []
    worst, median = noise.cpu_pressure_worst, noise.cpu_pressure_median
    return [
        ("Spin canary", f"best {ms(noise.canary_best_ms)} ms; median {noise.canary_median_ratio:.2f}×, "
                        f"worst {noise.canary_worst_ratio:.2f}×"),
        ("CPU pressure", "the kernel does not tell" if worst is None
         else f"worst batch {share(worst)}" if median is None
         else f"median batch {share(median)}, worst {share(worst)}"),
        ("Steal", "the kernel does not tell" if noise.steal_worst is None
         else f"worst batch {share(noise.steal_worst)}"),
    ]  # fmt: skip


def _settings(info: RunInfo) -> Facts:
    return list(redact_value(info.server.settings).items()) if info.server else []


def _phases(info: RunInfo) -> Facts:
    names = dict.fromkeys([*info.phases, *info.durations_s])
    return [(name, _phase(info.phases.get(name, ""), info.durations_s.get(name))) for name in names]


def _phase(state: str, seconds: float | None) -> str:
    took = duration(seconds) if seconds is not None else ""
    return f"{redact(state)}, {took}" if state and took else redact(state) or took


def _flat(config: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            yield f"{prefix}{key}", ", ".join(map(str, value)) or "none"
        else:
            yield f"{prefix}{key}", "none" if value is None else str(value)
