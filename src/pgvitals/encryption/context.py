"""Where a sealed value belongs, as bytes that go into its authentication."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from pgvitals.errors import NotSealableError


class Context(NamedTuple):
    """The one place where a sealed value opens: four names, none of them secret.

    ``row`` is the primary key as PostgreSQL prints it (a UUID in lower case with hyphens), ``tenant`` likewise;
    ``table`` goes without its schema.
    """

    tenant: str
    table: str
    column: str
    row: str

    @property
    def place(self) -> str:
        """Table and column: what a message may name."""
        return f"{self.table}.{self.column}"

    def encoded(self) -> bytes:
        """Each part behind its length (4 bytes, big-endian), so that no two contexts have the same bytes.

        Raises:
            NotSealableError: a part is not text, or not text that UTF-8 can hold.
        """
        tenant, table, column, row = self
        try:
            return _framed_place(tenant, table, column) + _framed(row)
        except (AttributeError, TypeError, UnicodeEncodeError):
            raise NotSealableError(
                f"the context of a value in {self.place} must be four strings, got "
                f"{', '.join(type(part).__name__ for part in self)}; pass str(id) for the tenant and the row"
            ) from None


def _framed(part: str) -> bytes:
    raw = part.encode()
    return len(raw).to_bytes(4, "big") + raw


@lru_cache(maxsize=4096)
def _framed_place(tenant: str, table: str, column: str) -> bytes:
    # A whole column of one tenant shares this part.
    return _framed(tenant) + _framed(table) + _framed(column)
