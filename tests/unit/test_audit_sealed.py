"""What sampled bytes look like: ciphertext, text, or something in between."""

from __future__ import annotations

import base64
import random

import pytest

from pgvitals.audit.probes.sealed import LEAST_BYTES, entropy, nonce_bytes, readable, says_its_key
from pgvitals.encryption import Context, seal
from pgvitals.encryption.cipher import HEADER_BYTES

CHANCE = random.Random(20250106)  # noqa: S311
KEY = CHANCE.randbytes(32)
PLACE = Context(tenant="t", table="clients", column="history", row="1")


def sealed(text: str, version: int = 1) -> bytes:
    return seal(KEY, version, text, PLACE)


VALUES = [sealed(f"asthma, since childhood, patient {n}") for n in range(200)]


@pytest.mark.parametrize(
    "value",
    [
        b"asthma",
        "Größe: 1,80 m".encode(),
        b"\x00\x01 header, then a readable note",
        base64.b64encode(b"asthma, since childhood"),
        b"asthma, since childhood".hex().encode(),
    ],
    ids=["text", "other letters", "behind a header", "base64", "hexadecimal"],
)
def test_a_text_is_readable_however_it_is_written(value: bytes) -> None:
    assert readable([value]) == 1


def test_sealed_values_are_not_readable_also_in_base64() -> None:
    assert readable(VALUES) == 0
    assert readable([base64.b64encode(value) for value in VALUES]) == 0


def test_sealed_values_spread_like_chance() -> None:
    spread = entropy(VALUES)
    assert spread is not None
    assert spread[0] > spread[1] > 7


def test_a_text_that_is_shifted_does_not_spread_like_chance() -> None:
    shifted = [bytes((byte + 128) % 256 for byte in f"{n} has asthma since childhood".encode()) for n in range(60)]
    assert readable(shifted) == 0
    spread = entropy(shifted)
    assert spread is not None
    assert spread[0] < spread[1]


def test_few_bytes_say_nothing_about_chance() -> None:
    assert entropy([CHANCE.randbytes(LEAST_BYTES // 2)]) is None
    assert entropy([]) is None


def test_what_all_values_begin_with_is_no_ciphertext() -> None:
    headed = [b"\x01\x00\x00\x00\x01" + CHANCE.randbytes(40) for _ in range(40)]
    spread = entropy(headed)
    assert spread is not None
    assert spread[0] > spread[1]


def test_our_own_header_says_which_key_opens_a_value() -> None:
    assert says_its_key(VALUES)
    assert nonce_bytes(VALUES) == HEADER_BYTES
    others = [CHANCE.randbytes(60) for _ in range(3)]
    assert not says_its_key([*VALUES, *others])
    assert nonce_bytes(others) == 12
