"""Seal a text for one place in the database, and open it there: AES-256-GCM (NIST SP 800-38D).

A sealed value, in bytes::

    0       format, always 1
    1-4     version of the data key, big-endian
    5-16    nonce
    17-     ciphertext, as long as the UTF-8 text, then a tag of 16 bytes

The first 17 bytes and the encoded `Context` are the associated data, so the tag covers the whole value and the place
where it stands.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable
from functools import cached_property

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pgvitals.encryption.context import Context
from pgvitals.errors import BrokenSealError, NotSealableError, RetiredKeyError, SealFormatError, UnknownKeyError

FORMAT = 1
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
_HEADER = struct.Struct(f">BI{NONCE_BYTES}s")
HEADER_BYTES = _HEADER.size
OVERHEAD_BYTES = HEADER_BYTES + TAG_BYTES
"""How much longer a sealed value is than its text in UTF-8."""
_BEFORE_NONCE = struct.Struct(">BI")
PREFIX_BYTES = _BEFORE_NONCE.size
"""Format and version: the part of a sealed value that says which key opens it."""
MAX_VERSION = 2**31 - 1
"""The largest integer of PostgreSQL, where versions are kept."""


class DataKey(bytes):
    """A key with its cipher, made at its first use: expanding a key costs more than sealing a name.

    The cipher goes with the key. A cache of its own would keep keys in memory that their owner has let go.
    """

    @cached_property
    def cipher(self) -> AESGCM:
        """AES-256-GCM under this key.

        Raises:
            NotSealableError: not 32 bytes.
        """
        if len(self) != KEY_BYTES:
            raise NotSealableError(f"a key is {KEY_BYTES} bytes, got {len(self)}")
        return AESGCM(bytes(self))  # a copy: the cipher keeps what it is given, and a circle would never be freed

    def __repr__(self) -> str:
        return f"DataKey({len(self)} bytes)"

    __str__ = __repr__

    def __getstate__(self) -> None:
        """A copy makes a cipher of its own."""


def aead(key: bytes) -> AESGCM:
    """The cipher of a key; that of a `DataKey` is made once.

    Raises:
        NotSealableError: not 32 bytes.
    """
    if not isinstance(key, bytes):
        raise NotSealableError(f"a key is {KEY_BYTES} bytes, got {type(key).__name__}")
    return (key if isinstance(key, DataKey) else DataKey(key)).cipher


def random_key() -> DataKey:
    """A new key of 32 bytes from the operating system's generator."""
    return DataKey(os.urandom(KEY_BYTES))


def prefix(version: int) -> bytes:
    """The first bytes of everything that is sealed with this version of a key.

    Raises:
        NotSealableError: not a version.
    """
    if not 1 <= version <= MAX_VERSION:
        raise NotSealableError(f"a key version is between 1 and {MAX_VERSION}, got {version}")
    return _BEFORE_NONCE.pack(FORMAT, version)


def seal(key: bytes, version: int, text: str, context: Context, nonce: bytes | None = None) -> bytes:
    """``text``, sealed under ``key`` so that it opens only in ``context``; for many texts give a `DataKey`.

    Leave ``nonce`` alone. It is 96 random bits unless one is given, and only the dataset gives one, drawn from its
    seed, so that the same seed makes the same rows. Two values under one key and one nonce give away both.

    Raises:
        NotSealableError: the text cannot be encoded, or key, version or nonce are not of the right kind.
    """
    if nonce is None:
        nonce = os.urandom(NONCE_BYTES)
    elif len(nonce) != NONCE_BYTES:
        raise NotSealableError(f"{context.place}: a nonce is {NONCE_BYTES} bytes, got {len(nonce)}")
    header = prefix(version) + nonce
    try:
        plain = text.encode()
    except UnicodeEncodeError:
        raise NotSealableError(f"{context.place}: the text holds a lone surrogate; store valid Unicode") from None
    except AttributeError:
        raise NotSealableError(f"{context.place}: only text is sealed, got {type(text).__name__}") from None
    return header + aead(key).encrypt(nonce, plain, header + context.encoded())


def seal_each(
    key: bytes, version: int, texts: Iterable[bytes], contexts: Iterable[bytes], nonces: Iterable[bytes]
) -> list[bytes]:
    """What :func:`seal` makes of each text (in UTF-8) with its encoded context and nonce, for the dataset alone.

    It takes a third of the time; the caller answers for texts and contexts that are what they should be.

    Raises:
        NotSealableError: key or version are not of the right kind.
        ValueError: there are not as many of one as of the others.
    """
    start, encrypt = prefix(version), aead(key).encrypt
    sealed = []
    for text, context, nonce in zip(texts, contexts, nonces, strict=True):
        header = start + nonce
        sealed.append(header + encrypt(nonce, text, header + context))
    return sealed


def unseal(keys: Callable[[int], bytes], sealed: bytes, context: Context) -> str:
    """The text of a sealed value; ``keys`` gives the data key of a version.

    Raises:
        SealFormatError: not a sealed value.
        UnknownKeyError, RetiredKeyError: its key does not exist, or opens nothing any more.
        BrokenSealError: altered, cut, or sealed for another place.
    """
    version = version_of(sealed, context)
    try:
        key = keys(version)
    except (UnknownKeyError, RetiredKeyError) as error:
        raise type(error)(f"{context.place}: {error}") from None
    except LookupError:
        raise UnknownKeyError(f"{context.place}: sealed with key version {version}, which does not exist") from None
    header = sealed[:HEADER_BYTES]
    try:
        plain = aead(key).decrypt(header[PREFIX_BYTES:], sealed[HEADER_BYTES:], header + context.encoded())
    except InvalidTag:
        raise BrokenSealError(
            f"{context.place}: a sealed value does not open: it was altered or cut, or copied from another row, "
            "column, table or tenant; restore it from a backup, and copy texts, never sealed bytes"
        ) from None
    return str(plain, "utf-8")


def version_of(sealed: bytes, context: Context) -> int:
    """Which version of the key a sealed value needs.

    Raises:
        SealFormatError: too short, of an unknown format, or no bytes at all.
    """
    if not isinstance(sealed, bytes):
        raise SealFormatError(f"{context.place}: a sealed value is bytes, got {type(sealed).__name__}")
    if len(sealed) < OVERHEAD_BYTES:
        raise SealFormatError(
            f"{context.place}: {len(sealed)} bytes are no sealed value, the shortest has {OVERHEAD_BYTES}: it was cut, "
            "or was never sealed; restore it from a backup"
        )
    if sealed[0] != FORMAT:
        raise SealFormatError(
            f"{context.place}: format {sealed[0]} is unknown, this release reads format {FORMAT}: the value was "
            "altered, was never sealed, or comes from a newer release"
        )
    return int.from_bytes(sealed[1:PREFIX_BYTES], "big")
