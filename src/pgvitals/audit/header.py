"""The header of a rule: ``key: value`` comment lines on top of an SQL or Python file."""

from __future__ import annotations

import re
from pathlib import Path

from pgvitals.errors import AuditError

_MARKERS = {".sql": "--", ".py": "#"}


def read_header(path: Path, required: tuple[str, ...], optional: tuple[str, ...]) -> tuple[dict[str, str], str]:
    """The header's values by key, and the text below it.

    A value goes on over the following comment lines that are indented by two or more spaces.

    Raises:
        AuditError: the file cannot be read, or a key is missing, empty, unknown or repeated.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    marker = re.escape(_MARKERS[path.suffix])
    first = re.compile(rf"^{marker}\s?(?P<key>[a-z][a-z0-9_]*):(?:\s+(?P<value>.*))?$")
    more = re.compile(rf"^{marker}\s{{2,}}(?P<value>\S.*)$")
    values: dict[str, str] = {}
    key = ""
    below = len(lines)
    for number, line in enumerate(lines):
        if key and (found := more.match(line)):
            values[key] = f"{values[key]} {found['value'].strip()}".strip()
        elif found := first.match(line):
            key = found["key"]
            if key not in required + optional:
                known = ", ".join(required + optional)
                raise AuditError(f"{path}:{number + 1}: unknown header key {key!r}; known keys: {known}")
            if key in values:
                raise AuditError(f"{path}:{number + 1}: header key {key!r} is given twice")
            values[key] = (found["value"] or "").strip()
        elif line.strip():
            below = number
            break
    for key in required:
        if not values.get(key):
            raise AuditError(f"{path}: the header lacks {key!r}; it needs {', '.join(required)}")
    return values, "\n".join(lines[below:]).strip()
