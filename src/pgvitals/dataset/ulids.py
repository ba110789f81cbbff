"""ULIDs that depend on a name alone: 48 bits of milliseconds, 40 bits that count, 40 bits that look random.

Their text (26 characters of Crockford's base32) sorts by time, and within one table of one tenant by index
where the milliseconds are equal, as if one monotonic generator had made them (github.com/ulid/spec).
"""

from __future__ import annotations

import numpy as np

from pgvitals.dataset.streams import I64, U64, Text, words
from pgvitals.errors import DatasetError

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = np.array([(a + b).encode() for a in ALPHABET for b in ALPHABET], dtype="S2").view(np.uint16)
_COUNTER_BITS = 40
_MOST_MS = 2**48 - 1

Moments = np.ndarray[tuple[int], np.dtype[np.datetime64]]


def ulids(key: tuple[int, int], index: I64, moment: Moments) -> Text:
    """One ULID for each index, as ``S26``; ``moment`` (n,) in UTC is cut to milliseconds.

    Raises:
        DatasetError: a moment lies before 1970 or after the year 10889, an index is negative or above 2**39.
    """
    ms = moment.astype("datetime64[ms]").astype(np.int64)
    if ms.shape != index.shape:
        raise DatasetError(f"a ULID needs one moment for each row: there are {ms.shape} for {index.shape}")
    if len(ms) and not 0 <= ms.min() <= ms.max() <= _MOST_MS:
        raise DatasetError("a ULID holds moments from 1970 to 10889; one of the recipe's is not")
    half = 2 ** (_COUNTER_BITS - 1)
    if len(index) and not 0 <= index.min() <= index.max() < half:
        raise DatasetError(f"a ULID's index goes from 0 to {half - 1}, got {index.min()} to {index.max()}")
    counter = index.astype(np.uint64) + np.uint64(key[0] % half)
    looks_random = words(key, index, 1)[:, 0] >> np.uint64(24)
    return _base32(ms.astype(np.uint64), counter, looks_random)


def _base32(ms: U64, counter: U64, looks_random: U64) -> Text:
    """Two characters, ten bits, at a time."""
    out = np.empty((len(ms), 13), dtype=np.uint16)
    at = 0
    for word, bits in ((ms, 50), (counter, 40), (looks_random, 40)):
        for shift in range(bits - 10, -1, -10):
            out[:, at] = _PAIRS[(word >> np.uint64(shift)) & np.uint64(1023)]
            at += 1
    return out.view("S26").ravel()
