"""The audit audits itself: every rule's defect is injected, found and cured, and the cured schemas stay silent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgvitals.audit.rule import Rule, load_rules
from pgvitals.audit.trial import Trial, try_rule
from pgvitals.lab import Database
from pgvitals.results.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well the rules know good from bad.

    ``missed`` are rules that did not find their own defect, exactly once; ``uncured`` rules whose
    remediation or cure left it standing; ``false_alarms`` what any rule said about a cured schema.
    """

    injected: int
    found: int
    missed: tuple[str, ...]
    uncured: tuple[str, ...]
    false_alarms: tuple[str, ...]

    @property
    def outcome(self) -> Outcome:
        """``pass`` when every defect was found and cured and nothing else was said."""
        perfect = self.injected > 0 and not (self.missed or self.uncured or self.false_alarms)
        return Outcome.PASS if perfect else Outcome.FAIL

    def __str__(self) -> str:
        return f"{self.found} of {self.injected} defects found, {len(self.false_alarms)} false alarms"


def selftest(database: Database, rules: Sequence[Rule] | None = None) -> Score:
    """Try every rule (all that are installed if None) in ``database``, which must be ours."""
    asked = load_rules() if rules is None else tuple(rules)
    return score([try_rule(database, rule, others=asked) for rule in asked])


def score(trials: Sequence[Trial]) -> Score:
    """Count what the trials found."""
    return Score(
        injected=len(trials),
        found=sum(trial.found for trial in trials),
        missed=tuple(trial.rule.id for trial in trials if not trial.found),
        uncured=tuple(
            trial.rule.id for trial in trials if trial.cured.outcome is Outcome.FAIL or not trial.is_remediated
        ),
        false_alarms=tuple(f"{alarm} ({trial.rule.id} cured)" for trial in trials for alarm in trial.alarms),
    )
