"""``load.json`` and ``load.hlog``: written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pgvitals.errors import LoadTestError
from pgvitals.load.histogram import write_log
from pgvitals.load.summary import Summary
from pgvitals.results.records import Load

RECORD = "load.json"
LOG = "load.hlog"


def write(out: Path, summary: Summary, started_s: float) -> None:
    """Write both files into ``out``; the record last, so that where it is, the log is too.

    Raises:
        LoadTestError: the directory cannot be written.
    """
    log, record = (out / f".{name}.partial-{os.getpid()}" for name in (LOG, RECORD))
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_log(log, summary.tagged(), started_s=started_s, seconds=summary.load.seconds)
        record.write_bytes(TypeAdapter(Load).dump_json(summary.load, indent=1))
        log.replace(out / LOG)
        record.replace(out / RECORD)
    except OSError as error:
        raise LoadTestError(f"{out}: load test results cannot be written ({error.strerror})") from None
    finally:
        log.unlink(missing_ok=True)
        record.unlink(missing_ok=True)


def read(out: Path) -> Load:
    """Read ``load.json`` back.

    Raises:
        LoadTestError: it is missing or damaged.
    """
    try:
        return TypeAdapter(Load).validate_json((out / RECORD).read_bytes())
    except (OSError, ValidationError) as error:
        raise LoadTestError(f"{out / RECORD}: cannot be read ({type(error).__name__})") from None
