"""Random streams and identities that depend on a name alone: the same rows in any order, on any worker.

A stream is keyed by a hash of (seed, system, table, tenant, chunk, purpose), so a unit of rows can be
made without its neighbours, and a column that is added leaves the others as they were. Only the raw
output of Philox is used: NumPy keeps that stable between versions, and its distributions not (NEP 19).

Sources: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011) for Philox; Steele, Lea
and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014) for the 64-bit mixer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Bytes2D = npt.NDArray[np.uint8]
Text = npt.NDArray[np.bytes_]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_HEX = np.array([f"{byte:02x}".encode() for byte in range(256)], dtype="S2").view(np.uint16)


def key_of(*parts: object) -> tuple[int, int]:
    """Two 64-bit words from a sequence of names and numbers (BLAKE2b; never Python's own ``hash``)."""
    digest = _digest(parts, 16)
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")


def secret_of(*parts: object) -> bytes:
    """32 bytes from a sequence of names and numbers: a key that protects generated data only."""
    return _digest(("secret", *parts), 32)


def _digest(parts: Sequence[object], size: int) -> bytes:
    text = "".join(f"{len(str(part))}:{part};" for part in parts)
    return hashlib.blake2b(text.encode(), digest_size=size).digest()


def mix64(values: U64) -> U64:
    """A bijection of 64-bit words whose output looks random (the finaliser of SplitMix64)."""
    mixed = values.astype(np.uint64, copy=True)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def words(key: tuple[int, int], index: I64, count: int) -> U64:
    """``count`` 64-bit words for each index, as an array of shape (n, count); rows never repeat.

    The first word is a bijection of the index, hence distinct; the others are mixed from it.
    """
    columns = [mix64(index.astype(np.uint64) * _GOLDEN + np.uint64(key[0]))]
    for column in range(1, count):
        columns.append(mix64(columns[-1] + np.uint64((key[1] + column * int(_GOLDEN)) % 2**64)))
    return np.array(columns).T  # each column lies by itself, where it was made


def big_endian(values: U64) -> Bytes2D:
    """Words of shape (n, k) as bytes of shape (n, 8 k)."""
    out = np.empty(values.shape, dtype=">u8")
    for column in range(values.shape[1]):  # which is twice as fast as all at once
        out[:, column] = values[:, column]
    return out.view(np.uint8)


def _unit_interval(raw: U64) -> F64:
    return np.asarray((raw >> np.uint64(11)) * np.float64(2.0**-53), dtype=np.float64)


def uniform_at(key: tuple[int, int], index: I64) -> F64:
    """A number in [0, 1) for each index, the same wherever it is asked for."""
    return _unit_interval(words(key, index, 1)[:, 0])


def uniforms_at(key: tuple[int, int], index: I64, count: int) -> list[F64]:
    """``count`` numbers in [0, 1) for each index, as as many arrays."""
    return [_unit_interval(column) for column in words(key, index, count).T]


def uuids(key: tuple[int, int], index: I64) -> Bytes2D:
    """One UUID for each index, as bytes of shape (n, 16): version 8 (RFC 9562, made by hash), variant 10."""
    pair = words(key, index, 2)
    pair[:, 0] &= np.uint64(0xFFFFFFFFFFFF0FFF)
    pair[:, 0] |= np.uint64(0x8000)
    pair[:, 1] &= np.uint64(0x3FFFFFFFFFFFFFFF)
    pair[:, 1] |= np.uint64(0x8000000000000000)
    return big_endian(pair)


def uuid_texts(ids: Bytes2D) -> Text:
    """UUIDs (n, 16) as PostgreSQL prints them: ``S36``."""
    digits = _HEX[ids].view(np.uint8).reshape(len(ids), 32)
    out = np.full((len(ids), 36), ord("-"), dtype=np.uint8)
    for at, start, stop in ((0, 0, 8), (9, 8, 12), (14, 12, 16), (19, 16, 20), (24, 20, 32)):
        out[:, at : at + stop - start] = digits[:, start:stop]
    return out.view("S36").ravel()


def hex_digests(key: tuple[int, int], index: I64, digits: int) -> Text:
    """A hexadecimal string for each index, distinct and ``digits`` long (a multiple of 16)."""
    if digits % 16:
        raise ValueError(f"digits must be a multiple of 16, got {digits}")
    return _HEX[big_endian(words(key, index, digits // 16))].view(f"S{digits}").ravel()


def position_at(share: F64, cumulative: F64) -> I64:
    """Where shares (0 to 1) of a total fall among weights whose running sum is ``cumulative``."""
    found = np.searchsorted(cumulative, share * cumulative[-1], side="right")
    return np.asarray(np.minimum(found, len(cumulative) - 1), dtype=np.int64)


class Stream:
    """Random numbers for one purpose in one unit."""

    def __init__(self, *name: object) -> None:
        self._philox = np.random.Philox(key=np.array(key_of(*name), dtype=np.uint64))

    def raw(self, n: int) -> U64:
        """``n`` 64-bit words."""
        return self._philox.random_raw(n).astype(np.uint64, copy=False)

    def uniform(self, n: int) -> F64:
        """``n`` numbers in [0, 1), each a multiple of 2**-53."""
        return _unit_interval(self.raw(n))

    def integers(self, n: int, low: int | I64, high: int | I64) -> I64:
        """``n`` integers from ``low`` up to, not including, ``high`` (either may be an array)."""
        span = np.asarray(high, dtype=np.int64) - np.asarray(low, dtype=np.int64)
        return low + (self.uniform(n) * span).astype(np.int64)

    def chance(self, n: int, probability: float | F64) -> Bool:
        """``n`` booleans, true with this probability."""
        return np.asarray(self.uniform(n) < probability)

    def choice(self, n: int, weights: dict[str, float]) -> Text:
        """``n`` of the keys, each drawn in proportion to its weight."""
        values = np.array([key.encode() for key in weights])
        return np.asarray(values[self.pick(n, list(weights.values()))])

    def pick(self, n: int, weights: Sequence[float] | F64) -> I64:
        """``n`` positions in ``weights``, each drawn in proportion to its weight."""
        return position_at(self.uniform(n), np.cumsum(weights))

    def geometric(self, n: int, probability: float, most: int) -> I64:
        """How often in a row a coin with this probability of heads shows heads, at most ``most`` times."""
        run = np.zeros(n, dtype=np.int64)
        u = self.uniform(n)
        limit = 1.0
        for _ in range(most):
            limit *= probability
            run += u < limit
        return run
