"""The table of kept datasets: a suite each, whole on a terminal of 100 columns."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from pgvitals.kept_datasets import KeptDataset, tables

REVISIONS = {"pazpaz": "pazpaz_hardening", "practice": "20250106_1200_schema_cleanup_audit"}


def dataset(minutes: float = 0, suite: str = "/srv/suite") -> KeptDataset:
    made = (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat(timespec="seconds")
    return KeptDataset(
        server="0123abcd", parked=True, suite=suite, profile="medium", seed=2**63 - 1, revisions=REVISIONS,
        rows=12_345_678_901, size_bytes=7 * 2**30, load_s=1.0, made_utc=made, used_utc=made,
    )  # fmt: skip


def shown(*found: KeptDataset, width: int = 100) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width)
    for part in tables(found):
        console.print(part, soft_wrap=isinstance(part, str))
    return out.getvalue()


def test_nothing_kept_is_nothing_to_show() -> None:
    assert tables([]) == []


def test_the_table_is_whole_on_100_columns() -> None:
    text = shown(dataset())
    assert "…" not in text
    table = text.splitlines()[:-1]
    assert max(map(len, table)) <= 100
    for value in ("medium", str(2**63 - 1), "12,345,678,901", "7 GB", "just now", "parked 0123abcd"):
        assert value in text
    assert "pazpaz_hardening" in "".join(line[-30:].strip() for line in table)


def test_the_last_line_says_how_much_and_how_to_be_rid_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGVITALS_KEEP_GB", "30")
    assert shown(dataset(), dataset()).splitlines()[-1] == (
        "2 datasets, 14 GB; `pgvitals clean` removes them. PGVITALS_KEEP_GB limits what is kept, now to 30 GB."
    )


@pytest.mark.parametrize(
    ("minutes", "age"),
    [(0.5, "just now"), (59, "59 min ago"), (61, "1 h ago"), (47 * 60, "1 d ago"), (4e4, "27 d ago")],
)
def test_an_age_is_told_in_its_largest_unit(minutes: float, age: str) -> None:
    assert age in shown(dataset(minutes))


def test_each_suite_has_a_table_of_its_own() -> None:
    text = shown(dataset(), dataset(suite="/srv/other"), dataset())
    assert text.count("Kept datasets of /srv/suite") == text.count("Kept datasets of /srv/other") == 1
