"""Field encryption: a text sealed for one place in the database, under its tenant's own key.

See docs/decisions/0005-field-encryption.md.
"""

from pgvitals.encryption.blind import blind_index, normalised
from pgvitals.encryption.cipher import random_key, seal, unseal
from pgvitals.encryption.context import Context
from pgvitals.encryption.fence import hold, sealing_key
from pgvitals.encryption.keys import KeyProvider, LocalKeys, default_provider, key_context
from pgvitals.encryption.orm import Encrypted, encrypted_date, encrypted_text
from pgvitals.encryption.ring import Fetch, KeyRing, StoredKey
from pgvitals.encryption.sealed import Sealed, SealedText
from pgvitals.encryption.stored import StoredKeys, fetch_from

__all__ = [
    "Context",
    "Encrypted",
    "Fetch",
    "KeyProvider",
    "KeyRing",
    "LocalKeys",
    "Sealed",
    "SealedText",
    "StoredKey",
    "StoredKeys",
    "blind_index",
    "default_provider",
    "encrypted_date",
    "encrypted_text",
    "fetch_from",
    "hold",
    "key_context",
    "normalised",
    "random_key",
    "seal",
    "sealing_key",
    "unseal",
]
