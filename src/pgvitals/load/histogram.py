"""Microsecond HdrHistograms (Tene): 1 µs to 1 h, three significant digits, merged without loss.

Locust's own table buckets response times coarsely, so percentiles come from here. A duration is
rounded to the nearest microsecond: truncating would make every figure half a microsecond too fast.
A percentile is the smallest value that at least so many per cent of the requests do not exceed, told
as the upper end of its bucket: at most 0.1 % too slow, never too fast.
"""

from __future__ import annotations

import binascii
import math
import zlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote

import numpy as np
from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader, HistogramLogWriter
from numpy.typing import ArrayLike, NDArray

from pgvitals.errors import ResultsError

LOWEST_US = 1
HIGHEST_US = 3_600_000_000  # one hour
SIGNIFICANT_DIGITS = 3

_DAMAGED = (HdrCookieException, HdrHistogramSettingsException, HdrLengthException)


class Histogram:
    """Counts of durations. Values go in as nanoseconds and come out as milliseconds."""

    def __init__(self, hdr: HdrHistogram | None = None) -> None:
        self._hdr = hdr or HdrHistogram(LOWEST_US, HIGHEST_US, SIGNIFICANT_DIGITS)

    def record(self, duration_ns: ArrayLike) -> None:
        """Count one duration or an array of them; what is over an hour counts as an hour.

        Raises:
            ValueError: a duration is negative.
        """
        ns = np.atleast_1d(np.asarray(duration_ns, dtype=np.int64))
        if ns.size and ns.min() < 0:
            raise ValueError(f"a duration cannot be negative, got {ns.min()} ns")
        values, counts = np.unique(np.minimum((ns + 500) // 1000, HIGHEST_US), return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            self._hdr.record_value(value, count)

    def merge(self, other: Self) -> None:
        """Add the counts of ``other``: the same as if its values had been recorded here."""
        if other.count:  # an empty histogram says that its minimum is 0, which add() would believe
            self._hdr.add(other._hdr)

    @property
    def count(self) -> int:
        """How many durations were recorded."""
        return int(self._hdr.get_total_count())

    @property
    def counts(self) -> NDArray[np.uint64]:
        """The counts a bucket; two histograms with equal counts tell the same."""
        return np.array(self._hdr.counts, dtype=np.uint64)

    @property
    def max_ms(self) -> float:
        """The longest duration in milliseconds (upper end of its bucket)."""
        return self.percentile_ms(100)

    def percentile_ms(self, percent: float) -> float:
        """The nearest-rank percentile, in milliseconds.

        Raises:
            ValueError: the histogram is empty, or ``percent`` is not in (0, 100].
        """
        if not self.count:
            raise ValueError("an empty histogram has no percentile")
        if not 0 < percent <= 100:
            raise ValueError(f"a percentile is over 0 and at most 100, got {percent!r}")
        # hdrh rounds the rank to the nearest integer, which understates a tail of few samples.
        rank = math.ceil(percent * self.count / 100)
        index = int(np.searchsorted(np.cumsum(self.counts), rank))
        value = self._hdr.get_highest_equivalent_value(self._hdr.get_value_from_index(index))
        return float(value) / 1000


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """One histogram of all the values."""
    total = Histogram()
    for histogram in histograms:
        total.merge(histogram)
    return total


def write_log(path: Path, histograms: Mapping[str, Histogram], *, started_s: float, seconds: float) -> None:
    """Write an HdrHistogram log (format 1.2, V2 compressed), one tagged line a histogram.

    ``started_s`` is in seconds since the epoch. Values and interval maxima are in microseconds.
    """
    started = datetime.fromtimestamp(started_s, UTC).isoformat(timespec="milliseconds")
    with path.open("w", encoding="utf-8") as file:
        writer = HistogramLogWriter(file)
        writer.output_comment("[pgvitals load test: durations in microseconds]")
        writer.output_log_format_version()
        writer.output_comment(f"[StartTime: {started_s:f} (seconds since epoch), {started}]")
        writer.output_legend()
        for tag, histogram in histograms.items():
            # The log knows tags, the library's writer does not; a comma would end the tag.
            file.write(f"Tag={quote(tag, safe='/:')},")
            writer.output_interval_histogram(histogram._hdr, started_s, started_s + seconds, 1.0)


def read_log(path: Path) -> dict[str, Histogram]:
    """The histograms of a log by their tags; lines with the same tag are merged.

    Raises:
        ResultsError: the file is missing or damaged.
    """
    histograms: dict[str, Histogram] = {}
    try:
        reader = HistogramLogReader(path, HdrHistogram(LOWEST_US, HIGHEST_US, SIGNIFICANT_DIGITS))
        try:
            while (hdr := reader.get_next_interval_histogram(float("-inf"))) is not None:
                tag = unquote(hdr.get_tag() or "")
                histograms.setdefault(tag, Histogram()).merge(Histogram(hdr))
        finally:
            reader.close()
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read ({error.strerror})") from None
    except (*_DAMAGED, zlib.error, binascii.Error, ValueError, IndexError) as error:
        raise ResultsError(f"{path}: not a whole HdrHistogram log ({type(error).__name__})") from None
    return histograms
