"""What requests through the ORM cost, as a table below pytest-benchmark's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd
import pytest

from pgvitals.measure.bench_plugin import BenchSession
from pgvitals.measure.burst import interval
from pgvitals.stats.percentile import summary

_NOT_COMPARED = "–"
_NOTES = """\
Rows and statements: least..most of a request. Counted is what the session sends after its tenant was set and before
the transaction ends. x driver: the request against its own statements through psycopg alone, in turns (median of the
ratios). What ends with * writes: rolled back, so without what a COMMIT costs. The interval is that of one burst."""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """What one request cost, one way of loading it."""

    request: str  # system/name
    loading: str
    writes: bool
    frame: pd.DataFrame  # as in samples.parquet
    statements: tuple[int, ...]  # one a round
    ratio: float | None  # of its time to that of its own statements through the driver: the median of all rounds

    def line(self) -> str:
        """Its line of the table."""
        stats, known = summary(self.frame["latency_ns"].to_numpy()), interval(self.frame)
        around = f"{known.low:.3f} – {known.high:.3f}" if known else "too few samples"
        ratio = _NOT_COMPARED if self.ratio is None else f"{self.ratio:.2f}"
        return (
            f"{self.request + ' *' * self.writes:<32} {self.loading:<20} {stats.n:>5} "
            f"{span(self.frame['rows'].tolist()):>8} {span(self.statements):>10} "
            f"{stats.p50_ms:>9.3f} {stats.p95_ms:>9.3f} {around:>22} {ratio:>8}"
        )


@dataclass
class Table:
    """A pytest plugin of its own, registered when the first request is timed."""

    session: BenchSession
    lines: list[Timed] = field(default_factory=list)

    @pytest.hookimpl(trylast=True)  # below pytest-benchmark's own table and that of the lookups
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Statements and percentiles of every request."""
        if not self.lines:
            return
        terminalreporter.section("statements and p95 of the requests through the ORM")
        terminalreporter.write_line(
            f"{'request':<32} {'loading':<20} {'n':>5} {'rows':>8} {'statements':>10} {'p50 ms':>9} {'p95 ms':>9} "
            f"{'99 % interval of p95':>22} {'x driver':>8}",
            bold=True,
        )
        for each in self.lines:
            terminalreporter.write_line(each.line())
        for line in _NOTES.splitlines():
            terminalreporter.write_line(line)
        if self.session.written is not None and not self.session.frames:  # else it stands below the lookups
            terminalreporter.write_line(f"every sample: {self.session.written}")


def span(counts: Sequence[int]) -> str:
    """``least..most``, or the one that all are."""
    least, most = min(counts), max(counts)
    return f"{least}" if least == most else f"{least}..{most}"
