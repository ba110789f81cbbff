"""Datasets that are kept: cloned by the next load, over the end of a lab, until they are cleaned away."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

QUICK = ("--profile", "quick", "--system", "practice")
COUNT = ("psql", "-Atc", "select count(*) from practice.auth_tokens")


def parsed(done: subprocess.CompletedProcess[str]) -> Any:
    """What `--json` printed."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def kept(shell) -> list[dict[str, Any]]:
    """What `pgvitals status` lists."""
    return list(parsed(shell.typed("status", "--json"))["kept"])


def test_a_dataset_outlives_its_lab_and_is_cloned_until_it_is_cleaned_away(fresh, tmp_path: Path) -> None:
    assert fresh.typed("up", "--postgres", "embedded").returncode == 0
    first = fresh.typed("load", *QUICK, "--json")
    assert "✓ load practice" in first.stderr
    again = fresh.typed("load", *QUICK, "--fresh", "--json")
    assert "✓ clone profile quick, seed " in again.stderr
    assert "✓ load" not in again.stderr
    assert parsed(again) == parsed(first)
    forced = fresh.typed("load", *QUICK, "--fresh", "--no-reuse", "--json")
    assert "✓ load practice" in forced.stderr
    assert parsed(forced)["checksum"] == parsed(first)["checksum"]

    told = parsed(fresh.typed("status", "--json"))
    (lab,), (here,) = told["labs"], told["kept"]
    assert (here["server"], here["parked"], here["profile"]) == (lab["id"], False, "quick")
    assert here["rows"] == lab["rows"] == sum(table["rows"] for table in parsed(first)["tables"])
    assert 1_000_000 < here["size_bytes"] <= lab["size_bytes"]
    assert here["revisions"] == {"practice": "practice_hardening"}

    down = fresh.typed("down")
    assert (down.returncode, down.stdout) == (0, "")
    assert "gone" not in down.stderr
    assert fresh.leftovers() == []
    (left,) = kept(fresh)
    assert left == here | {"parked": True}
    shown = fresh.typed("status").stdout
    assert f"parked {left['server']}" in shown
    assert "practice at practice_hardening" in shown
    assert "`pgvitals clean` removes them" in shown

    audit = fresh.typed("audit", *QUICK, "--postgres", "embedded", "--out", str(tmp_path / "run"))
    assert "✓ clone profile quick" in audit.stderr
    assert "✓ load" not in audit.stderr
    assert fresh.leftovers() == []

    would = parsed(fresh.typed("clean", "--dry-run", "--json"))
    assert (len(would["removed"]), would["dry_run"]) == (1, True)
    assert len(kept(fresh)) == 1
    cleaned = parsed(fresh.typed("clean", "--json"))
    assert (cleaned["size_bytes"], cleaned["dry_run"]) == (would["size_bytes"], False)
    assert cleaned["size_bytes"] > left["size_bytes"]
    assert kept(fresh) == []
    assert list((fresh.home / "parked").iterdir()) == []
    assert fresh.typed("clean").stdout == "no dataset is kept\n"
    assert fresh.typed("status").stdout == "no lab server is up; `pgvitals up` starts one\n"


def test_cleaning_leaves_the_lab_that_is_up_as_it_is(fresh) -> None:
    assert fresh.typed("up", "--postgres", "embedded").returncode == 0
    try:
        assert fresh.typed("load", *QUICK).returncode == 0
        before = fresh.typed(*COUNT).stdout
        done = fresh.typed("clean")
        assert done.returncode == 0
        assert done.stdout.splitlines()[0].startswith("profile quick, seed ")
        assert done.stdout.splitlines()[-1].startswith("removed 1 kept dataset, ")
        assert kept(fresh) == []
        assert fresh.typed(*COUNT).stdout == before != "0\n"
    finally:
        assert fresh.typed("down").returncode == 0
    assert not (fresh.home / "parked").exists()


def test_keeping_can_be_switched_off(fresh) -> None:
    without = fresh.with_variables(PGVITALS_KEEP_GB="0")
    assert without.typed("up", "--postgres", "embedded").returncode == 0
    try:
        for options in ((), ("--fresh",)):
            assert "✓ load practice" in without.typed("load", *QUICK, *options).stderr
        assert kept(without) == []
    finally:
        assert without.typed("down").returncode == 0
    assert not (fresh.home / "parked").exists()
    wrong = fresh.with_variables(PGVITALS_KEEP_GB="lots").typed("audit", *QUICK, "--postgres", "embedded")
    assert wrong.returncode == 2
    assert "PGVITALS_KEEP_GB=lots: expected a number of GB, or 0 to keep no datasets" in wrong.stderr
    assert fresh.leftovers() == []
