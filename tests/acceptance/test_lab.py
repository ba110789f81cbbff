"""A lab that stays up: every command works on it, and so do psql, Locust and Alembic."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pgvitals.results.rundir import Run, load_run

DROPPED = "pazpaz.ix_appointments_workspace_time_range"


def parsed(done: subprocess.CompletedProcess[str]) -> Any:
    """What `--json` printed, which is JSON and nothing else."""
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def newest(lab) -> Path:
    """The run directory that was made last."""
    return (lab.folder / "reports" / "latest").resolve()


@pytest.fixture(scope="module")
def measured(lab) -> subprocess.CompletedProcess[str]:
    """`pgvitals bench --json` on the lab."""
    return lab.typed("bench", "--json")


def test_a_lab_that_is_up_is_not_started_again(lab) -> None:
    (before,) = lab.states()
    again = parsed(lab.typed("up", "--json"))
    assert (again["id"], again["kind"], again["database"]) == (before.id, "embedded", before.lab_database)
    assert [state.id for state in lab.states()] == [before.id]
    assert "already up: embedded server" in lab.typed("up").stdout
    other = lab.typed("up", "--postgres", "container")
    assert other.returncode == 2
    assert "is up already; end it first with `pgvitals down`" in other.stderr


def test_status_tells_what_the_lab_holds(lab) -> None:
    (told,) = parsed(lab.typed("status", "--json"))["labs"]
    assert (told["answers"], told["stays"], told["kind"], told["profile"]) == (True, True, "embedded", "quick")
    assert told["suite"] == str(lab.folder)
    rows = lab.typed("psql", "-Atc", "select count(*) from pazpaz.appointments").stdout
    assert int(rows) < told["rows"]
    assert told["size_bytes"] > 1_000_000
    shown = lab.typed("status").stdout
    assert "until `down`" in shown
    assert f"quick, {told['rows']:,} rows" in shown


def test_psql_opens_the_lab_database(lab) -> None:
    done = lab.typed("psql", "-X", "-Atc", "select current_database() = 'x', count(*) > 0 from pazpaz.clients")
    assert (done.returncode, done.stdout) == (0, "f|t\n")
    assert lab.typed("psql", "-c", "select nonsense").returncode == 1


def test_a_loaded_lab_is_not_loaded_again(lab) -> None:
    before = lab.typed("psql", "-Atc", "select xmin, ctid from pazpaz.clients order by id limit 1").stdout
    done = lab.typed("load", "--profile", "quick", "--json")
    assert done.returncode == 0
    assert "holds profile quick" in done.stderr
    assert parsed(done)["profile"] == "quick"
    assert lab.typed("psql", "-Atc", "select xmin, ctid from pazpaz.clients order by id limit 1").stdout == before


def test_another_profile_has_to_be_asked_for_plainly(lab) -> None:
    for command in ("load", "bench"):
        done = lab.typed(command, "--profile", "smoke")
        assert done.returncode == 2
        assert "--fresh" in done.stderr
    assert parsed(lab.typed("status", "--json"))["labs"][0]["profile"] == "quick"


def test_bench_takes_the_lab_and_what_it_holds(lab, measured: subprocess.CompletedProcess[str]) -> None:
    assert measured.returncode == 3  # two batches are too few
    told = parsed(measured)
    run = load_run(told["run"])
    assert run.path.parent == lab.folder / "reports" / "runs"
    assert told["gate"]["outcome"] == run.gate.outcome == "inconclusive"
    judged = {f"{each.system}/{each.query}" for each in run.gate.queries}
    assert len(told["gate"]["queries"]) == len(judged)
    assert judged | set(run.gate.left_out) == {
        f"{path.parent.name}/{path.stem}" for path in (lab.folder / "bench").glob("*/*.sql")
    }
    assert run.info.config["profile"] == "quick"
    assert run.info.server is not None
    assert run.info.server.why == "the lab that is up"
    assert run.info.command == "pgvitals bench --json"
    assert lab.typed("gate").returncode == 3
    assert parsed(lab.typed("gate", "latest", "--json")) == told["gate"]
    assert parsed(lab.typed("gate", run.path.name, "--json")) == told["gate"]


def test_one_system_can_be_measured_alone(lab, tmp_path: Path) -> None:
    done = lab.typed("bench", "--system", "practice", "--seed", "77", "--out", str(tmp_path / "run"))
    assert done.returncode == 3
    run = load_run(tmp_path / "run")
    assert {each.system for each in run.gate.queries} == {"practice"}
    assert run.info.config["seed"] == 77
    assert run.info.dataset is not None
    assert run.info.dataset.seed != 77


def test_indexes_are_listed_with_their_scans(lab) -> None:
    told = parsed(lab.typed("indexes", "--system", "practice", "--json"))
    usage = load_run(told["run"]).index_usage
    assert usage is not None
    assert [each["scans"] for each in told["indexes"]] == usage["scans"].tolist()
    assert sum(usage["scans"]) > 0


def test_an_audit_says_what_failed(lab) -> None:
    done = lab.typed("audit", "--json")
    told = parsed(done)
    assert done.returncode == {"pass": 0, "fail": 1, "error": 2, "inconclusive": 3}[told["audit"]["outcome"]]
    run = load_run(told["run"])
    assert run.audit is not None
    assert len(told["audit"]["results"]) == len(run.audit.results)
    assert run.gate is None


def test_a_load_test_reaches_the_lab(lab) -> None:
    done = lab.typed("loadtest", "--json")
    told = parsed(done)
    assert done.returncode == {"pass": 0, "inconclusive": 3}[told["load"]["outcome"]]
    assert told["load"]["total"]["errors"] == 0
    assert told["load"]["total"]["requests"] == 10  # 20 a second for half a second


def test_impact_works_on_the_server_that_is_up(lab) -> None:
    databases = r"select datname from pg_database where datname not like 'pgvitals\_kept\_%' order by 1"
    before = lab.typed("psql", "-Atc", databases).stdout
    done = lab.typed("impact", "--profile", "quick", "--json")
    told = parsed(done)
    assert done.returncode in (0, 3)
    assert [each["to_revision"] for each in told["impact"]] == ["20250106_1200_schema_cleanup_audit"]
    assert lab.typed("psql", "-Atc", databases).stdout == before


def test_every_command_leaves_latest_at_its_own_run(lab) -> None:
    told = parsed(lab.typed("audit", "--system", "practice", "--json"))
    assert newest(lab) == Path(told["run"])


@pytest.mark.usefixtures("measured")
def test_reports_can_be_written_again_and_elsewhere(lab, tmp_path: Path) -> None:
    done = lab.typed("report", "latest", "--format", "md, json", "--out", str(tmp_path / "new"))
    assert done.returncode == 0
    assert done.stdout.split() == [str(tmp_path / "new" / "report.md"), str(tmp_path / "new" / "report.json")]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["report.json", "report.md"]


def test_a_notebook_asks_the_lab_in_a_session_that_only_reads(lab) -> None:
    script = (
        "import pgvitals\n"
        "frame = pgvitals.ask('select status, count(*) as n from pazpaz.appointments group by 1 order by 1')\n"
        "print(list(frame.columns), frame['n'].sum())\n"
        "print(pgvitals.ask('select current_user as who', role='pazpaz_app')['who'][0])\n"
        "try:\n"
        "    pgvitals.ask('delete from pazpaz.appointments')\n"
        "except Exception as error:\n"
        "    print(type(error).__name__)\n"
    )
    done = lab("python", "-c", script)
    assert done.stdout == "['status', 'n'] 12000\npazpaz_app\nReadOnlySqlTransaction\n", done.stderr


def test_locust_runs_by_itself(lab) -> None:
    done = lab("locust", "-f", "loadtests/locustfile.py", "--headless", "-u", "4", "-t", "3s")
    assert done.returncode in (0, 3), done.stderr  # a noisy machine may void it
    for query in ("pazpaz/calendar_week", "practice/user_tokens"):
        assert query in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_alembic_finds_the_lab(lab, measured: subprocess.CompletedProcess[str]) -> None:
    held = load_run(parsed(measured)["run"]).info.dataset
    assert held is not None
    current = lab("alembic", "current")
    assert current.returncode == 0, current.stderr
    assert set(re.findall(r"^(\S+) \(head\)", current.stdout, re.MULTILINE)) == set(held.revisions.values())
    upgraded = lab("alembic", "upgrade", "heads")
    assert upgraded.returncode == 0, upgraded.stderr
    assert sorted(lab("alembic", "current").stdout.splitlines()) == sorted(current.stdout.splitlines())


def test_without_a_lab_alembic_and_locust_say_so(copied) -> None:
    for words in (("alembic", "current"), ("locust", "-f", "loadtests/locustfile.py", "--headless", "-t", "1s")):
        done = copied(*words)
        assert done.returncode != 0
        assert "no lab server is up; start one with `pgvitals up`" in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr


def buffers(run: Run) -> int:
    """Pages that the conflict check of the largest tenant touches; for the calendar another index stands in."""
    top = run.plans["pazpaz/conflict_check"][0]["plan"]["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


def test_a_dropped_index_shows_in_plan_and_pages(lab, tmp_path: Path) -> None:
    definition = lab.typed("psql", "-Atc", f"select pg_get_indexdef('{DROPPED}'::regclass)").stdout
    runs = []
    try:
        for name in ("with", "without"):
            assert lab.typed("bench", "--system", "pazpaz", "--out", str(tmp_path / name)).returncode == 3
            runs.append(load_run(tmp_path / name))
            if name == "with":
                assert lab.typed("psql", "-c", f"drop index {DROPPED}").stdout == "DROP INDEX\n"
    finally:
        restored = lab.typed("psql", "-c", definition)
    assert restored.returncode == 0, restored.stderr
    before, after = (next(each for each in run.gate.queries if each.query == "calendar_week") for run in runs)
    assert DROPPED.split(".")[1] in before.plan
    assert DROPPED.split(".")[1] not in after.plan
    assert before.plan_hash != after.plan_hash
    assert buffers(runs[1]) > 2 * buffers(runs[0])
    names = [set(run.index_usage["index"]) for run in runs]
    assert names[0] - names[1] == {DROPPED.split(".")[1]}


def test_the_price_of_row_level_security_is_told_for_every_lookup_of_isolated_tables(lab, tmp_path: Path) -> None:
    done = lab.typed("rls", "--system", "practice", "--json", "--out", str(tmp_path / "rls"))
    assert done.returncode == 0, done.stderr
    (price,) = parsed(done)["rls"]
    run = load_run(tmp_path / "rls")
    (kept,) = run.rls
    assert run.gate is None
    assert [each.query for each in kept.lookups] == [each["query"] for each in price["lookups"]]
    assert {"user_tokens", "rotate_token"} <= {*(each.query for each in kept.lookups), *kept.left_out}
    for each in kept.lookups:
        assert each.typical.low <= each.typical_ratio <= each.typical.high
        assert each.tables
        assert each.words
    assert "## Price of row-level security" in (tmp_path / "rls" / "report.md").read_text()
    assert [state.scratch for state in lab.states()] == [{}]


def test_the_server_s_password_is_nowhere_else(lab) -> None:
    """In the state file, which only its user may read, and in no report, JSON or output."""
    (path,) = lab.home.glob("servers/*/state.json")
    assert path.stat().st_mode & 0o077 == 0
    password = json.loads(path.read_text())["params"]["password"]
    files = [each for root in (lab.folder, lab.home) for each in root.rglob("*") if each.is_file()]
    assert [each for each in files if password.encode() in each.read_bytes()] == [path]
    for words in (("status",), ("status", "--json"), ("up", "--json")):
        done = lab.typed(*words)
        assert password not in done.stdout + done.stderr


@pytest.mark.parametrize("options", [(), ("--all",)])
def test_down_ends_what_up_started(fresh, options: tuple[str, ...]) -> None:
    assert fresh.typed("up", "--postgres", "embedded").returncode == 0
    (state,) = fresh.states()
    assert state.server is not None
    assert state.server.alive()
    (empty,) = parsed(fresh.typed("status", "--json"))["labs"]
    assert (empty["profile"], empty["rows"]) == (None, None)
    assert "the lab holds no dataset yet; fill it with `pgvitals load`" in fresh.typed("bench").stderr
    done = fresh.typed("down", *options)
    assert (done.returncode, done.stdout) == (0, "")
    assert not state.server.alive()
    assert fresh.leftovers() == []
    assert fresh.typed("down").stdout == "no lab server was up\n"
    assert fresh.typed("status").stdout == "no lab server is up; `pgvitals up` starts one\n"


def test_a_command_without_a_lab_makes_one_from_its_seed(copied, tmp_path: Path) -> None:
    done = copied.typed(
        *("bench", "--profile", "quick", "--seed", "7", "--system", "practice", "--postgres", "embedded"),
        *("--out", str(tmp_path / "run")),
    )
    assert done.returncode == 3, done.stderr
    run = load_run(tmp_path / "run")
    assert run.info.dataset is not None
    assert (run.info.dataset.seed, run.info.config["seed"]) == (7, 7)
    assert copied.leftovers() == []
