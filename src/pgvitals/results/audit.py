"""What an audit says: rules, their outcomes, and what they found."""

from __future__ import annotations

from dataclasses import dataclass, field

from pgvitals.results.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing a rule has to say: the violation, or the evidence that there is none."""

    objects: tuple[str, ...]
    detail: str
    remediation: str = ""
    waiver: str = ""  # until when it is waived and why, or since when it is no longer
    is_waived: bool = False
    is_known: bool = False  # the baseline has it too

    @property
    def is_open(self) -> bool:
        """Whether it fails its rule."""
        return not (self.is_waived or self.is_known)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """One rule on one system."""

    rule: str  # KEY001
    slug: str
    title: str
    family: str
    severity: str  # P0 .. P3
    system: str
    outcome: Outcome
    checked: int  # objects looked at
    evidence: str
    findings: tuple[Finding, ...]
    why: str
    references: tuple[str, ...]  # what follows, in full
    duration_ms: float
    answers: tuple[str, ...] = ()  # DB-002
    hipaa: tuple[str, ...] = ()  # 164.312(a)(1), of 45 CFR
    cis: tuple[str, ...] = ()  # 4.7, of the CIS PostgreSQL 17 Benchmark
    method: str = "catalog"  # or probe: it tried, or looked at rows or pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """``audit.json``. ``outcome`` speaks for the results whose severity is ``fail_on`` or worse."""

    outcome: Outcome
    database_kind: str  # lab | external
    results: tuple[RuleResult, ...]
    fail_on: str = "P3"
    baseline: str = ""  # the run whose findings are known
    unused_waivers: tuple[str, ...] = ()  # what each waives; no rule found it
    policies: dict[str, str] = field(default_factory=dict)  # system -> its system.toml, from the repository's root

    def decides(self, result: RuleResult) -> bool:
        """Whether a result counts for the outcome."""
        return result.severity <= self.fail_on
