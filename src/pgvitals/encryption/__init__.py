"""Field encryption: a text sealed for one place in the database, under its tenant's own key.

See docs/decisions/0005-field-encryption.md.
"""

from pgvitals.encryption.blind import blind_index, normalised
from pgvitals.encryption.cipher import random_key, seal, unseal
from pgvitals.encryption.context import Context
from pgvitals.encryption.keys import KeyProvider, LocalKeys, default_provider, key_context
from pgvitals.encryption.ring import Fetch, KeyRing, StoredKey
from pgvitals.encryption.stored import StoredKeys, fetch_from

__all__ = [
    "Context",
    "Fetch",
    "KeyProvider",
    "KeyRing",
    "LocalKeys",
    "StoredKey",
    "StoredKeys",
    "blind_index",
    "default_provider",
    "fetch_from",
    "key_context",
    "normalised",
    "random_key",
    "seal",
    "unseal",
]
