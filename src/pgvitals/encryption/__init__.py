"""Field encryption: a text sealed for one place in the database, under its tenant's own key.

See docs/decisions/0005-field-encryption.md. What works on SQLAlchemy is imported when it is first asked for: a process
that only fills a database would otherwise spend more time on importing SQLAlchemy than on everything else.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pgvitals.encryption.blind import blind_index, normalised
from pgvitals.encryption.cipher import DataKey, random_key, seal, unseal
from pgvitals.encryption.context import Context
from pgvitals.encryption.keys import KeyProvider, LocalKeys, default_provider, key_context, lab_provider
from pgvitals.encryption.ring import Fetch, KeyRing, StoredKey

if TYPE_CHECKING:
    from pgvitals.encryption.fence import hold, sealing_key
    from pgvitals.encryption.orm import Encrypted, encrypted_date, encrypted_text, sealed_table, sealed_tables
    from pgvitals.encryption.reseal import Batch, SealedTable
    from pgvitals.encryption.rotation import Rotation, rewrap, rotate
    from pgvitals.encryption.sealed import Sealed, SealedText
    from pgvitals.encryption.stored import StoredKeys, fetch_from

_ON_SQLALCHEMY = {
    "fence": ("hold", "sealing_key"),
    "orm": ("Encrypted", "encrypted_date", "encrypted_text", "sealed_table", "sealed_tables"),
    "reseal": ("Batch", "SealedTable"),
    "rotation": ("Rotation", "rewrap", "rotate"),
    "sealed": ("Sealed", "SealedText"),
    "stored": ("StoredKeys", "fetch_from"),
}
_MODULE_OF = {name: module for module, names in _ON_SQLALCHEMY.items() for name in names}

__all__ = [
    "Batch",
    "Context",
    "DataKey",
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
    "lab_provider",
    "normalised",
    "random_key",
    "rewrap",
    "rotate",
    "seal",
    "sealed_table",
    "sealed_tables",
    "sealing_key",
    "unseal",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
