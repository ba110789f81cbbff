"""Reading files: whatever is wrong with one ends as a line that names file, key and value."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pgvitals.errors import SuiteError

_SHOWN = 60
_WITHOUT_VALUE = ("missing", "extra_forbidden")  # the key is the problem, not what it says


def read_toml(path: Path, kind: type[SuiteError]) -> dict[str, Any]:
    """The tables of ``path``.

    Raises:
        SuiteError: (as ``kind``) the file cannot be read, is not UTF-8 or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise kind(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise kind(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise kind(f"{path}: not valid TOML: {error}") from None


def first_problem(error: ValidationError) -> str:
    """``key: what is wrong, got value`` of the first thing that pydantic objects to."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    what = f"{where}: {first['msg']}" if where else first["msg"]
    if first["type"] in _WITHOUT_VALUE:
        return what
    value = repr(first["input"])
    return f"{what}, got {value if len(value) <= _SHOWN else value[: _SHOWN - 1] + '…'}"
