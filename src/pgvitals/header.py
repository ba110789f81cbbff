"""The header of an SQL file of the suite: ``-- key: value`` lines, and the statement below them."""

from __future__ import annotations

import re
from pathlib import Path

from pgvitals.errors import SuiteError

_HEADER = re.compile(r"^--\s?(?P<key>[a-z][a-z0-9_]*):\s*(?P<value>.*)$")
_CONTINUED = re.compile(r"^--(?P<value>\s{2,}\S.*)$")
_REVISION = re.compile(r"^\S+$")
PLACEHOLDER = re.compile(r"%%|%\((?P<name>\w+)\)s|%(?P<other>\(\w*\)?.?|.?)")


def read_statement(
    path: Path, required: tuple[str, ...], optional: tuple[str, ...], error: type[SuiteError]
) -> tuple[dict[str, str], str]:
    """The header's values by key, and the statement without its semicolon.

    Header values may continue on the comment lines right below, if those are indented by two or more spaces.
    In the statement a percent sign is written ``%%``.

    Raises:
        SuiteError: (as ``error``) the file cannot be read, a key is missing, unknown or repeated, there is no
            statement, or it has a percent sign that is neither ``%(name)s`` nor ``%%``.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise error(f"{path}: cannot be read as UTF-8 text ({problem})") from None
    header, sql = _split(path, text, required + optional, error)
    for key in required:
        if not header.get(key):
            raise error(f"{path}: the header lacks '-- {key}: …'; it needs {', '.join(required)}")
    if not sql:
        raise error(f"{path}: there is a header but no statement below it")
    for found in PLACEHOLDER.finditer(sql):
        if found["other"] is not None:
            raise error(f"{path}: {found[0]!r} in the statement; a parameter is written %(name)s and a percent sign %%")
    return header, sql


def parameters(sql: str) -> tuple[str, ...]:
    """Names of the ``%(name)s`` parameters, in order of first use."""
    return tuple(dict.fromkeys(found["name"] for found in PLACEHOLDER.finditer(sql) if found["name"]))


def numbered(sql: str) -> str:
    """The statement as the server sees it: ``$1``, ``$2`` … in order of first use."""
    position = {name: number for number, name in enumerate(parameters(sql), start=1)}
    return PLACEHOLDER.sub(lambda found: f"${position[found['name']]}" if found["name"] else "%", sql)


def revision(path: Path, header: dict[str, str], key: str, error: type[SuiteError]) -> str:
    """A revision id as it stands; whether the system has it, the suite knows.

    Raises:
        SuiteError: (as ``error``) it is empty, or more than one.
    """
    value = header.get(key)
    if value is not None and not _REVISION.match(value):
        raise error(f"{path}: {key!r} must be one revision id, got {value!r}")
    return value or ""


def _split(path: Path, text: str, known: tuple[str, ...], error: type[SuiteError]) -> tuple[dict[str, str], str]:
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
        if key not in known:
            raise error(f"{path}:{number + 1}: unknown header key {key!r}; known keys: {', '.join(known)}")
        if key in header:
            raise error(f"{path}:{number + 1}: header key {key!r} is given twice")
        header[key] = found["value"].strip()
    for number, line in enumerate(lines[body_from:], start=body_from):
        if not line.startswith("--"):
            break
        if (found := _HEADER.match(line)) and found["key"] in known:
            raise error(
                f"{path}:{number + 1}: header key {found['key']!r} stands below a comment, which ends the header"
            )
    return header, "\n".join(lines[body_from:]).strip().rstrip(";").rstrip()
