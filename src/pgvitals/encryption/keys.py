"""Who wraps the data keys: the interface of a key management service, and a local stand-in for one.

A data key never leaves the process in the clear. It is stored wrapped by a key-encryption key (KEK), with its place as
context, so that one workspace's wrapped key does not unwrap as another's.

What a key management service would map to:

============  ==============================================  ====================================================
here          AWS KMS                                         HashiCorp Vault, transit engine
============  ==============================================  ====================================================
``kek_id``    the key's ARN                                   ``transit/<key name>``
``wrap``      ``Encrypt(KeyId, Plaintext,                     ``POST transit/encrypt/<key name>`` with
              EncryptionContext)``                            ``plaintext`` and ``associated_data``
``unwrap``    ``Decrypt(CiphertextBlob, EncryptionContext)``  ``POST transit/decrypt/<key name>`` with
                                                              ``ciphertext`` and ``associated_data``
new KEK       `rewrap`, or ``ReEncrypt`` with the context     `rewrap`; a new version of the same key needs none
              as source and destination                       until ``min_decryption_version`` is raised
============  ==============================================  ====================================================

The context becomes KMS's ``EncryptionContext`` as four entries (tenant, table, column, row) and Vault's
``associated_data`` as base64 of `Context.encoded`. Both services draw their own nonce, so a provider over them refuses
to be given one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag

from pgvitals.encryption.cipher import KEY_BYTES, NONCE_BYTES, TAG_BYTES, DataKey
from pgvitals.encryption.context import Context
from pgvitals.errors import KeyProviderError

KEK_VARIABLE = "PGVITALS_KEK"
KEK_FILE_VARIABLE = "PGVITALS_KEK_FILE"
LAB_KEK_ID = "lab"
LAB_KEK = hashlib.sha256(b"pgvitals lab key: published, for generated data only").digest()
"""Anybody can compute it: it protects generated rows, and nothing else."""
WRAP_FORMAT = 1
_HOW = "make one with: openssl rand -base64 32"
HOW_TO_SET = f"set {KEK_VARIABLE} (base64), or {KEK_FILE_VARIABLE} (a file that only its owner reads); {_HOW}"


class KeyProvider(Protocol):
    """Wraps and unwraps data keys."""

    @property
    def kek_id(self) -> str:
        """Which key-encryption key wraps from now on; stored beside what it wrapped, at most 255 characters."""
        ...

    def wrap(self, data_key: bytes, context: Context, nonce: bytes | None = None) -> bytes:
        """``data_key`` wrapped for ``context``; only the dataset gives a ``nonce``."""
        ...

    def unwrap(self, wrapped: bytes, context: Context) -> bytes:
        """The data key.

        Raises:
            KeyProviderError: wrapped by another key-encryption key, altered, or of another context.
        """
        ...


def key_context(tenant: str, purpose: str, version: int) -> Context:
    """Where a wrapped key belongs; ``purpose`` is data or index."""
    return Context(tenant, "workspace_keys", purpose, str(version))


def fingerprint(kek: bytes) -> str:
    """A name for a local key-encryption key that tells nothing about it: ``local:`` and 16 hexadecimal digits."""
    return f"local:{hashlib.blake2b(kek, digest_size=8, person=b'pgvitals kek').hexdigest()}"


class LocalKeys:
    """Key-encryption keys in this process's memory: the first one wraps, all of them unwrap.

    A wrapped key is a format byte, the length of the KEK's name, the name, a nonce and AES-256-GCM of the data key; all
    that stands before the ciphertext is authenticated with the context. So a wrapped key says which KEK it needs.
    """

    def __init__(self, keks: Mapping[str, bytes]) -> None:
        """``keks``: name to 32 bytes, the one that wraps first.

        Raises:
            KeyProviderError: no key, a name that does not fit, or not 32 bytes.
        """
        if not keks:
            raise KeyProviderError(f"no key-encryption key given; {_HOW}")
        for name, kek in keks.items():
            if not 1 <= len(name.encode()) <= 255:
                raise KeyProviderError(f"the name of a key-encryption key is 1 to 255 bytes, got {len(name.encode())}")
            if len(kek) != KEY_BYTES:
                raise KeyProviderError(f"key-encryption key {name!r} is {len(kek)} bytes, not {KEY_BYTES}; {_HOW}")
        self._keks = {name: DataKey(kek) for name, kek in keks.items()}

    @classmethod
    def from_base64(cls, keys: Sequence[str], source: str) -> LocalKeys:
        """Keys from their base64 texts, named by `fingerprint`; ``source`` is named in errors.

        Raises:
            KeyProviderError: a text is not base64 of 32 bytes.
        """
        keks = {}
        for number, text in enumerate(keys, start=1):
            which = source if len(keys) == 1 else f"{source}, key {number}"
            try:
                kek = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                raise KeyProviderError(f"{which}: not base64; {_HOW}") from None
            if len(kek) != KEY_BYTES:
                raise KeyProviderError(f"{which}: {len(kek)} bytes, a key has {KEY_BYTES}; {_HOW}")
            keks[fingerprint(kek)] = kek
        if not keks:
            raise KeyProviderError(f"{source}: holds no key; {_HOW}")
        return cls(keks)

    @classmethod
    def from_environment(cls, variable: str = KEK_VARIABLE) -> LocalKeys:
        """Keys from an environment variable: base64, several with spaces or commas between, the newest first.

        Raises:
            KeyProviderError: unset, empty or malformed.
        """
        text = os.environ.get(variable)
        if text is None:
            raise KeyProviderError(f"{variable} is not set; {_HOW}")
        return cls.from_base64(text.replace(",", " ").split(), variable)

    @classmethod
    def from_file(cls, path: Path) -> LocalKeys:
        """Keys from a file that only its owner reads: one base64 key a line, the newest first; ``#`` comments.

        Raises:
            KeyProviderError: missing, unreadable, readable by others, owned by somebody else, or malformed.
        """
        try:
            with path.open(encoding="ascii") as file:
                status = os.fstat(file.fileno())  # of what was opened, whatever the path leads to by now
                if not stat.S_ISREG(status.st_mode):
                    raise KeyProviderError(f"{path}: not a regular file")
                if status.st_mode & 0o077:
                    mode = stat.S_IMODE(status.st_mode)
                    raise KeyProviderError(f"{path}: mode {mode:04o} lets others at the key; chmod 600 {path}")
                if status.st_uid not in (os.geteuid(), 0):
                    raise KeyProviderError(f"{path}: belongs to user {status.st_uid}; chown it to who runs this")
                lines = [line.partition("#")[0].strip() for line in file]
        except OSError as error:
            raise KeyProviderError(f"{path}: {error.strerror}; {_HOW} > {path}, then chmod 600 {path}") from None
        except UnicodeDecodeError:
            raise KeyProviderError(f"{path}: not base64; {_HOW}") from None
        return cls.from_base64([line for line in lines if line], str(path))

    @property
    def kek_id(self) -> str:
        """The name of the key that wraps."""
        return next(iter(self._keks))

    def __repr__(self) -> str:
        return f"LocalKeys({', '.join(self._keks)})"

    def wrap(self, data_key: bytes, context: Context, nonce: bytes | None = None) -> bytes:
        """``data_key`` (32 bytes) under the first key, for ``context``; only the dataset gives a ``nonce``.

        Raises:
            KeyProviderError: the data key or the nonce has another length.
        """
        nonce = os.urandom(NONCE_BYTES) if nonce is None else nonce
        if len(data_key) != KEY_BYTES or len(nonce) != NONCE_BYTES:
            raise KeyProviderError(
                f"a data key is {KEY_BYTES} bytes and a nonce {NONCE_BYTES}, got {len(data_key)} and {len(nonce)}"
            )
        name = self.kek_id.encode()
        header = bytes((WRAP_FORMAT, len(name))) + name + nonce
        return header + self._keks[self.kek_id].cipher.encrypt(nonce, data_key, header + context.encoded())

    def unwrap(self, wrapped: bytes, context: Context) -> bytes:
        """The data key that ``wrap`` was given, under whichever of the keys it was.

        Raises:
            KeyProviderError: of no known key or format, altered, or of another context.
        """
        what = f"the wrapped {context.column} key, version {context.row},"
        if len(wrapped) < 2 or wrapped[0] != WRAP_FORMAT:
            raise KeyProviderError(f"{what} is of a format that local keys do not know; restore it from a backup")
        end = 2 + wrapped[1]
        name = wrapped[2:end].decode(errors="replace")
        kek = self._keks.get(name)
        if kek is None:
            raise KeyProviderError(
                f"{what} needs key-encryption key {name!r}; there is: {', '.join(self._keks)}. "
                f"Add it to {KEK_VARIABLE} or the file that {KEK_FILE_VARIABLE} names"
            )
        header, body = wrapped[: end + NONCE_BYTES], wrapped[end + NONCE_BYTES :]
        if len(body) != KEY_BYTES + TAG_BYTES:
            raise KeyProviderError(f"{what} was cut or extended; restore it from a backup")
        try:
            return kek.cipher.decrypt(header[end:], body, header + context.encoded())
        except InvalidTag:
            raise KeyProviderError(
                f"{what} does not unwrap: it was altered, or belongs to another workspace, purpose or version; "
                "restore it from a backup"
            ) from None


def default_provider() -> KeyProvider:
    """Local keys from ``PGVITALS_KEK`` or the file that ``PGVITALS_KEK_FILE`` names: what an application uses.

    Raises:
        KeyProviderError: neither is set, both are, or the one that is set cannot be used.
    """
    provider = from_settings()
    if provider is None:
        raise KeyProviderError(f"there is no key-encryption key: {HOW_TO_SET}")
    return provider


def lab_provider() -> KeyProvider:
    """The same, but the published lab key if neither is set: for generated rows in a database that pgvitals made.

    Raises:
        KeyProviderError: both are set, or the one that is set cannot be used.
    """
    return from_settings() or LocalKeys({LAB_KEK_ID: LAB_KEK})


def from_settings() -> KeyProvider | None:
    """The same; None if neither is set.

    Raises:
        KeyProviderError: both are set, or the one that is set cannot be used.
    """
    text, path = os.environ.get(KEK_VARIABLE), os.environ.get(KEK_FILE_VARIABLE)
    if text is not None and path is not None:
        raise KeyProviderError(f"{KEK_VARIABLE} and {KEK_FILE_VARIABLE} are both set; unset one of them")
    if text is not None:
        return LocalKeys.from_environment()
    return None if path is None else LocalKeys.from_file(Path(path))
