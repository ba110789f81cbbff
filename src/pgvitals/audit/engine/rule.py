"""A rule about an engine: a folder ``APP<number>_<slug>`` with ``probe.py``, ``bad.py`` and ``good.py``.

``probe.py`` opens with a header like any other rule's and has ``async def probe(application)``. ``bad.py`` and
``good.py`` each make an engine (``make_engine(url)``) by which the rule fires once and is silent; where the rule is
about requests, they have ``REQUESTS``.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pgvitals.audit.header import read_header
from pgvitals.audit.rule import CIS, SEVERITIES, Looked
from pgvitals.errors import AuditError
from pgvitals.suite import load_module

if TYPE_CHECKING:
    from pgvitals.audit.engine.ask import Application

RULES = Path(__file__).parent / "rules"
_FOLDER = re.compile(r"^(?P<id>APP[0-9]{3})_(?P<slug>[a-z][a-z0-9_]*)$")
_REQUIRED = ("title", "severity", "why", "remediation", "subject", "promise", "answers")
_OPTIONAL = ("hipaa", "cis", "of_requests")

EngineProbe = Callable[["Application"], Awaitable[Looked]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRule:
    """One rule as its folder declares it; the words are those of :class:`pgvitals.audit.rule.Rule`.

    One ``of_requests`` looks at what the application's requests send.
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
    of_requests: bool
    probe: EngineProbe

    family = "APP"
    method = "probe"

    @property
    def references(self) -> tuple[str, ...]:
        """What it answers, in full."""
        return (*self.answers, *(f"45 CFR {each}" for each in self.hipaa), *(f"{CIS} {each}" for each in self.cis))


@cache
def load_engine_rules() -> tuple[EngineRule, ...]:
    """Every rule about engines, by id.

    Raises:
        AuditError: a folder is malformed; the message names the file and the key.
    """
    return tuple(load_engine_rule(path) for path in sorted(RULES.glob("APP*")))


def load_engine_rule(folder: Path) -> EngineRule:
    """Read one rule's folder.

    Raises:
        AuditError: its name, a file or a header key is wrong.
    """
    name = _FOLDER.match(folder.name)
    if not name:
        raise AuditError(f"{folder}: a rule's folder is named like APP001_pool_without_limits")
    source = folder / "probe.py"
    header, _ = read_header(source, _REQUIRED, _OPTIONAL)
    if header["severity"] not in SEVERITIES:
        raise AuditError(f"{source}: 'severity' must be one of {', '.join(SEVERITIES)}, got {header['severity']!r}")
    probe = getattr(load_module(source, f"engine_rule_{name['id']}"), "probe", None)
    if not callable(probe):
        raise AuditError(f"{source}: defines no function 'async def probe(application)'")
    return EngineRule(
        id=name["id"],
        slug=name["slug"],
        folder=folder,
        title=header["title"],
        severity=header["severity"],
        why=header["why"],
        remediation=header["remediation"],
        answers=_listed(header, "answers"),
        hipaa=_listed(header, "hipaa"),
        cis=_listed(header, "cis"),
        subject=header["subject"],
        promise=header["promise"],
        of_requests=header.get("of_requests") == "yes",
        probe=probe,
    )


def _listed(header: dict[str, str], key: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in header.get(key, "").split(";") if part.strip())
