"""A query under test: one SQL file, a header of ``-- key: value`` lines and a statement.

Everything that runs a query (the sampler, pytest-benchmark, Locust, EXPLAIN, impact, the notebooks)
reads the same file through :func:`load_query`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pgvitals import header as headers
from pgvitals.errors import QueryHeaderError

REQUIRED = ("title", "budget_p95_ms", "params")
OPTIONAL = (
    *("role", "ends", "since", "until", "note"),
    *("budget_p95_ms_largest", "budget_p95_ms_middle", "budget_p95_ms_smallest"),
)
ROLES = ("app", "owner")
ENDS = ("commit", "rollback")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query and its promise.

    ``params`` is a SELECT whose rows are real parameter sets (one column a parameter); ``role`` is
    ``app`` (the system's application role) or ``owner``. ``ends`` says how its transaction ends:
    ``commit`` is a lookup in a read-only one, ``rollback`` a write that leaves nothing behind. It runs
    on databases whose revision lies from ``since`` to ``until``, both included; empty means no limit.
    ``budget_p95_ms_largest`` and its like are budgets for one tenant alone; None: it is shown, and not judged.
    """

    name: str
    system: str
    path: Path
    title: str
    budget_p95_ms: float
    params: str
    sql: str
    role: str = "app"
    ends: str = "commit"
    since: str = ""
    until: str = ""
    note: str = ""
    budget_p95_ms_largest: float | None = None
    budget_p95_ms_middle: float | None = None
    budget_p95_ms_smallest: float | None = None

    @property
    def key(self) -> str:
        """``system/name``: unique in a suite."""
        return f"{self.system}/{self.name}"

    @property
    def writes(self) -> bool:
        """Whether the statement may change rows; its transaction is rolled back then."""
        return self.ends == "rollback"

    @property
    def digest(self) -> str:
        """Of the statement and of where its parameters come from: what is asked is the same while it is."""
        return hashlib.sha256(f"{self.sql}\0{self.params}".encode()).hexdigest()[:12]

    @property
    def tenant_budgets_ms(self) -> dict[str, float]:
        """``largest``, ``middle``, ``smallest`` -> what that tenant's p95 promises, as far as it does."""
        given = {
            "largest": self.budget_p95_ms_largest,
            "middle": self.budget_p95_ms_middle,
            "smallest": self.budget_p95_ms_smallest,
        }
        return {tenant: budget for tenant, budget in given.items() if budget is not None}

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the ``%(name)s`` parameters, in order of first use."""
        return headers.parameters(self.sql)


def load_query(path: Path, system: str) -> Query:
    """Read one query file.

    Header values may continue on the comment lines right below, if those are indented by two or more spaces.
    In the statement a percent sign is written ``%%``.

    Raises:
        QueryHeaderError: a key is missing, unknown, repeated or has a value that cannot be used, or the
            statement has a percent sign that is neither ``%(name)s`` nor ``%%``.
    """
    header, sql = headers.read_statement(path, REQUIRED, OPTIONAL, QueryHeaderError)
    return Query(
        name=path.stem,
        system=system,
        path=path,
        title=header["title"],
        budget_p95_ms=_budget(path, "budget_p95_ms", header["budget_p95_ms"]),
        budget_p95_ms_largest=_tenant_budget(path, header, "budget_p95_ms_largest"),
        budget_p95_ms_middle=_tenant_budget(path, header, "budget_p95_ms_middle"),
        budget_p95_ms_smallest=_tenant_budget(path, header, "budget_p95_ms_smallest"),
        params=header["params"].rstrip("; "),
        sql=sql,
        role=_one_of(path, header, "role", ROLES),
        ends=_one_of(path, header, "ends", ENDS),
        since=headers.revision(path, header, "since", QueryHeaderError),
        until=headers.revision(path, header, "until", QueryHeaderError),
        note=header.get("note", ""),
    )


def _one_of(path: Path, header: dict[str, str], key: str, known: tuple[str, str]) -> str:
    value = header.get(key, known[0])
    if value not in known:
        raise QueryHeaderError(f"{path}: {key!r} must be {known[0]!r} or {known[1]!r}, got {value!r}")
    return value


def _budget(path: Path, key: str, value: str) -> float:
    try:
        budget = float(value)
    except ValueError:
        budget = -1.0
    if not 0 < budget < float("inf"):
        raise QueryHeaderError(f"{path}: {key!r} must be a positive number, got {value!r}")
    return budget


def _tenant_budget(path: Path, header: dict[str, str], key: str) -> float | None:
    return _budget(path, key, header[key]) if key in header else None
