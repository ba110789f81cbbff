"""The container server; these tests run with PGVITALS_TEST_CONTAINER=1, and then an engine has to be there."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import psycopg
import pytest

from pgvitals.errors import LabError
from pgvitals.lab import Database, Server, attach, start_server
from pgvitals.lab import container as container_server
from pgvitals.lab.attach import kind_of
from pgvitals.lab.choose import launch
from pgvitals.lab.container import LABEL, image_name
from pgvitals.lab.reap import halt, reap
from pgvitals.lab.settings import lab_settings
from pgvitals.lab.state import State, all_states, load_state
from pgvitals.suite import Suite

pytestmark = pytest.mark.container


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="module")
def server(suite: Suite, _own_state: None) -> Iterator[Server]:
    """A container for the whole module."""
    with start_server("container", suite=suite) as running:
        yield running


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    with server.scratch("test") as made:
        yield made


def containers(engine: docker.DockerClient, state: State) -> list[Any]:
    """Containers of a server, ended ones included."""
    return engine.containers.list(all=True, filters={"label": f"{LABEL}={state.id}"})


def test_a_container_is_known_by_its_state_and_its_label(server: Server, engine: docker.DockerClient) -> None:
    (running,) = containers(engine, server.state)
    assert (server.kind, running.status) == ("container", "running")
    assert running.image.tags == [image_name()] or image_name() in running.image.tags
    assert load_state(server.state.path) == server.state
    assert server.state.server is None  # its pid is the engine's business
    assert server.state.path.stat().st_mode & 0o777 == 0o600


def test_it_is_reached_from_this_machine_alone(server: Server, engine: docker.DockerClient) -> None:
    (running,) = containers(engine, server.state)
    published = [place for places in running.ports.values() for place in places or []]
    assert [(place["HostIp"], place["HostPort"]) for place in published] == [("127.0.0.1", server.state.params["port"])]
    assert server.state.params["host"] == "127.0.0.1"


def test_it_has_the_settings_of_a_lab_and_trades_nothing_for_speed(server: Server) -> None:
    asked = "select lower(name), source from pg_settings where lower(name) = any(%s)"
    with server.maintenance() as conn:
        assert dict(conn.execute(asked, (list(lab_settings()),)).fetchall()) == dict.fromkeys(
            lab_settings(), "command line"
        )
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            assert conn.execute("select current_setting(%s)", (name,)).fetchone() == ("on",)


def test_it_counts_the_server_s_own_time_where_the_image_can(server: Server) -> None:
    with server.maintenance() as conn:
        (can,) = conn.execute(
            "select count(*) > 0 from pg_available_extensions where name = 'pg_stat_statements'"
        ).fetchone() or (None,)
        (loaded,) = conn.execute("show shared_preload_libraries").fetchone() or (None,)
    assert loaded == ("pg_stat_statements" if can else "")


def test_an_image_without_the_library_starts_without_it(
    server: Server, engine: docker.DockerClient, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = image_name()
    made = engine.containers.create(image, ["-c", "find / -xdev -name 'pg_stat_statements*' -delete"], entrypoint="sh")
    made.start()
    made.wait()
    config = engine.images.get(image).attrs["Config"]
    changes = [f"ENTRYPOINT {json.dumps(config['Entrypoint'])}", f"CMD {json.dumps(config['Cmd'])}"]
    engine.api.commit(made.id, "pgvitals-test-without", "counting", changes="\n".join(changes))
    made.remove(v=True)
    try:
        monkeypatch.setenv("PGVITALS_IMAGE", "pgvitals-test-without:counting")
        with start_server("container", suite=suite) as poorer, poorer.maintenance() as conn:
            assert conn.execute("show shared_preload_libraries").fetchone() == ("",)
    finally:
        engine.images.remove("pgvitals-test-without:counting", force=True)


def test_the_password_is_asked_for_and_is_in_no_command_line(server: Server, engine: docker.DockerClient) -> None:
    params = server.state.params
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**{**params, "password": "wrong"})  # type: ignore[arg-type]
    (running,) = containers(engine, server.state)
    listed = running.top(ps_args="-eo pid,args")["Processes"]
    assert any("postgres" in str(process) for process in listed)
    assert params["password"] not in repr(listed)
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        assert params["password"].encode() not in line
    assert params["password"] not in repr((server, server.state))


def test_databases_are_made_cloned_and_dropped_as_on_any_server(database: Database, server: Server) -> None:
    with database.connect() as conn:
        conn.execute("create table visits (id int)")
    with server.scratch("copy", source=database) as clone, clone.connect() as conn:
        assert conn.execute("select count(*) from visits").fetchone() == (0,)


def test_a_child_finds_it(database: Database, suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in database.environment().items():
        monkeypatch.setenv(name, value)
    assert attach(suite) == database
    assert kind_of(database) == "container"


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_nothing_is_left_however_the_block_ends(
    suite: Suite, lab_home: Any, engine: docker.DockerClient, error: type[BaseException] | None
) -> None:
    seen: list[State] = []
    volumes = {volume.id for volume in engine.volumes.list()}

    def work() -> None:
        with start_server("container", suite=suite) as started:
            seen.append(started.state)
            if error is not None:
                raise error

    if error is None:
        work()
    else:
        with pytest.raises(error):
            work()
    assert containers(engine, seen[0]) == []
    assert {volume.id for volume in engine.volumes.list()} <= volumes
    assert lab_home.leftovers() == []


def test_what_a_killed_client_leaves_is_removed_by_the_next(
    client: Callable[..., Any], lab_home: Any, engine: docker.DockerClient
) -> None:
    user = client("run", "container")
    state = user.state()
    assert reap() == []
    assert len(containers(engine, state)) == 1
    user.end(signal.SIGKILL)
    assert [gone.id for gone in reap()] == [state.id]
    assert containers(engine, state) == []
    assert lab_home.leftovers() == []


def test_a_container_that_was_removed_by_hand_is_forgotten(
    suite: Suite, lab_home: Any, engine: docker.DockerClient
) -> None:
    with start_server("container", suite=suite) as started:
        (running,) = containers(engine, started.state)
        running.remove(force=True, v=True)
        with pytest.raises(LabError, match="the container server does not answer"):
            started.maintenance()
    assert lab_home.leftovers() == []


def test_a_container_that_ends_at_once_says_its_last_words(
    suite: Suite, lab_home: Any, engine: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {running.id for running in engine.containers.list(all=True)}
    monkeypatch.setattr(container_server, "lab_settings", lambda: {"shared_buffers": "many"})
    with pytest.raises(LabError, match=r"ended at once: .*shared_buffers") as caught:
        launch("container", suite=suite, persistent=False)
    assert "\n" not in str(caught.value)
    assert {running.id for running in engine.containers.list(all=True)} <= before
    assert lab_home.leftovers() == []


def test_an_image_that_is_not_there_is_named_with_the_variable(
    suite: Suite, lab_home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGVITALS_IMAGE", "127.0.0.1:1/nowhere:1")
    with pytest.raises(LabError, match=r"'127\.0\.0\.1:1/nowhere:1' is not here and cannot be pulled") as caught:
        launch("container", suite=suite, persistent=False)
    assert "PGVITALS_IMAGE" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert lab_home.leftovers() == []


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.usefixtures("abandoned_sockets")
def test_a_state_outlives_its_engine_until_that_answers_again(
    suite: Suite, lab_home: Any, engine: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_server("container", suite=suite) as started:
        with monkeypatch.context() as without:
            without.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
            with pytest.raises(LabError, match="no Docker engine answers"):
                halt(started.state)
        assert all_states() == [started.state]
        assert len(containers(engine, started.state)) == 1
    assert lab_home.leftovers() == []
