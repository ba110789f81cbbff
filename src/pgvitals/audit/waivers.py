"""Waivers: findings that somebody has decided to live with, until a day and for a reason.

A file of them is TOML: ``[[waiver]]`` tables with ``rule``, ``object`` (both as the audit prints them), ``reason``
and ``expires``, the last day on which it holds; ``system`` if it is for one system only. A system of the suite may
have its own in ``waivers.toml`` beside its ``system.toml``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pgvitals.errors import WaiverError
from pgvitals.reading import first_problem, read_toml
from pgvitals.results.audit import Audit, Finding, RuleResult
from pgvitals.results.outcome import Outcome
from pgvitals.system import System

FILE = "waivers.toml"
_JUDGED = (Outcome.PASS, Outcome.FAIL, Outcome.WAIVED)


class Waiver(BaseModel):
    """One finding that does not count until ``expires`` is over."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    rule: str = Field(pattern=r"^[A-Z]{3}[0-9]{3}$")
    object: str = Field(min_length=1)
    system: str = ""
    reason: str = Field(min_length=1)
    expires: date

    @property
    def name(self) -> str:
        """What it waives."""
        return f"{self.rule} on {self.object}" + (f" of {self.system}" if self.system else "")

    def covers(self, result: RuleResult, finding: Finding) -> bool:
        """Whether this is the finding that it names."""
        return self._is_about(result) and self.object == ", ".join(finding.objects)

    def is_idle(self, results: Iterable[RuleResult]) -> bool:
        """Whether its rule was asked, could tell, and found no such thing."""
        told = [result for result in results if self._is_about(result) and result.outcome in _JUDGED]
        return bool(told) and not any(self.covers(result, each) for result in told for each in result.findings)

    def _is_about(self, result: RuleResult) -> bool:
        return self.rule == result.rule and self.system in ("", result.system)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    waiver: tuple[Waiver, ...] = ()


def load_waivers(path: Path, rules: Iterable[str], system: str = "") -> tuple[Waiver, ...]:
    """The waivers of a file.

    Args:
        rules: ids of the rules that there are.
        system: the one that the file belongs to; its waivers are for it alone.

    Raises:
        WaiverError: the file cannot be read, a waiver lacks its reason or its last day, or names no rule.
    """
    raw = read_toml(path, WaiverError)
    try:
        found = _File.model_validate(raw).waiver
    except ValidationError as error:
        raise WaiverError(f"{path}: {first_problem(error)}") from None
    known = set(rules)
    for each in found:
        if each.rule not in known:
            raise WaiverError(f"{path}: {each.name}: there is no rule {each.rule}; docs/rules lists them")
        if system and each.system not in ("", system):
            raise WaiverError(f"{path}: {each.name}: this file is for {system}; put it beside that system's policy")
    return tuple(each.model_copy(update={"system": system}) for each in found) if system else found


def waivers_of(systems: Iterable[System], rules: Sequence[str], more: Iterable[Path] = ()) -> tuple[Waiver, ...]:
    """What the systems' own files waive, and what the files ``more`` do.

    Raises:
        WaiverError: as :func:`load_waivers`.
    """
    own = [
        each
        for system in systems
        if (path := system.folder / FILE).is_file()
        for each in load_waivers(path, rules, system.name)
    ]
    return (*own, *(each for path in more for each in load_waivers(path, rules)))


def waive(audit: Audit, waivers: Sequence[Waiver], today: date) -> Audit:
    """The audit with its waived findings marked; who waives what nobody found is named.

    An expired waiver waives nothing, and says so beside what it once waived.
    """
    results = tuple(
        replace(result, findings=tuple(_marked(result, finding, waivers, today) for finding in result.findings))
        for result in audit.results
    )
    idle = tuple(each.name for each in waivers if each.is_idle(results))
    return replace(audit, results=results, unused_waivers=idle)


def _marked(result: RuleResult, finding: Finding, waivers: Sequence[Waiver], today: date) -> Finding:
    """The finding with what waives it: the one that holds longest, if there are several."""
    fitting = max((each for each in waivers if each.covers(result, finding)), key=lambda w: w.expires, default=None)
    if fitting is None:
        return finding
    if fitting.expires < today:
        return replace(finding, waiver=f"its waiver expired on {fitting.expires}: {fitting.reason}")
    return replace(finding, waiver=f"until {fitting.expires}: {fitting.reason}", is_waived=True)
