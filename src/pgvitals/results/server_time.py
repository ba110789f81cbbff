"""How long the server itself was busy with a lookup, beside what the client waited."""

from __future__ import annotations

from dataclasses import dataclass

COUNTED = "pg_stat_statements"
EXPLAINED = "explain"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTime:
    """Mean execution time of one lookup on the server, without parsing, planning and the way to the client.

    ``client_mean_ms`` is the mean service time of the same executions, so that the two can be held together.
    """

    source: str  # pg_stat_statements: of the executions that were measured; explain: of one execution, instrumented
    mean_ms: float
    client_mean_ms: float | None  # None for explain: nobody fetched its rows
    executions: int
    note: str = ""  # why it is not pg_stat_statements
