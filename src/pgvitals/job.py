"""The main job, and each of its parts as a command of its own: everything ends in a run directory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from pgvitals import notebooks
from pgvitals.auditing import Asked, write_checklist
from pgvitals.errors import LabError, MeasureError
from pgvitals.filling import fill
from pgvitals.impact.compare import check_revisions
from pgvitals.lab import Database
from pgvitals.lab.attach import find, kind_of, server_of
from pgvitals.lab.state import load_state
from pgvitals.measure.cold import measure_cold
from pgvitals.measure.cold_caches import require_reachable
from pgvitals.measure.rls_price import measure_rls
from pgvitals.phases import record_audit, record_bench, record_dataset, record_impacts, record_load_test, record_lookups
from pgvitals.recording import Recording
from pgvitals.report import judge_run, write_reports
from pgvitals.request import MEASURING, PHASES, Request
from pgvitals.results.audit import Audit
from pgvitals.results.cold import Cold
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Gate, Impact, IndexUse, Load
from pgvitals.results.rls import RlsPrice
from pgvitals.results.rundir import Run, load_run
from pgvitals.system import System
from pgvitals.workbench import any_server, lab_database, started, workbench


def whole(request: Request, phases: Sequence[str]) -> Run:
    """The main job on a server of its own: load, measure, load test, audit, impact, notebooks, report.

    Raises:
        PgvitalsError: a phase could not be done; no run directory is left.
    """
    terminal = request.terminal
    wanted = {phase: phase in phases for phase in PHASES}
    if not any(wanted[phase] for phase in MEASURING):
        raise MeasureError(f"nothing would be measured; ask for at least one of: {', '.join(MEASURING)}")
    with request.recording("run") as run:
        with started(request.suite, request.postgres, terminal) as server:
            database = lab_database(server)
            with run.phase("dataset"):
                dataset = fill(request.suite, database, request.profile, request.systems, terminal, seed=request.seed)
                record_dataset(request, database, run)
            run.conditions(database, server.kind, server.why, dataset)
            parts: dict[str, Callable[[], object]] = {
                "bench": lambda: record_bench(request, database, run),
                "load": lambda: record_load_test(request, database, run),
                "audit": lambda: record_audit(request, database, run, Asked(revisions=True)),
                "impact": lambda: record_impacts(request, server, run, _declared_impacts(request)),
            }
            for name, part in parts.items():
                if wanted[name]:
                    with run.phase(name):
                        part()
                else:
                    run.skip(name, "not asked for")
            _claims(request, run, wanted["claims"])
        if wanted["notebooks"] and not wanted["bench"]:
            run.skip("notebooks", "they show the lookups, and no lookup was measured")
        elif wanted["notebooks"]:
            run.save()
            with run.phase("notebooks"), terminal.bar("notebooks", unit="notebooks") as bar:
                notebooks.execute(request.suite.root / request.suite.config.notebooks, run.writer, bar.batches)
        else:
            run.skip("notebooks", "not asked for")
        return _finish(request, run)


def bench(request: Request) -> tuple[Run, Gate]:
    """Latency, plans and index usage of every lookup."""
    with request.recording("bench") as run:
        with _workbench(request, run) as (there, database), run.phase("bench"):
            record_dataset(there, database, run)
            found = record_lookups(there, database, run)
        return _finish(request, run), found.gate


def index_usage(request: Request) -> tuple[Run, tuple[IndexUse, ...]]:
    """The measurement of :func:`bench`, asked for its indexes."""
    with request.recording("indexes") as run:
        with _workbench(request, run) as (there, database), run.phase("bench"):
            found = record_lookups(there, database, run)
        return _finish(request, run), found.index_usage


def load_test(request: Request) -> tuple[Run, Load]:
    """The open-loop load test."""
    with request.recording("loadtest") as run:
        with _workbench(request, run) as (there, database), run.phase("load"):
            found = record_load_test(there, database, run)
        return _finish(request, run), found


def audit(request: Request, asked: Asked) -> tuple[Run, Audit]:
    """The rules that are asked for, on every system."""
    with request.recording("audit") as run:
        with _workbench(request, run) as (there, database), run.phase("audit"):
            run.note(config={**there.config(), **asked.config()})
            found = record_audit(there, database, run, asked)
            write_checklist(run, found, asked.checklist)
        return _finish(request, run), found


def impact(request: Request, pairs: Sequence[tuple[System, str, str]]) -> tuple[Run, tuple[Impact, ...]]:
    """Revisions before and after, on clones."""
    for system, start, end in pairs:
        check_revisions(request.suite, system, start, end)
    with request.recording("impact") as run:
        with any_server(request.suite, request.postgres, request.terminal) as server, run.phase("impact"):
            with server.scratch("conditions") as database:
                run.conditions(database, server.kind, server.why)
            found = record_impacts(request, server, run, pairs)
        return _finish(request, run), found


def rls(request: Request) -> tuple[Run, tuple[RlsPrice, ...]]:
    """What row-level security costs the lookups, on a copy of the lab."""
    with request.recording("rls") as run:
        with _workbench(request, run) as (there, database), run.phase("rls"):
            if database.state_path is None:
                raise LabError("a lab of another machine or user cannot be copied; start one with `pgvitals up`")
            with server_of(load_state(database.state_path)).scratch("rls", database) as copy:
                found = tuple(
                    measure_rls(there.suite, copy, system, there.profile, there.terminal, seed=there.seed)
                    for system in there.systems
                )
            run.writer.write("rls.json", found)
        return _finish(request, run), found


def cold(request: Request) -> tuple[Run, Cold]:
    """What the lookups cost when none of their data is in memory; on an embedded server alone."""
    up = find(request.suite, request.postgres)
    if up is None and request.postgres == "auto" and "PGVITALS_DSN" not in os.environ:
        request = replace(request, postgres="embedded")  # not a container, where Docker is
    kind = request.postgres if request.postgres in ("embedded", "container") else "external"
    require_reachable(kind if up is None else kind_of(up))
    with request.recording("cold") as run:
        with _workbench(request, run) as (there, database), run.phase("cold"):
            assert database.state_path is not None, "an embedded server has a state file"
            server = server_of(load_state(database.state_path))
            found = measure_cold(
                there.suite,
                server,
                database,
                there.systems,
                there.terminal,
                seed=there.seed,
                vacuum=not there.as_is,
            )
            run.writer.write("cold.json", found.cold)
            run.writer.write_table("cold.parquet", found.samples)
            run.noise(found.noise)
        return _finish(request, run), found.cold


def _declared_impacts(request: Request) -> list[tuple[System, str, str]]:
    return [(system, pair.from_revision, pair.to_revision) for system in request.systems for pair in system.impact]


@contextmanager
def _workbench(request: Request, run: Recording) -> Iterator[tuple[Request, Database]]:
    """The lab to work on, and the request as it holds there."""
    asked = request.profile if request.asked_profile else None
    with workbench(
        request.suite, request.postgres, asked, request.systems, request.terminal, request.asked_seed
    ) as lab:
        there = request.on(lab.dataset)
        run.note(config=there.config())
        run.conditions(lab.database, lab.kind, lab.why, lab.dataset)
        yield there, lab.database


def _claims(request: Request, run: Recording, wanted: bool) -> None:
    if not wanted:
        run.skip("claims", "not asked for")
    elif not any((system.folder / "claims.toml").exists() for system in request.systems):
        run.skip("claims", "no system of the suite has a claims.toml")
    else:
        run.skip("claims", "this version does not run claims yet")


def _finish(request: Request, run: Recording) -> Run:
    """Write the reports into the run, make it whole, and read it back."""
    run.save()
    with request.terminal.step("report"):
        write_reports(run.path)
    run.save()
    return load_run(run.writer.commit())


def exit_outcome(run: Run) -> Outcome:
    """The outcome that a run's exit code speaks, as its report does: the gate's, if there is one."""
    return judge_run(run).outcome
