"""The report as one JSON document: the verdict and every record of the run, without secrets."""

from __future__ import annotations

import json
import math
from typing import Any

from pydantic import TypeAdapter

from pgvitals.report.redact import redact_value
from pgvitals.report.verdict import judge_run
from pgvitals.results.rundir import Run


def render_json(run: Run) -> str:
    """Keys as in the records; ``null`` is what was not measured. Raw samples stay in ``samples.parquet``."""
    usage = run.index_usage
    document = {
        "format_version": run.info.format_version,
        "verdict": _plain(judge_run(run)),
        "run": _plain(run.info),
        "latency": _plain(run.gate),
        "index_usage": None if usage is None else json.loads(usage.to_json(orient="records")),
        "load": _plain(run.load),
        "impact": [_plain(impact) for impact in run.impacts] or None,
        "cold": _plain(run.cold),
        "facts": [_plain(fact) for fact in run.facts] or None,
    }
    # The audit speaks of columns and settings named after passwords, and holds the value of none.
    document = {**redact_value(document), "audit": _plain(run.audit)}
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(record: object) -> Any:
    """JSON values only; numbers that JSON lacks become null."""
    return None if record is None else _finite(TypeAdapter(type(record)).dump_python(record, mode="json"))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return value
