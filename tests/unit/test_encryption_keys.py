"""Key-encryption keys from the environment and from files, and what they wrap."""

from __future__ import annotations

import base64
import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from pgvitals.encryption import Context, LocalKeys, default_provider, key_context, lab_provider, random_key
from pgvitals.encryption.keys import LAB_KEK, LAB_KEK_ID, fingerprint
from pgvitals.errors import KeyProviderError

KEK, OLD_KEK = bytes(range(32)), bytes(range(32, 64))
DATA_KEY = bytes(range(64, 96))
HERE = key_context("tenant-1", "data", 1)


def text_of(key: bytes) -> str:
    return base64.b64encode(key).decode()


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    monkeypatch.delenv("PGVITALS_KEK", raising=False)
    monkeypatch.delenv("PGVITALS_KEK_FILE", raising=False)


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "kek"
    path.write_text(f"# newest first\n{text_of(KEK)}\n\n{text_of(OLD_KEK)}  # until 2025\n")
    path.chmod(0o600)
    return path


def test_a_wrapped_key_unwraps_in_its_own_place():
    keys = LocalKeys({"k1": KEK})
    assert keys.unwrap(keys.wrap(DATA_KEY, HERE), HERE) == DATA_KEY


def test_a_wrapped_key_is_what_an_independent_composition_gives():
    nonce = bytes(12)
    header = b"\1\2k1" + nonce
    body = AESGCM(KEK).encrypt(nonce, DATA_KEY, header + HERE.encoded())
    assert LocalKeys({"k1": KEK}).wrap(DATA_KEY, HERE, nonce) == header + body


def test_the_place_of_a_wrapped_key_is_its_tenant_purpose_and_version():
    assert Context("tenant-1", "workspace_keys", "data", "1") == HERE


@pytest.mark.parametrize(
    "elsewhere",
    [key_context("tenant-2", "data", 1), key_context("tenant-1", "index", 1), key_context("tenant-1", "data", 2)],
)
def test_a_wrapped_key_of_another_place_does_not_unwrap(elsewhere):
    keys = LocalKeys({"k1": KEK})
    with pytest.raises(KeyProviderError, match="belongs to another workspace, purpose or version"):
        keys.unwrap(keys.wrap(DATA_KEY, HERE), elsewhere)


@settings(deadline=None)
@given(st.data())
def test_an_altered_or_cut_wrapped_key_does_not_unwrap(data):
    keys = LocalKeys({"k1": KEK})
    wrapped = bytearray(keys.wrap(DATA_KEY, HERE))
    if data.draw(st.booleans()):
        bit = data.draw(st.integers(0, len(wrapped) * 8 - 1))
        wrapped[bit // 8] ^= 1 << bit % 8
    else:
        del wrapped[data.draw(st.integers(0, len(wrapped) - 1)) :]
    with pytest.raises(KeyProviderError):
        keys.unwrap(bytes(wrapped), HERE)


def test_an_old_key_still_unwraps_and_the_new_one_wraps():
    wrapped_before = LocalKeys({"old": OLD_KEK}).wrap(DATA_KEY, HERE)
    keys = LocalKeys({"new": KEK, "old": OLD_KEK})
    assert keys.kek_id == "new"
    assert keys.unwrap(wrapped_before, HERE) == DATA_KEY
    assert LocalKeys({"new": KEK}).unwrap(keys.wrap(DATA_KEY, HERE), HERE) == DATA_KEY


def test_a_missing_key_encryption_key_is_named_with_those_that_are_there():
    wrapped = LocalKeys({"old": OLD_KEK}).wrap(DATA_KEY, HERE)
    with pytest.raises(
        KeyProviderError, match=r"needs key-encryption key 'old'; there is: new\. Add it to PGVITALS_KEK"
    ):
        LocalKeys({"new": KEK}).unwrap(wrapped, HERE)


def test_keys_from_the_environment_wrap_with_the_first(monkeypatch):
    monkeypatch.setenv("PGVITALS_KEK", f"{text_of(KEK)}, {text_of(OLD_KEK)}")
    keys = LocalKeys.from_environment()
    assert keys.kek_id == fingerprint(KEK)
    assert keys.unwrap(LocalKeys.from_base64([text_of(OLD_KEK)], "here").wrap(DATA_KEY, HERE), HERE) == DATA_KEY


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("", "PGVITALS_KEK: holds no key; make one with: openssl rand -base64 32"),
        ("not*base64", "PGVITALS_KEK: not base64"),
        ("schlüssel", "PGVITALS_KEK: not base64"),
        (text_of(bytes(16)), "PGVITALS_KEK: 16 bytes, a key has 32"),
        (f"{text_of(KEK)} {text_of(bytes(31))}", "PGVITALS_KEK, key 2: 31 bytes"),
    ],
)
def test_a_bad_environment_variable_is_refused_without_its_value(monkeypatch, value, says):
    monkeypatch.setenv("PGVITALS_KEK", value)
    with pytest.raises(KeyProviderError) as refusal:
        default_provider()
    assert says in str(refusal.value)
    for secret in value.split():
        assert secret not in str(refusal.value)


def test_an_unset_variable_is_named():
    with pytest.raises(KeyProviderError, match="PGVITALS_KEK is not set"):
        LocalKeys.from_environment()


def test_keys_from_a_file_skip_comments_and_wrap_with_the_first(key_file):
    keys = LocalKeys.from_file(key_file)
    assert keys.kek_id == fingerprint(KEK)
    assert keys.unwrap(LocalKeys({fingerprint(OLD_KEK): OLD_KEK}).wrap(DATA_KEY, HERE), HERE) == DATA_KEY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666])
def test_a_file_that_others_may_touch_is_refused(key_file, mode):
    key_file.chmod(mode)
    with pytest.raises(KeyProviderError, match=f"mode {mode:04o} lets others at the key; chmod 600 .*kek"):
        LocalKeys.from_file(key_file)


@pytest.mark.root
def test_a_file_of_another_user_is_refused(key_file):
    os.chown(key_file, 12345, -1)
    with pytest.raises(KeyProviderError, match="belongs to user 12345"):
        LocalKeys.from_file(key_file)


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "holds no key"), (b"# only a comment\n", "holds no key"), (b"\xff\xfe", "not base64")]
)
def test_a_file_without_a_key_is_refused(key_file, content, says):
    key_file.write_bytes(content)
    with pytest.raises(KeyProviderError, match=says):
        LocalKeys.from_file(key_file)


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(
        KeyProviderError, match=r"none: No such file or directory; make one with: openssl rand -base64 32"
    ):
        LocalKeys.from_file(tmp_path / "none")


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(KeyProviderError, match=str(tmp_path)):
        LocalKeys.from_file(tmp_path)
    with pytest.raises(KeyProviderError, match="not a regular file"):
        LocalKeys.from_file(type(tmp_path)("/dev/null"))


def test_without_settings_an_application_has_no_key_and_is_told_where_to_put_one():
    with pytest.raises(KeyProviderError) as refused:
        default_provider()
    assert str(refused.value) == (
        "there is no key-encryption key: set PGVITALS_KEK (base64), or PGVITALS_KEK_FILE (a file that only its owner "
        "reads); make one with: openssl rand -base64 32"
    )


def test_without_settings_the_published_lab_key_wraps_for_whoever_asks_for_it():
    provider = lab_provider()
    assert provider.kek_id == LAB_KEK_ID
    assert LocalKeys({LAB_KEK_ID: LAB_KEK}).unwrap(provider.wrap(DATA_KEY, HERE), HERE) == DATA_KEY


@pytest.mark.parametrize("provider", [default_provider, lab_provider])
def test_the_variable_or_the_file_gives_the_key(monkeypatch, key_file, provider):
    monkeypatch.setenv("PGVITALS_KEK_FILE", str(key_file))
    assert provider().kek_id == fingerprint(KEK)
    monkeypatch.delenv("PGVITALS_KEK_FILE")
    monkeypatch.setenv("PGVITALS_KEK", text_of(OLD_KEK))
    assert provider().kek_id == fingerprint(OLD_KEK)


@pytest.mark.parametrize("provider", [default_provider, lab_provider])
def test_the_variable_and_the_file_together_are_refused(monkeypatch, key_file, provider):
    monkeypatch.setenv("PGVITALS_KEK_FILE", str(key_file))
    monkeypatch.setenv("PGVITALS_KEK", text_of(KEK))
    with pytest.raises(KeyProviderError, match="both set; unset one"):
        provider()


@pytest.mark.parametrize(
    ("keks", "says"),
    [
        ({}, "no key-encryption key"),
        ({"": KEK}, "1 to 255 bytes"),
        ({"k" * 256: KEK}, "got 256"),
        ({"k": b"x"}, "'k' is 1 bytes"),
    ],
)
def test_key_encryption_keys_have_a_name_and_32_bytes(keks, says):
    with pytest.raises(KeyProviderError, match=says):
        LocalKeys(keks)


def test_only_a_whole_data_key_is_wrapped():
    with pytest.raises(KeyProviderError, match="got 16 and 12"):
        LocalKeys({"k": KEK}).wrap(bytes(16), HERE)
    with pytest.raises(KeyProviderError, match="got 32 and 8"):
        LocalKeys({"k": KEK}).wrap(DATA_KEY, HERE, bytes(8))


def test_printing_keys_shows_their_names_only():
    keys = LocalKeys.from_base64([text_of(KEK)], "here")
    assert repr(keys) == f"LocalKeys({fingerprint(KEK)})"
    assert text_of(KEK)[:8] not in repr(keys)


def test_two_random_keys_differ():
    assert random_key() != random_key()
    assert len(random_key()) == 32
