"""Which indexes the measured workload used, and which it never touched.

An index that was never scanned is a candidate for a closer look, no more: the workload is not all the
traffic there is. Primary keys and unique indexes enforce something, so they are never candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

SHOWN_MOST = 20  # unused indexes that a report shows at once; the rest folds away


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexLine:
    """One index in a report."""

    system: str
    table: str
    index: str
    method: str
    scans: int
    size_bytes: int
    enforces: str  # "primary key", "uniqueness" or "" for an index that only makes reads faster

    @property
    def unused(self) -> bool:
        """Never scanned, and nothing but reads would miss it."""
        return self.scans == 0 and not self.enforces

    @property
    def note(self) -> str:
        """What the report says of it."""
        remarks = [
            "never scanned" if self.scans == 0 else "",
            f"enforces {'the ' if self.enforces == 'primary key' else ''}{self.enforces}" if self.enforces else "",
            self.method if self.method != "btree" else "",
        ]
        return "; ".join(remark for remark in remarks if remark)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexReview:
    """All indexes: the unused ones first (largest first), then the others by scans."""

    lines: tuple[IndexLine, ...]

    @property
    def unused(self) -> tuple[IndexLine, ...]:
        """Never scanned and enforcing nothing."""
        return tuple(line for line in self.lines if line.unused)

    @property
    def others(self) -> tuple[IndexLine, ...]:
        """Scanned, or enforcing something."""
        return tuple(line for line in self.lines if not line.unused)

    @property
    def unused_bytes(self) -> int:
        """What the unused ones take on disk."""
        return sum(line.size_bytes for line in self.unused)


def review_indexes(usage: pd.DataFrame) -> IndexReview:
    """Read ``run.index_usage`` (columns as in :class:`~pgvitals.results.records.IndexUse`)."""
    lines = [
        IndexLine(
            system=str(row["system"]),
            table=str(row["table"]),
            index=str(row["index"]),
            method=str(row["method"]),
            scans=int(row["scans"]),
            size_bytes=int(row["size_bytes"]),
            enforces="primary key" if row["is_primary"] else "uniqueness" if row["is_unique"] else "",
        )
        for row in usage.to_dict("records")
    ]
    lines.sort(key=lambda line: (not line.unused, -line.size_bytes if line.unused else -line.scans, line.index))
    return IndexReview(lines=tuple(lines))
