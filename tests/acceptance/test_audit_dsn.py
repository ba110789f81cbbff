"""`pgvitals audit --dsn`: a database of somebody else's, by a user who may hardly do anything, outside of a suite."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgvitals.lab import Server

PASSWORD = "correct-horse-battery"
CANARIES = ("Ophelia Canary", "canary@example.org", "1969-07-20", "canary-secret-of-the-app", "900-11-7777")
CLINIC = f"""
create schema "Old Clinic";
set search_path = "Old Clinic";
create table clinics (id bigint generated always as identity primary key, name text not null);
create table "Patients" (
  id bigint generated always as identity primary key,
  clinic_id bigint not null references clinics (id),
  "fullName" text, email text, ssn text, "dateOfBirth" timestamp
);
create table visits (
  id bigint generated always as identity primary key,
  clinic_id bigint not null references clinics (id),
  patient_id bigint not null references "Patients" (id) on delete cascade,
  notes text
);
create table waiting (since timestamptz);
insert into clinics (name) values ('{CANARIES[0]}');
insert into "Patients" (clinic_id, "fullName", email, ssn, "dateOfBirth")
  values (1, '{CANARIES[0]}', '{CANARIES[1]}', '{CANARIES[4]}', '{CANARIES[2]}');
insert into visits (clinic_id, patient_id, notes) values (1, 1, '{CANARIES[0]}');
create role clinic_app nologin;
grant usage on schema "Old Clinic" to clinic_app;
grant select, insert, update, delete on all tables in schema "Old Clinic" to clinic_app;
create role inspector login password '{PASSWORD}';
analyze;
"""


@pytest.fixture(scope="module")
def dsn(server: Server) -> Iterator[str]:
    """How somebody without a single privilege on the tables reaches them."""
    with server.scratch("clinic") as database:
        with database.connect() as conn:
            conn.execute(f"alter database \"{database.name}\" set app.jwt_secret = '{CANARIES[3]}'")
            conn.execute(CLINIC)
        yield f"postgresql://inspector:{PASSWORD}@127.0.0.1:{server.state.params['port']}/{database.name}"
        with database.connect() as conn:
            conn.execute("drop owned by clinic_app; drop role clinic_app; drop role inspector")


def test_a_database_is_audited_as_it_is_and_then_as_somebody_knows_it(shell_in, dsn: str, tmp_path: Path) -> None:
    shell = shell_in(tmp_path)
    policy = tmp_path / "clinic.toml"
    first = shell.typed("audit", "--dsn", dsn, "--write-system", str(policy), "--out", "first")
    assert first.returncode == 1, first.stderr
    assert "clinic_id" in policy.read_text()
    assert 'Patients = ["fullName", "email", "ssn", "dateOfBirth"]' in policy.read_text()
    found = {
        (each["rule"], name)
        for each in json.loads((tmp_path / "first" / "audit.json").read_text())["results"]
        for finding in each["findings"]
        for name in finding["objects"]
    }
    assert {
        ("TEN001", '"Old Clinic"."Patients"'),
        ("KEY002", '"Old Clinic".visits.visits_patient_id_fkey'),
    } <= found
    results = {each["rule"]: each for each in json.loads((tmp_path / "first" / "audit.json").read_text())["results"]}
    assert {each["outcome"] for each in results.values()} <= {"pass", "fail", "not_applicable"}
    assert results["KEY006"]["evidence"] == "system.toml names no convention"
    assert "bigint generated always as identity" in results["KEY001"]["findings"][0]["remediation"]

    words = ("audit", "--dsn", dsn, "--system-file", str(policy), "--rule", "KEY", "--out", "second", "--json")
    second = shell.typed(*words, "--baseline", "first")
    assert second.returncode == 0, second.stderr
    told = json.loads(second.stdout)["audit"]
    assert (told["outcome"], told["baseline"]) == ("pass", "first")
    assert {each["rule"] for each in told["results"] if each["outcome"] == "waived"} >= {"KEY001", "KEY002"}

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"audit.json", "audit.sarif", "report.html", "report.md", "junit.xml", "run.json"} <= {f.name for f in files}
    for text in (*(path.read_bytes().decode() for path in files), first.stdout, first.stderr, second.stdout):
        assert PASSWORD not in text
        assert not [canary for canary in CANARIES if canary in text]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--schema", "nowhere"), "there is no schema 'nowhere' with tables in this database; there are: Old Clinic"),
        (("--system", "pazpaz"), "--system and --dsn exclude each other"),
        (("--requests", "app.py:x"), "--requests and --patience go with --engine"),
        (("--rule", "APP"), "APP is about an application's engine; give one with --engine"),
        (("--rule", "NOPE01"), "unknown rule or family 'NOPE01'"),
        (("--as", "iso"), "unknown checklist 'iso'"),
        (("--fail-on", "high"), "unknown severity 'high'"),
    ],
)
def test_what_makes_no_sense_ends_in_one_line(
    shell_in, dsn: str, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    done = shell_in(tmp_path).typed("audit", "--dsn", dsn, *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert PASSWORD not in done.stderr
    assert list(tmp_path.rglob("run.json")) == []


def test_an_edited_policy_is_not_written_over(shell_in, dsn: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("# mine")
    done = shell_in(tmp_path).typed("audit", "--dsn", dsn, "--write-system", "mine.toml")
    assert (done.returncode, (tmp_path / "mine.toml").read_text()) == (2, "# mine")
    assert "exists already, and may have been edited" in done.stderr


def test_options_of_a_database_of_somebody_s_need_its_dsn(shell_in, tmp_path: Path) -> None:
    done = shell_in(tmp_path).typed("audit", "--write-system", "mine.toml")
    assert (done.returncode, "--write-system goes with --dsn" in done.stderr) == (2, True)
