"""A key ring: which key seals, which open, and when keys are fetched again."""

from __future__ import annotations

import copy
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pgvitals.encryption import Context, DataKey, KeyRing, LocalKeys, cipher, key_context, seal, unseal
from pgvitals.errors import KeyProviderError, RetiredKeyError, UnknownKeyError

KEK = bytes(range(32))
HERE = Context("t1", "clients", "email", "1")


class Counting(LocalKeys):
    """Local keys that count how often they unwrap."""

    unwrapped = 0

    def unwrap(self, wrapped, context):
        self.unwrapped += 1
        return super().unwrap(wrapped, context)


class Table:
    """Stored keys, as a table would hold them; counts how often it is read."""

    def __init__(self) -> None:
        self.provider = Counting({"k": KEK})
        self.rows: dict[tuple[str, str, int], tuple[bytes, bool]] = {}
        self.fetched: list[str] = []

    def add(self, tenant: str, version: int, purpose: str = "data") -> bytes:
        key = bytes([version]) * 31 + purpose[:1].encode()
        self.rows[tenant, purpose, version] = self.provider.wrap(key, key_context(tenant, purpose, version)), False
        return key

    def retire(self, tenant: str, version: int, purpose: str = "data") -> None:
        self.rows[tenant, purpose, version] = self.rows[tenant, purpose, version][0], True

    def fetch(self, tenant: str):
        self.fetched.append(tenant)
        return [(p, v, wrapped, gone) for (t, p, v), (wrapped, gone) in self.rows.items() if t == tenant]

    def ring(self, **options) -> KeyRing:
        return KeyRing(self.provider, self.fetch, **options)


@pytest.fixture
def table():
    return Table()


def test_the_newest_key_seals_and_every_live_one_opens(table):
    keys = {version: table.add("t1", version) for version in (2, 3, 1)}
    ring = table.ring()
    assert ring.data_key("t1") == (3, keys[3])
    assert [ring.data_key_of("t1", version) for version in (1, 2, 3)] == [keys[1], keys[2], keys[3]]


def test_a_retired_key_neither_seals_nor_opens(table):
    kept = table.add("t1", 1)
    table.add("t1", 2)
    table.retire("t1", 2)
    ring = table.ring()
    assert ring.data_key("t1") == (1, kept)
    with pytest.raises(RetiredKeyError, match="key version 2, which is retired"):
        ring.data_key_of("t1", 2)


def test_keys_are_fetched_and_unwrapped_once(table):
    table.add("t1", 1)
    table.add("t1", 1, "index")
    ring = table.ring()
    for _ in range(3):
        ring.data_key("t1")
        ring.data_key_of("t1", 1)
        ring.index_key("t1")
    assert table.fetched == ["t1"]
    assert table.provider.unwrapped == 2


def test_tenants_have_keys_of_their_own(table):
    one, two = table.add("t1", 1), table.add("t2", 2)
    ring = table.ring()
    assert (ring.data_key("t1"), ring.data_key("t2")) == ((1, one), (2, two))
    with pytest.raises(UnknownKeyError):
        ring.data_key_of("t1", 2)


def test_the_index_key_is_no_data_key(table):
    table.add("t1", 1)
    index_key = table.add("t1", 1, "index")
    assert table.ring().index_key("t1") == index_key
    assert table.ring().data_key("t1")[1] != index_key


def test_an_unknown_version_is_looked_for_again_before_it_is_refused(table):
    table.add("t1", 1)
    ring = table.ring()
    ring.data_key("t1")
    new = table.add("t1", 2)  # another process rotated

    assert ring.data_key_of("t1", 2) == new
    assert ring.data_key("t1") == (2, new)
    assert table.fetched == ["t1", "t1"]
    assert table.provider.unwrapped == 2  # the old one was not unwrapped again
    with pytest.raises(UnknownKeyError, match="key version 3, which this tenant does not have"):
        ring.data_key_of("t1", 3)
    assert table.fetched == ["t1"] * 3


def test_a_tenant_without_keys_is_looked_for_again_each_time(table):
    ring = table.ring()
    for ask in (ring.data_key, ring.index_key):
        with pytest.raises(UnknownKeyError, match="row-level security hides it"):
            ask("t1")
    table.add("t1", 1)
    assert ring.data_key("t1")[0] == 1


def test_a_ring_forgets_what_is_too_old(table):
    table.add("t1", 1)
    table.add("t1", 2)
    ring = table.ring(max_age_s=0.0)
    ring.data_key_of("t1", 1)
    table.retire("t1", 1)
    with pytest.raises(RetiredKeyError):
        ring.data_key_of("t1", 1)


def test_a_ring_that_is_young_keeps_opening_what_was_just_retired(table):
    key = table.add("t1", 1)
    table.add("t1", 2)
    ring = table.ring(max_age_s=3600)
    ring.data_key_of("t1", 1)
    table.retire("t1", 1)
    assert ring.data_key_of("t1", 1) == key
    ring.refresh("t1")
    with pytest.raises(RetiredKeyError):
        ring.data_key_of("t1", 1)


def test_a_wrapped_key_that_was_exchanged_is_unwrapped_again(table):
    table.add("t1", 1)
    ring = table.ring()
    ring.data_key("t1")
    table.rows["t1", "data", 1] = table.provider.wrap(bytes(32), key_context("t1", "data", 1)), False
    ring.refresh("t1")
    assert ring.data_key("t1") == (1, bytes(32))


def test_forgetting_fetches_again(table):
    for tenant in ("t1", "t2"):
        table.add(tenant, 1)
    ring = table.ring()
    for forget in (lambda: ring.forget("t1"), ring.forget):
        ring.data_key("t1")
        ring.data_key("t2")
        forget()
    ring.data_key("t1")
    ring.data_key("t2")
    assert table.fetched == ["t1", "t2", "t1", "t1", "t2"]


def test_a_stored_key_of_another_tenant_does_not_unwrap(table):
    table.add("t2", 1)
    table.rows["t1", "data", 1] = table.rows["t2", "data", 1]
    with pytest.raises(KeyProviderError, match="another workspace"):
        table.ring().data_key("t1")


def test_a_slow_answer_does_not_replace_a_newer_one(table):
    table.add("t1", 1)
    asked, answer = threading.Event(), threading.Event()

    def slow(tenant):
        rows = table.fetch(tenant)
        asked.set()
        answer.wait(10)
        return rows

    ring = table.ring()
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(ring.refresh, "t1", slow)
        asked.wait(10)
        new = table.add("t1", 2)
        ring.refresh("t1")
        answer.set()
        late.result()
    assert ring.data_key("t1") == (2, new)


def test_threads_share_a_ring_while_keys_rotate(table):
    table.add("t1", 1)
    ring = table.ring()
    stop = threading.Event()

    def work():
        opened = 0
        while not stop.is_set():
            version, key = ring.data_key("t1")
            assert unseal(ring.opener("t1"), seal(key, version, "text", HERE), HERE) == "text"
            opened += 1
        return opened

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work) for _ in range(4)]
        for version in range(2, 30):
            table.add("t1", version)
            ring.refresh("t1")
        stop.set()
        assert all(worker.result() for worker in workers)


class Watched:
    """A cipher that says whether it is still in memory."""

    alive: ClassVar[weakref.WeakSet[Watched]]

    def __init__(self, key):
        self.alive.add(self)
        self.encrypt, self.decrypt = AESGCM(key).encrypt, AESGCM(key).decrypt


@pytest.fixture
def ciphers(monkeypatch):
    """The ciphers that are in memory."""
    made: weakref.WeakSet[Watched] = weakref.WeakSet()
    monkeypatch.setattr(Watched, "alive", made, raising=False)
    monkeypatch.setattr(cipher, "AESGCM", Watched)
    return made


def seal_and_open(ring: KeyRing, tenant: str) -> None:
    version, key = ring.data_key(tenant)
    here = HERE._replace(tenant=tenant)
    for _ in range(3):
        assert unseal(ring.opener(tenant), seal(key, version, "text", here), here) == "text"


def test_what_a_ring_forgets_is_in_memory_nowhere(table, ciphers):
    ring = table.ring()
    for tenant in ("t1", "t2"):
        table.add(tenant, 1)
        ring.refresh(tenant)
    ciphers.clear()  # of the key-encryption key, which the provider keeps
    for tenant in ("t1", "t2"):
        seal_and_open(ring, tenant)
    assert len(ciphers) == 2, "one for each key, however often it seals and opens"
    ring.forget("t1")
    gc.collect()
    assert len(ciphers) == 1
    seal_and_open(ring, "t2")
    ring.forget()
    gc.collect()
    assert len(ciphers) == 0


def test_a_key_that_is_given_as_bytes_leaves_no_cipher_behind(ciphers):
    sealed = seal(bytes(32), 1, "text", HERE)
    assert unseal(lambda version: bytes(32), sealed, HERE) == "text"
    gc.collect()
    assert len(ciphers) == 0


def test_a_data_key_is_its_bytes_wherever_it_is_copied_to_and_prints_none_of_them():
    key = DataKey(range(32))
    seal(key, 1, "text", HERE)
    assert copy.deepcopy(key) == key == bytes(range(32))
    assert f"{key!r} {key}" == "DataKey(32 bytes) DataKey(32 bytes)"


def test_printing_a_ring_shows_no_key(table):
    table.add("t1", 1)
    ring = table.ring()
    ring.data_key("t1")
    assert repr(ring) == "KeyRing(LocalKeys(k), 1 tenants)"
    assert repr(bytes([1, 1, 1]))[2:-1] not in repr(vars(ring))
