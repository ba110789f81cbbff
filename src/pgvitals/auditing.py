"""An audit as a command asks for it: which rules, on what, what is waived, and what it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa

from pgvitals.audit import run as audit_run
from pgvitals.audit.checklist import Checklist
from pgvitals.audit.declared import named, require_known
from pgvitals.audit.engine import EngineRule, load_engine_rules
from pgvitals.audit.engine.target import make_url
from pgvitals.audit.foreign import load_foreign, render_policy
from pgvitals.audit.infer import Inferred, infer
from pgvitals.audit.rule import Rule, load_rules
from pgvitals.audit.session import read_only
from pgvitals.audit.settle import settle
from pgvitals.audit.survey import Schema, survey
from pgvitals.audit.waivers import waivers_of
from pgvitals.audit_engines import AskedEngine, ask_with_url
from pgvitals.errors import AuditError
from pgvitals.lab import external
from pgvitals.report.annotations import repository_root
from pgvitals.report.checklist_markdown import render_checklist
from pgvitals.report.kinds import write_reports
from pgvitals.results.audit import Audit, RuleResult
from pgvitals.results.records import Server
from pgvitals.results.rundir import Run, load_run
from pgvitals.suite import Suite
from pgvitals.system import System

if TYPE_CHECKING:
    from pgvitals.recording import Recording
    from pgvitals.terminal import Terminal

_NAMED_MOST = 8


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What an audit is asked for, beside its systems."""

    rules: tuple[Rule, ...] = field(default_factory=load_rules)
    engine: AskedEngine | None = None
    engine_rules: tuple[EngineRule, ...] = field(default_factory=load_engine_rules)
    waivers: tuple[Path, ...] = ()
    baseline: Run | None = None
    fail_on: str = "P3"
    checklist: Checklist | None = None
    revisions: bool = False

    def config(self) -> dict[str, object]:
        """What ``run.json`` keeps of it."""
        return {
            "rules": [*(rule.id for rule in self.rules), *(rule.id for rule in self.engine_rules)],
            "engine": self.engine.target.name if self.engine else None,
            "waivers": [path.name for path in self.waivers],
            "baseline": self.baseline.info.name if self.baseline else None,
            "fail_on": self.fail_on,
            "checklist": self.checklist.name if self.checklist else None,
            "revisions": self.revisions,
        }


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """An audit of a database that nobody here made: its run, its findings, and what was inferred, as TOML by schema."""

    run: Run
    audit: Audit
    inferred: Mapping[str, str]


def choose_rules(
    names: Sequence[str], checklist: Checklist | None, *, with_engine: bool
) -> tuple[tuple[Rule, ...], tuple[EngineRule, ...]]:
    """The rules with these ids or families, if any are named, that answer the checklist, if there is one.

    Returns:
        Those about the database, and those about engines (none where there is none to ask).

    Raises:
        AuditError: a name is no rule's, is about an engine that is not there, or none is left.
    """
    ordinary, of_engine = load_rules(), load_engine_rules()
    require_known([*ordinary, *of_engine], names)
    for name in names:
        if name.startswith("APP") and not with_engine:
            raise AuditError(f"{name} is about an application's engine; give one with --engine module:attribute")
    chosen, engine = named(ordinary, names), named(of_engine, names) if with_engine else ()
    if checklist:
        chosen, engine = checklist.asked(chosen), checklist.asked(engine)
        if not chosen and not engine:
            raise AuditError(f"none of these rules answers the checklist {checklist.name!r}; leave out --rule, or --as")
    return chosen, engine


def audit(
    source: psycopg.Connection[Any] | Callable[[], psycopg.Connection[Any]],
    systems: Sequence[System],
    asked: Asked,
    *,
    kind: str,
    root: Path | None = None,
    engines: Callable[[], tuple[RuleResult, ...]] = tuple,
) -> Audit:
    """Ask the rules, and settle what their findings come to.

    Args:
        source: as :func:`pgvitals.audit.run.audit` takes it.
        root: of the suite, whose systems' policies are then named in the result.
        engines: asks the rules about the applications' engines.
    """
    known = [*(rule.id for rule in load_rules()), *(rule.id for rule in load_engine_rules())]
    waivers = waivers_of(systems, known, asked.waivers)
    found = audit_run.audit(source, systems, rules=asked.rules, kind=kind)
    return settle(
        replace(found, results=(*found.results, *engines()), policies=_policies(systems, root)),
        waivers=waivers,
        baseline=asked.baseline,
        fail_on=asked.fail_on,
        today=datetime.now(UTC).date(),
    )


def write_checklist(run: Recording, found: Audit, checklist: Checklist | None) -> None:
    """The document of a checklist into the run, as ``checklist-<name>.md``."""
    if checklist is not None:
        page = render_checklist(checklist, found, run.info)
        run.writer.write_bytes(f"checklist-{checklist.name}.md", page.encode())


def audit_dsn(
    dsn: str,
    asked: Asked,
    *,
    suite: Suite,
    schemas: Sequence[str],
    files: Sequence[Path],
    write_to: Path | None,
    command: str,
    out: Path | None,
    terminal: Terminal,
) -> Foreign:
    """Audit somebody's database: one session, which cannot write; every schema, or the chosen ones.

    Args:
        suite: where the run directory goes; nothing else of it is read.
        schemas: to infer a policy for; those that ``files`` do not speak of if none is named and there are no files.
        files: policies that somebody has edited.
        write_to: a new file for the one inferred policy.

    Raises:
        LabError: the database cannot be reached.
        AuditError: there is nothing to audit, or it cannot be said which schema to write about.
        SuiteError: a policy file is malformed.
    """
    from pgvitals.recording import record  # and pandas with it

    if asked.engine and asked.engine.requests:
        raise AuditError("--requests goes with a lab: requests write, and this database is not ours")
    policies = [load_foreign(path) for path in files]
    if len({policy.schema_name for policy in policies}) < len(policies):
        raise AuditError("two of the --system-file are about one schema; give one file a schema")
    if write_to is not None and write_to.exists():
        raise AuditError(f"{write_to}: exists already, and may have been edited; name another file for --write-system")
    config = {**asked.config(), "postgres": "a DSN"}
    with record(suite, "audit", command=command, config=config, out=out) as run:
        params = external.parse(dsn)
        with closing(external.connect(params)) as conn, read_only(conn), run.phase("audit"):
            run.note(server=_server(conn))
            with terminal.step("look at what the database declares"):
                inferred = _infer(conn, policies, schemas) if asked.rules else []
            written = _written(run, inferred, write_to)
            systems = (*policies, *(each.system for each in inferred))
            url = make_url({**params, "dbname": conn.info.dbname})
            with terminal.step(f"ask {len(asked.rules)} rules"):
                found = audit(conn, systems, asked, kind="external", engines=partial(_foreign_engine, asked, url))
            run.writer.write("audit.json", found)
            write_checklist(run, found, asked.checklist)
        run.save()
        write_reports(run.path)
        run.save()
        done = load_run(run.writer.commit())
    return Foreign(run=done, audit=found, inferred=written)


def _foreign_engine(asked: Asked, url: sa.URL) -> tuple[RuleResult, ...]:
    return ask_with_url(asked.engine, url, asked.engine_rules) if asked.engine else ()


def _infer(conn: psycopg.Connection[Any], policies: Iterable[System], schemas: Sequence[str]) -> list[Inferred]:
    known = {policy.schema_name for policy in policies}
    if known and not schemas:
        return []
    found = survey(conn)
    for name in schemas:
        if name not in found:
            raise AuditError(f"there is no schema {name!r} with tables in this database; there are: {_named(found)}")
    chosen = [found[name] for name in (schemas or found) if name not in known]
    if not chosen and not known:
        raise AuditError("this database holds no tables but PostgreSQL's own; name another database in the DSN")
    return [infer(schema) for schema in chosen]


def _named(schemas: Mapping[str, Schema]) -> str:
    names = list(schemas)
    more = f" and {len(names) - _NAMED_MOST} more" if len(names) > _NAMED_MOST else ""
    return (", ".join(names[:_NAMED_MOST]) + more) or "none"


def _written(run: Recording, inferred: Sequence[Inferred], write_to: Path | None) -> dict[str, str]:
    """Each inferred policy as TOML, kept in the run, and in the file that was asked for."""
    texts = {each.system.schema_name: render_policy(each.system, each.reasons) for each in inferred}
    if write_to is not None:
        if len(texts) != 1:
            what = f"these schemas were inferred: {', '.join(texts)}" if texts else "every schema has its file already"
            raise AuditError(f"--write-system writes about one schema; {what}; choose with --schema")
        try:
            write_to.write_text(next(iter(texts.values())), encoding="utf-8")
        except OSError as error:
            raise AuditError(f"{write_to}: cannot be written ({error.strerror}); name another file") from None
    for number, text in enumerate(texts.values(), start=1):
        run.writer.write_bytes("inferred.toml" if len(texts) == 1 else f"inferred-{number}.toml", text.encode())
    return texts


def _server(conn: psycopg.Connection[Any]) -> Server:
    """What it is; not how it is set, as settings may be secrets of somebody's application."""
    row = conn.execute("select pg_catalog.version()").fetchone()
    return Server(
        kind="external",
        why="asked with --dsn",
        version=str(row[0]).split(" on ")[0] if row else "",
        version_num=conn.info.server_version,
        transport="unix" if conn.info.host.startswith("/") else "tcp",
        settings={},
        timezones=0,
    )


def _policies(systems: Iterable[System], root: Path | None) -> dict[str, str]:
    """System -> its policy's file, from the root of the repository."""
    if root is None:
        return {}
    top = repository_root(root)
    paths = {system.name: (system.folder / "system.toml").resolve() for system in systems}
    return {name: path.relative_to(top).as_posix() for name, path in paths.items() if path.is_relative_to(top)}
