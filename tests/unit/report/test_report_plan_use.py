"""What a report says of how plans were used."""

from __future__ import annotations

from typing import Any

import pytest

from pgvitals.report.plan_use import use_told


def plan(jit_ms: float | None = None, **more: Any) -> dict[str, Any]:
    jit = {} if jit_ms is None else {"JIT": {"Functions": 3, "Timing": {"Total": jit_ms}}}
    return {"mode": "custom", "plan": {"Plan": {}, **jit}, **more}


@pytest.mark.parametrize(
    ("captured", "told"),
    [
        ([], ""),
        ([plan()], ""),
        ([plan(server_used={"generic": 0, "custom": 112})], "custom plans"),
        ([plan(server_used={"generic": 1107, "custom": 5})], "generic plan for 1,107 of 1,112 executions"),
        ([plan(12.0, server_used={"generic": 0, "custom": 9}), plan(45.0)], "custom plans; JIT took up to 45.0 ms"),
    ],
)
def test_custom_or_generic_and_what_compiling_took(captured: list[dict[str, Any]], told: str) -> None:
    assert use_told(captured) == told
