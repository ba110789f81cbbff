"""`pgvitals export`: files to read elsewhere, or one line that says why not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import psycopg
import pytest

from pgvitals.lab import Server


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of an error."""
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line and not line.startswith(("·", "✓"))]
    assert line.startswith("error: ")
    assert "Traceback" not in done.stdout + done.stderr
    return line


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "Missing argument 'DIR'"),
        (("{out}", "--system", "nope"), "unknown system 'nope'; there are: pazpaz, portal, practice"),
        (("{out}", "--nope"), "No such option: --nope"),
        (("{out}", "extra"), "extra argument"),
        (("{out}", "--postgres", "nope"), "expected"),
        (("{out}",), "no lab server is up; start one with `pgvitals up`"),
    ],
)
def test_bad_input_is_one_line(copied, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    assert told in refused(copied.typed("export", *(word.format(out=tmp_path / "out") for word in words)))
    assert list(tmp_path.iterdir()) == []
    assert copied.leftovers() == []


def test_outside_of_a_suite_it_says_so(copied, tmp_path: Path) -> None:
    assert "no suite at or above /" in refused(replace(copied, folder=Path("/")).typed("export", str(tmp_path / "out")))


@pytest.fixture
def foreign(server: Server) -> Iterator[str]:
    """The DSN of somebody's database."""
    with server.maintenance() as conn:
        conn.execute("create database precious")
    params = server.state.params
    dsn = f"postgresql://postgres:{params['password']}@127.0.0.1:{params['port']}/precious"
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("create schema pazpaz; create table pazpaz.clients (name text)")
        conn.execute("insert into pazpaz.clients values ('a real name')")
    yield dsn
    with server.maintenance() as conn:
        conn.execute("drop database precious")


def test_somebody_s_rows_are_not_handed_out(copied, foreign: str, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    for done in (
        copied.typed("export", out, "--postgres", foreign),
        copied.with_variables(PGVITALS_DSN=foreign).typed("export", out),
    ):
        assert "'precious' was not made by pgvitals" in refused(done)
    assert list(tmp_path.iterdir()) == []


def test_a_lab_is_written_once_and_not_over_itself(lab, tmp_path: Path) -> None:
    out = tmp_path / "below" / "out"
    done = lab.typed("export", str(out), "--table", "pazpaz.clients", "--table", "workspaces")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()][-3:] == [
        "pazpaz/clients.parquet",
        "pazpaz/workspaces.parquet",
        "total",
    ]
    assert f"{len(pd.read_parquet(out / 'pazpaz' / 'clients.parquet')):,}" in done.stdout
    assert "exists and is not empty; name a new directory" in refused(lab.typed("export", str(out)))
    line = refused(lab.typed("export", str(tmp_path / "more"), "--table", "appointments"))
    assert "table 'appointments' could be any of: pazpaz.appointments, portal.appointments" in line
    assert "no table 'nope' in the lab" in refused(lab.typed("export", str(tmp_path / "more"), "--table", "nope"))
    assert [path.name for path in tmp_path.iterdir()] == ["below"]


def test_json_is_the_record_that_is_written(lab, tmp_path: Path) -> None:
    done = lab.typed("export", str(tmp_path / "out"), "--system", "practice", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert {table["system"] for table in json.loads(done.stdout)["tables"]} == {"practice"}
