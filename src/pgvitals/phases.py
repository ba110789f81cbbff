"""The phases of a job: each measures one thing in a lab and writes what it found into the run directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pgvitals.audit_engines import ask_in_lab
from pgvitals.audit_history import FILE as HISTORY_FILE
from pgvitals.audit_history import audit_history
from pgvitals.auditing import Asked
from pgvitals.auditing import audit as ask_rules
from pgvitals.child import dies_with_parent
from pgvitals.dataset.describe import describe
from pgvitals.errors import LabError, MeasureError
from pgvitals.impact.compare import measure_impact
from pgvitals.lab import Database, Server
from pgvitals.lab.attach import server_of
from pgvitals.lab.state import load_state
from pgvitals.load.run import run as run_load_test
from pgvitals.measure.burst import SAMPLES_FILE
from pgvitals.measure.lookups import Lookups, measure
from pgvitals.measure.prepare import at_rest
from pgvitals.recording import Recording
from pgvitals.request import Request
from pgvitals.results.audit import Audit
from pgvitals.results.records import Impact, Load
from pgvitals.system import System


def record_dataset(request: Request, database: Database, run: Recording) -> None:
    """What the rows are: tenants, columns and the recipe's claims about them."""
    with request.terminal.bar("what the dataset looks like", unit="facts") as bar:
        found = describe(
            request.suite, database, request.profile, request.systems, seed=request.seed, progress=bar.batches
        )
    found.write(run.writer)


def record_lookups(request: Request, database: Database, run: Recording) -> Lookups:
    """Latency, plans and index usage of every lookup."""
    found = measure(
        request.suite,
        database,
        request.profile,
        request.systems,
        request.terminal,
        seed=request.seed,
        vacuum=not request.as_is,
    )
    found.write(run.writer)
    run.noise(found.noise)
    return found


def record_bench(request: Request, database: Database, run: Recording) -> None:
    """The gate's own samples, then the same queries through pytest-benchmark beside them."""
    found = record_lookups(request, database, run)
    with request.terminal.step("pytest bench/"):
        _pytest_bench(request, database, run.path)
    path = run.path / SAMPLES_FILE
    both = pd.concat([found.samples, pd.read_parquet(path)], ignore_index=True)
    path.unlink()
    run.writer.write_table("samples.parquet", both)


def _pytest_bench(request: Request, database: Database, folder: Path) -> None:
    bench_folder = request.suite.root / request.suite.config.bench
    chosen = [part for system in request.systems for part in (" or ", f"{system.name}/")][1:]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", str(bench_folder), "-q", "-p", "no:cacheprovider"),
            *("-p", "no:hypothesispytest", "-p", "no:faker"),  # a second of imports
            *("-k", "".join(chosen)),
            f"--rounds={request.profile.measure.pytest_rounds}",
            f"--seed={request.seed}",
            f"--samples-to={folder}",
            f"--benchmark-json={folder / 'pytest-benchmark.json'}",
            "--benchmark-disable-gc",
        ],
        cwd=request.suite.root,
        env={**os.environ, **database.environment(), "COLUMNS": "1000"},  # wide enough for pytest's whole message
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=dies_with_parent,
    )
    if done.returncode != 0:
        raise MeasureError(f"pytest bench/ ended with exit code {done.returncode}: {_told(done.stdout + done.stderr)}")


def _told(output: str) -> str:
    """What pytest says is wrong: our own line, else the first failure, else its last line."""
    for pattern in (r"Exit: pgvitals: (.+?)[ !]*$", r"^FAILED .*? - (?:Failed: )?(.+)$", r"^ERROR:? (.+)$"):
        if found := re.search(pattern, output, re.MULTILINE):
            return found[1]
    return next((line for line in reversed(output.splitlines()) if line.strip()), "it says nothing")


def record_load_test(request: Request, database: Database, run: Recording) -> Load:
    """The open-loop load test."""
    plan = request.profile.load
    schemas = [system.schema_name for system in request.systems]
    with (
        request.terminal.step(f"load test, {plan.rate:g} requests/s for {plan.seconds:g} s"),
        at_rest(database, schemas),
    ):
        return run_load_test(
            request.suite, database, plan=plan, seed=request.seed, systems=request.systems, out=run.path
        )


def record_audit(request: Request, database: Database, run: Recording, asked: Asked) -> Audit:
    """The rules that are asked for; with ``asked.revisions``, of every revision as well."""
    with request.terminal.step("audit"):
        found = ask_rules(
            database.connect,
            request.systems,
            asked,
            kind="lab",
            root=request.suite.root,
            engines=lambda: ask_in_lab(database, request.systems, asked.engine, asked.engine_rules),
        )
    if asked.revisions:
        _record_audit_history(request, database, run, asked)
    run.writer.write("audit.json", found)
    return found


def _record_audit_history(request: Request, database: Database, run: Recording, asked: Asked) -> None:
    if database.state_path is None:
        raise LabError("--revisions needs a server to make databases on; start one with `pgvitals up`")
    server = server_of(load_state(database.state_path))
    with request.terminal.step("audit of every revision"):
        run.writer.write_table(HISTORY_FILE, audit_history(request.suite, server, request.systems, asked.rules))


def record_impacts(
    request: Request, server: Server, run: Recording, pairs: Sequence[tuple[System, str, str]]
) -> tuple[Impact, ...]:
    """What each pair of revisions changes."""
    found = tuple(
        measure_impact(request.suite, server, system, request.profile, start, end, request.terminal, seed=request.seed)
        for system, start, end in pairs
    )
    run.writer.write("impact.json", found)
    return found
