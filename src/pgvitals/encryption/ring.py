"""The data keys of every tenant, unwrapped once and kept: newest seals, all that are not retired open."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn

from pgvitals.encryption.cipher import DataKey
from pgvitals.encryption.keys import KeyProvider, key_context
from pgvitals.errors import RetiredKeyError, UnknownKeyError

StoredKey = tuple[str, int, bytes, bool]
"""Purpose (data or index), version, wrapped key, retired."""
Fetch = Callable[[str], Iterable[StoredKey]]
"""A tenant's stored keys."""
DATA = "data"
INDEX = "index"
MAX_AGE_S = 300.0


@dataclass(slots=True)
class _Keys:
    """One tenant's unwrapped keys, by purpose and version, at one moment."""

    fetched: float
    live: dict[tuple[str, int], DataKey] = field(repr=False)
    retired: frozenset[tuple[str, int]]
    newest: dict[str, int]
    wrapped: dict[tuple[str, int], bytes] = field(repr=False)


class KeyRing:
    """Data keys by tenant and version; safe to share between threads.

    Keys are fetched when a tenant is first met, when a version is unknown (another process may have rotated), and when
    they are older than ``max_age_s``: so late does a retirement reach a process that only reads.
    """

    def __init__(self, provider: KeyProvider, fetch: Fetch, *, max_age_s: float = MAX_AGE_S) -> None:
        """``fetch`` reads a tenant's stored keys, in any order; see `fetch_from`."""
        self.provider = provider
        self.fetch = fetch
        self._max_age_s = max_age_s
        self._tenants: dict[str, _Keys] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"KeyRing({self.provider!r}, {len(self._tenants)} tenants)"

    def data_key(self, tenant: str) -> tuple[int, bytes]:
        """Version and key that seal from now on.

        Raises:
            UnknownKeyError: the tenant has none.
            KeyProviderError: it does not unwrap.
        """
        return self._newest(tenant, DATA)

    def data_key_of(self, tenant: str, version: int, fetch: Fetch | None = None) -> bytes:
        """The key that opens what was sealed with this version; another ``fetch`` serves if keys have to be fetched.

        Raises:
            UnknownKeyError: there is none of this version.
            RetiredKeyError: it was retired.
            KeyProviderError: it does not unwrap.
        """
        keys = self._current(tenant, fetch)
        key = keys.live.get((DATA, version))
        if key is None and (DATA, version) not in keys.retired:
            keys = self.refresh(tenant, fetch)
            key = keys.live.get((DATA, version))
        if key is None:
            _refuse(keys, version)
        return key

    def opener(self, tenant: str, fetch: Fetch | None = None) -> Callable[[int], bytes]:
        """`data_key_of` for one tenant, as `unseal` takes it."""
        return partial(self.data_key_of, tenant, fetch=fetch)

    def index_key(self, tenant: str) -> bytes:
        """The key of a tenant's blind indexes.

        Raises:
            UnknownKeyError: the tenant has none.
            KeyProviderError: it does not unwrap.
        """
        return self._newest(tenant, INDEX)[1]

    def refresh(self, tenant: str, fetch: Fetch | None = None) -> _Keys:
        """Fetch a tenant's keys again (with another ``fetch``, if given); what is already unwrapped stays so."""
        # Outside the lock: a slow database or key service holds up nobody else's cached keys.
        started = time.monotonic()
        rows = list((fetch or self.fetch)(tenant))
        known = self._tenants.get(tenant)
        keys = _Keys(started, {}, frozenset((p, v) for p, v, _, retired in rows if retired), {}, {})
        for purpose, version, wrapped, retired in rows:
            if retired:
                continue
            which, wrapped = (purpose, version), bytes(wrapped)
            if known is not None and known.wrapped.get(which) == wrapped:
                keys.live[which] = known.live[which]
            else:
                keys.live[which] = DataKey(self.provider.unwrap(wrapped, key_context(tenant, purpose, version)))
            keys.wrapped[which] = wrapped
            keys.newest[purpose] = max(version, keys.newest.get(purpose, 0))
        with self._lock:
            other = self._tenants.get(tenant)
            if other is None or other.fetched <= started:
                self._tenants[tenant] = keys
            else:  # somebody asked later, and was answered sooner
                keys = other
        return keys

    def forget(self, tenant: str | None = None) -> None:
        """Drop a tenant's keys and their ciphers, or everybody's; a transaction that seals keeps its key to its end."""
        with self._lock:
            if tenant is None:
                self._tenants.clear()
            else:
                self._tenants.pop(tenant, None)

    def _current(self, tenant: str, fetch: Fetch | None = None) -> _Keys:
        keys = self._tenants.get(tenant)
        if keys is None or time.monotonic() - keys.fetched > self._max_age_s:
            return self.refresh(tenant, fetch)
        return keys

    def _newest(self, tenant: str, purpose: str) -> tuple[int, bytes]:
        keys = self._current(tenant)
        version = keys.newest.get(purpose)
        if version is None:
            keys = self.refresh(tenant)
            version = keys.newest.get(purpose)
        if version is None:
            raise UnknownKeyError(
                f"there is no live {purpose} key for this tenant: row-level security hides it (is the tenant setting "
                "set?), or none was ever made"
            )
        return version, keys.live[purpose, version]


def _refuse(keys: _Keys, version: int) -> NoReturn:
    if (DATA, version) in keys.retired:
        raise RetiredKeyError(
            f"sealed with key version {version}, which is retired: nothing should carry it any more; restore the row "
            "from a backup made after the rotation, or look into where it came from"
        )
    raise UnknownKeyError(
        f"sealed with key version {version}, which this tenant does not have: the value was altered, or row-level "
        "security hides the key (is the tenant setting set?)"
    )
