"""``profiles.toml``: sizes, seeds and times, and one clear line for each way to get them wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgvitals.errors import ProfileError
from pgvitals.profile import Profiles, load_profiles

WHOLE = """\
default = "tiny"

[tiny]
title = "seconds"
seed = 7
as_of = "2025-10-01"

[tiny.sizes.clinic]
visits = 1_000

[tiny.load]
rate = 50
seconds = 2.5

[large]
title = "hours"
seed = 7
zipf = 1
as_of = "2024-02-29"

[large.sizes.clinic]
visits = 100_000_000
"""


def load(tmp_path: Path, text: str) -> Profiles:
    path = tmp_path / "profiles.toml"
    path.write_text(text, encoding="utf-8")
    return load_profiles(path)


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(ProfileError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'profiles.toml'}: ")
    assert "\n" not in message
    return message


def test_every_table_is_a_profile_and_one_of_them_the_default(tmp_path: Path) -> None:
    profiles = load(tmp_path, WHOLE)
    assert list(profiles.profiles) == ["tiny", "large"]
    assert profiles.get(None).name == "tiny"
    assert profiles.get("large").sizes == {"clinic": {"visits": 100_000_000}}
    assert (profiles.get("tiny").load.rate, profiles.get("tiny").load.seconds) == (50.0, 2.5)


def test_an_unknown_profile_is_named_beside_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="unknown profile 'huge'; there are: tiny, large"):
        load(tmp_path, WHOLE).get("huge")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("visits = 1_000", "visits = 0", "tiny.sizes.clinic.visits: Input should be greater than 0, got 0"),
        ("visits = 1_000", "visits = -5", "tiny.sizes.clinic.visits: Input should be greater than 0, got -5"),
        ("visits = 1_000", "visits = 1.5", "tiny.sizes.clinic.visits: Input should be a valid integer, got 1.5"),
        ("visits = 1_000", 'visits = "1000"', "tiny.sizes.clinic.visits: Input should be a valid integer, got '1000'"),
        ("visits = 1_000", "visits = true", "tiny.sizes.clinic.visits: Input should be a valid integer, got True"),
        ("seed = 7", "seed = -1", "tiny.seed: Input should be greater than or equal to 0, got -1"),
        ("rate = 50", "rate = inf", "tiny.load.rate: Input should be a finite number, got inf"),
        ("rate = 50", "rate = nan", "tiny.load.rate: Input should be a finite number, got nan"),
        ("rate = 50", "rate = 50\nusres = 4", "tiny.load.usres: Extra inputs are not permitted"),
        ("zipf = 1", "zipf = 3.5", "large.zipf: Input should be less than or equal to 3, got 3.5"),
        ("2024-02-29", "2023-02-29", "large.as_of: Value error, day is out of range for month, got '2023-02-29'"),
        ("2024-02-29", "last year", "large.as_of: String should match pattern"),
        ('"2024-02-29"', "2024-02-29", "large.as_of: Input should be a valid string"),
        ('title = "hours"', "", "large.title: Field required"),
        ('default = "tiny"', 'default = "huge"', "default = 'huge' names no profile in the file"),
        ('default = "tiny"', "default = 3", "default: Input should be a valid string, got 3"),
        ('default = "tiny"', 'defualt = "tiny"', "unknown key 'defualt'"),
        ('default = "tiny"', "default = tiny", "not valid TOML: "),
    ],
)
def test_what_is_wrong_is_said_with_key_and_value(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert said in refusal(tmp_path, WHOLE.replace(old, new, 1))


def test_a_file_without_default_or_profiles_says_what_it_lacks(tmp_path: Path) -> None:
    assert "default = 'small' names no profile" in refusal(tmp_path, "")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"profiles\.toml: cannot be read \(No such file or directory\)"):
        load_profiles(tmp_path / "profiles.toml")


def test_a_file_that_is_not_utf8_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "profiles.toml"
    path.write_bytes(b"\xff" + WHOLE.encode())
    with pytest.raises(ProfileError, match=r"profiles\.toml: not UTF-8 text: .* at byte 0$"):
        load_profiles(path)
