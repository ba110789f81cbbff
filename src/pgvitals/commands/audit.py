"""`pgvitals audit`: every rule about every system, or about a database that somebody names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pgvitals.commands.options import (
    JsonOption,
    OutOption,
    PostgresOption,
    ProfileOption,
    SystemOption,
    command_line,
    find_run,
    finish,
    make_request,
    print_json,
)
from pgvitals.errors import AuditError, SuiteError
from pgvitals.terminal import Terminal

if TYPE_CHECKING:
    from pgvitals.audit_engines import AskedEngine
    from pgvitals.auditing import Asked, Foreign
    from pgvitals.results.audit import Audit
    from pgvitals.results.rundir import Run
    from pgvitals.suite import Suite

_SHOWN_MOST = 120
"""Lines of an inferred policy that are printed; a longer one is named."""


def audit(
    profile: ProfileOption = None,
    system: SystemOption = None,
    postgres: PostgresOption = "auto",
    rule: Annotated[
        list[str] | None, typer.Option("--rule", help="Only this rule or family, as TEN001 or KEY; may be repeated.")
    ] = None,
    checklist: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="CHECKLIST",
            help="Answer a checklist: `db` (DB-001 to DB-010), `hipaa`, `cis`, or a file.toml.",
        ),
    ] = None,
    waivers: Annotated[
        list[Path] | None,
        typer.Option(
            "--waivers",
            metavar="FILE",
            help="Findings to live with, beside each system's waivers.toml; may be repeated.",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", metavar="RUN", help="An earlier audit: only what it has not found fails."),
    ] = None,
    fail_on: Annotated[
        str, typer.Option("--fail-on", metavar="SEVERITY", help="The least severity that fails: P0, P1, P2 or P3.")
    ] = "P3",
    revisions: Annotated[bool, typer.Option("--revisions", help="Also ask at every revision of every system.")] = False,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            metavar="WHERE",
            help="The application's engine (SQLAlchemy's, or a function that makes one for a URL), as module:attribute "
            "or path/file.py:attribute; in a lab with --system, whose role it is asked as.",
        ),
    ] = None,
    requests: Annotated[
        str | None,
        typer.Option(
            "--requests",
            metavar="WHERE",
            help="With --engine: functions of an engine and a number of rows, whose statements are counted on a copy "
            "of the lab.",
        ),
    ] = None,
    patience: Annotated[
        float | None,
        typer.Option("--patience", min=0, help="With --engine: seconds to wait for its time limits; default 45."),
    ] = None,
    dsn: Annotated[
        str | None,
        typer.Option("--dsn", help="Audit this database instead, whoever made it: one session, which cannot write."),
    ] = None,
    schema: Annotated[
        list[str] | None, typer.Option("--schema", help="With --dsn: only this schema; may be repeated. Default: all.")
    ] = None,
    system_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--system-file", metavar="FILE", help="With --dsn: a policy to use, not to infer; may be repeated."
        ),
    ] = None,
    write_system: Annotated[
        Path | None,
        typer.Option("--write-system", metavar="FILE", help="With --dsn: keep the inferred policy, to be edited."),
    ] = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask every rule about every system; evidence also where it passes.

    Exit code 1 says that a finding of the severity that fails is neither waived nor known. With --dsn, what a rule has
    to know (whose a row is, what is health data, what is kept) is inferred from names and types, and printed as a
    policy to edit. See docs/audit.md.
    """
    terminal = Terminal(quiet=as_json)
    if dsn is None:
        for option, given in (("--schema", schema), ("--system-file", system_file), ("--write-system", write_system)):
            if given:
                raise AuditError(f"{option} goes with --dsn, the database that it is about")
        request = make_request(terminal, profile, system, postgres, None, out)
        has_engine = engine is not None or any(each.application for each in request.systems)
        asked = _asked(rule, checklist, waivers, baseline, fail_on, has_engine=has_engine)
        asked = replace(asked, engine=_engine(engine, requests, patience))
        asked = replace(asked, revisions=revisions)
        if asked.engine and len(request.systems) != 1:
            raise AuditError("--engine: whose application is it? Name one system with --system")
        from pgvitals import job

        done, found = job.audit(request, asked)
        _show(terminal, done, found, asked, {}, as_json=as_json)
    for option, refused in (
        ("--profile", profile),
        ("--system", system),
        ("--postgres", postgres != "auto"),
        ("--revisions", revisions),
    ):
        if refused:
            raise AuditError(f"{option} and --dsn exclude each other: --dsn names the database, as it is")
    asked = _asked(rule, checklist, waivers, baseline, fail_on, has_engine=engine is not None)
    asked = replace(asked, engine=_engine(engine, requests, patience))
    from pgvitals.auditing import audit_dsn

    foreign = audit_dsn(
        dsn,
        asked,
        suite=_place(),
        schemas=schema or [],
        files=system_file or [],
        write_to=write_system,
        command=command_line(),
        out=out,
        terminal=terminal,
    )
    _show_inferred(terminal, foreign, write_system)
    _show(terminal, foreign.run, foreign.audit, asked, dict(foreign.inferred), as_json=as_json)


def _asked(
    rules: list[str] | None,
    checklist: str | None,
    waivers: list[Path] | None,
    baseline: str | None,
    fail_on: str,
    *,
    has_engine: bool,
) -> Asked:
    from pgvitals.audit.checklist import load_checklist
    from pgvitals.audit.settle import require_severity
    from pgvitals.auditing import Asked, choose_rules

    require_severity(fail_on)
    chosen = load_checklist(checklist) if checklist else None
    ordinary, of_engine = choose_rules(rules or [], chosen, with_engine=has_engine)
    return Asked(
        rules=ordinary,
        engine_rules=of_engine,
        waivers=tuple(waivers or ()),
        baseline=find_run(baseline) if baseline else None,
        fail_on=fail_on,
        checklist=chosen,
    )


def _engine(engine: str | None, requests: str | None, patience: float | None) -> AskedEngine | None:
    if engine is None:
        if requests is not None or patience is not None:
            raise AuditError("--requests and --patience go with --engine, the engine that they are about")
        return None
    from pgvitals.audit.engine import load_target
    from pgvitals.audit.engine.ask import PATIENCE_S, load_requests
    from pgvitals.audit_engines import AskedEngine

    return AskedEngine(
        target=load_target(engine),
        requests=load_requests(requests) if requests else {},
        patience_s=PATIENCE_S if patience is None else patience,
    )


def _place() -> Suite:
    """Where the run goes: the suite, or the working directory where there is none."""
    from pgvitals.suite import Suite, SuiteConfig, find_suite

    try:
        return find_suite()
    except SuiteError:
        return Suite(root=Path.cwd(), config=SuiteConfig())


def _show_inferred(terminal: Terminal, foreign: Foreign, written: Path | None) -> None:
    for schema, text in foreign.inferred.items():
        if written is not None:
            terminal.say(f"inferred for schema {schema}: {written}; edit it, and give it with --system-file")
        elif text.count("\n") <= _SHOWN_MOST:
            terminal.line(text)
    if foreign.inferred and written is None:
        terminal.say(f"inferred policies: {foreign.run.path}/inferred*.toml; edit one, and give it with --system-file")


def _show(
    terminal: Terminal, run: Run, found: Audit, asked: Asked, inferred: dict[str, str], *, as_json: bool
) -> NoReturn:
    from pgvitals import audit_tables, tables

    if asked.checklist:
        terminal.show(audit_tables.checklist_table(asked.checklist, found))
    terminal.show(tables.audit_table(found))
    for sentence in audit_tables.terms(found):
        terminal.line(sentence)
    terminal.line(f"report: {run.path / 'report.html'}")
    if as_json:
        print_json({"run": str(run.path), "audit": found, **({"inferred": inferred} if inferred else {})})
    finish(found.outcome)
