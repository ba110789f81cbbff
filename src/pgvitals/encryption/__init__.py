"""Field encryption: a text sealed for one place in the database, under its tenant's own key.

See docs/decisions/0005-field-encryption.md.
"""

from pgvitals.encryption.blind import blind_index, normalised
from pgvitals.encryption.cipher import random_key, seal, unseal
from pgvitals.encryption.context import Context
from pgvitals.encryption.fence import hold, sealing_key
from pgvitals.encryption.keys import KeyProvider, LocalKeys, default_provider, key_context
from pgvitals.encryption.orm import Encrypted, encrypted_date, encrypted_text, sealed_table
from pgvitals.encryption.reseal import Batch, SealedTable
from pgvitals.encryption.ring import Fetch, KeyRing, StoredKey
from pgvitals.encryption.rotation import Rotation, rewrap, rotate
from pgvitals.encryption.sealed import Sealed, SealedText
from pgvitals.encryption.stored import StoredKeys, fetch_from

__all__ = [
    "Batch",
    "Context",
    "Encrypted",
    "Fetch",
    "KeyProvider",
    "KeyRing",
    "LocalKeys",
    "Rotation",
    "Sealed",
    "SealedTable",
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
    "rewrap",
    "rotate",
    "seal",
    "sealed_table",
    "sealing_key",
    "unseal",
]
