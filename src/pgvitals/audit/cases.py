"""What a rule is tried on: schemas with a known defect and how each is cured, and lookalikes that it must leave alone.

``bad.sql`` and ``good.sql`` are the first defect, the one that the rule's page shows. ``cases.sql`` holds more of both,
each a script for an empty schema ``rule_test``::

    -- given
    create table …                 what all of them begin with, if need be
    -- defect: a partial index
    create index …
    -- cure                         where the remediation that is printed is not SQL
    drop index …
    -- lookalike: an index of another table
    create index …

A line ``-- server: ssl = off`` tells a rule a setting of the server that no session can change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pgvitals.errors import AuditError

_HEAD = re.compile(r"^-- (?P<kind>given|defect|cure|lookalike)(?:: (?P<title>.+))?$")
_TOLD = re.compile(r"^-- server: (?P<name>[a-z_.]+) =(?P<value>.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One schema. With a defect it makes its rule speak exactly once, without it never; ``cure`` mends the defect."""

    title: str
    script: str
    has_defect: bool
    cure: str = ""


def read_cases(path: Path) -> tuple[Case, ...]:
    """The cases of a ``cases.sql``; none if there is no such file.

    Raises:
        AuditError: a part has no title, or no statement, or a cure follows no defect.
    """
    if not path.is_file():
        return ()
    given = ""
    found: list[Case] = []
    for number, kind, title, script in _parts(path):
        if not script:
            raise AuditError(f"{path}:{number}: '-- {kind}' is followed by no statement")
        if kind == "given":
            given = f"{script}\n"
        elif kind == "cure":
            if not found or not found[-1].has_defect:
                raise AuditError(f"{path}:{number}: a cure follows its defect")
            last = found.pop()
            found.append(Case(title=last.title, script=last.script, has_defect=True, cure=script))
        elif not title:
            raise AuditError(f"{path}:{number}: write what it is, as in '-- {kind}: a partial index'")
        else:
            found.append(Case(title=title, script=given + script, has_defect=kind == "defect"))
    return tuple(found)


def told_settings(script: str) -> dict[str, str]:
    """The settings of the server that a script tells."""
    return {found["name"]: found["value"].strip() for found in _TOLD.finditer(script)}


def _parts(path: Path) -> list[tuple[int, str, str, str]]:
    """(line number, kind, title, script) of each part."""
    parts: list[tuple[int, str, str, list[str]]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if head := _HEAD.match(line):
            parts.append((number, head["kind"], (head["title"] or "").strip(), []))
        elif parts:
            parts[-1][3].append(line)
        elif line.strip():
            raise AuditError(f"{path}:{number}: begins with '-- given', '-- defect: …' or '-- lookalike: …'")
    return [(number, kind, title, "\n".join(lines).strip()) for number, kind, title, lines in parts]
