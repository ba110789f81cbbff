"""Tokens, keys, mappings and NPIs, whatever the sizes and the seed: chains end, versions follow, digits check."""

from collections import defaultdict
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pgvitals.dataset.npi import npis
from pgvitals.suite import load_module

rows_ = load_module(Path(__file__).with_name("dataset_rows.py"), "dataset_rows")

quick = settings(deadline=None, max_examples=12, derandomize=True, database=None)
DAY = np.timedelta64(86_400_000_000, "us")


@st.composite
def practice(draw):
    return rows_.Rows("practice", draw(rows_.profiles("practice")), draw(rows_.seeds()))


def chains(rows, table, parent):
    """Each row's successors, and how many steps it takes from each row to the first of its chain."""
    at, before = rows.parents(table, parent, table)
    of = dict(zip(at.tolist(), before.tolist(), strict=True))
    successors = defaultdict(list)
    for child, its_parent in of.items():
        successors[its_parent].append(child)
    steps = []
    for row in range(len(rows.one(table, "id"))):
        count, seen = 0, row
        while seen in of:
            seen, count = of[seen], count + 1
            assert count <= len(of), "a chain that never ends"
        steps.append(count)
    return successors, np.array(steps)


@quick
@given(practice())
def test_chains_of_tokens_end_and_each_has_one_successor_that_is_younger(rows):
    successors, steps = chains(rows, "auth_tokens", "parent_token_id")
    assert (steps == rows.one("auth_tokens", "rotation_count")).all()
    assert all(len(children) == 1 for children in successors.values())
    at, before = rows.parents("auth_tokens", "parent_token_id", "auth_tokens")
    issued, status, gone = rows.value("auth_tokens", "issued_at", "status", "revoked_at")
    assert (issued[at] > issued[before]).all()
    assert (gone[before] == issued[at]).all(), "a token is rotated when its successor is issued"
    rotated = np.isin(np.arange(len(status)), before)
    assert (rotated == (status == b"rotated")).all()
    for same in ("token_type", "user_id", "tenant_id"):
        values = rows.one("auth_tokens", same)
        assert (values[at] == values[before]).all(), same


@quick
@given(practice())
def test_a_token_says_what_its_dates_say(rows):
    now = np.datetime64(rows.profile.as_of, "us")
    issued, expires, status, gone, used = rows.value(
        "auth_tokens", "issued_at", "expires_at", "status", "revoked_at", "last_used_at"
    )
    assert (issued < expires).all()
    assert (issued <= now).all()
    assert (expires[status == b"active"] > now).all()
    assert (expires[status == b"expired"] <= now).all()
    stopped = rows.given("auth_tokens", "revoked_at")
    assert (stopped == np.isin(status, (b"revoked", b"rotated"))).all()
    assert ((issued <= gone) & (gone <= np.minimum(expires, now)))[stopped].all()
    was_used = rows.given("auth_tokens", "last_used_at")
    assert ((issued <= used) & (used <= np.minimum(expires, now)))[was_used].all()


@quick
@given(practice())
def test_versions_of_a_key_follow_one_another_and_exactly_one_is_the_newest(rows):
    names = rows_.pairs(rows, "encryption_keys", ["key_name"])
    version, status = rows.value("encryption_keys", "version", "status")
    activated, rotated, expires = rows.value("encryption_keys", "activated_at", "rotated_at", "expires_at")
    tenants = np.where(rows.given("encryption_keys", "tenant_id"), rows.one("encryption_keys", "tenant_id"), b"")
    of_key = defaultdict(list)
    for row, key in enumerate(zip(tenants.tolist(), names.tolist(), strict=True)):
        of_key[key].append(row)
    at, before = rows.parents("encryption_keys", "parent_key_id", "encryption_keys")
    parents = dict(zip(at.tolist(), before.tolist(), strict=True))
    for versions in of_key.values():
        versions.sort(key=lambda row: version[row])
        assert version[versions].tolist() == list(range(1, len(versions) + 1))
        assert [parents.get(row) for row in versions] == [None, *versions[:-1]]
        assert (status[versions[:-1]] == b"rotated").all()
        assert status[versions[-1]] != b"rotated", "the newest one is in use"
        assert (rotated[versions[:-1]] == activated[versions[1:]]).all()
    now = np.datetime64(rows.profile.as_of, "us")
    assert (activated <= now).all()
    assert (expires[status == b"active"] > now).all()
    assert (expires[status == b"expired"] <= now).all()


@quick
@given(practice())
def test_a_key_is_rotated_by_a_token_that_was_valid_then(rows):
    at, by = rows.parents("encryption_keys", "rotated_by_token_id", "auth_tokens")
    activated = rows.one("encryption_keys", "activated_at")[at]
    issued, expires, kind = (rows.one("auth_tokens", name)[by] for name in ("issued_at", "expires_at", "token_type"))
    assert ((issued < activated) & (activated < expires)).all()
    assert set(kind.tolist()) <= {b"api_key"}


@quick
@given(practice())
def test_a_mapping_has_an_error_exactly_when_it_counts_one(rows):
    count, status = rows.value("fhir_mappings", "error_count", "status")
    failed = rows.given("fhir_mappings", "last_error")
    assert (failed == (count > 0)).all()
    assert (failed == rows.given("fhir_mappings", "last_error_at")).all()
    assert (count[status == b"error"] > 0).all()
    assert all(text.strip() for text in rows.one("fhir_mappings", "last_error")[failed].tolist())
    assert (rows.given("fhir_mappings", "last_sync_at") == (status != b"pending")).all()


@quick
@given(st.integers(0, 10**9), st.integers(1, 2_000))
def test_npis_have_the_right_check_digit_and_never_repeat(first, count):
    made = npis(np.arange(first, first + count))
    assert len(set(made.tolist())) == count
    for npi in made.tolist():
        assert len(npi) == 10
        assert npi[:1] in b"12"
        assert rows_.luhn("80840" + npi.decode())


def test_the_luhn_of_these_tests_knows_right_from_wrong():
    assert rows_.luhn("808401234567893"), "the example of the standard"
    assert not any(rows_.luhn(f"80840123456789{digit}") for digit in "012456789")


@quick
@given(practice())
def test_each_practice_has_one_main_location_in_its_city_with_its_area_code(rows):
    at, profile = rows.parents("locations", "practice_profile_id", "practice_profiles")
    main = rows.one("locations", "is_primary")[at]
    assert sorted(profile[main].tolist()) == list(range(len(rows.one("practice_profiles", "id"))))
    for same in ("city", "state"):
        assert (rows.one("locations", same)[at][main] == rows.one("practice_profiles", same)[profile][main]).all()
    for table in ("locations", "practice_profiles"):
        city, area = rows.one(table, "city"), rows.one(table, "phone").astype("S3")
        for name in np.unique(city):
            states = rows.one(table, "state")[city == name]
            assert len(np.unique(area[city == name])) <= len(np.unique(states)), name
