"""What every rule declares, whatever it looks at, and how what it saw becomes an answer."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pgvitals.audit.header import read_header
from pgvitals.errors import AuditError
from pgvitals.results.audit import Finding, RuleResult
from pgvitals.results.outcome import Outcome

R = TypeVar("R", bound="Declared")

SEVERITIES = ("P0", "P1", "P2", "P3")
CIS = "CIS PostgreSQL 17"
"""The benchmark whose items a header's ``cis`` names (v1.1.0; other versions of PostgreSQL number some differently)."""

_FOLDER = re.compile(r"^(?P<id>[A-Z]{3}[0-9]{3})_(?P<slug>[a-z][a-z0-9_]*)$")
_REQUIRED = ("title", "severity", "why", "remediation", "subject", "promise")
_REFERENCES = {
    "answers": re.compile(r"DB-0\d\d"),
    "hipaa": re.compile(r"164\.3\d\d(\([a-z0-9]+\))+"),
    "cis": re.compile(r"\d+(\.\d+)+"),
}
_EXAMPLES = {"answers": "DB-002; DB-007", "hipaa": "164.312(a)(1); 164.312(b)", "cis": "4.7; 6.8"}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A rule as far as it does not matter how it looks.

    ``subject`` names what is looked at, in the plural, and ``promise`` what is true of all of them when
    the rule passes: together they are the evidence of a pass. ``answers`` are the ids DB-001 … that it
    answers, ``hipaa`` sections of 45 CFR, ``cis`` items of :data:`CIS`; it has at least one of them.
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

    @property
    def family(self) -> str:
        """The letters of the id."""
        return self.id[:3]

    @property
    def method(self) -> str:
        """How it looks: ``catalog`` (it asks what is declared) or ``probe`` (it tries, or looks at rows or pages)."""
        return "probe"

    @property
    def references(self) -> tuple[str, ...]:
        """What it answers, in full."""
        return (
            *self.answers,
            *(f"45 CFR {section}" for section in self.hipaa),
            *(f"{CIS} {item}" for item in self.cis),
        )

    def answer(self, looked: Looked, *, system: str, problem: str, started: float) -> RuleResult:
        """The record of a look that began at ``started`` (of ``time.perf_counter``), or of the ``problem`` it met."""
        outcome, evidence = (Outcome.ERROR, problem) if problem else self._judge(looked)
        return RuleResult(
            rule=self.id,
            slug=self.slug,
            title=self.title,
            family=self.family,
            severity=self.severity,
            system=system,
            outcome=outcome,
            checked=looked.checked,
            evidence=evidence,
            findings=looked.findings if outcome is Outcome.FAIL else (),
            why=self.why,
            references=self.references,
            answers=self.answers,
            hipaa=self.hipaa,
            cis=self.cis,
            method=self.method,
            duration_ms=(time.perf_counter() - started) * 1000,
        )

    def _judge(self, looked: Looked) -> tuple[Outcome, str]:
        """The outcome and its evidence. Without an object to look at there is no pass."""
        if looked.not_applicable:
            return Outcome.NOT_APPLICABLE, looked.not_applicable
        if not looked.findings and looked.checked == 0:
            return Outcome.NOT_APPLICABLE, f"{self.subject}: there are none"
        found = len(looked.findings)
        verdict = self.promise if not found else f"violations: {found}"
        parts = [f"{self.subject} checked: {looked.checked}", verdict, looked.note]
        return (Outcome.FAIL if found else Outcome.PASS), "; ".join(part for part in parts if part)


def named(rules: Sequence[R], names: Sequence[str]) -> tuple[R, ...]:
    """The rules with these ids or families; all of them if no name is given."""
    return tuple(rule for rule in rules if not names or rule.id in names or rule.family in names)


def require_known(rules: Sequence[Declared], names: Sequence[str]) -> None:
    """Make sure that each name is a rule's id or family.

    Raises:
        AuditError: one is neither; the message tells the families, and the rules whose ids are most like it.
    """
    ids, families = {rule.id for rule in rules}, {rule.family for rule in rules}
    for name in names:
        if name not in ids | families:
            like = ", ".join(sorted(get_close_matches(name.upper(), ids)) or sorted(ids)[:1])
            there = ", ".join(sorted(families))
            raise AuditError(f"unknown rule or family {name!r}; families: {there}; rules like {like}")


def read_declaration(
    folder: Path, source: Path, required: tuple[str, ...] = (), optional: tuple[str, ...] = ()
) -> tuple[dict[str, Any], dict[str, str], str]:
    """The fields of :class:`Declared` for ``folder`` and the header of ``source`` in it; that header; the text below.

    Raises:
        AuditError: the folder's name or a key is wrong; ``required`` and ``optional`` are known beside what every
            rule has.
    """
    name = _FOLDER.match(folder.name)
    if not name:
        raise AuditError(f"{folder}: a rule's folder is named like KEY001_no_primary_key")
    header, body = read_header(source, _REQUIRED + required, (*_REFERENCES, *optional))
    if not any(key in header for key in _REFERENCES):
        raise AuditError(
            f"{source}: the header names nothing that the rule answers; give one of {', '.join(_REFERENCES)}"
        )
    declaration = {
        "id": name["id"],
        "slug": name["slug"],
        "folder": folder,
        "title": header["title"],
        "severity": one_of(source, header, "severity", SEVERITIES),
        "why": header["why"],
        "remediation": header["remediation"],
        "answers": _references(source, header, "answers"),
        "hipaa": _references(source, header, "hipaa"),
        "cis": _references(source, header, "cis"),
        "subject": header["subject"],
        "promise": header["promise"],
    }
    return declaration, header, body


def switch(path: Path, header: dict[str, str], key: str, default: str = "no") -> bool:
    """Whether a key of the header says ``yes``.

    Raises:
        AuditError: it says neither that nor ``no``.
    """
    return one_of(path, {key: default, **header}, key, ("yes", "no")) == "yes"


def one_of(path: Path, header: dict[str, str], key: str, allowed: tuple[str, ...]) -> str:
    """The value of a key that has to be one of ``allowed``.

    Raises:
        AuditError: it is none of them.
    """
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
