"""Bad input and a bad environment: one line that says what to do, exit code 2, and nothing left behind."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from pgvitals.lab import Server

EMBEDDED = ("--postgres", "embedded")


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of an error."""
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line and not line.startswith(("·", "✓"))]
    assert line.startswith("error: ")
    assert "Traceback" not in done.stdout + done.stderr
    return line


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("run", "--profile", "nope"), "unknown profile 'nope'; there are: smoke, small"),
        (("load", "--profile", "nope"), "unknown profile 'nope'"),
        (("bench", "--system", "nope"), "unknown system 'nope'; there are: pazpaz, portal, practice"),
        (("run", "--only", "bnch"), "unknown phase 'bnch'; there are: bench, load, audit, impact"),
        (("run", "--only", "bench", "--skip", "load"), "--only and --skip exclude each other"),
        (("bench", "--seed", "-1"), "'--seed'"),
        (("bench", "--seed", "many"), "'--seed'"),
        (("bench", "--nope"), "No such option: --nope"),
        (("nope",), "No such command 'nope'"),
        (("bench", "extra"), "extra argument"),
        (("gate", "nope"), "nope: not a run directory (it has no run.json); `pgvitals run` makes one"),
        (("gate",), "no run has measured lookups yet; `pgvitals bench` makes one"),
        (("report",), "latest: not a run directory"),
        (("report", "nope"), "nope: not a run directory"),
        (("impact", "--system", "practice", "--from", "practice_0001"), "--from and --to go together"),
        (("impact", "--from", "a", "--to", "b"), "--from and --to go together, and with --system"),
        (
            ("impact", "--system", "practice", "--from", "practice_0001", "--to", "nope"),
            "system 'practice' has no revision 'nope'; it has: practice_0001,",
        ),
        (
            ("impact", "--system", "practice", "--to", "practice_0001", "--from", "20250106_1200_schema_cleanup_audit"),
            "must come before --to practice_0001",
        ),
        (("impact", "--system", "pazpaz", "--from", "practice_0001", "--to", "f6092aa0856d"), "has no revision"),
        (("impact", "--system", "pazpaz"), "no pair of revisions: give --system, --from and --to"),
        (("bench", "--postgres", "nope"), "expected"),
        (("bench", "--postgres", "postgresql://127.0.0.1:1/postgres"), "cannot be reached"),
        (("load",), "no lab server is up; start one with `pgvitals up`"),
        (("psql",), "no lab server is up"),
        (("load", "--postgres", "host=/nowhere dbname=x"), "cannot be reached"),
    ],
)
def test_bad_input_is_one_line(copied, command: tuple[str, ...], told: str) -> None:
    assert told in refused(copied.typed(*command))
    assert copied.leftovers() == []
    assert [path.name for path in copied.folder.glob("reports/**/*")] in ([], ["runs"])


def test_an_existing_directory_is_not_overwritten(copied, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("x")
    for out in (tmp_path / "mine", tmp_path / "mine" / "file"):
        line = refused(copied.typed("run", "--profile", "quick", *EMBEDDED, "--out", str(out)))
        assert "name a new directory with --out" in line or "name another --out" in line
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "mine"]
    assert copied.leftovers() == []


def test_a_directory_that_cannot_be_made_is_named(copied) -> None:
    line = refused(copied.typed("bench", "--profile", "quick", *EMBEDDED, "--out", "/proc/nowhere/run"))
    assert "/proc/nowhere/run" in line
    assert copied.leftovers() == []


@pytest.mark.parametrize("command", ["run", "bench", "up", "load", "gate", "report", "impact", "audit", "down", "psql"])
def test_outside_of_a_suite_a_command_says_so(copied, command: str) -> None:
    outside = replace(copied, folder=Path("/"))
    assert "no suite at or above /: no pyproject.toml there has a [tool.pgvitals] table" in refused(
        outside.typed(command)
    )


@pytest.fixture
def edited(copied):
    """Changes a file of the suite for one test."""
    before: dict[Path, str] = {}

    def edit(name: str, old: str, new: str) -> Path:
        path = copied.folder / name
        before.setdefault(path, path.read_text())
        assert old in before[path]
        path.write_text(before[path].replace(old, new))
        return path

    yield edit
    for path, text in before.items():
        path.write_text(text)


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("bench/pazpaz/calendar_week.sql", "-- title", "-- tilte", "calendar_week.sql:1: unknown header key 'tilte'"),
        ("bench/pazpaz/calendar_week.sql", "budget_p95_ms: 50", "budget_p95_ms: fast", "must be a positive number"),
        (
            "bench/pazpaz/calendar_week.sql",
            "-- title",
            "-- until: practice_0001\n-- title",
            "calendar_week.sql: 'until' names revision 'practice_0001'; system 'pazpaz' has: 65ac34a08850, ",
        ),
        ("fixtures/pazpaz/system.toml", 'schema = "pazpaz"', "schema = 5", "system.toml"),
        ("fixtures/profiles.toml", "appointments = 12_000", "appointments = -1", "profiles.toml"),
        ("pyproject.toml", 'systems = "fixtures"', 'systms = "fixtures"', "[tool.pgvitals]"),
    ],
)
def test_a_broken_file_is_found_before_a_server_starts(
    copied, edited: Callable[..., Path], name: str, old: str, new: str, told: str
) -> None:
    edited(name, old, new)
    done = copied.typed("run", "--profile", "quick", *EMBEDDED)
    assert told in refused(done)
    assert "server" not in done.stderr
    assert copied.leftovers() == []


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        (
            "bench/practice/user_tokens.sql",
            "select id, token_type",
            "select id, no_such_column, token_type",
            'user_tokens.sql: fails with column "no_such_column" does not exist',
        ),
        ("bench/practice/user_tokens.sql", "select tenant_id, user_id", "select user_id", "'params' lacks column"),
        ("fixtures/practice/dataset.py", "def recipe(", "def recip(", "defines no function recipe"),
        ("fixtures/practice/dataset.py", "import numpy as np", "import nummpy as np", "does not import"),
    ],
)
def test_what_fails_while_working_is_one_line_too(
    copied, edited: Callable[..., Path], tmp_path: Path, name: str, old: str, new: str, told: str
) -> None:
    edited(name, old, new)
    command = ("run", "--profile", "quick", "--system", "practice", "--only", "bench", *EMBEDDED)
    assert told in refused(copied.typed(*command, "--out", str(tmp_path / "out")))
    assert list(tmp_path.iterdir()) == []
    assert copied.leftovers() == []


@pytest.fixture(scope="module")
def audited(copied, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run that is whole."""
    path = tmp_path_factory.mktemp("audited") / "run"
    words = ("run", "--profile", "quick", "--system", "practice", "--only", "audit", *EMBEDDED, "--out", str(path))
    assert copied.typed(*words).returncode == 0
    return path


def test_an_unknown_kind_of_report_is_named(audited: Path, copied, tmp_path: Path) -> None:
    line = refused(copied.typed("report", str(audited), "--format", "html,pdf", "--out", str(tmp_path)))
    assert "unknown kind of report 'pdf'; there are: html, md, json, junit" in line
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_run_is_named(copied, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{")
    assert "run.json" in refused(copied.typed("gate", str(tmp_path)))
    (tmp_path / "run.json").write_text('{"format_version": 99}')
    assert "format version 99" in refused(copied.typed("report", str(tmp_path)))


@pytest.fixture
def foreign(server: Server):
    """The DSN of somebody's database on a server that knows us, with what is in it."""
    with server.maintenance() as conn:
        conn.execute("create database somebody_s")
    params = server.state.params
    dsn = f"postgresql://postgres:{params['password']}@127.0.0.1:{params['port']}/somebody_s"
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("create table precious (id int); insert into precious values (1)")
    yield dsn
    with psycopg.connect(dsn) as conn:
        assert conn.execute("select count(*) from precious").fetchone() == (1,)
        relations = conn.execute("select count(*) from pg_class where relnamespace = 'public'::regnamespace").fetchone()
        assert relations == (1,)
        assert conn.execute("select to_regnamespace('pgvitals'), to_regnamespace('pazpaz')").fetchone() == (None, None)
    with server.maintenance() as conn:
        conn.execute("drop database somebody_s")


@pytest.mark.parametrize("command", ["load", "bench", "run", "up", "impact", "audit"])
def test_a_foreign_database_is_refused_and_not_touched(copied, foreign: str, command: str) -> None:
    line = refused(copied.typed(command, "--postgres", foreign))
    assert "'somebody_s' was not made by pgvitals" in line
    line = refused(copied.with_variables(PGVITALS_DSN=foreign).typed(command))
    assert "'somebody_s' was not made by pgvitals" in line
    assert copied.leftovers() == []


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://me:s3cr3t@127.0.0.1:1/postgres",
        "postgresql://me:s3@cr3t@127.0.0.1:1/postgres",
        "postgresql://me:s3/cr3t@127.0.0.1:1/postgres",
        "postgresql://me:s3#cr3t@127.0.0.1:1/postgres",
        "host=127.0.0.1 port=1 password=s3cr3t",
        "host=127.0.0.1 port=1 passwrd=s3cr3t",
        "me:s3cr3t@127.0.0.1/postgres",
        "s3cr3t",
    ],
)
def test_no_part_of_a_password_is_repeated(copied, dsn: str) -> None:
    for done in (
        copied.typed("bench", "--postgres", dsn),
        copied.with_variables(PGVITALS_DSN=dsn).typed("bench"),
    ):
        assert "cr3t" not in refused(done)
        assert "cr3t" not in done.stdout


@pytest.fixture
def disk(tmp_path: Path):
    """Mounts a file system of a few kilobytes."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(size: str) -> Path:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
        return place

    yield mount
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.root
@pytest.mark.parametrize(("part", "size"), [("bench", "48k"), ("audit", "100k")])
def test_a_full_disk_is_one_line_and_leaves_no_half_run(
    copied, disk: Callable[[str], Path], part: str, size: str
) -> None:
    """The first is full when samples are written, the second at the report."""
    place = disk(size)
    line = refused(copied.typed("run", "--profile", "quick", *EMBEDDED, "--only", part, "--out", str(place / "run")))
    assert "No space left on device" in line
    assert list(place.iterdir()) == []
    assert copied.leftovers() == []


def test_a_home_that_cannot_be_written_is_named(copied) -> None:
    line = refused(replace(copied, home=Path("/proc/nowhere")).typed("up", *EMBEDDED))
    assert "set PGVITALS_HOME to a writable directory" in line


def test_a_closed_pipe_is_no_bug(copied, audited: Path, tmp_path: Path) -> None:
    report = f"pgvitals report '{audited}' --format json --out '{tmp_path}'"
    done = copied("sh", "-c", f"{report} | true; {report} > /dev/full")
    assert "Traceback" not in done.stderr
    assert done.stderr == "error: the system: No space left on device\n"
