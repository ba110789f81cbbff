"""A rule: one folder ``<ID>_<slug>`` with its question, a schema that breaks it and the cure.

``rule.sql`` (or ``probe.py``) opens with a header, then asks. ``bad.sql`` makes it fire exactly once in
the schema ``rule_test``; ``good.sql``, run after it, silences it; ``cases.sql`` holds more defects, and
lookalikes. ``terms.sql``, if there, holds common table expressions that both statements of ``rule.sql``
use; ``policy.toml`` the keys of ``system.toml`` that bad and good need. Adding a rule edits no existing file.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from pgvitals.audit.cases import Case, read_cases
from pgvitals.audit.declared import Declared, Looked, named, read_declaration, require_known, switch
from pgvitals.audit.statement import question, unknown_parameters
from pgvitals.errors import AuditError
from pgvitals.system import System

RULES = Path(__file__).parent / "rules"
OLDEST = 13
"""The oldest PostgreSQL that the audit speaks to."""

_SWITCHES = {"probe.py": ("writes", "reads_rows"), "rule.sql": ("of_server", "of_lab")}


Probe = Callable[[psycopg.Connection[Any], System], Looked]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Declared):
    """One rule as its folder declares it.

    ``checked`` is a SELECT of one row with the column ``checked`` (a count), and if need be ``note`` and
    ``not_applicable`` (texts or null). ``terms`` are common table expressions in front of both statements.
    Exactly one of ``sql`` and ``probe`` is set. A probe that ``writes`` is rolled back; it and one that ``reads_rows``
    are only run in a database of ours. A rule ``of_server`` is asked once, not of each system; one that is not
    ``of_lab`` says nothing about a server that is there to be measured on.
    """

    min_version: int
    sql: str = ""
    checked: str = ""
    terms: str = ""
    probe: Probe | None = None
    writes: bool = False
    reads_rows: bool = False
    of_server: bool = False
    of_lab: bool = True
    cases: tuple[Case, ...] = ()

    @property
    def method(self) -> str:
        """How it looks: ``catalog`` (it asks what is declared) or ``probe`` (it tries, or looks at rows or pages)."""
        return "catalog" if self.probe is None else "probe"

    @property
    def question(self) -> str:
        """The statement that asks it; see :func:`~pgvitals.audit.statement.question`."""
        return question(self.sql, self.checked, self.terms)

    @property
    def bad(self) -> str:
        """SQL that makes the rule fire exactly once."""
        return _script(self.folder / "bad.sql")

    @property
    def good(self) -> str:
        """SQL that, after ``bad``, silences the rule."""
        return _script(self.folder / "good.sql")


def load_rules(folder: Path = RULES) -> tuple[Rule, ...]:
    """Every rule below ``folder``, by id.

    Raises:
        AuditError: a folder is malformed, or two share an id.
    """
    found = sorted(path for path in folder.glob("*") if path.is_dir() and path.name[0] not in "._")
    if not found:
        raise AuditError(f"{folder}: no rules here (folders named <ID>_<slug>)")
    rules: dict[str, Rule] = {}
    for path in found:
        rule = load_rule(path)
        if rule.id in rules:
            raise AuditError(f"{path}: {rules[rule.id].folder.name} has the id {rule.id} already; take the next one")
        rules[rule.id] = rule
    return tuple(rules.values())


def select_rules(rules: Sequence[Rule], names: Sequence[str]) -> tuple[Rule, ...]:
    """The rules with these ids or families; all of them if no name is given.

    Raises:
        AuditError: a name is neither.
    """
    require_known(rules, names)
    return named(rules, names)


def load_rule(folder: Path) -> Rule:
    """Read one rule's folder.

    Raises:
        AuditError: its name, a file or a header key is wrong; the message names the file and the key.
    """
    sources = [path for path in (folder / "rule.sql", folder / "probe.py") if path.is_file()]
    if len(sources) != 1:
        raise AuditError(f"{folder}: a rule has either rule.sql or probe.py, this one has {len(sources)} of them")
    for script in ("bad.sql", "good.sql"):
        _script(folder / script)
    source = sources[0]
    is_probe = source.name == "probe.py"
    own = () if is_probe else ("checked",)
    declaration, header, body = read_declaration(folder, source, own, ("min_version", *_SWITCHES[source.name]))
    of_server = switch(source, header, "of_server")
    terms = folder / "terms.sql"
    rule = Rule(
        **declaration,
        min_version=_version(source, header.get("min_version")),
        sql="" if is_probe else _statement(source, body),
        checked="" if is_probe else header["checked"].rstrip("; \n"),
        terms=_script(terms).rstrip("; \n") if terms.is_file() else "",
        probe=_load_probe(source) if is_probe else None,
        writes=switch(source, header, "writes"),
        reads_rows=switch(source, header, "reads_rows"),
        of_server=of_server,
        of_lab=switch(source, header, "of_lab", "yes"),
        cases=read_cases(folder / "cases.sql"),
    )
    unknown = unknown_parameters(rule.question, of_server=of_server) if rule.sql else []
    if unknown:
        owner = "a rule of the server cannot have" if of_server else "no system has"
        raise AuditError(f"{source}: uses the parameter {unknown[0]!r}, which {owner}")
    return rule


def _script(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        text = ""
    if not text:
        raise AuditError(f"{path}: missing, empty or not UTF-8; write it, as in the other rules")
    return text


def _version(path: Path, value: str | None) -> int:
    if value is None:
        return OLDEST
    if not value.isdecimal() or not OLDEST <= int(value) < 100:
        raise AuditError(f"{path}: 'min_version' must be a major version from {OLDEST} on, got {value!r}")
    return int(value)


def _statement(path: Path, sql: str) -> str:
    text = sql.rstrip("; \n")
    if not text:
        raise AuditError(f"{path}: there is a header but no query below it")
    return text


def _load_probe(path: Path) -> Probe:
    name = f"_pgvitals_rules.{path.parent.name}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise AuditError(f"{path}: cannot be imported")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise AuditError(f"{path}: does not import: {type(error).__name__}: {error}") from error
    probe: Probe | None = getattr(module, "probe", None)
    if not callable(probe):
        raise AuditError(f"{path}: defines no function 'probe(connection, system)'")
    return probe
