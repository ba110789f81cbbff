"""Rules about engines on trial: each has to find its bad engine, once, and to pass its good one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from pgvitals.audit.engine.ask import ask_engine, load_requests
from pgvitals.audit.engine.rule import EngineRule, load_engine_rules
from pgvitals.audit.engine.target import load_target
from pgvitals.results.audit import RuleResult
from pgvitals.results.outcome import Outcome

_PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTrial:
    """What a rule said of its two engines."""

    rule: EngineRule
    bad: RuleResult
    good: RuleResult

    @property
    def found(self) -> bool:
        """The defect was found, once."""
        return self.bad.outcome is Outcome.FAIL and len(self.bad.findings) == 1

    @property
    def is_silent(self) -> bool:
        """The good engine passes."""
        return self.good.outcome is Outcome.PASS


def try_engine_rules(url: sa.URL, rules: Sequence[EngineRule] | None = None) -> list[EngineTrial]:
    """Every rule on its own engines, which connect to ``url``."""
    asked = load_engine_rules() if rules is None else rules
    return [EngineTrial(rule=rule, bad=_ask(rule, "bad", url), good=_ask(rule, "good", url)) for rule in asked]


def _ask(rule: EngineRule, name: str, url: sa.URL) -> RuleResult:
    path = rule.folder / f"{name}.py"
    requests = load_requests(f"{path}:REQUESTS") if rule.of_requests else {}
    target = load_target(f"{path}:make_engine")
    (result,) = ask_engine(target, url, system="trial", rules=[rule], patience_s=_PATIENCE_S, requests=requests)
    return result
