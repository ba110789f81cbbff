"""The audit audits itself: every rule's defect is injected, found and cured, and the cured schemas stay silent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pgvitals.audit.rule import Rule, load_rules
from pgvitals.audit.run import audit
from pgvitals.audit.trial import Trial, Tried, trying
from pgvitals.lab import Database
from pgvitals.results.outcome import Outcome
from pgvitals.system import System


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well the rules know good from bad.

    ``missed`` are defects that their rule did not find, exactly once; ``uncured`` those that the printed remediation
    or the cure left standing; ``lookalikes`` counts the schemas that only look like a defect, and ``systems`` are
    known to be good; ``false_alarms`` are what a rule said about one of these, or any rule about a cured schema.
    """

    rules: int
    injected: int
    found: int
    lookalikes: int
    missed: tuple[str, ...]
    uncured: tuple[str, ...]
    false_alarms: tuple[str, ...]
    systems: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """``pass`` when every defect was found and cured and nothing else was said."""
        perfect = self.injected > 0 and not (self.missed or self.uncured or self.false_alarms)
        return Outcome.PASS if perfect else Outcome.FAIL

    def __str__(self) -> str:
        said = (
            f"{self.rules} rules: {self.found} of {self.injected} defects found, {len(self.false_alarms)} false alarms"
        )
        silent = [f"lookalikes: {self.lookalikes}", *([f"systems: {', '.join(self.systems)}"] if self.systems else [])]
        return f"{said} ({'; '.join(silent)})"


def selftest(database: Database, rules: Sequence[Rule] | None = None) -> Score:
    """Try every rule (all that are installed if None) in ``database``, which must be ours."""
    asked = load_rules() if rules is None else tuple(rules)
    with trying(database) as attempt:
        return score([attempt(rule, asked) for rule in asked])


def with_systems(made: Score, database: Database, systems: Sequence[System]) -> Score:
    """A score, and what all rules say about systems that are known to be good: anything is a false alarm."""
    spoken = [
        f"{result.rule} on {what} of {result.system}"
        for result in audit(database.connect, systems).results
        if result.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)
        for what in ([", ".join(finding.objects) for finding in result.findings] or [result.evidence])
    ]
    names = tuple(system.name for system in systems)
    return replace(made, systems=names, false_alarms=(*made.false_alarms, *spoken))


def score(trials: Sequence[Trial]) -> Score:
    """Count what the trials found."""
    more = [(trial, each) for trial in trials for each in trial.more]
    defects = [(trial, each) for trial, each in more if each.case.has_defect]
    missed = [trial.rule.id for trial in trials if not trial.found]
    missed += [_name(trial, each) for trial, each in defects if not each.is_found]
    uncured = [trial.rule.id for trial in trials if trial.cured.outcome is Outcome.FAIL or not trial.is_remediated]
    uncured += [_name(trial, each) for trial, each in defects if not each.is_cured]
    false_alarms = [f"{alarm} ({trial.rule.id} cured)" for trial in trials for alarm in trial.alarms]
    false_alarms += [_name(trial, each) for trial, each in more if not (each.case.has_defect or each.is_quiet)]
    injected = len(trials) + len(defects)
    return Score(
        rules=len(trials),
        injected=injected,
        found=injected - len(missed),
        lookalikes=len(more) - len(defects),
        missed=tuple(missed),
        uncured=tuple(uncured),
        false_alarms=tuple(false_alarms),
    )


def _name(trial: Trial, tried: Tried) -> str:
    return f"{trial.rule.id}: {tried.case.title}"
