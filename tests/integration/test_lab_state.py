"""State files: how a server is found again, and how one that nobody owns is ended without harm to another."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from pgvitals.errors import LabError
from pgvitals.lab import Database, Server, start_server
from pgvitals.lab.attach import server_of
from pgvitals.lab.reap import halt, reap
from pgvitals.lab.state import STATE_FORMAT, Process, State, all_states, home, load_state, new_id
from pgvitals.suite import Suite


def made(**changes: Any) -> State:
    """A saved state of a server that does not exist."""
    fields: dict[str, Any] = {"kind": "embedded", "why": "test", "suite": "/s", "persistent": False, "id": new_id()}
    state = State(**{**fields, "owner": Process.of(os.getpid()), **changes})
    state.save()
    return state


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with any server."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        assert process.poll() is None, "an unrelated process was ended"
        process.kill()


@pytest.fixture
def dead() -> Process:
    """A process that is no more."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        found = Process.of(process.pid)
        process.kill()
    return found


# Where


def test_the_home_is_what_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGVITALS_HOME", "here")
    assert home() == tmp_path / "here"


def test_without_the_variable_root_uses_the_systems_and_a_user_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGVITALS_HOME")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert home() == Path("/var/lib/pgvitals")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert home() == Path("/home/ann/.local/state/pgvitals")
    monkeypatch.setenv("XDG_STATE_HOME", "/data/ann")
    assert home() == Path("/data/ann/pgvitals")


# What


def test_a_state_is_read_back_as_it_was_saved(lab_home: Any, dead: Process) -> None:
    state = made(
        params={"password": "geheim ü"}, server=dead, databases=("a", "b"), unfinished=("c",), roles=("r",),
        data_dir="/d", socket_dir="/s", lab_database="a",
    )  # fmt: skip
    assert load_state(state.path) == state
    assert stat.S_IMODE(state.path.stat().st_mode) == 0o600
    assert [path.name for path in state.folder.iterdir()] == ["state.json"]


def test_a_full_disk_leaves_the_state_as_it_was(lab_home: Any) -> None:
    state = made(databases=("a",))
    state.path.with_suffix(".partial").symlink_to("/dev/full")
    with pytest.raises(LabError, match=r"cannot be written \(No space left on device\)"):
        state.with_changes(databases=("a", "b"))
    assert load_state(state.path).databases == ("a",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: raw | {"format": STATE_FORMAT + 1}, f"format {STATE_FORMAT + 1}"),
        (lambda raw: raw | {"owner": {"pid": 1}}, "cannot be read"),
        (lambda raw: raw | {"colour": "blue"}, "cannot be read"),
        (lambda raw: raw | {"id": "../../etc"}, "it names server '../../etc'"),
        (lambda raw: raw | {"id": ""}, "it names server ''"),
        (lambda raw: {key: value for key, value in raw.items() if key != "roles"}, "cannot be read"),
        (lambda raw: [raw], "cannot be read"),
    ],
)
def test_a_damaged_state_is_named_and_passed_by(lab_home: Any, change: Callable[[Any], Any], said: str) -> None:
    good, bad = made(), made(params={"password": "hidden-secret"})
    bad.path.write_text(json.dumps(change(json.loads(bad.path.read_text()))))
    with pytest.raises(LabError) as caught:
        load_state(bad.path)
    message = str(caught.value)
    assert message.startswith(f"{bad.path}: ")
    assert said in message
    assert "hidden-secret" not in message
    assert "\n" not in message
    assert all_states() == [good]


def test_half_a_file_is_named_and_passed_by(lab_home: Any) -> None:
    bad = made()
    bad.path.write_text(bad.path.read_text()[:50])
    with pytest.raises(LabError, match="cannot be read"):
        load_state(bad.path)
    assert all_states() == []


def test_a_server_that_is_not_there_is_said_to_be_none(lab_home: Any) -> None:
    with pytest.raises(LabError, match="no such lab server; `pgvitals up` starts one"):
        load_state(lab_home.path / "servers" / "gone" / "state.json")


def test_states_come_oldest_first(lab_home: Any) -> None:
    states = [made() for _ in range(3)]
    for age, state in enumerate(states):
        os.utime(state.path, (1000 - age, 1000 - age))
    assert all_states() == states[::-1]


# Which process


def test_a_process_is_alive_until_it_ends() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        found = Process.of(process.pid)
        assert found.alive()
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not found.alive()  # a zombie
    assert not found.alive()
    with pytest.raises(ProcessLookupError):
        Process.of(process.pid)


def test_a_process_of_the_same_number_is_another_one(bystander: subprocess.Popen[bytes]) -> None:
    found = Process.of(bystander.pid)
    assert found.alive()
    assert not dataclasses.replace(found, started=found.started - 1).alive()
    assert not dataclasses.replace(found, boot="before the last restart of the machine").alive()


def test_a_process_is_known_by_what_the_kernel_says_of_its_start() -> None:
    mine = Process.of(os.getpid())
    ticks = os.sysconf("SC_CLK_TCK")
    assert abs(mine.started / ticks - (psutil.Process().create_time() - psutil.boot_time())) < 0.02


def test_setting_the_clock_makes_nobody_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    mine, boot = Process.of(os.getpid()), psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: boot + 3600)  # where a time of day would come from
    assert mine.alive()


# Ending what nobody owns


def answers(state: State) -> bool:
    try:
        Server(state=state, halt=halt).maintenance().close()
    except LabError:
        return False
    return True


def test_a_server_whose_owner_lives_is_left_alone(client: Callable[..., Any], lab_home: Any) -> None:
    state = client("run").state()
    assert reap() == []
    assert answers(state)


def test_a_server_that_was_left_standing_outlives_its_owner(client: Callable[..., Any], lab_home: Any) -> None:
    user = client("up")
    state = user.state()
    user.end(signal.SIGKILL)
    assert reap() == []
    assert answers(state)
    assert state.server is not None
    os.kill(state.server.pid, signal.SIGQUIT)  # the machine restarts, say
    while state.server.alive():
        pass
    lab_home.ids()
    assert [gone.id for gone in reap()] == [state.id]
    assert lab_home.leftovers() == []


def test_an_up_that_was_broken_off_before_its_database_is_cleaned_up(client: Callable[..., Any], lab_home: Any) -> None:
    user = client("half-up")
    state = user.state()
    assert reap() == []
    user.end(signal.SIGKILL)
    lab_home.ids()
    assert [gone.id for gone in reap()] == [state.id]
    assert lab_home.leftovers() == []


def test_every_start_cleans_up_first(client: Callable[..., Any], lab_home: Any, suite: Suite) -> None:
    user = client("run")
    (left,) = {user.state().id}
    user.end(signal.SIGKILL)
    with start_server("embedded", suite=suite) as server:
        assert lab_home.ids() == {server.state.id}
    lab_home.seen.add(left)
    assert lab_home.leftovers() == []


def test_a_process_that_took_over_the_number_is_not_ended(bystander: subprocess.Popen[bytes], lab_home: Any) -> None:
    number = Process.of(bystander.pid)
    earlier = dataclasses.replace(number, started=number.started - 100)
    state = made(owner=earlier, server=earlier)
    assert reap() == [state]
    assert lab_home.leftovers() == []  # and the fixture sees whether the bystander lives


def test_a_pid_file_that_names_a_stranger_ends_nobody(
    bystander: subprocess.Popen[bytes], dead: Process, lab_home: Any
) -> None:
    state = made(owner=dead)
    data = state.folder / "data"
    data.mkdir()
    (data / "postmaster.pid").write_text(f"{bystander.pid}\n{data}\n")
    state = state.with_changes(data_dir=str(data))
    assert reap() == [state]
    assert lab_home.leftovers() == []


def test_one_that_cannot_be_ended_now_keeps_its_file_and_stops_nobody(dead: Process, lab_home: Any) -> None:
    nowhere = {"host": "127.0.0.1", "port": "1", "user": "postgres", "dbname": "postgres"}
    stuck = made(kind="external", owner=dead, params=nowhere, databases=("pgvitals_x",))
    other = made(owner=dead)
    assert reap() == [other]
    assert all_states() == [stuck]


def test_scratch_databases_of_killed_commands_are_dropped_from_a_server_that_stays(
    server: Server, dead: Process, lab_home: Any
) -> None:
    state = dataclasses.replace(
        server.state, id=new_id(), persistent=True, lab_database="any", databases=(), scratch={}
    )
    standing = Server(state=state, halt=halt)
    killed = standing._create("killed", template=None, maker=dead)
    kept = standing.create("kept")
    with standing.scratch("running") as running:
        assert reap() == []
        assert set(load_state(state.path).databases) == {kept.name, running.name}
        for database in (kept, running):
            database.connect().close()
        with pytest.raises(LabError, match=f"{killed.name}.*does not exist"):
            killed.connect()
    standing.drop(kept)


def test_a_database_is_handed_to_a_child_by_a_path_and_a_name_without_its_secret(database: Database) -> None:
    environment = database.environment()
    assert environment == {"PGVITALS_LAB": str(database.state_path), "PGVITALS_LAB_DATABASE": database.name}
    assert database.params["password"] not in repr((environment, database))


def test_databases_that_are_made_at_the_same_moment_are_all_noted(client: Callable[..., Any], lab_home: Any) -> None:
    state = client("up").state()
    servers = [server_of(load_state(state.path)) for _ in range(6)]  # as in six commands

    def make(server: Server) -> set[str]:
        made = [server.create("beside") for _ in range(3)]
        server.drop(made[0])
        return {each.name for each in made[1:]}

    with ThreadPoolExecutor(len(servers)) as pool:
        there = set[str]().union(*pool.map(make, servers))
    noted = load_state(state.path)
    assert set(noted.databases) == there | {noted.lab_database}
    assert noted.unfinished == ()
