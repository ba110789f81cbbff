"""The last line of defence: nothing that looks like a secret leaves a run directory through a report."""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "***"

_URL_PASSWORD = re.compile(r"(?P<head>\w://[^\s:/@]*:)\S+(?=@)")
_SECRET_WORD = r"(?:pass(?:word|wd|phrase)|pwd|secret|api_?key)"  # noqa: S105
_ASSIGNED = re.compile(
    rf"(?P<head>\b\w*{_SECRET_WORD}\w*\s*[=:]\s*|--{_SECRET_WORD}\s+)(?:'[^']*'|\"[^\"]*\"|\S+)", re.I
)
_SECRET_KEY = re.compile(_SECRET_WORD, re.IGNORECASE)


def redact(text: str) -> str:
    """The text with passwords in URLs, connection strings and options replaced by ``***``."""
    text = _URL_PASSWORD.sub(rf"\g<head>{HIDDEN}", text)
    return _ASSIGNED.sub(rf"\g<head>{HIDDEN}", text)


def redact_value(value: Any) -> Any:
    """The same through lists and dicts; the value of a key that names a secret is hidden whole."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {
            key: HIDDEN
            if isinstance(key, str) and _SECRET_KEY.search(key) and isinstance(inner, str)
            else redact_value(inner)
            for key, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [redact_value(inner) for inner in value]
    return value
