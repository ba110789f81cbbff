"""Find a sealed value without opening any: a keyed hash of the text (HMAC-SHA256, RFC 2104)."""

from __future__ import annotations

import hmac
import unicodedata

from pgvitals.encryption.cipher import KEY_BYTES
from pgvitals.errors import NotSealableError


def normalised(text: str) -> str:
    """The form in which two spellings of one address are the same: NFKC, case folded, no space around it."""
    if text.isascii():
        return text.lower().strip()
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded).strip()


def blind_index(key: bytes, text: str) -> bytes:
    """32 bytes that are equal for equal normalised texts of one key, and say nothing without the key.

    One key belongs to one tenant, so the same address in two tenants has two indexes. Whoever reads the column sees
    which rows of a tenant share an address, and no more.

    Raises:
        NotSealableError: the key is not 32 bytes, or the text cannot be encoded.
    """
    if len(key) != KEY_BYTES:
        raise NotSealableError(f"an index key is {KEY_BYTES} bytes, got {len(key)}")
    try:
        return hmac.digest(key, normalised(text).encode(), "sha256")
    except UnicodeEncodeError:
        raise NotSealableError("the text to index holds a lone surrogate; store valid Unicode") from None
