"""Sealing a column of a dataset: the same bytes on every machine, and never two values under one key and nonce.

An application draws its nonces at random. Here a nonce follows from seed, table, column, tenant and the
row's index: a bijection of the index makes its first 64 bits, so within a column no nonce comes twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from pgvitals.dataset.streams import I64, Bytes2D, Text, big_endian, uuid_texts, words
from pgvitals.encryption import Context
from pgvitals.encryption.cipher import NONCE_BYTES, seal_each
from pgvitals.errors import DatasetError

_ANY_ROW = "00000000-0000-0000-0000-000000000000"


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

    def values(self, texts: Text) -> list[bytes]:
        """Each text (n,) sealed in its place.

        Raises:
            DatasetError: a text is not UTF-8.
            NotSealableError: the key is not 32 bytes.
        """
        plain = texts.tolist()
        try:
            b"\0".join(plain).decode()
        except UnicodeDecodeError:
            raise DatasetError("a text to seal is not UTF-8") from None
        # A context ends with its row, as long in all of them.
        place = Context(self.tenant, self.table, self.column, _ANY_ROW).encoded()[: -len(_ANY_ROW)]
        contexts = [place + row for row in uuid_texts(self.rows).tolist()]
        nonces = self.nonces.view(f"V{NONCE_BYTES}")[:, 0].tolist()
        return seal_each(self.key, self.version, plain, contexts, nonces)


def nonces(key: tuple[int, int], index: I64) -> Bytes2D:
    """A nonce for each index, as bytes of shape (n, 12); distinct for distinct indexes."""
    return np.ascontiguousarray(big_endian(words(key, index, 2))[:, :NONCE_BYTES])
