"""A query under test: one SQL file, a header of ``-- key: value`` lines and a statement.

Everything that runs a query (the sampler, pytest-benchmark, Locust, EXPLAIN, impact, the notebooks)
reads the same file through :func:`load_query`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pgvitals.errors import QueryHeaderError

REQUIRED = ("title", "budget_p95_ms", "params")
OPTIONAL = ("role", "ends", "since", "until", "note")
ROLES = ("app", "owner")
ENDS = ("commit", "rollback")
_HEADER = re.compile(r"^--\s?(?P<key>[a-z][a-z0-9_]*):\s*(?P<value>.*)$")
_CONTINUED = re.compile(r"^--(?P<value>\s{2,}\S.*)$")
_REVISION = re.compile(r"^\S+$")
_PLACEHOLDER = re.compile(r"%%|%\((?P<name>\w+)\)s|%(?P<other>\(\w*\)?.?|.?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query and its promise.

    ``params`` is a SELECT whose rows are real parameter sets (one column a parameter); ``role`` is
    ``app`` (the system's application role) or ``owner``. ``ends`` says how its transaction ends:
    ``commit`` is a lookup in a read-only one, ``rollback`` a write that leaves nothing behind. It runs
    on databases whose revision lies from ``since`` to ``until``, both included; empty means no limit.
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

    @property
    def key(self) -> str:
        """``system/name``: unique in a suite."""
        return f"{self.system}/{self.name}"

    @property
    def writes(self) -> bool:
        """Whether the statement may change rows; its transaction is rolled back then."""
        return self.ends == "rollback"

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the ``%(name)s`` parameters, in order of first use."""
        return tuple(dict.fromkeys(m["name"] for m in _PLACEHOLDER.finditer(self.sql) if m["name"]))


def load_query(path: Path, system: str) -> Query:
    """Read one query file.

    Header values may continue on the comment lines right below, if those are indented by two or more spaces.
    In the statement a percent sign is written ``%%``.

    Raises:
        QueryHeaderError: a key is missing, unknown, repeated or has a value that cannot be used, or the
            statement has a percent sign that is neither ``%(name)s`` nor ``%%``.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise QueryHeaderError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    header, sql = _split(path, text)
    for key in REQUIRED:
        if not header.get(key):
            raise QueryHeaderError(f"{path}: the header lacks '-- {key}: …'; it needs {', '.join(REQUIRED)}")
    if not sql:
        raise QueryHeaderError(f"{path}: there is a header but no statement below it")
    _check_placeholders(path, sql)
    return Query(
        name=path.stem,
        system=system,
        path=path,
        title=header["title"],
        budget_p95_ms=_budget(path, header["budget_p95_ms"]),
        params=header["params"].rstrip("; "),
        sql=sql,
        role=_one_of(path, header, "role", ROLES),
        ends=_one_of(path, header, "ends", ENDS),
        since=_revision(path, header, "since"),
        until=_revision(path, header, "until"),
        note=header.get("note", ""),
    )


def _split(path: Path, text: str) -> tuple[dict[str, str], str]:
    header: dict[str, str] = {}
    key = ""
    lines = text.split("\n")
    body_from = len(lines)
    for number, line in enumerate(lines):
        if key and (more := _CONTINUED.match(line)):
            header[key] = f"{header[key]} {more['value'].strip()}".strip()
            continue
        found = _HEADER.match(line)
        if not found:
            if not line.strip():
                key = ""
                continue
            body_from = number
            break
        key = found["key"]
        if key not in REQUIRED + OPTIONAL:
            known = ", ".join(REQUIRED + OPTIONAL)
            raise QueryHeaderError(f"{path}:{number + 1}: unknown header key {key!r}; known keys: {known}")
        if key in header:
            raise QueryHeaderError(f"{path}:{number + 1}: header key {key!r} is given twice")
        header[key] = found["value"].strip()
    return header, "\n".join(lines[body_from:]).strip().rstrip(";").rstrip()


def _check_placeholders(path: Path, sql: str) -> None:
    for found in _PLACEHOLDER.finditer(sql):
        if found["other"] is not None:
            raise QueryHeaderError(
                f"{path}: {found[0]!r} in the statement; a parameter is written %(name)s and a percent sign %%"
            )


def _one_of(path: Path, header: dict[str, str], key: str, known: tuple[str, str]) -> str:
    value = header.get(key, known[0])
    if value not in known:
        raise QueryHeaderError(f"{path}: {key!r} must be {known[0]!r} or {known[1]!r}, got {value!r}")
    return value


def _revision(path: Path, header: dict[str, str], key: str) -> str:
    """A revision id as it stands; whether the system has it, the suite knows."""
    value = header.get(key)
    if value is not None and not _REVISION.match(value):
        raise QueryHeaderError(f"{path}: {key!r} must be one revision id, got {value!r}")
    return value or ""


def _budget(path: Path, value: str) -> float:
    try:
        budget = float(value)
    except ValueError:
        budget = -1.0
    if not 0 < budget < float("inf"):
        raise QueryHeaderError(f"{path}: 'budget_p95_ms' must be a positive number, got {value!r}")
    return budget
