"""The sizes in docs/datasets.md are those of the profiles."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pgvitals.dataset import load_recipe
from pgvitals.suite import find_suite

ROOT = Path(__file__).parents[2]
UNITS = {"thousand": 1e3, "million": 1e6, "billion": 1e9}


def number(text: str) -> float:
    """1.7 million as a number."""
    digits, unit = text.split()
    return float(digits) * UNITS[unit]


@pytest.mark.parametrize("name", ["smoke", "small", "medium", "large"])
def test_a_profile_is_as_large_as_the_page_says(name: str) -> None:
    suite = find_suite(ROOT)
    line = re.search(rf"^\| `{name}` \|.*$", (ROOT / "docs" / "datasets.md").read_text(), re.MULTILINE)
    assert line is not None
    _, _, appointments, rows, *_ = (cell.strip() for cell in line[0].strip("|").split("|"))
    profile = suite.profiles.get(name)
    total = sum(table.total for system in suite.systems.values() for table in load_recipe(system, profile).tables)
    assert number(appointments) == profile.sizes["pazpaz"]["appointments"]
    assert number(rows) == pytest.approx(total, rel=0.05)
