"""Sealing a column of a dataset: the same bytes on every machine, and never two values under one key and nonce.

An application draws its nonces at random. Here a nonce follows from seed, table, column, tenant and the
row's index: a bijection of the index makes its first 64 bits, so within a column no nonce comes twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from pgvitals.dataset.streams import I64, Bytes2D, uuid_texts, words
from pgvitals.encryption import Context, seal

_NONCE_BYTES = 12


@dataclass(frozen=True, kw_only=True)
class Seal:
    """A tenant's key, and the place of each value of one column: ``rows`` (n, 16) uuids, ``nonces`` (n, 12)."""

    key: bytes = field(repr=False)
    version: int
    tenant: str
    table: str
    column: str
    rows: Bytes2D
    nonces: Bytes2D

    def take(self, positions: I64) -> Seal:
        """The places at these positions."""
        return replace(self, rows=self.rows[positions], nonces=self.nonces[positions])

    def texts(self, values: Iterable[str | None]) -> Iterator[bytes]:
        """Each value sealed in its place, nothing where it is None.

        Raises:
            NotSealableError: the key is not 32 bytes.
        """
        nonces = self.nonces.tobytes()
        rows = uuid_texts(self.rows).tolist()
        for k, (text, row) in enumerate(zip(values, rows, strict=True)):
            if text is None:
                yield b""
                continue
            context = Context(self.tenant, self.table, self.column, row.decode())
            yield seal(self.key, self.version, text, context, nonces[k * _NONCE_BYTES : (k + 1) * _NONCE_BYTES])


def nonces(key: tuple[int, int], index: I64) -> Bytes2D:
    """A nonce for each index, as bytes of shape (n, 12); distinct for distinct indexes."""
    raw = words(key, index, 2).astype(">u8").view(np.uint8).reshape(len(index), 16)
    return np.ascontiguousarray(raw[:, :_NONCE_BYTES])
