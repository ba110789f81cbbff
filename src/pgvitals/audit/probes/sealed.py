"""Sampled bytes of columns that should hold ciphertext: whether they look like it. No byte leaves this module."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import psycopg

from pgvitals.audit.probes.attempt import statement
from pgvitals.audit.probes.tables import catalog
from pgvitals.encryption.cipher import FORMAT, HEADER_BYTES, PREFIX_BYTES
from pgvitals.system import System

SAMPLED_MOST = 500
"""Values of a column that are looked at."""
LEAST_BYTES = 512
"""Below that, the bytes of all values together say nothing about chance."""
RUN = 12
"""So many letters, digits and blanks in a row are a text: by chance it happens once in ten million bytes."""

_COLUMNS = """
select c.table_oid::bigint as table_oid, c.table_qualified, c.quoted, c.qualified, c.base_type = 'bytea' as is_bytes
from sealed_columns as c
order by c.qualified
"""
_TEXT_RUN = re.compile(rb"[A-Za-z0-9 .,@:/_-]{%d,}" % RUN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column that should hold ciphertext; names are quoted."""

    table_oid: int
    table: str
    quoted: str
    qualified: str
    is_bytes: bool


def sealed_columns(conn: psycopg.Connection[Any], system: System) -> list[Column]:
    """The columns that the policy or their names say hold ciphertext."""
    return [
        Column(
            table_oid=row["table_oid"],
            table=row["table_qualified"],
            quoted=row["quoted"],
            qualified=row["qualified"],
            is_bytes=row["is_bytes"],
        )
        for row in catalog(conn, system, _COLUMNS)
    ]


def sample(conn: psycopg.Connection[Any], column: Column) -> list[bytes]:
    """Some values of a column, as bytes."""
    value = f"t.{column.quoted}" if column.is_bytes else f"convert_to(t.{column.quoted}::text, 'UTF8')"
    query = "select {value} from {table} as t where t.{name} is not null limit %s"
    rows = conn.execute(
        statement(query, value=value, table=column.table, name=column.quoted), (SAMPLED_MOST,), binary=True
    ).fetchall()
    return [bytes(row[0]) for row in rows]


def readable(values: Sequence[bytes]) -> int:
    """How many values are text, or hold some: as they are, or in base64 or hexadecimal."""
    return sum(_is_readable(value) for value in values)


def _is_readable(value: bytes) -> bool:
    decoded = _decoded(value)
    if decoded is not None:
        return _is_text(decoded)
    return _is_text(value)


def _is_text(value: bytes) -> bool:
    if _TEXT_RUN.search(value):
        return True
    try:
        return bool(value) and value.decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False


def _decoded(value: bytes) -> bytes | None:
    """What stands in base64 or hexadecimal; None if it does not look like either."""
    if re.fullmatch(rb"(?:[0-9A-Fa-f]{2}){8,}", value):
        return binascii.unhexlify(value)
    if len(value) >= 24 and re.fullmatch(rb"[A-Za-z0-9+/_-]+={0,2}", value):
        standard = value.replace(b"-", b"+").replace(b"_", b"/")
        try:
            return base64.b64decode(standard + b"=" * (-len(standard) % 4))
        except (binascii.Error, ValueError):
            return None
    return None


def entropy(values: Sequence[bytes]) -> tuple[float, float] | None:
    """Bits of entropy a byte of all values together, without what they all begin with, and the least of chance.

    Chance has 8 bits, of which a sample of n bytes shows (256 - 1) / (2 n ln 2) less (the bias that Miller and Madow
    found); half a bit below that is no chance. None if there are too few bytes to tell.
    """
    values = [decoded if (decoded := _decoded(value)) is not None else value for value in values]
    shared = _shared(values)
    pooled = Counter(b"".join(value[shared:] for value in values))
    total = sum(pooled.values())
    if total < LEAST_BYTES:
        return None
    found = -sum(count / total * math.log2(count / total) for count in pooled.values())
    return found, 8 - 255 / (2 * total * math.log(2)) - 0.5


def _shared(values: Sequence[bytes]) -> int:
    """How many bytes all values begin with, up to the length of a header: a format or a version is no ciphertext."""
    columns = zip(*(value[:HEADER_BYTES] for value in values), strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns)) if len(values) > 1 else 0


def says_its_key(values: Sequence[bytes]) -> bool:
    """Whether all of them have the header that ``pgvitals.encryption`` writes: format, version of the key, nonce."""
    return bool(values) and all(
        len(value) > HEADER_BYTES and value[0] == FORMAT and 0 < int.from_bytes(value[1:PREFIX_BYTES], "big") < 2**20
        for value in values
    )


def nonce_bytes(values: Sequence[bytes]) -> int:
    """How many bytes a value begins with that must never be the same twice: header and nonce, or else a nonce of 12."""
    return HEADER_BYTES if says_its_key(values) else 12
