"""Ask the rules about an engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from pgvitals.audit.declared import Looked
from pgvitals.audit.engine.pool import EnginePool
from pgvitals.audit.engine.rule import EngineRule, load_engine_rules
from pgvitals.audit.engine.target import Target, load_attribute
from pgvitals.audit.engine.watch import Request
from pgvitals.errors import AuditError
from pgvitals.refusal import refusal
from pgvitals.results.audit import RuleResult

PATIENCE_S = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What a probe looks at.

    ``patience_s`` is how long it may wait for a time limit to come; ``requests`` is what the application does.
    """

    name: str
    pool: EnginePool
    patience_s: float = PATIENCE_S
    requests: Mapping[str, Request] = field(default_factory=dict)


def load_requests(name: str) -> dict[str, Request]:
    """The requests of ``module:attribute`` or ``file.py:attribute``: a function, or several of them.

    Raises:
        AuditError: it is neither, or cannot be imported.
    """
    found = load_attribute("--requests", name)
    functions = [found] if callable(found) else found
    if not isinstance(functions, (list, tuple)) or not functions or not all(map(callable, functions)):
        raise AuditError(f"--requests {name}: expected a function of an engine and a number of rows, or a list of them")
    return {function.__name__: function for function in functions}


def ask_engine(
    target: Target,
    url: sa.URL,
    *,
    system: str,
    rules: Sequence[EngineRule] | None = None,
    patience_s: float = PATIENCE_S,
    requests: Mapping[str, Request] | None = None,
) -> tuple[RuleResult, ...]:
    """What every rule says about an engine; one that is made here is for ``url``, and closed at the end.

    Raises:
        AuditError: the target makes no engine.
    """
    asked = load_engine_rules() if rules is None else rules

    async def ask() -> tuple[RuleResult, ...]:
        pool = EnginePool(target.engine(url))
        application = Application(name=target.name, pool=pool, patience_s=patience_s, requests=requests or {})
        try:
            return tuple([await _ask(application, rule, system) for rule in asked])
        finally:
            await pool.dispose()

    return asyncio.run(ask())


async def _ask(application: Application, rule: EngineRule, system: str) -> RuleResult:
    started = time.perf_counter()
    problem = ""
    looked = Looked(checked=0)
    if rule.of_requests and not application.requests:
        looked = Looked(checked=0, not_applicable="no requests were given to look at: --requests file.py:attribute")
    else:
        try:
            looked = await rule.probe(application)
        except sa.exc.SQLAlchemyError as error:
            problem = f"the engine refused: {refusal(error)}"
        except Exception as error:  # noqa: BLE001  (the application's code may raise anything)
            problem = f"failed with {type(error).__name__}"
    return rule.answer(looked, system=system, problem=problem, started=started)
