"""How a lookup's plans were used: custom or generic, and compiled or not."""

from __future__ import annotations

from collections.abc import Sequence

from pgvitals.measure.plan_changes import Captured
from pgvitals.report.wording import count, ms


def use_told(captured: Sequence[Captured]) -> str:
    """``custom plans``, ``generic plan for 100 of 112 executions; JIT took up to 45 ms``; empty where nothing is known.

    The executions are those on the last connection that measured the lookup, its warm-up included.
    """
    return "; ".join(part for part in (_choice(captured), _compiled(captured)) if part)


def _choice(captured: Sequence[Captured]) -> str:
    used = captured[0].get("server_used") if captured else None
    if not used:
        return ""
    generic, custom = used["generic"], used["custom"]
    if not generic:
        return "custom plans"
    return f"generic plan for {count(generic)} of {count(generic + custom)} executions"


def _compiled(captured: Sequence[Captured]) -> str:
    took = [each["plan"]["JIT"]["Timing"]["Total"] for each in captured if "JIT" in each["plan"]]
    return f"JIT took up to {ms(max(took))} ms" if took else ""
