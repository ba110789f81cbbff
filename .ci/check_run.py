"""Check the data files of a run directory: all there, readable with pandas and json alone, and plausible.

    .venv/bin/python .ci/check_run.py reports/latest

Prints what it looked at; every fault is listed, and makes the exit status 1.
"""

from __future__ import annotations

import json
import math
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

OUTCOMES = {"pass", "fail", "inconclusive", "waived", "not_applicable", "error"}
VERDICTS = {"faster", "slower", "same", "inconclusive", "void"}
SYSTEMS = sorted(path.parent.name for path in Path("fixtures").glob("*/system.toml"))
# A query with a last revision does not run at the newest one, where the main job measures.
QUERIES = sorted(
    f"{path.parent.name}/{path.stem}" for path in Path("bench").glob("*/*.sql") if "\n-- until:" not in path.read_text()
)


class Checks:
    """Collects faults of one run directory instead of stopping at the first."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.faults: list[str] = []
        self.seen: list[str] = []

    def expect(self, truth: object, fault: str) -> None:
        """Note a fault unless ``truth`` holds."""
        if not truth:
            self.faults.append(fault)

    def json(self, name: str) -> Any:
        """Strict JSON (no NaN, no Infinity); an empty dict and a fault if it is not."""
        try:
            return json.loads((self.run / name).read_text(encoding="utf-8"), parse_constant=_refuse)
        except (OSError, ValueError) as error:
            self.faults.append(f"{name}: {error}")
            return {}

    def table(self, name: str) -> pd.DataFrame:
        """A Parquet table; an empty one and a fault if it cannot be read."""
        try:
            return pd.read_parquet(self.run / name)
        except (OSError, ValueError) as error:
            self.faults.append(f"{name}: {error}")
            return pd.DataFrame()


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def check_info(checks: Checks) -> None:
    """``run.json``: the conditions of the run."""
    info = checks.json("run.json")
    for part in ("format_version", "command", "started_utc", "finished_utc", "git_revision", "versions"):
        checks.expect(info.get(part), f"run.json: '{part}' is empty")
    for part in ("server", "hardware", "dataset", "noise"):
        checks.expect(info.get(part), f"run.json: '{part}' is missing")
    phases = info.get("phases") or {}
    checks.expect(phases, "run.json: no phases")
    for phase, state in phases.items():
        checks.expect(not str(state).startswith("failed"), f"run.json: phase {phase} {state}")
    dataset = info.get("dataset") or {}
    tables = dataset.get("tables") or ()
    checks.expect(dataset.get("checksum"), "run.json: the dataset has no checksum")
    loaded = {table["system"] for table in tables if table["rows"] > 0}
    checks.expect(loaded == set(SYSTEMS), f"run.json: rows were loaded for {sorted(loaded)}, not for {SYSTEMS}")
    server = info.get("server") or {}
    checks.seen.append(f"server {server.get('kind')} {server.get('version')}; {len(tables)} tables; phases {phases}")


def check_latency(checks: Checks) -> None:
    """``samples.parquet``, ``latency.json`` and ``plans/``: every query measured, judged and explained."""
    samples = checks.table("samples.parquet")
    gate = checks.json("latency.json")
    judged = {f"{query['system']}/{query['query']}": query for query in gate.get("queries", ())}
    checks.expect(sorted(judged) == QUERIES, f"latency.json: judges {sorted(judged)}, bench/ has {QUERIES}")
    checks.expect(gate.get("outcome") in OUTCOMES, f"latency.json: outcome {gate.get('outcome')!r}")
    checks.expect(gate.get("reason"), "latency.json: the gate gives no reason")
    if samples.empty:
        checks.faults.append("samples.parquet: no rows")
        return
    checks.expect((samples["latency_ns"] > 0).all(), "samples.parquet: a latency is not above zero")
    keys = samples["system"].astype(str) + "/" + samples["query"].astype(str)
    latencies_ms = {str(key): group / 1e6 for key, group in samples["latency_ns"].groupby(keys)}
    for key in QUERIES:
        checks.expect(key in latencies_ms, f"samples.parquet: no sample of {key}")
        query = judged.get(key)
        if query is None or key not in latencies_ms:
            continue
        taken = latencies_ms[key]
        checks.expect(query["outcome"] in OUTCOMES, f"latency.json: {key}: outcome {query['outcome']!r}")
        checks.expect(query["reason"], f"latency.json: {key}: no reason")
        ordered = [taken.min(), query["p50_ms"], query["p95_ms"], query["p99_ms"], taken.max()]
        rising = all(a <= b or math.isclose(a, b) for a, b in pairwise(ordered))
        checks.expect(rising, f"latency.json: {key}: min, p50, p95, p99, max do not rise: {ordered}")
        checks.expect(query["n"] <= len(taken), f"latency.json: {key}: n={query['n']} is not in the samples")
    plans = sorted(path.stem for path in (checks.run / "plans").glob("*.json"))
    expected = sorted(key.replace("/", "__") for key in QUERIES)
    checks.expect(plans == expected, f"plans/: there are {plans}, expected {expected}")
    for name in plans:
        plan = json.dumps(checks.json(f"plans/{name}.json"))
        checks.expect('"Node Type"' in plan, f"plans/{name}.json: holds no plan")
    checks.seen.append(
        f"{len(samples)} samples of {len(latencies_ms)} queries; {len(plans)} plans; gate {gate.get('outcome')}"
    )


def check_indexes(checks: Checks) -> None:
    """``index_usage.parquet``: counters that cannot be negative, and a workload that used indexes."""
    usage = checks.table("index_usage.parquet")
    if usage.empty:
        checks.faults.append("index_usage.parquet: no rows")
        return
    counters = usage[["scans", "tuples_read", "tuples_fetched", "size_bytes"]]
    checks.expect((counters >= 0).all(axis=None), "index_usage.parquet: a counter is negative")
    used = set(usage.loc[usage["scans"] > 0, "system"])
    checks.expect(used == set(SYSTEMS), f"index_usage.parquet: indexes were scanned in {sorted(used)} only")
    checks.seen.append(f"{len(usage)} indexes, {int((usage['scans'] > 0).sum())} of them used")


def check_audit(checks: Checks) -> None:
    """``audit.json``: every system audited, every rule with an outcome and evidence."""
    audit = checks.json("audit.json")
    results = audit.get("results", ())
    systems = {result["system"] for result in results}
    checks.expect(set(SYSTEMS) <= systems, f"audit.json: audits {sorted(systems)}, not all of {SYSTEMS}")
    for result in results:
        name = f"audit.json: {result['rule']} on {result['system']}"
        checks.expect(result["outcome"] in OUTCOMES, f"{name}: outcome {result['outcome']!r}")
        checks.expect(result["outcome"] != "error", f"{name}: error: {result['evidence']}")
        checks.expect(result["evidence"], f"{name}: no evidence")
        checks.expect(
            (result["outcome"] in ("fail", "waived")) <= bool(result["findings"]),
            f"{name}: fails without a finding",
        )
    rules = {result["rule"] for result in results}
    checks.seen.append(f"{len(rules)} rules, {len(results)} results; audit {audit.get('outcome')}")


def check_impact(checks: Checks) -> None:
    """``impact.json``: contrasts with a verdict from the vocabulary and ratios above zero."""
    impacts = checks.json("impact.json") or []
    checks.expect(impacts, "impact.json: no pair of revisions was compared")
    for impact in impacts:
        pair = f"impact.json: {impact['system']} {impact['from_revision']} to {impact['to_revision']}"
        checks.expect(impact["contrasts"], f"{pair}: no contrasts")
        checks.expect(impact["relations"], f"{pair}: no relations")
        for contrast in impact["contrasts"]:
            checks.expect(contrast["verdict"] in VERDICTS, f"{pair}: {contrast['query']}: {contrast['verdict']!r}")
            checks.expect(contrast["typical_ratio"] > 0, f"{pair}: {contrast['query']}: ratio is not above zero")
    checks.seen.append(f"{len(impacts)} migrations, {sum(len(impact['contrasts']) for impact in impacts)} contrasts")


def check_load(checks: Checks) -> None:
    """``load.json``: requests were sent, none failed, and every query had its share."""
    load = checks.json("load.json")
    total = load.get("total") or {}
    checks.expect(total.get("requests", 0) > 0, "load.json: no requests")
    checks.expect(total.get("errors", 1) == 0, f"load.json: errors: {load.get('error_samples')}")
    checks.expect(load.get("achieved_rate", 0) > 0, "load.json: no rate")
    checks.expect(load.get("outcome") in OUTCOMES, f"load.json: outcome {load.get('outcome')!r}")
    checks.expect(load.get("queries"), "load.json: no queries")
    checks.seen.append(f"{total.get('requests')} requests of load; {load.get('outcome')}")


def check_junit(checks: Checks) -> None:
    """``junit.xml``: well-formed, with a case for every query."""
    try:
        tree = ET.parse(checks.run / "junit.xml")  # noqa: S314  # our own file
    except (OSError, ET.ParseError) as error:
        checks.faults.append(f"junit.xml: {error}")
        return
    names = [f"{case.get('classname')} {case.get('name')}" for case in tree.iter("testcase")]
    for key in QUERIES:
        query = key.split("/")[1]
        checks.expect(any(query in name for name in names), f"junit.xml: no case for {key}")
    checks.seen.append(f"{len(names)} cases in junit.xml")


def main() -> int:
    """Check the run directory that is named on the command line."""
    run = Path(sys.argv[1])
    if not run.is_dir():
        sys.stdout.write(f"{run}: no run directory\n")
        return 1
    checks = Checks(run)
    checks.expect(SYSTEMS and QUERIES, "no systems or queries: run this in the directory of the suite")
    for check in (
        check_info,
        check_latency,
        check_indexes,
        check_audit,
        check_impact,
        check_load,
        check_junit,
    ):
        check(checks)
    for line in checks.seen:
        sys.stdout.write(f"{run}: {line}\n")
    for fault in checks.faults:
        sys.stdout.write(f"FAULT {fault}\n")
    return 1 if checks.faults else 0


if __name__ == "__main__":
    sys.exit(main())
