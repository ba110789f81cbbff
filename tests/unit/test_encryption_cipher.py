"""Sealing: what opens, what does not, and that the bytes are what the format says."""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import unicodedata

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from pgvitals.encryption import Context, blind_index, normalised, seal, unseal
from pgvitals.encryption.cipher import MAX_VERSION, OVERHEAD_BYTES, prefix
from pgvitals.errors import (
    BrokenSealError,
    EncryptionError,
    NotSealableError,
    RetiredKeyError,
    SealFormatError,
    UnknownKeyError,
)

KEY = bytes(range(32))
OTHER_KEY = bytes(32)
HERE = Context("tenant-1", "clients", "first_name", "row-1")
TEXT = "Åsa Lindqvist, 1984-02-29"

texts = st.text()
contexts = st.builds(Context, texts, texts, texts, texts)


def only(version: int, key: bytes = KEY):
    """The keys of a tenant that has one."""
    return {version: key}.__getitem__


@settings(deadline=None)
@given(texts, contexts, st.integers(1, MAX_VERSION), st.binary(min_size=32, max_size=32))
def test_any_text_comes_back_in_any_context_under_any_key(text, context, version, key):
    sealed = seal(key, version, text, context)
    assert len(sealed) == len(text.encode()) + OVERHEAD_BYTES
    assert unseal(only(version, key), sealed, context) == text


@settings(deadline=None)
@given(st.integers(0, (len(TEXT.encode()) + OVERHEAD_BYTES) * 8 - 1))
def test_one_flipped_bit_anywhere_is_refused(bit):
    sealed = bytearray(seal(KEY, 1, TEXT, HERE))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(EncryptionError) as refusal:
        unseal(only(1), bytes(sealed), HERE)
    assert type(refusal.value) in (SealFormatError, UnknownKeyError, BrokenSealError)


def test_every_single_bit_of_a_short_value_counts():
    sealed = seal(KEY, 1, "Ada", HERE)
    for bit in range(len(sealed) * 8):
        altered = bytearray(sealed)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(EncryptionError):
            unseal(lambda version: KEY, bytes(altered), HERE)


def test_a_value_cut_at_either_end_is_refused():
    sealed = seal(KEY, 1, TEXT, HERE)
    for length in range(len(sealed)):
        for cut in (sealed[:length], sealed[len(sealed) - length :]):
            with pytest.raises(EncryptionError):
                unseal(lambda version: KEY, cut, HERE)


def test_an_extended_value_is_refused():
    with pytest.raises(BrokenSealError):
        unseal(only(1), seal(KEY, 1, TEXT, HERE) + b"\0", HERE)


@pytest.mark.parametrize("moved", Context._fields)
def test_a_value_moved_elsewhere_does_not_open(moved):
    sealed = seal(KEY, 1, TEXT, HERE)
    with pytest.raises(BrokenSealError, match=r"altered or cut, or copied from another row, column, table or tenant"):
        unseal(only(1), sealed, HERE._replace(**{moved: "elsewhere"}))


@settings(deadline=None)
@given(contexts, contexts)
def test_two_contexts_never_have_the_same_bytes(one, other):
    assert (one.encoded() == other.encoded()) == (one == other)


@settings(deadline=None)
@given(texts, texts)
def test_letters_that_move_from_one_part_to_the_next_change_the_context(left, right):
    whole = Context(left + right, "", "", "")
    assert (whole.encoded() == Context(left, right, "", "").encoded()) == (right == "")


def test_context_bytes_are_four_parts_behind_their_lengths():
    assert Context("a", "é", "", "row").encoded() == (b"\0\0\0\1a" + b"\0\0\0\2\xc3\xa9" + b"\0\0\0\0" + b"\0\0\0\3row")


def test_a_given_nonce_gives_the_vector_that_an_independent_composition_gives():
    nonce = bytes.fromhex("000102030405060708090a0b")
    header = struct.pack(">BI", 1, 7) + nonce
    context = b"".join(struct.pack(">I", len(part.encode())) + part.encode() for part in HERE)
    encryptor = Cipher(algorithms.AES(KEY), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(header + context)
    body = encryptor.update(TEXT.encode()) + encryptor.finalize()

    sealed = seal(KEY, 7, TEXT, HERE, nonce)

    assert sealed == header + body + encryptor.tag
    assert unseal(only(7), sealed, HERE) == TEXT


def test_the_format_stays_what_it_was():
    sealed = seal(KEY, 1, "Ada", HERE, bytes(12))
    assert sealed.hex() == "01000000010000000000000000000000004fd8d4b67c0a1996934f2b95d1c4ae963eed86"


def test_a_value_is_never_sealed_twice_into_the_same_bytes():
    assert len({seal(KEY, 1, TEXT, HERE) for _ in range(100)}) == 100


def test_the_header_says_which_key_opens_it():
    assert seal(KEY, 258, TEXT, HERE).startswith(prefix(258))
    assert prefix(258) == b"\1\0\0\1\2"


def test_another_key_of_the_same_version_does_not_open():
    with pytest.raises(BrokenSealError):
        unseal(only(1, OTHER_KEY), seal(KEY, 1, TEXT, HERE), HERE)


def test_an_unknown_version_is_named_with_the_column():
    with pytest.raises(UnknownKeyError, match=r"^clients\.first_name: sealed with key version 2"):
        unseal(only(1), seal(KEY, 2, TEXT, HERE), HERE)


def test_a_retired_key_is_named_with_the_column():
    def keys(version):
        raise RetiredKeyError(f"version {version} is retired")

    with pytest.raises(RetiredKeyError, match=r"^clients\.first_name: version 3 is retired"):
        unseal(keys, seal(KEY, 3, TEXT, HERE), HERE)


@pytest.mark.parametrize("value", [b"", b"\1", b"plain text that was never sealed, and long enough", "text", None])
def test_what_was_never_sealed_is_no_sealed_value(value):
    with pytest.raises(SealFormatError, match=r"^clients\.first_name: "):
        unseal(only(1), value, HERE)


def test_no_message_holds_the_text_the_key_the_tenant_or_the_row():
    sealed = seal(KEY, 1, TEXT, HERE)
    attempts = [
        (only(1), sealed[:-1]),
        (only(1, OTHER_KEY), sealed),
        (only(2), sealed),
        (only(1), b"\2" + sealed[1:]),
        (only(1), TEXT.encode()),
    ]
    for keys, value in attempts:
        with pytest.raises(EncryptionError) as refusal:
            unseal(keys, value, HERE)
        message = str(refusal.value)
        assert refusal.value.__suppress_context__ or refusal.value.__context__ is None
        for secret in ("Lindqvist", KEY.hex(), repr(KEY), HERE.tenant, HERE.row):
            assert secret not in message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"text": 5}, "only text is sealed, got int"),
        ({"text": b"Ada"}, "only text is sealed, got bytes"),
        ({"text": "\ud800Ada"}, "lone surrogate"),
        ({"version": 0}, "between 1 and 2147483647, got 0"),
        ({"version": 2**31}, "got 2147483648"),
        ({"key": bytes(16)}, "a key is 32 bytes, got 16"),
        ({"key": "k" * 32}, "a key is 32 bytes, got str"),
        ({"nonce": bytes(11)}, "a nonce is 12 bytes, got 11"),
        ({"context": Context(5, "clients", "first_name", "1")}, "must be four strings, got int, str, str, str"),
        ({"context": Context("t", "clients", "first_name", "\ud800")}, "must be four strings"),
    ],
)
def test_what_cannot_be_sealed_is_refused_without_its_value(change, says):
    given_values = {"key": KEY, "version": 1, "text": TEXT, "context": HERE, **change}
    with pytest.raises(NotSealableError, match=says) as refusal:
        seal(**given_values)
    assert "Ada" not in str(refusal.value)


@settings(deadline=None)
@given(texts)
def test_normalising_twice_changes_nothing_more(text):
    assert normalised(normalised(text)) == normalised(text)


@pytest.mark.parametrize(
    "spelling", ["ada@example.com", " Ada@Example.COM\n", "ＡＤＡ@example.com", "Ada＠example.com"]
)
def test_spellings_of_one_address_have_one_index(spelling):
    assert blind_index(KEY, spelling) == blind_index(KEY, "ada@example.com")


def test_straße_and_strasse_and_two_ways_to_write_é_are_one():
    assert blind_index(KEY, "Straße") == blind_index(KEY, "STRASSE")
    assert blind_index(KEY, "René") == blind_index(KEY, unicodedata.normalize("NFD", "RENÉ"))


def test_a_blind_index_is_the_hmac_of_the_normalised_text():
    assert blind_index(KEY, " Ada@Example.com ") == hmac.new(KEY, b"ada@example.com", hashlib.sha256).digest()


def test_blind_indexes_differ_by_key_and_by_text():
    keys = [os.urandom(32) for _ in range(10)]
    assert len({blind_index(key, text) for key in keys for text in ("ada@example.com", "ada@example.org")}) == 20


@pytest.mark.parametrize(("key", "text"), [(bytes(31), "ada"), (KEY, "\ud800")])
def test_an_index_takes_32_bytes_and_valid_unicode(key, text):
    with pytest.raises(NotSealableError):
        blind_index(key, text)
