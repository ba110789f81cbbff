"""A rule: one folder ``<ID>_<slug>`` with its question, a schema that breaks it and the cure.

``rule.sql`` (or ``probe.py``) opens with a header, then asks. ``bad.sql`` makes it fire exactly once in
the schema ``rule_test``; ``good.sql``, run after it, silences it; ``cases.sql`` holds more defects, and
lookalikes. ``terms.sql``, if there, holds common table expressions that both statements of ``rule.sql``
use; ``policy.toml`` the keys of ``system.toml`` that bad and good need. Adding a rule edits no existing file.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from pgvitals.audit.cases import Case, read_cases
from pgvitals.audit.header import read_header
from pgvitals.audit.statement import question, unknown_parameters
from pgvitals.errors import AuditError
from pgvitals.results.records import Finding
from pgvitals.system import System

RULES = Path(__file__).parent / "rules"
SEVERITIES = ("P0", "P1", "P2", "P3")
OLDEST = 13
"""The oldest PostgreSQL that the audit speaks to."""

_FOLDER = re.compile(r"^(?P<id>[A-Z]{3}[0-9]{3})_(?P<slug>[a-z][a-z0-9_]*)$")
CIS = "CIS PostgreSQL 17"
"""The benchmark whose items a header's ``cis`` names (v1.1.0; other versions of PostgreSQL number some differently)."""

_REQUIRED = ("title", "severity", "why", "remediation", "subject", "promise")
_REFERENCES = {
    "answers": re.compile(r"DB-0\d\d"),
    "hipaa": re.compile(r"164\.3\d\d(\([a-z0-9]+\))+"),
    "cis": re.compile(r"\d+(\.\d+)+"),
}
_EXAMPLES = {"answers": "DB-002; DB-007", "hipaa": "164.312(a)(1); 164.312(b)", "cis": "4.7; 6.8"}
_OPTIONAL = ("min_version", *_REFERENCES)
_SWITCHES = {"probe.py": ("writes", "reads_rows"), "rule.sql": ("of_server", "of_lab")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What one look at one system found.

    ``checked`` counts the objects looked at; ``note`` is evidence worth telling either way; a
    ``not_applicable`` says why the question cannot be answered, whatever was found.
    """

    checked: int
    findings: tuple[Finding, ...] = ()
    note: str = ""
    not_applicable: str = ""


Probe = Callable[[psycopg.Connection[Any], System], Looked]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule as its folder declares it.

    ``subject`` names what is looked at, in the plural, and ``promise`` what is true of all of them when
    the rule passes: together they are the evidence of a pass. ``checked`` is a SELECT of one row with
    the column ``checked`` (a count), and if need be ``note`` and ``not_applicable`` (texts or null).
    ``answers`` are the ids DB-001 … that it answers, ``hipaa`` sections of 45 CFR, ``cis`` items of :data:`CIS`;
    it has at least one of them. ``terms`` are common table expressions in front of both statements.
    Exactly one of ``sql`` and ``probe`` is set. A probe that ``writes`` is rolled back; it and one that ``reads_rows``
    are only run in a database of ours. A rule ``of_server`` is asked once, not of each system; one that is not
    ``of_lab`` says nothing about a server that is there to be measured on.
    """

    id: str
    slug: str
    folder: Path
    title: str
    severity: str
    why: str
    remediation: str
    answers: tuple[str, ...]
    hipaa: tuple[str, ...]
    cis: tuple[str, ...]
    subject: str
    promise: str
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
    def family(self) -> str:
        """The letters of the id."""
        return self.id[:3]

    @property
    def references(self) -> tuple[str, ...]:
        """What it answers, in full."""
        return (
            *self.answers,
            *(f"45 CFR {section}" for section in self.hipaa),
            *(f"{CIS} {item}" for item in self.cis),
        )

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
    known = {rule.id for rule in rules} | {rule.family for rule in rules}
    for name in names:
        if name not in known:
            raise AuditError(f"unknown rule or family {name!r}; there are: {', '.join(sorted(known))}")
    return tuple(rule for rule in rules if not names or rule.id in names or rule.family in names)


def load_rule(folder: Path) -> Rule:
    """Read one rule's folder.

    Raises:
        AuditError: its name, a file or a header key is wrong; the message names the file and the key.
    """
    name = _FOLDER.match(folder.name)
    if not name:
        raise AuditError(f"{folder}: a rule's folder is named like KEY001_no_primary_key")
    sources = [path for path in (folder / "rule.sql", folder / "probe.py") if path.is_file()]
    if len(sources) != 1:
        raise AuditError(f"{folder}: a rule has either rule.sql or probe.py, this one has {len(sources)} of them")
    for script in ("bad.sql", "good.sql"):
        _script(folder / script)
    source = sources[0]
    is_probe = source.name == "probe.py"
    own = () if is_probe else ("checked",)
    header, body = read_header(source, _REQUIRED + own, _OPTIONAL + _SWITCHES[source.name])
    if not any(key in header for key in _REFERENCES):
        raise AuditError(
            f"{source}: the header names nothing that the rule answers; give one of {', '.join(_REFERENCES)}"
        )
    of_server = _switch(source, header, "of_server")
    terms = folder / "terms.sql"
    rule = Rule(
        id=name["id"],
        slug=name["slug"],
        folder=folder,
        title=header["title"],
        severity=_one_of(source, header, "severity", SEVERITIES),
        why=header["why"],
        remediation=header["remediation"],
        answers=_references(source, header, "answers"),
        hipaa=_references(source, header, "hipaa"),
        cis=_references(source, header, "cis"),
        subject=header["subject"],
        promise=header["promise"],
        min_version=_version(source, header.get("min_version")),
        sql="" if is_probe else _statement(source, body),
        checked="" if is_probe else header["checked"].rstrip("; \n"),
        terms=_script(terms).rstrip("; \n") if terms.is_file() else "",
        probe=_load_probe(source) if is_probe else None,
        writes=_switch(source, header, "writes"),
        reads_rows=_switch(source, header, "reads_rows"),
        of_server=of_server,
        of_lab=_switch(source, header, "of_lab", "yes"),
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


def _one_of(path: Path, header: dict[str, str], key: str, allowed: tuple[str, ...]) -> str:
    if header[key] not in allowed:
        raise AuditError(f"{path}: {key!r} must be one of {', '.join(allowed)}, got {header[key]!r}")
    return header[key]


def _references(path: Path, header: dict[str, str], key: str) -> tuple[str, ...]:
    if key not in header:
        return ()
    references = tuple(part.strip() for part in header[key].split(";"))
    for each in references:
        if not _REFERENCES[key].fullmatch(each):
            raise AuditError(f"{path}: {key!r} holds {each!r}; write for example {_EXAMPLES[key]}")
    return references


def _version(path: Path, value: str | None) -> int:
    if value is None:
        return OLDEST
    if not value.isdecimal() or not OLDEST <= int(value) < 100:
        raise AuditError(f"{path}: 'min_version' must be a major version from {OLDEST} on, got {value!r}")
    return int(value)


def _switch(path: Path, header: dict[str, str], key: str, default: str = "no") -> bool:
    return _one_of(path, {key: default, **header}, key, ("yes", "no")) == "yes"


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
