"""Server settings of a lab: durable like production, sized for the machine."""

from __future__ import annotations

import os

import psutil

CLIENT_DEFAULTS = {
    "hostaddr": "",
    "options": "",
    "sslmode": "prefer",
    "channel_binding": "prefer",
    "target_session_attrs": "any",
}
"""libpq parameters given outright, so that the user's PGHOSTADDR, PGOPTIONS … lead to no other server."""


def lab_settings() -> dict[str, str]:
    """Settings of embedded and container servers; everything else keeps PostgreSQL's default.

    Nothing that makes a benchmark fast and a database unsafe is touched: fsync, full_page_writes and
    synchronous_commit stay on.
    """
    memory_mb = psutil.virtual_memory().total // 2**20
    shared_mb = max(128, min(1024, memory_mb // 8))
    return {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "shared_buffers": f"{shared_mb}MB",
        "effective_cache_size": f"{max(256, memory_mb // 2)}MB",
        "maintenance_work_mem": f"{max(64, min(256, memory_mb // 32))}MB",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "max_connections": "100",
        "max_parallel_maintenance_workers": str(max(1, min(4, (os.cpu_count() or 2) // 2))),
        "track_io_timing": "on",
        "password_encryption": "scram-sha-256",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
    }


COUNTING = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_utility": "off",  # BEGIN and COMMIT
    "pg_stat_statements.save": "off",
}
"""What counts the server's own time for each statement, where the installation has it.

It costs 0.4 µs an execution, 1.5 % of a lookup of one row (docs/measuring.md).
"""
