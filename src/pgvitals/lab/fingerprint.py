"""The conditions of a measurement: server, settings, machine, versions."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import psycopg

from pgvitals.lab.database import Database
from pgvitals.results.records import Hardware
from pgvitals.results.records import Server as ServerRecord

_LIBRARIES = (
    "pgvitals",
    "psycopg",
    "sqlalchemy",
    "alembic",
    "numpy",
    "pandas",
    "pyarrow",
    "faker",
    "locust",
    "pytest-benchmark",
)
_SETTINGS = r"""
    select name, current_setting(name) from pg_settings
    where name in ('fsync', 'full_page_writes', 'synchronous_commit', 'jit', 'autovacuum', 'data_checksums')
       or source not in ('default', 'client', 'session', 'override')
      and boot_val is distinct from reset_val
      and name not in ('port', 'cluster_name', 'application_name', 'listen_addresses', 'primary_conninfo',
                       'primary_slot_name', 'synchronous_standby_names')
      and name not like '%\_command'
      and current_setting(name) not like '/%'
    order by name
"""


def server(database: Database, kind: str, why: str) -> ServerRecord:
    """What the server is and how it is set; paths and secrets are left out."""
    with database.connect() as conn:
        settings = dict(_pairs(conn.execute(_SETTINGS).fetchall()))
        zones = conn.execute("select count(*) from pg_timezone_names").fetchone()
        version_line = conn.execute("select version()").fetchone()
        return ServerRecord(
            kind=kind,
            why=why,
            version=str(version_line[0]).split(" on ")[0] if version_line else "",
            version_num=conn.info.server_version,
            transport="unix" if conn.info.host.startswith("/") else "tcp",
            settings=settings,
            timezones=int(zones[0]) if zones else 0,
        )


def _pairs(rows: list[psycopg.rows.TupleRow]) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in rows]


def hardware() -> Hardware:
    """The machine that this process runs on."""
    return Hardware(
        cpu_model=_cpu_model(),
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        kernel=f"{platform.system()} {platform.release()}",
        clocksource=_read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
    )


def versions() -> dict[str, str]:
    """Python and the libraries that touch a measurement."""
    found = {"python": platform.python_version(), "libpq": str(psycopg.pq.version())}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_revision(root: Path) -> str | None:
    """The commit of the suite, with ``+`` when files differ from it; None outside git."""
    try:
        head = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        )
        dirty = subprocess.run(
            ["git", "-C", str(root), "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    if head.returncode != 0:
        return None
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def _cpu_model() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "unknown"
