"""How numbers are written."""

from __future__ import annotations

import math

import pytest

from pgvitals.report import wording


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (0.0412, "0.041"),
        (0.41, "0.41"),
        (0.999, "1.00"),
        (1.234, "1.23"),
        (9.996, "10.0"),
        (12.34, "12.3"),
        (99.96, "100"),
        (123.4, "123"),
        (12345.6, "12,346"),
        (None, "–"),
        (math.nan, "–"),
    ],
)
def test_milliseconds_have_the_digits_that_carry_meaning(value: float | None, written: str) -> None:
    assert wording.ms(value) == written


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.00001, "<0.1 %"),
        (0.0027, "0.3 %"),
        (0.5, "50 %"),
        (0.99999, "99.9 %"),
        (1.00001, "100.1 %"),
        (1.222, "122 %"),
        (12.3, "1,230 %"),
        (math.inf, "–"),
    ],
)
def test_a_share_says_nothing_and_everything_only_when_exact(part: float, written: str) -> None:
    assert wording.share(part) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0 bytes"), (8192, "8 kB"), (1_258_291, "1.2 MB"), (34_000_000_000, "32 GB"), (None, "–"), (-8192, "−8 kB")],
)
def test_sizes_are_in_the_units_of_pg_size_pretty(value: int | None, written: str) -> None:
    assert wording.size(value) == written


@pytest.mark.parametrize(
    ("before", "after", "written"),
    [(None, 8192, "+8 kB"), (8192, None, "−8 kB"), (8192, 8192, "0"), (8192, 24576, "+16 kB")],
)
def test_a_change_of_size_has_its_sign(before: int | None, after: int | None, written: str) -> None:
    assert wording.size_change(before, after) == written


@pytest.mark.parametrize(("value", "written"), [(0.0123, "0.012"), (0.996, "1.00"), (1.04, "1.04"), (350.2, "350")])
def test_ratios_keep_two_digits_around_one(value: float, written: str) -> None:
    assert wording.ratio(value) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.82, "0.8 s"), (9.97, "10 s"), (200, "3 min 20 s"), (59.7, "1 min 0 s"), (3900, "1 h 5 min")],
)
def test_durations_read_like_speech(seconds: float, written: str) -> None:
    assert wording.duration(seconds) == written


def test_an_interval_without_bounds_is_a_dash() -> None:
    assert wording.ms_range(None, 3.0) == "–"
    assert wording.ms_range(0.39, 0.44) == "0.39–0.44"


def test_characters_that_xml_forbids_are_dropped_and_no_others() -> None:
    assert wording.printable("a\x00b\x1bc\ud800d\n\té\U0001f418") == "abcd\n\té\U0001f418"


@pytest.mark.parametrize(
    ("iso", "written"),
    [
        ("2025-10-01T10:15:00Z", "2025-10-01 10:15 UTC"),
        ("2025-10-01T12:15:00+02:00", "2025-10-01 10:15 UTC"),
        ("some day", "some day"),
    ],
)
def test_a_moment_is_told_in_utc(iso: str, written: str) -> None:
    assert wording.moment(iso) == written
