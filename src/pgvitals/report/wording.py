"""How numbers and names are written in every report, so that no two of them round differently."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

NONE = "–"
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def printable(text: str) -> str:
    """The text without the characters that XML 1.0 forbids."""
    return _FORBIDDEN.sub("", text)


def ms(value: float | None) -> str:
    """Milliseconds to two digits below 1 and three above it: 0.041, 0.41, 1.23, 12.3, 1,234."""
    if value is None or not math.isfinite(value):
        return NONE
    return _significant(value, 2 if abs(value) < 1 else 3)


def ms_range(low: float | None, high: float | None) -> str:
    """An interval in milliseconds, ``0.39–0.44``; a dash where there is none."""
    if low is None or high is None:
        return NONE
    return f"{ms(low)}–{ms(high)}"


def budget(value: float) -> str:
    """A budget as it was declared: 150, 12.5."""
    return f"{value:,.6g}" if value < 1e6 else f"{value:,.0f}"


def share(part: float) -> str:
    """A share as per cent; 0 % and 100 % are only said when they are exact."""
    if not math.isfinite(part):
        return NONE
    if part in (0, 1):
        return f"{part * 100:.0f} %"
    percent = part * 100
    if 0 < percent < 0.1:
        return "<0.1 %"
    if 99 < percent < 101:
        near = min(percent, 99.9) if percent < 100 else max(percent, 100.1)
        return f"{near:.1f} %"
    return f"{percent:.1f} %" if percent < 9.95 else f"{percent:,.0f} %"


def ratio(value: float) -> str:
    """after / before: 0.12, 0.98, 1.04, 12.5; 1.00 is what two decimals leave of it."""
    if not math.isfinite(value):
        return NONE
    return f"{value:.2f}" if 0.1 <= value < 9.995 else _significant(value, 2 if value < 0.1 else 3)


def size(value: float | None) -> str:
    """Bytes in the units of ``pg_size_pretty`` (1 kB = 1024 bytes): 8 kB, 1.2 MB, 34 GB."""
    if value is None or not math.isfinite(value):
        return NONE
    amount, unit = abs(float(value)), "bytes"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if amount < 999.5:
            break
        amount, unit = amount / 1024, larger
    digits = f"{amount:.1f}" if amount < 9.95 and amount != int(amount) else f"{amount:.0f}"
    return f"{'−' if value < 0 else ''}{digits} {unit}"


def size_change(before: int | None, after: int | None) -> str:
    """The difference with its sign; what appeared or went away counts in full."""
    change = (after or 0) - (before or 0)
    return f"+{size(change)}" if change > 0 else size(change) if change else "0"


def count(value: float | None) -> str:
    """A whole number with thousands separated."""
    return NONE if value is None or not math.isfinite(value) else f"{value:,.0f}"


def duration(seconds: float) -> str:
    """0.8 s, 12 s, 3 min 20 s, 1 h 5 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(iso: str) -> str:
    """``2025-10-01 10:15 UTC`` of an ISO 8601 time; what is none stays as it is."""
    try:
        return datetime.fromisoformat(iso).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return iso


def plural(number: int, one: str, many: str | None = None) -> str:
    """``1 lookup``, ``12 lookups``."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def _significant(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, places)
    places = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    if abs(rounded) >= 1 and digits == 2:
        places = 2
    return f"{value:,.{places}f}"
